"""Every page that we show: looked at in Chromium, by axe, and at every size.

Always: axe in light and dark, no sideways scroll at 320 pixels, targets, text at 200 %, in
English; and the fit at 320 pixels in every language. With `MFA_SCREENSHOTS=1` also a picture of
each page × language × width × scheme in `tests/browser/screenshots/`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.looking import findings, misfits, small_targets, text_size
from tests.browser.stops import STOPS, Stop

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parent / "screenshots"
PICTURES = bool(os.environ.get("MFA_SCREENSHOTS"))
LANGUAGES = ("en", "fr", "zh_Hans")
WIDTHS = {390: 844, 1280: 900}
SCHEMES = ("light", "dark")


def picture(page: Any, stop: Stop, language: str) -> None:
    """Keep pictures of the page as it stands."""
    FOLDER.mkdir(exist_ok=True)
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            name = f"{stop.name}.{language}.{width}.{scheme}.png"
            page.screenshot(path=FOLDER / name, full_page=True, animations="disabled")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.name)
def test_the_page_holds(visit: Any, axe: str, stop: Stop, language: str) -> None:
    tag = language.replace("_", "-")
    visitor = visit(
        holds=stop.holds, config=stop.config, user=stop.user, locale=tag, reduced_motion="reduce"
    )
    stop.reach(visitor)
    page = visitor.page
    said = [line for line in visitor.console if "Failed to load resource" not in line]
    wrong: list[str] = []
    if page.get_attribute("html", "lang") != tag:
        wrong.append(f"lang is {page.get_attribute('html', 'lang')}")
    if PICTURES:
        picture(page, stop, language)
    for scheme in SCHEMES if language == "en" or PICTURES else ():
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme=scheme)
        wrong += [f"{scheme}: {one}" for one in findings(page, axe, is_mail=stop.is_mail)]
    page.set_viewport_size({"width": 320, "height": 640})
    for percent in (100, 200):
        text_size(page, percent)
        wrong += [f"320 px, text at {percent} %: {one}" for one in misfits(page)]
        wrong += [f"320 px, text at {percent} %: small: {one}" for one in small_targets(page)]
    assert "\n".join(wrong) == ""
    assert said == []

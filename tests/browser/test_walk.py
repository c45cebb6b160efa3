"""Every page that we show: looked at in Chromium, by axe, and at every size.

Always, in English: axe in light and dark, no sideways scroll at 320 pixels, targets, text at
200 %, and a picture of each page × width × scheme in `tests/browser/screenshots/`; the fit at 320
pixels also in a language with longer texts and words (`longer.py`). With `MFA_LANGUAGES=all` in
the environment the same, and the pictures, in every language.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_melody_mfa.web import words
from tests.browser import longer
from tests.browser.looking import findings, misfits, small_targets, text_size
from tests.browser.stops import STOPS, Stop

pytestmark = pytest.mark.browser

FOLDER = Path(__file__).parent / "screenshots"
ALL = os.environ.get("MFA_LANGUAGES") == "all"
LONG = "de"
LANGUAGES = ("en", LONG, *(("fr", "zh_Hans") if ALL else ()))
WIDTHS = {390: 844, 1280: 900}
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module", autouse=True)
def longer_texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Beside the catalogues that ship, one with longer texts."""
    folder = longer.make(tmp_path_factory.mktemp("catalogues"), LONG)
    for shipped in words.CATALOGUES.iterdir():
        (folder / shipped.name).symlink_to(shipped)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "CATALOGUES", folder)
        words.catalogue.cache_clear()
        yield
    words.catalogue.cache_clear()


def picture(page: Any, stop: Stop, language: str) -> None:
    """Keep pictures of the page as it stands."""
    FOLDER.mkdir(exist_ok=True)
    for width, height in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            name = f"{stop.name}.{language}.{width}.{scheme}.png"
            page.screenshot(path=FOLDER / name, full_page=True, animations="disabled")


def faults(page: Any, stop: Stop, axe: str, schemes: tuple[str, ...]) -> list[str]:
    """What is wrong with the page as it is shown now."""
    wrong: list[str] = []
    page.set_viewport_size({"width": 1280, "height": 900})
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        wrong += [f"{scheme}: {one}" for one in findings(page, axe, is_mail=stop.is_mail)]
    page.set_viewport_size({"width": 320, "height": 640})
    for percent in (100, 200):
        text_size(page, percent)
        at = f"320 px, text at {percent} %"
        wrong += [f"{at}: {one}" for one in misfits(page)]
        wrong += [f"{at}: small: {one}" for one in small_targets(page)]
    return wrong


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.name)
def test_the_page_holds(visit: Any, axe: str, stop: Stop, language: str) -> None:
    tag = language.replace("_", "-")
    offered = {"MFA_LANGUAGES": ["en", LONG]} if language == LONG else {}
    visitor = visit(
        holds=stop.holds,
        config={**stop.config, **offered},
        user=stop.user,
        locale=tag,
        reduced_motion="reduce",
    )
    stop.reach(visitor)
    page = visitor.page
    said = [line for line in visitor.console if "Failed to load resource" not in line]
    assert page.get_attribute("html", "lang") == tag
    if language != LONG or ALL:
        picture(page, stop, language)
    wrong = faults(page, stop, axe, () if language == LONG else SCHEMES)
    assert "\n".join(wrong) == ""
    assert said == []

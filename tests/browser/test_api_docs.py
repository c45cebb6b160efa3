"""The page on which developers read the document of an API: English, without any script."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.looking import findings, misfits, text_size
from tests.browser.test_walk import FOLDER, SCHEMES

pytestmark = pytest.mark.browser


def test_the_documents_page_holds(visit: Any, axe: str) -> None:
    visitor = visit(config={"MFA_S2S_API": True}, reduced_motion="reduce")
    visitor.go("/mfa/s2s/v1/docs")
    page = visitor.page
    wrong: list[str] = []
    FOLDER.mkdir(exist_ok=True)
    for scheme in SCHEMES:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=FOLDER / f"api-docs.en.1280.{scheme}.png", animations="disabled")
        wrong += [f"{scheme}: {one}" for one in findings(page, axe)]
    page.set_viewport_size({"width": 320, "height": 640})
    page.screenshot(path=FOLDER / "api-docs.en.320.dark.png", animations="disabled")
    for percent in (100, 200):
        text_size(page, percent)
        wrong += [f"320 px, text at {percent} %: {one}" for one in misfits(page)]
    assert "\n".join(wrong) == ""
    said = [line for line in visitor.console if "Failed to load resource" not in line]
    assert said == [], "what a browser wants of the host is the host's: its icon"
    page.click("text=POST /token")
    assert page.url.endswith("#token")

"""Make the picture of the README anew: `python -m tests.browser.make_picture [--font Inter]`."""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.browser.site import BrowserHost, Site, Visitor
from tests.conftest import CHROMIUM

TARGET = Path(__file__).parent.parent.parent / "docs" / "images" / "pages.png"
SCALE = 1.2
SHEET = """<!doctype html><body style="margin:0;display:grid;grid-template-columns:auto auto;
gap:32px;justify-content:center;align-items:center;padding:36px;background:#eef0f5;width:1056px">
{enroll}{challenge}</body>"""


def card(visitor: Visitor, font: str) -> str:
    """The card of the page that is shown, as an image in HTML."""
    visitor.page.add_style_tag(
        content=f":root {{ --mfa-font: {font}; --mfa-card-shadow: none }}"
        "body, html { background: #eef0f5 !important }"
    )
    visitor.page.evaluate("document.activeElement.blur()")
    shown = visitor.page.locator(".mfa-card")
    box: Any = shown.bounding_box()
    data = base64.b64encode(shown.screenshot(animations="disabled")).decode()
    return f'<img width="{box["width"]}" src="data:image/png;base64,{data}">'


def main(font: str) -> None:
    """Take two cards, and lay them out."""
    folder = tempfile.mkdtemp()
    site = Site(
        BrowserHost(
            f"sqlite:///{folder}/host.db",
            MFA_ISSUER="Fernleaf",
            ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"],
        )
    )
    with sync_playwright() as running:
        path = shutil.which("chromium")
        chromium = running.chromium.launch(executable_path=path, args=list(CHROMIUM))
        look = {
            "bypass_csp": True,
            "viewport": {"width": 900, "height": 1000},
            "device_scale_factor": SCALE,
        }
        shown = {
            "enroll": Visitor(chromium, site, **look).sign_in().choose("otp"),
            "challenge": Visitor(chromium, site, holds=("otp", "email"), **look).sign_in(),
        }
        cards = {name: card(visitor, font) for name, visitor in shown.items()}
        page = chromium.new_page(viewport={"width": 1128, "height": 400}, device_scale_factor=SCALE)
        page.set_content(SHEET.format(**cards))
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=TARGET, full_page=True)
        chromium.close()
    site.close()
    print(f"{TARGET}: {TARGET.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(sys.argv[2] if sys.argv[1:2] == ["--font"] else "system-ui, sans-serif")

"""Fernleaf's pages in a browser: they fit a narrow screen, and their own policy lets them work."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import flask_migrate
import pytest
from werkzeug.serving import make_server

from example_app import create_app
from example_app.extensions import db
from example_app.post_room import EXTENSION, PostRoom
from tests.browser.looking import axe_source, findings, misfits, small_targets, text_size
from tests.browser.site import listen

pytestmark = pytest.mark.browser

PASSWORD = "a quiet evening with a book"
LONG = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"


@pytest.fixture(scope="module")
def axe() -> str:
    """The text of axe-core."""
    pytest.importorskip("axe_playwright_python")
    return axe_source()


@pytest.fixture
def site(sqlite_url: str) -> Iterator[tuple[str, PostRoom]]:
    """A running Fernleaf: its address, and its post room."""
    app = create_app(
        {
            "DEBUG": True,
            "SECRET_KEY": "s" * 40,
            "MFA_SECRET_KEYS": ["m" * 40],
            "SQLALCHEMY_DATABASE_URI": sqlite_url,
            "ALLOW_PASSKEY_ENROLLMENT": False,
        }
    )
    with app.app_context():
        flask_migrate.upgrade()
    room = app.extensions[EXTENSION]
    server = make_server("localhost", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}", room
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        here = app.extensions["melody_mfa"]
        if here.pool is not None:
            here.pool.drain(5)
        room.stop()
        with app.app_context():
            db.engine.dispose()


def enter_the_code(page: Any, room: PostRoom) -> None:
    """Ask for a code by mail, and send the newest one that arrived."""
    page.click("button:has-text('Send code')")
    page.wait_for_selector("#mfa-code")
    found = [re.search(r"^\d{6}$", mail.text, re.M) for mail in room.messages]
    page.fill("#mfa-code", [code[0] for code in found if code is not None][-1])
    page.keyboard.press("Enter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_320_pixels_at_twice_the_text_and_axe_finds_nothing(
    chromium: Any, site: tuple[str, PostRoom], axe: str, scheme: str
) -> None:
    base, room = site
    context = chromium.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    listen(page, said)
    wrong: list[str] = []

    def look(path: str = "") -> None:
        if path:
            page.goto(base + path)
        found = findings(page, axe)
        for percent in (100, 200):
            text_size(page, percent)
            found += [f"at {percent} %: {one}" for one in misfits(page) + small_targets(page)]
        text_size(page, 100)
        wrong.extend(f"{page.url}: {one}" for one in found)

    look("/")
    look("/login")
    look("/join")
    page.click("#submit")
    look()
    page.fill("#name", LONG)
    page.fill("#email", f"{LONG.lower()[:20]}@{'verein' * 8}.example".replace("ü", "ue"))
    page.fill("#password", PASSWORD)
    page.click("#submit")
    page.click("button[value=email]")
    enter_the_code(page, room)
    page.click("text=Not now")
    page.wait_for_url(base + "/shelf")
    page.fill("#title", LONG)
    page.fill("#author", LONG)
    page.fill("#note", LONG)
    page.click("#submit")
    look("/shelf")
    look("/settings")
    look("/outbox")
    look("/outbox/1")
    page.goto(base + "/billing")
    enter_the_code(page, room)
    page.wait_for_url(base + "/billing")
    look()
    context.close()
    assert "\n".join(wrong) == ""
    assert said == [], "nothing was blocked by the page's own policy"

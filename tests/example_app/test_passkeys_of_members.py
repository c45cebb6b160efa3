"""Fernleaf's own login form with a passkey: its button, and the browser's suggestions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import flask_migrate
import pytest
from werkzeug.serving import make_server

from example_app import create_app
from example_app.extensions import db
from example_app.models import User

pytestmark = pytest.mark.browser

PASSWORD = "a quiet evening with a book"


@pytest.fixture
def base(sqlite_url: str) -> Iterator[str]:
    """A running Fernleaf with one member, who need not set anything up; its address."""
    app = create_app(
        {
            "SECRET_KEY": "s" * 40,
            "MFA_SECRET_KEYS": ["m" * 40],
            "SQLALCHEMY_DATABASE_URI": sqlite_url,
            "ENABLE_RECOVERY_CODE": False,
            "ENFORCE_ONE_MFA_ENROLLMENT": [],
        }
    )
    with app.app_context():
        flask_migrate.upgrade()
        member = User(name="Dorothea", email="dorothea@example.org")
        member.set_password(PASSWORD)
        db.session.add(member)
        db.session.commit()
    server = make_server("localhost", 0, app, threaded=True)
    address = f"http://localhost:{server.server_port}"
    app.config["MFA_BASE_URL"] = address  # read at the first request
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield address
    server.shutdown()
    thread.join()
    server.server_close()
    with app.app_context():
        db.engine.dispose()


def test_a_member_makes_a_passkey_and_signs_in_by_button_and_by_suggestion(
    chromium: Any, base: str
) -> None:
    context = chromium.new_context(locale="en")
    context.set_default_timeout(15_000)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    cdp = context.new_cdp_session(page)
    cdp.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": False,
    }
    made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    def somebody_touches(touches: bool) -> None:
        cdp.send(
            "WebAuthn.setAutomaticPresenceSimulation",
            {"authenticatorId": made["authenticatorId"], "enabled": touches},
        )

    page.goto(base + "/login")
    page.get_by_label("Email address").fill("dorothea@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(base + "/mfa/enroll/passkey?**")
    somebody_touches(True)
    page.get_by_role("button", name="Make a passkey").click()
    page.wait_for_url(base + "/shelf")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(base + "/")
    somebody_touches(False)
    page.goto(base + "/login")
    page.wait_for_function("document.querySelector('#email').autocomplete.includes('webauthn')")
    somebody_touches(True)  # from the next ceremony on
    page.get_by_role("button", name="Sign in with a passkey").dispatch_event("click")
    page.wait_for_url(base + "/shelf")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(base + "/")
    page.goto(base + "/login")
    page.wait_for_url(base + "/shelf")  # the browser's suggestion was taken
    assert page.get_by_role("heading", level=1).inner_text() == "Dorothea’s shelf"
    context.close()
    assert said == [], "Fernleaf's own policy lets it work"

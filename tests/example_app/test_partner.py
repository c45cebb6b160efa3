"""Letterbox sends its members to Fernleaf for each policy, and gets them back with its state."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import parse_qs, urlsplit

import flask_migrate
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from example_app import create_app, partner
from example_app.extensions import db, mfa
from example_app.models import User
from flask_melody_mfa import PolicyResult
from flask_melody_mfa.testing import MFAClient

PAGE = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}
OWN = "http://localhost:9"
PASSKEYS = {"ALLOW_PASSKEY_ENROLLMENT": True}


@pytest.fixture
def fernleaf(sqlite_url: str) -> Iterator[Flask]:
    app = create_app(
        {
            "TESTING": True,
            "SECRET_KEY": "s" * 40,
            "MFA_SECRET_KEYS": ["m" * 40],
            "MFA_BASE_URL": "http://localhost",
            "MFA_MAIL_SENDER": "post@fernleaf.example",
            "ENFORCE_ONE_MFA_ENROLLMENT": ["otp"],
            "SQLALCHEMY_DATABASE_URI": sqlite_url,
            "MFA_CLIENTS": {partner.CLIENT_ID: partner.client_of(OWN)},
            "MFA_SMS_PROVIDER": "example_app.post_room.TextProvider",
            **PASSKEYS,
        }
    )
    app.test_client_class = MFAClient
    with app.app_context():
        flask_migrate.upgrade()
        user = User(name="Dorothea", email="dorothea@example.org", password_hash="-")
        db.session.add(user)
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def letterbox(fernleaf: Flask) -> Flask:
    def read(token: str) -> PolicyResult | None:
        with fernleaf.app_context():
            return mfa.read_policy_result(token)

    app = partner.create_partner("http://localhost", OWN, read)
    app.testing = True
    return app


def signed_in(fernleaf: Flask) -> FlaskClient:
    """A member who has just proven the authenticator."""
    with fernleaf.app_context():
        user = db.session.get(User, 1)
        return fernleaf.test_client(user=user, mfa=True, factors={"otp"})  # type: ignore[call-arg]


def send(client: FlaskClient, page: TestResponse, **fields: str) -> TestResponse:
    """Send the form of a page that carries the visit, with its hidden fields."""
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    values = {name: unescape(value) for name, value in hidden.items()}
    return client.post(page.request.full_path, data={**values, **fields}, headers=PAGE)


def back_at(letterbox: FlaskClient, answer: TestResponse) -> str:
    """The answer leads to Letterbox; what it says then."""
    location = answer.headers["Location"]
    assert location.startswith(f"{OWN}/back?")
    return letterbox.get(location.removeprefix(OWN), follow_redirects=True).text


@pytest.mark.parametrize(
    ("policy", "fields", "said"),
    [
        ("manage_passkey", {"done": "1"}, "Your passkeys are as you want them."),
        ("manage_device", {"done": "1"}, "Your devices are as you want them."),
        ("manage_device", {"cancel": "1"}, "You came back without a change."),
        ("manage_recovery_code", {"cancel": "1"}, "You came back without a change."),
        ("reset_mfa", {"cancel": "1"}, "You came back without a change."),
    ],
)
def test_each_policy_is_opened_and_its_result_is_read(
    fernleaf: Flask, letterbox: Flask, policy: str, fields: dict[str, str], said: str
) -> None:
    visitor, member = letterbox.test_client(), signed_in(fernleaf)
    assert f'href="/go/{policy}"' in visitor.get("/").text
    link = urlsplit(visitor.get(f"/go/{policy}").headers["Location"])
    page = member.get(f"{link.path}?{link.query}", headers=PAGE)
    assert page.status_code == 200
    assert "Letterbox" in page.text or policy in ("reset_mfa", "manage_recovery_code")
    assert said in back_at(visitor, send(member, page, **fields))


def test_new_recovery_codes_are_made_on_the_way(fernleaf: Flask, letterbox: Flask) -> None:
    visitor, member = letterbox.test_client(), signed_in(fernleaf)
    link = urlsplit(visitor.get("/go/manage_recovery_code").headers["Location"])
    page = member.get(f"{link.path}?{link.query}", headers=PAGE)
    sheet = send(member, page, make="1")
    assert "Save your recovery codes" in sheet.text
    assert "You have new recovery codes." in back_at(visitor, send(member, sheet, saved="1"))


def test_an_answer_to_somebody_elses_visit_is_refused(fernleaf: Flask, letterbox: Flask) -> None:
    visitor, stranger, member = (
        letterbox.test_client(),
        letterbox.test_client(),
        signed_in(fernleaf),
    )
    link = urlsplit(visitor.get("/go/manage_device").headers["Location"])
    page = member.get(f"{link.path}?{link.query}", headers=PAGE)
    location = send(member, page, done="1").headers["Location"].removeprefix(OWN)
    assert stranger.get(location).status_code == 400
    stranger.get("/go/manage_device")
    assert stranger.get(location).status_code == 400
    assert visitor.get(location).status_code == 302
    assert visitor.get(location).status_code == 400  # once
    query = parse_qs(urlsplit(location).query)
    token = query["result_token"][0]
    assert visitor.get(f"/back?result=done&result_token={token[:-3]}").status_code == 400


def test_the_settings_lead_to_the_account_page(fernleaf: Flask) -> None:
    member = signed_in(fernleaf)
    assert 'href="/mfa/account"' in member.get("/settings", headers=PAGE).text
    page = member.get("/mfa/account", headers=PAGE)
    assert page.status_code == 200
    assert "Account security" in page.text
    assert "dorothea@example.org" in page.text


def test_forms_of_fernleaf_may_end_at_letterbox(fernleaf: Flask) -> None:
    """Else a browser would not follow the way back (CSP, form-action)."""
    member = signed_in(fernleaf)
    policy = member.get("/settings", headers=PAGE).headers["Content-Security-Policy"]
    assert f"form-action 'self' {OWN};" in policy

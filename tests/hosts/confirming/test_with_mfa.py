"""The members' site with MFA: its hooks see nobody before the second proof."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_melody_mfa.testing import assert_requires_mfa, finish_sign_in, otp_code

from .app import User, create_app, db
from .test_host import add_user, visits

PAGE = {"Accept": "text/html"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(True, f"sqlite:///{tmp_path / 'members.db'}")
    yield app
    with app.app_context():
        db.engine.dispose()


def give_password(client: FlaskClient, email: str, **more: str) -> TestResponse:
    return client.post("/auth/login", data={"email": email, "password": "cat", **more})


@pytest.fixture
def ada(app: Flask) -> str:
    return add_user(app, "ada", True)


@pytest.fixture
def client(app: Flask, ada: str) -> FlaskClient:
    """Somebody who gave Ada's password, asked to be remembered, and proved nothing."""
    client = app.test_client()
    assert give_password(client, ada, remember="y").location == "/mfa/challenge?next=/"
    return client


@pytest.mark.check("E01")
def test_hooks_and_pages_see_nobody_meanwhile(app: Flask, client: FlaskClient, ada: str) -> None:
    for path in ("/", "/secret", "/auth/unconfirmed", "/nowhere"):
        answer = client.get(path, headers=PAGE)
        assert "Ada" not in answer.text
    assert_requires_mfa(client, "/secret")
    assert visits(app, ada) == 0


@pytest.mark.check("E01")
def test_the_login_page_and_an_error_page_are_those_of_a_stranger(client: FlaskClient) -> None:
    stranger = client.application.test_client()
    for path in ("/auth/login", "/nowhere"):
        there, here = stranger.get(path), client.get(path)
        assert (here.status_code, here.text) == (there.status_code, there.text)


def test_what_the_login_view_says_is_said_once_it_is_true(client: FlaskClient) -> None:
    page = client.get("/mfa/challenge", headers=PAGE, follow_redirects=True)
    assert page.request.path == "/mfa/challenge/otp"
    assert "Welcome" not in page.text
    with client.application.app_context():
        code = otp_code(db.session.get(User, 1))
    client.post("/mfa/challenge/otp", data={"code": code})
    assert "Welcome, Ada." in client.get("/").text


def test_what_it_said_dies_with_a_sign_in_that_is_given_up(client: FlaskClient, ada: str) -> None:
    client.post("/mfa/challenge/cancel", headers=PAGE)
    finish_sign_in(client, give_password(client, ada))
    assert client.get("/").text.count("Welcome, Ada.") == 1


@pytest.mark.check("E03")
def test_the_remember_cookie_comes_with_the_proof(client: FlaskClient, ada: str) -> None:
    assert client.get_cookie("remember_token") is None
    finish_sign_in(client, client.get("/secret", headers=PAGE))
    assert client.get_cookie("remember_token") is not None


@pytest.mark.check("E16")
def test_the_logout_view_ends_a_sign_in_though_it_wants_a_login(client: FlaskClient) -> None:
    before = client.get_cookie("session")
    assert before is not None
    assert client.get("/auth/logout", headers=PAGE).location.startswith("/auth/login")
    thief = client.application.test_client()
    thief.set_cookie("session", before.value)
    assert thief.get("/mfa/challenge/otp", headers=PAGE).location.startswith("/auth/login")


def test_an_unconfirmed_member_proves_a_factor_before_anything_is_said(app: Flask) -> None:
    bob = add_user(app, "bob", True, confirmed=False)
    client = app.test_client()
    answer = give_password(client, bob)
    assert client.get("/secret", headers=PAGE).location.startswith("/mfa/challenge")
    assert client.get("/auth/unconfirmed", headers=PAGE).location.startswith("/mfa/challenge")
    finish_sign_in(client, answer)
    assert client.get("/secret").location == "/auth/unconfirmed"


def test_a_member_without_a_factor_sets_one_up(app: Flask) -> None:
    with app.app_context():
        eve = User(email="eve@example.org", name="Eve", confirmed=True, visits=0)
        eve.set_password("cat")
        db.session.add(eve)
        db.session.commit()
    client = app.test_client()
    answer = give_password(client, "eve@example.org")
    page = client.get(answer.location, headers=PAGE, follow_redirects=True)
    assert page.request.path == "/mfa/enroll/otp"
    finish_sign_in(client, answer)
    assert "For members only" in client.get("/secret").text

"""The members' site's own suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_melody_mfa.testing import enroll, finish_sign_in  # MFA

from .app import User, create_app, db, signer


@pytest.fixture
def app(with_mfa: bool, tmp_path: Path) -> Iterator[Flask]:
    app = create_app(with_mfa, f"sqlite:///{tmp_path / 'members.db'}")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def ada(app: Flask, with_mfa: bool) -> str:
    return add_user(app, "ada", with_mfa)


def add_user(app: Flask, name: str, with_mfa: bool, *, confirmed: bool = True) -> str:
    email = f"{name}@example.org"
    with app.app_context():
        user = User(email=email, name=name.title(), confirmed=confirmed, visits=0)
        user.set_password("cat")
        db.session.add(user)
        db.session.commit()
        with_mfa and enroll(user, "otp")  # MFA
    return email


def sign_in(client: FlaskClient, email: str, password: str = "cat", **more: Any) -> Any:
    target = more.pop("target", "/auth/login")
    answer = client.post(target, data={"email": email, "password": password, **more})
    answer = finish_sign_in(client, answer)  # MFA
    return answer


def visits(app: Flask, email: str) -> int:
    with app.app_context():
        return int(db.session.scalar(db.select(User.visits).filter_by(email=email)) or 0)


def test_the_front_page_is_for_everyone(client: FlaskClient) -> None:
    assert "Sign in" in client.get("/").text


def test_a_stranger_is_sent_to_the_login_page(client: FlaskClient) -> None:
    answer = client.get("/secret")
    assert answer.status_code == 302
    assert answer.location == "/auth/login?next=%2Fsecret"


def test_signing_in(client: FlaskClient, ada: str) -> None:
    answer = sign_in(client, ada)
    assert answer.location == "/"
    page = client.get("/").text
    assert "Signed in as Ada" in page
    assert "Welcome, Ada." in page
    assert "For members only" in client.get("/secret").text


def test_signing_in_goes_on_to_where_one_was_headed(client: FlaskClient, ada: str) -> None:
    target = client.get("/secret").location
    assert sign_in(client, ada, target=target).location == "/secret"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
def test_signing_in_leads_nowhere_else(client: FlaskClient, ada: str, target: str) -> None:
    assert sign_in(client, ada, target=f"/auth/login?next={target}").location == "/"


def test_a_wrong_password(client: FlaskClient, ada: str) -> None:
    answer = sign_in(client, ada, "dog")
    assert answer.status_code == 200
    assert "Wrong email or password." in answer.text
    assert client.get("/secret").status_code == 302


def test_being_remembered(client: FlaskClient, ada: str) -> None:
    sign_in(client, ada)
    assert client.get_cookie("remember_token") is None
    client.get("/auth/logout")
    sign_in(client, ada, remember="y")
    assert client.get_cookie("remember_token") is not None


def test_signing_out(client: FlaskClient, ada: str) -> None:
    sign_in(client, ada, remember="y")
    answer = client.get("/auth/logout", follow_redirects=True)
    assert "You are signed out." in answer.text
    assert client.get_cookie("remember_token") is None
    assert client.get("/secret").status_code == 302


def test_only_members_can_sign_out(client: FlaskClient) -> None:
    assert client.get("/auth/logout").location.startswith("/auth/login")


def test_visits_are_counted(app: Flask, client: FlaskClient, ada: str) -> None:
    assert visits(app, ada) == 0
    sign_in(client, ada)
    for _ in range(3):
        client.get("/")
    assert visits(app, ada) == 3
    client.get("/secret")
    assert visits(app, ada) == 4


def test_an_unconfirmed_member_sees_nothing_but_the_request(app: Flask, with_mfa: bool) -> None:
    bob = add_user(app, "bob", with_mfa, confirmed=False)
    client = app.test_client()
    sign_in(client, bob)
    for path in ("/", "/secret"):
        assert client.get(path).location == "/auth/unconfirmed"
    assert "Confirm your account" in client.get("/auth/unconfirmed").text


def test_the_link_of_the_mail_confirms(app: Flask, with_mfa: bool) -> None:
    bob = add_user(app, "bob", with_mfa, confirmed=False)
    client = app.test_client()
    sign_in(client, bob)
    assert "The link is not valid." in client.get("/auth/confirm/x", follow_redirects=True).text
    link = f"/auth/confirm/{signer().dumps(1)}"
    assert "Thank you." in client.get(link, follow_redirects=True).text
    assert client.get("/secret").status_code == 200


def test_the_link_of_another_member_confirms_nobody(app: Flask, with_mfa: bool, ada: str) -> None:
    bob = add_user(app, "bob", with_mfa, confirmed=False)
    client = app.test_client()
    sign_in(client, bob)
    client.get(f"/auth/confirm/{signer().dumps(1)}")
    assert client.get("/secret").location == "/auth/unconfirmed"


def test_a_page_that_is_not_there(client: FlaskClient, ada: str) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "Sign in" in answer.text
    sign_in(client, ada)
    assert "Signed in as Ada" in client.get("/nowhere").text

"""The suite of the weather stations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_melody_mfa.testing import enroll, finish_sign_in  # MFA

from .app import Account, create_app, db

PASSWORD = "correct horse"
STATION = ("pole-7", "battery staple")


@pytest.fixture
def app(with_mfa: bool, tmp_path: Path) -> Iterator[Flask]:
    app = create_app(f"sqlite:///{tmp_path}/stations.sqlite", with_mfa)
    with app.app_context():
        db.create_all()
        db.session.add(Account.make("ada", PASSWORD))
        db.session.add(Account.make(*STATION, kind="station"))
        db.session.commit()
        with_mfa and enroll(find("ada"), "otp")  # MFA
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def machine(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


def find(login: str) -> Account:
    return db.session.execute(db.select(Account).filter_by(login=login)).scalar_one()


def sign_in(browser: FlaskClient, login: str = "ada", password: str = PASSWORD) -> Any:
    answer = browser.post("/api/session", json={"login": login, "password": password})
    answer = finish_sign_in(browser, answer)  # MFA
    return answer if answer.status_code >= 400 else browser.get("/api/session")


class TestPeople:
    def test_sign_in_and_see_their_profile(self, browser: FlaskClient) -> None:
        profile = sign_in(browser).get_json()
        assert profile == {"login": "ada", "name": "Ada", "kind": "person"}

    def test_stay_signed_in(self, browser: FlaskClient) -> None:
        sign_in(browser)
        assert browser.get_cookie("remember_token") is not None

    def test_need_the_right_password(self, browser: FlaskClient) -> None:
        answer = sign_in(browser, password="battery staple")
        assert answer.status_code == 403
        assert answer.get_json() == {"error": "unknown login or wrong password"}
        assert browser.get("/api/session").status_code == 401

    def test_sign_out(self, browser: FlaskClient) -> None:
        sign_in(browser)
        assert browser.delete("/api/session").status_code == 204
        assert browser.get("/api/session").status_code == 401

    def test_look_at_the_board(self, browser: FlaskClient) -> None:
        assert browser.get("/").status_code == 401
        sign_in(browser)
        assert "Hello Ada" in browser.get("/").text

    def test_cannot_send_readings(self, browser: FlaskClient) -> None:
        sign_in(browser)
        assert browser.post("/api/readings", json={"celsius": 30}).status_code == 403

    def test_are_counted_and_machines_are_not(
        self, app: Flask, browser: FlaskClient, machine: FlaskClient
    ) -> None:
        sign_in(browser)
        browser.get("/api/readings")
        machine.get("/api/readings", auth=STATION)
        assert app.config["SEEN"] == ["ada", "ada"]


class TestMachines:
    def test_send_readings_by_password(self, machine: FlaskClient, browser: FlaskClient) -> None:
        for celsius in (3.5, -1.0):
            answer = machine.post("/api/readings", json={"celsius": celsius}, auth=STATION)
            assert answer.status_code == 201
        sign_in(browser)
        assert browser.get("/api/readings").get_json() == [
            {"station": "pole-7", "celsius": 3.5},
            {"station": "pole-7", "celsius": -1.0},
        ]

    @pytest.mark.parametrize("auth", [None, ("pole-7", "wrong"), ("nobody", "x"), ("", "")])
    def test_need_the_right_password(self, machine: FlaskClient, auth: Any) -> None:
        answer = machine.get("/api/readings", auth=auth)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")

    def test_use_a_persons_token(self, browser: FlaskClient, machine: FlaskClient) -> None:
        sign_in(browser)
        token = browser.post("/api/tokens").get_json()["token"]
        answer = machine.get("/api/readings", headers={"Authorization": f"Bearer {token}"})
        assert answer.get_json() == []

    def test_need_a_token_that_exists(self, machine: FlaskClient) -> None:
        answer = machine.get("/api/readings", headers={"Authorization": "Bearer none"})
        assert answer.status_code == 401

    def test_get_no_cookie(self, app: Flask) -> None:
        answer = app.test_client().get("/api/readings", auth=STATION)
        assert "Set-Cookie" not in answer.headers


def test_everyone_may_read_about_it(browser: FlaskClient) -> None:
    assert "About" in browser.get("/about").text

"""The weather stations with MFA: what a password alone gets, from a browser and from a machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_melody_mfa import mfa_required
from flask_melody_mfa.testing import enroll, finish_sign_in, freeze

from .app import Account, Token, create_app, db
from .test_host import PASSWORD, STATION, find, sign_in

ADA = ("ada", PASSWORD)


@pytest.fixture(params=["sets a factor up", "holds a factor"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """The gate is owed by who holds something, and by who must set something up."""
    app = create_app(f"sqlite:///{tmp_path}/stations.sqlite", True)
    with app.app_context():
        db.create_all()
        db.session.add(Account.make(*ADA))
        db.session.add(Account.make("bob", PASSWORD))
        db.session.add(Account.make(*STATION, kind="station"))
        db.session.commit()
        db.session.add(Token(value="t" * 40, account=find("ada")))
        db.session.commit()
        if request.param == "holds a factor":
            enroll(find("ada"), "otp")
    yield app
    with app.app_context():
        db.engine.dispose()


def fetching(app: Flask) -> FlaskClient:
    """What `fetch` in a browser, or `curl`, sends."""
    client = app.test_client()
    client.environ_base["HTTP_ACCEPT"] = "*/*"
    return client


def give_password(client: FlaskClient) -> TestResponse:
    return client.post("/api/session", json={"login": "ada", "password": PASSWORD})


def is_refused(answer: TestResponse) -> bool:
    """Whether an answer is 401 `mfa_required`, as a problem, and nothing more."""
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["code"] == "mfa_required"
    assert "Ada" not in answer.text and '"ada"' not in answer.text
    return True


@pytest.mark.check("E02", "E03", "E04")
def test_the_login_answers_401_without_profile_and_remember_cookie(app: Flask) -> None:
    browser = fetching(app)
    answer = give_password(browser)
    assert is_refused(answer)
    assert answer.get_json()["challenge_url"] == "/mfa/challenge"
    assert browser.get_cookie("remember_token") is None
    assert not any("remember_token" in header for header in answer.headers.getlist("Set-Cookie"))
    for path in ("/api/session", "/api/readings"):
        assert is_refused(browser.get(path))
    assert is_refused(browser.post("/api/tokens"))
    with app.app_context():
        assert len(db.session.scalars(db.select(Token)).all()) == 1
    assert app.config["SEEN"] == []


def test_after_the_proof_the_profile_and_the_remember_cookie_come(app: Flask) -> None:
    browser = fetching(app)
    finish_sign_in(browser, give_password(browser))
    assert browser.get("/api/session").get_json()["login"] == "ada"
    assert browser.get_cookie("remember_token") is not None


@pytest.mark.check("E02")
def test_the_password_of_a_person_is_not_enough_for_the_api(app: Flask) -> None:
    machine = fetching(app)
    for path in ("/api/session", "/api/readings", "/"):
        answer = machine.get(path, auth=ADA)
        assert is_refused(answer)
        assert "Set-Cookie" not in answer.headers
    assert is_refused(machine.post("/api/tokens", auth=ADA))


@pytest.mark.check("E02")
def test_a_proof_in_a_browser_lets_no_header_in(app: Flask) -> None:
    browser = fetching(app)
    sign_in(browser)
    assert is_refused(fetching(app).get("/api/readings", auth=ADA))
    # The cookie is Ada's, whatever else is sent along; what it proved is not lent to Bob.
    assert browser.get("/api/session", auth=("bob", PASSWORD)).get_json()["login"] == "ada"
    browser.delete("/api/session")
    assert is_refused(browser.get("/api/session", auth=("bob", PASSWORD)))


def test_machines_that_the_host_vouches_for_are_let_in(app: Flask) -> None:
    machine = fetching(app)
    for header in ({"auth": STATION}, {"headers": {"Authorization": f"Bearer {'t' * 40}"}}):
        answer = machine.get("/api/readings", **header)  # type: ignore[arg-type]
        assert answer.get_json() == []
        assert "Set-Cookie" not in answer.headers
    assert machine.get("/api/readings", auth=(STATION[0], "wrong")).status_code == 401


def test_a_token_does_not_open_what_asks_for_a_fresh_proof(app: Flask) -> None:
    app.add_url_rule("/wipe", "wipe", mfa_required(max_age=60)(lambda: "wiped"), methods=["POST"])
    answer = fetching(app).post("/wipe", headers={"Authorization": f"Bearer {'t' * 40}"})
    assert answer.status_code == 403
    assert answer.get_json()["code"] == "step_up_required"


@pytest.mark.check("E16")
def test_a_sign_in_is_given_up_by_the_logout_of_the_api(app: Flask) -> None:
    browser = fetching(app)
    give_password(browser)
    assert browser.delete("/api/session").status_code == 204
    assert browser.get("/api/session").get_json() == {"error": "sign in first"}


def test_a_remembered_browser_proves_a_factor_too(app: Flask) -> None:
    browser = fetching(app)
    with freeze(app) as clock:
        sign_in(browser)
        browser.delete_cookie("session")
        clock.tick(60)
        answer = browser.get("/api/session")
        assert is_refused(answer)
        finish_sign_in(browser, answer)
        assert browser.get("/api/session").get_json()["login"] == "ada"

"""The auction's suite: everything goes through the forms, with their tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_melody_mfa.testing import finish_sign_in  # MFA

from .app import Lot, add_bidder, create_app, db


class Browser:
    def __init__(self, app: Flask) -> None:
        self.http: FlaskClient = app.test_client()
        self.http.environ_base["HTTP_ACCEPT"] = "text/html,*/*;q=0.8"

    def see(self, path: str) -> str:
        answer = self.http.get(path, follow_redirects=True)
        assert answer.status_code == 200, answer.status
        return answer.text

    def send(self, path: str, page: str = "/", **form: Any) -> Any:
        found = re.search(r'<meta name="csrf" content="([^"]+)"', self.see(page))
        assert found is not None
        data = {"csrf_token": found[1], **form}
        return self.http.post(path, data=data, headers={"Referer": f"http://localhost{page}"})

    def enter(self, nick: str, password: str = "hammer", query: str = "") -> Any:
        answer = self.send(f"/enter{query}", nick=nick, password=password)
        answer = finish_sign_in(self.http, answer)  # MFA
        return answer


@pytest.fixture
def app(with_mfa: bool, tmp_path: Path) -> Iterator[Flask]:
    app = create_app(tmp_path, with_mfa)
    with app.app_context():
        db.create_all()
        add_bidder("mallet", "hammer")
        add_bidder("tongs", "hammer")
        db.session.add(Lot(what="A clock", price=10))
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


def test_everyone_sees_the_lots(browser: Browser) -> None:
    assert "A clock" in browser.see("/")
    assert "A clock: 10" in browser.see("/lots/1")


def test_the_page_has_a_policy(browser: Browser) -> None:
    answer = browser.http.get("/")
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce is not None
    assert f'<script nonce="{nonce[1]}">' in answer.text


def test_enter_and_leave(browser: Browser) -> None:
    assert browser.enter("mallet").status_code in (302, 303)
    assert "Good luck, mallet!" in browser.see("/")
    browser.send("/logout")
    assert "<button>Enter</button>" in browser.see("/")


def test_entering_comes_back_to_the_lot(browser: Browser) -> None:
    assert browser.enter("mallet", query="?next=/lots/1").location == "/lots/1"
    browser.send("/logout")
    assert browser.enter("mallet", query="?next=//evil.example").location == "/"


def test_another_password(browser: Browser) -> None:
    browser.enter("mallet", "sickle")
    page = browser.see("/")
    assert "No such bidder, or another password." in page
    assert "<button>Enter</button>" in page


def test_a_bid(browser: Browser) -> None:
    browser.enter("mallet")
    answer = browser.send("/lots/1/bid", page="/lots/1", price=12)
    assert answer.location == "/lots/1"
    page = browser.see("/lots/1")
    assert "Your bid is the highest." in page
    assert "A clock: 12" in page and "by mallet" in page


def test_a_bid_that_is_too_low(browser: Browser) -> None:
    browser.enter("mallet")
    browser.send("/lots/1/bid", page="/lots/1", price=10)
    assert "Too low." in browser.see("/lots/1")


def test_a_stranger_cannot_bid(browser: Browser) -> None:
    answer = browser.send("/lots/1/bid", page="/lots/1", price=12)
    assert answer.status_code == 302
    assert answer.location.startswith("/?next=")
    assert "A clock: 10" in browser.see("/lots/1")


def test_a_form_without_a_token_does_nothing(browser: Browser) -> None:
    browser.enter("mallet")
    assert browser.http.post("/lots/1/bid", data={"price": 12}).status_code == 400
    assert "A clock: 10" in browser.see("/lots/1")


@pytest.mark.parametrize("path", ["/lots/1/bid", "/enter", "/logout", "/lots"])
def test_what_changes_something_is_a_post(browser: Browser, path: str) -> None:
    browser.enter("mallet")
    assert browser.http.get(path).status_code == 405


def test_a_new_lot(browser: Browser) -> None:
    browser.enter("tongs")
    assert browser.send("/lots", what="").status_code == 422
    browser.send("/lots", what="An anvil")
    assert "An anvil" in browser.see("/")


def test_polling(app: Flask, browser: Browser) -> None:
    def poll(who: Browser) -> Any:
        return who.http.get("/latest", headers={"Accept": "*/*"}).get_json()

    other = Browser(app)
    assert poll(browser) == {"prices": {"1": 10}, "mine": []}
    browser.enter("mallet")
    browser.send("/lots/1/bid", page="/lots/1", price=11)
    assert poll(browser) == {"prices": {"1": 11}, "mine": [1]}
    assert poll(other) == {"prices": {"1": 11}, "mine": []}

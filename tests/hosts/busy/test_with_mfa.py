"""The auction with MFA: polls, forms and async views of somebody who has not proven enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_melody_mfa.testing import enroll, finish_sign_in

from .app import Bidder, Lot, add_bidder, create_app, db
from .test_host import Browser

FETCH = {"Accept": "*/*", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(tmp_path, True)
    with app.app_context():
        db.create_all()
        for nick in ("mallet", "tongs"):
            enroll(add_bidder(nick, "hammer"), "otp")
        db.session.add(Lot(what="A clock", price=10))
        db.session.commit()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def browser(app: Flask) -> Browser:
    """Somebody who gave the password of `mallet` and no more."""
    browser = Browser(app)
    give_password(browser, "mallet")
    return browser


def give_password(browser: Browser, nick: str) -> Any:
    """Without the second step that the suite's own `enter` takes."""
    return browser.send("/enter", nick=nick, password="hammer")


def rows(app: Flask, table: str) -> list[Any]:
    with app.app_context():
        return list(db.session.execute(db.metadata.tables[table].select()).all())


@pytest.mark.check("E01")
def test_a_poll_is_refused_and_changes_nothing(app: Flask, browser: Browser) -> None:
    browser.see("/mfa/challenge")
    before = rows(app, "mfa_challenge"), rows(app, "mfa_event")
    cookie = browser.http.get_cookie("session")
    for _ in range(3):
        answer = browser.http.get("/latest", headers=FETCH)
        assert answer.status_code == 401
        assert answer.get_json()["code"] == "mfa_required"
        assert "Set-Cookie" not in answer.headers
    assert (rows(app, "mfa_challenge"), rows(app, "mfa_event")) == before
    assert browser.http.get_cookie("session") == cookie
    page = browser.see("/mfa/challenge")
    assert "latest" not in re.sub(r"(?s)<script.*?</script>", "", page)


def test_polls_do_not_move_where_the_sign_in_goes_on(app: Flask) -> None:
    browser = Browser(app)
    answer = browser.send("/enter?next=/lots/1", nick="mallet", password="hammer")
    browser.http.get("/latest", headers=FETCH)
    assert finish_sign_in(browser.http, answer).location == "/lots/1"


@pytest.mark.check("E01", "E09")
def test_an_interrupted_bid_is_not_made_and_its_page_comes_back(
    app: Flask, browser: Browser
) -> None:
    answer = browser.send("/lots/1/bid", page="/mfa/challenge/otp", price=50)
    assert answer.location.startswith("/mfa/challenge")
    headers = {"Referer": "http://localhost/lots/1"}
    answer = browser.http.post("/lots/1/bid", data={"price": 50}, headers=headers)
    assert answer.location == "/mfa/challenge?next=/lots/1"
    assert "Nothing was saved." in browser.see(answer.location)
    assert finish_sign_in(browser.http, answer).location == "/lots/1"
    assert "A clock: 10" in browser.see("/lots/1")
    browser.send("/lots/1/bid", page="/lots/1", price=50)
    assert "A clock: 50" in browser.see("/lots/1")


@pytest.mark.check("E01")
def test_async_views_are_guarded(browser: Browser) -> None:
    answer = browser.http.get("/lots/1")
    assert answer.location == "/mfa/challenge?next=/lots/1"
    assert "mallet" not in answer.text


def test_the_front_page_with_the_login_form_shows_nobody(browser: Browser) -> None:
    page = browser.see("/")
    assert "<button>Enter</button>" in page
    assert "mallet" not in page


def test_another_bidder_may_enter_in_the_same_browser(browser: Browser) -> None:
    answer = give_password(browser, "tongs")
    finish_sign_in(browser.http, answer)
    assert "tongs" in browser.see("/")
    assert "mallet" not in browser.see("/")


def test_a_wrong_password_leaves_the_pending_sign_in_where_it_was(browser: Browser) -> None:
    browser.send("/enter", nick="tongs", password="wrong")
    assert "No such bidder" in browser.see("/")
    finish_sign_in(browser.http, browser.http.get("/lots/1"))
    assert "mallet" in browser.see("/")


@pytest.mark.check("H06")
def test_our_pages_sit_in_the_hosts_layout_under_its_policy(browser: Browser) -> None:
    answer = browser.http.get("/mfa/challenge/otp")
    assert "https://cdn.example/gavel/3.2/gavel.min.css" in answer.text
    assert "– Gavel</title>" in answer.text
    policy = answer.headers.getlist("Content-Security-Policy")
    assert len(policy) == 1 and "cdn.example" in policy[0]
    nonce = re.search(r"'nonce-([^']+)'", policy[0])
    assert nonce is not None
    scripts = re.findall(r"<script[^>]*>", answer.text)
    ours = [script for script in scripts if "/mfa/static/" in script]
    assert len(ours) == 1
    assert f'nonce="{nonce[1]}"' in ours[0]
    assert " style=" not in answer.text and "<style" not in answer.text


@pytest.mark.check("H01")
def test_a_code_without_its_token_is_refused(app: Flask, browser: Browser) -> None:
    page = browser.http.get("/mfa/challenge/otp")
    assert browser.http.post("/mfa/challenge/otp", data={"code": "123456"}).status_code == 400
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token is not None
    data = {"code": "000000", "csrf_token": token[1]}
    assert browser.http.post("/mfa/challenge/otp", data=data).status_code == 401


@pytest.mark.check("N05")
def test_a_deleted_bidder_takes_the_factors_along(app: Flask, browser: Browser) -> None:
    with app.app_context():
        db.session.delete(db.session.get(Bidder, "mallet"))
        db.session.commit()
        assert {row.user_key for row in rows(app, "mfa_credential")} == {"tongs"}
        add_bidder("mallet", "hammer")
    again = Browser(app)
    answer = give_password(again, "mallet")
    assert again.http.get(answer.location, follow_redirects=True).request.path == "/mfa/enroll/otp"

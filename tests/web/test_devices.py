"""Remembered devices: earned, carried in a cookie, used up at each sign-in, and ended."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from flask_melody_mfa.core.errors import ChallengeOver
from flask_melody_mfa.core.signed import Purpose
from flask_melody_mfa.core.types import FactorKind, Proof
from flask_melody_mfa.flows import devices
from flask_melody_mfa.flows import sign_in as sign_in_flow
from flask_melody_mfa.web.device_cookie import MOST
from flask_melody_mfa.web.state import context, state
from tests.host import PHONE, Host, Person, totp
from tests.recovering import (
    ADA,
    BOB,
    CHALLENGE,
    Make,
    arrive,
    codes_of,
    device_cookies,
    is_asked,
    new_browser,
    sign_in,
    statements,
)

DAY = 86_400
ON = {"ENABLE_MFA_REMEMBER_DEVICE": True, "ENABLE_RECOVERY_CODE": True}


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host with remembered devices and recovery codes."""
    return make_host(**ON)


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator, and codes, so that none are offered."""
    user = host.user(phone=PHONE)
    host.enroll(user, "otp")
    codes_of(host, user)
    return user


def remember(host: Host, user: int, *, email: str = ADA) -> Person:
    """A person whose browser is remembered, signed out again."""
    person = sign_in(host, user, email=email, remember_device="1")
    person.get("/logout")
    return person


def cookie_header(answer: TestResponse | None) -> str:
    """The `Set-Cookie` of a device in an answer."""
    assert answer is not None
    found = [h for h in answer.headers.getlist("Set-Cookie") if "mfa_device_" in h]
    assert len(found) == 1
    return found[0]


# The cookie


@pytest.mark.check("D01", "C01")
@pytest.mark.reference(25, 60, 100)
def test_the_cookie_is_the_browsers_alone_and_opaque(make_host: Make) -> None:
    host = make_host(**ON, MFA_BASE_URL="https://localhost")
    ada = host.user()
    host.enroll(ada, "otp")
    with host.clock() as clock:
        person = Person(host)
        base = {"base_url": "https://localhost"}
        person.post("/login", {"email": ADA, "password": "pw"}, **base)
        person.get("/mfa/challenge/otp", **base)
        person.post("/mfa/challenge/otp", {"code": host.otp(ada), "remember_device": "1"}, **base)
        header = cookie_header(person.page)
        row = host.rows("mfa_device")[0]
        assert row["expires_at"] == clock.now + 30 * DAY * 1000
    pair, *attributes = header.split("; ")
    name, value = pair.split("=", 1)
    assert re.fullmatch(r"__Host-mfa_device_[0-9a-f]{16}", name)
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)
    age = next(int(a.partition("=")[2]) for a in attributes if a.startswith("Max-Age"))
    assert 30 * DAY - 2 <= age <= 2_592_000
    assert len(pair) <= 512
    with host.app.app_context():
        token = state().signer(Purpose.DEVICE).loads(value, max_age=60)[0]
    assert len(token) == 43, "256 bits"
    dump = json.dumps([str(dict(r)) for t in host.db.metadata.tables for r in host.rows(t)])
    assert token not in dump and value not in dump


@pytest.mark.check("D01")
def test_without_https_the_cookie_has_a_name_that_browsers_take(host: Host, ada: int) -> None:
    person = sign_in(host, ada, remember_device="1")
    header = cookie_header(person.page)
    assert header.startswith("mfa_device_") and "Secure" not in header


@pytest.mark.reference(28, 63, 103, 257)
def test_a_remembered_device_asks_for_nothing(host: Host, ada: int) -> None:
    person = remember(host, ada)
    answer = person.sign_in()
    assert answer.headers["Location"] == "/secret"
    assert person.signed_in()
    assert host.events(ada).count("device_remembered") == 1


@pytest.mark.reference(29, 64, 104)
def test_another_browser_is_asked(host: Host, ada: int) -> None:
    remember(host, ada)
    assert arrive(host).at == "/mfa/challenge/otp"


def test_the_token_is_new_after_each_use_and_the_device_is_the_same(host: Host, ada: int) -> None:
    person = remember(host, ada)
    seen = set()
    for _ in range(3):
        seen.add(next(iter(device_cookies(person).values())))
        assert not is_asked(person)
    assert len(seen) == 3
    assert len(host.rows("mfa_device")) == 1 and len(host.rows("mfa_device_token")) == 3


def test_the_end_is_that_of_the_first_day_however_often_it_is_used(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = remember(host, ada)
        ends = host.rows("mfa_device")[0]["expires_at"]
        clock.tick(20 * DAY)
        assert not is_asked(person)
        assert host.rows("mfa_device")[0]["expires_at"] == ends


# The end by time


@pytest.mark.check("D02")
@pytest.mark.parametrize(("late", "asked"), [(-1, False), (1, True)])
def test_the_server_says_when_it_ends(host: Host, ada: int, late: int, asked: bool) -> None:
    with host.clock() as clock:
        person = remember(host, ada)
        cookies = device_cookies(person)
        clock.tick(30 * DAY + late)
        assert is_asked(new_browser(host, cookies)) is asked


@pytest.mark.check("D02")
def test_a_cookie_with_a_later_end_of_its_own_ends_all_the_same(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = remember(host, ada)
        name, value = next(iter(device_cookies(person).items()))
        with host.app.app_context():
            signer = state().signer(Purpose.DEVICE)
            token, ends = signer.loads(value, max_age=60)
            forged = signer.dumps([token, ends + 365 * DAY])
        clock.tick(30 * DAY + 1)
        assert is_asked(new_browser(host, {name: forged}))


@pytest.mark.check("D02", "F08")
def test_a_clock_set_back_keeps_nothing_alive(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = remember(host, ada)
        clock.tick(-DAY)
        assert is_asked(new_browser(host, device_cookies(person)))


def test_a_shorter_life_in_the_settings_holds_for_those_that_are_there(
    make_host: Make, sqlite_url: str
) -> None:
    long = make_host(sqlite_url, **ON)
    ada = long.user()
    long.enroll(ada, "otp")
    person = remember(long, ada)
    short = make_host(sqlite_url, create=False, **ON, MFA_REMEMBER_DEVICE_DAYS=1)
    with short.clock() as clock:
        clock.tick(DAY + 60)
        assert is_asked(new_browser(short, device_cookies(person)))


# Forgery, and other people's


def tampered(host: Host, value: str) -> dict[str, str]:
    """Spellings of a cookie that are not it."""
    with host.app.app_context():
        keys = list(state().settings.mfa_secret_keys)
        token, ends = state().signer(Purpose.DEVICE).loads(value, max_age=60)

    def signed(payload: Any, *, key: Any = keys, salt: str = Purpose.DEVICE.value) -> str:
        return str(URLSafeTimedSerializer(key, salt=salt).dumps(payload))

    return {
        "another token": signed(["A" * 43, ends]),
        "another key": signed([token, ends], key="some other key of thirty-two chars"),
        "another purpose": signed([token, ends], salt="mfa.cursor"),
        "unsigned": value.split(".")[0],
        "truncated": value[:-1],
        "in other case": value.swapcase(),
        "bare token": token,
        "a text": signed("x"),
        "a number": signed(1),
        "an object": signed({"token": token}),
        "a long list": signed([token, ends, 1]),
        "odd types": signed([1, "x"]),
        "alg none": "eyJhbGciOiJub25lIn0.e30.",
        "empty": "",
        "long": "A" * 4000,
        "not ascii": "é" * 30,
    }


@pytest.mark.check("D03")
def test_a_forged_cookie_is_asked_and_harms_nobody(host: Host, ada: int) -> None:
    person = remember(host, ada)
    name, value = next(iter(device_cookies(person).items()))
    for what, text in tampered(host, value).items():
        browser = new_browser(host, {name: text})
        answer = browser.sign_in()
        assert answer.status_code == 303 and browser.at == "/mfa/challenge", what
    assert not is_asked(person), "the device itself stands"


@pytest.mark.check("D03")
def test_garbage_costs_no_query(host: Host, ada: int) -> None:
    person = remember(host, ada)
    name, value = next(iter(device_cookies(person).items()))
    for what, text in tampered(host, value).items():
        browser = new_browser(host, {name: text})
        with statements(host) as seen:
            browser.sign_in()
        asked = [one for one in seen if "mfa_device" in one]
        assert bool(asked) == (what == "another token"), what


@pytest.mark.check("D03")
def test_one_users_device_is_nothing_to_another(host: Host, ada: int) -> None:
    bob = host.user(BOB)
    host.enroll(bob, "otp")
    person = remember(host, ada)
    assert is_asked(person, BOB)
    with host.app.app_context(), host.app.test_request_context():
        from flask_melody_mfa.web import device_cookie

        name = device_cookie.name_for(str(bob))
    value = next(iter(device_cookies(person).values()))
    assert is_asked(new_browser(host, {name: value}), BOB)
    assert not is_asked(new_browser(host, device_cookies(person))), "and not revoked by that"


@pytest.mark.check("D10")
def test_twenty_users_of_one_browser_are_each_remembered(host: Host) -> None:
    browser = Person(host)
    users = [f"user{number}@example.org" for number in range(20)]
    for email in users:
        user = host.user(email)
        host.enroll(user, "otp")
        codes_of(host, user)
        browser.sign_in(email)
        browser.follow()
        browser.code(host.otp(user), remember_device="1")
        browser.get("/logout")
    cookies = device_cookies(browser)
    assert len(cookies) == 20
    assert all(len(name) + len(value) + 1 <= 512 for name, value in cookies.items())
    for email in users:
        assert not is_asked(browser, email)


@pytest.mark.check("D10")
def test_who_is_crowded_out_is_asked_again(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = remember(host, ada)
        hers = device_cookies(person)
        clock.tick(60)
        bob = host.user(BOB)
        host.enroll(bob, "otp")
        codes_of(host, bob)
        with host.app.app_context():
            signer = state().signer(Purpose.DEVICE)
            for number in range(MOST - 1):
                others = signer.dumps([f"token{number}", clock.now // 1000 + 40 * DAY])
                person.client.set_cookie(f"mfa_device_{number:016x}", others)
        person.sign_in(BOB)
        person.follow()
        person.code(host.otp(bob), remember_device="1")
        assert len(device_cookies(person)) == MOST
        assert not set(hers) & set(device_cookies(person))
        assert not is_asked(person, BOB) and is_asked(person, ADA)


# How it is not earned


@pytest.mark.check("D05")
@pytest.mark.reference(26, 61, 101)
@pytest.mark.parametrize("ticked", [None, "", "0", "false", "off", "no"])
def test_an_unticked_box_earns_nothing(host: Host, ada: int, ticked: str | None) -> None:
    fields = {} if ticked is None else {"remember_device": ticked}
    person = sign_in(host, ada, **fields)
    assert person.signed_in()
    assert not device_cookies(person) and not host.rows("mfa_device")


@pytest.mark.check("D05")
@pytest.mark.reference(27, 62, 102)
def test_switched_off_a_ticked_box_earns_nothing(make_host: Make) -> None:
    host = make_host()
    ada = host.user()
    host.enroll(ada, "otp")
    assert "remember_device" not in arrive(host).text
    person = sign_in(host, ada, remember_device="1")
    assert person.signed_in() and not device_cookies(person) and not host.rows("mfa_device")


@pytest.mark.check("D05", "H03")
def test_neither_a_get_nor_a_pending_sign_in_earns_anything(host: Host, ada: int) -> None:
    person = arrive(host)
    person.get("/mfa/challenge/otp?remember_device=1")
    person.code("000000", remember_device="1")
    assert not device_cookies(person) and not host.rows("mfa_device")


def test_the_wish_goes_with_the_challenge(host: Host, ada: int) -> None:
    person = arrive(host)
    person.code("000000", remember_device="1")
    person.post("/mfa/challenge/cancel")
    person.sign_in()
    person.follow()
    person.code(host.otp(ada))
    assert person.signed_in() and not host.rows("mfa_device")


@pytest.mark.check("D05")
def test_a_backup_earns_no_device(host: Host, ada: int) -> None:
    person = arrive(host)
    person.get("/mfa/challenge/email")
    assert "remember_device" not in person.text
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code(), remember_device="1")
    assert person.signed_in() and not host.rows("mfa_device")


@pytest.mark.check("D05")
def test_a_step_up_earns_no_device(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = sign_in(host, ada)
        clock.tick(301)
        person.get("/fresh")
        assert "remember_device" not in person.follow().text
        person.code(host.otp(ada), remember_device="1")
        assert person.get("/fresh").status_code == 200
    assert not host.rows("mfa_device")


@pytest.mark.check("R12", "D05")
def test_a_recovery_code_voids_the_wish_made_before_it(make_host: Make) -> None:
    host = make_host(**ON, MFA_ASK_EVERY_ENROLLED=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    codes = codes_of(host, ada)
    person = arrive(host)
    person.code(host.otp(ada), remember_device="1")
    person.get(CHALLENGE)
    person.code(codes[0])
    assert person.signed_in() and not host.rows("mfa_device")


# What it covers


def test_it_covers_only_what_was_proven_then(make_host: Make) -> None:
    host = make_host(**ON)
    ada = host.user(phone=PHONE)
    host.enroll(ada, "otp", "email")
    codes_of(host, ada)
    person = arrive(host)
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code(), remember_device="1")
    assert host.rows("mfa_device")[0]["factors"] == "email"
    assert not is_asked(person)
    host.app.extensions["melody_mfa"]._settings = None
    host.app.config["OTP_MFA_IS_REQUIRED"] = True
    assert is_asked(person)
    assert person.follow().request.path == "/mfa/challenge/otp"
    person.code(host.otp(ada))
    assert person.signed_in()


@pytest.mark.check("D07")
def test_a_device_earned_by_email_is_nothing_to_a_client_that_wants_otp(make_host: Make) -> None:
    clients = {
        "lax": {"EMAIL_MFA_IS_REQUIRED": True},
        "strict": {"OTP_MFA_IS_REQUIRED": True},
        "always": {"ENABLE_MFA_REMEMBER_DEVICE": False, "EMAIL_MFA_IS_REQUIRED": True},
    }
    host = make_host(ENABLE_MFA_REMEMBER_DEVICE=True, MFA_CLIENTS=clients)

    @host.app.route("/sign-in/<client>", methods=["POST"])
    def sign_in_for(client: str) -> Any:
        user = host.db.session.scalar(host.db.select(host.User).filter_by(email=ADA))
        return host.mfa.sign_in(user, client=client, next_url="/secret")

    ada = host.user()
    host.enroll(ada, "otp", "email")
    person = Person(host)
    person.post("/sign-in/lax")
    person.follow()
    person.code(host.last_code(), remember_device="1")
    for client, where in (("lax", "/secret"), ("strict", "/mfa/challenge"),
                          ("always", "/mfa/challenge"), ("lax", "/secret")):  # fmt: skip
        person.get("/logout")
        person.post(f"/sign-in/{client}")
        assert person.at == where, client


def test_both_proofs_of_a_sign_in_are_covered(make_host: Make) -> None:
    host = make_host(**ON, MFA_ASK_EVERY_ENROLLED=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    codes_of(host, ada)
    person = arrive(host)
    person.code(host.otp(ada), remember_device="1")
    page = person.follow()
    assert page.request.path == "/mfa/challenge/email"
    assert re.search(r'name="remember_device" value="1" checked', page.text)
    person.code(host.last_code(), remember_device="1")
    assert host.rows("mfa_device")[0]["factors"] == "email,otp"
    assert not is_asked(person)


def test_the_last_box_decides(make_host: Make) -> None:
    host = make_host(**ON, MFA_ASK_EVERY_ENROLLED=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    person = arrive(host)
    person.code(host.otp(ada), remember_device="1")
    person.follow()
    person.code(host.last_code())
    assert person.signed_in() and not host.rows("mfa_device")


def test_what_it_does_not_cover_is_asked_and_then_the_device_covers_it_too(
    make_host: Make,
) -> None:
    host = make_host(**ON)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    codes_of(host, ada)
    person = arrive(host)
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code(), remember_device="1")
    first = host.rows("mfa_device")[0]["id"]
    host.app.extensions["melody_mfa"]._settings = None
    host.app.config["MFA_ASK_EVERY_ENROLLED"] = True
    assert is_asked(person)
    person.follow()
    person.code(host.otp(ada), remember_device="1")
    rows = host.rows("mfa_device")
    assert [row["id"] for row in rows] == [first], "the same device, renewed"
    assert rows[0]["factors"] == "otp", "what was proven this time"


def test_a_session_that_is_asked_again_renews_its_device(make_host: Make) -> None:
    host = make_host(**ON, MFA_SESSION_MAX_SECONDS=3600)
    ada = host.user()
    host.enroll(ada, "otp")
    codes_of(host, ada)
    with host.clock() as clock:
        person = sign_in(host, ada, remember_device="1")
        before, first = device_cookies(person), host.rows("mfa_device")[0]
        clock.tick(3601)
        person.get("/secret")
        person.follow()
        person.code(host.otp(ada), remember_device="1")
        rows = host.rows("mfa_device")
        assert [row["id"] for row in rows] == [first["id"]]
        assert rows[0]["expires_at"] == first["expires_at"] + 3601 * 1000
        assert device_cookies(person) != before and not is_asked(person)


def test_a_remember_cookie_of_the_hosts_and_a_device_sign_in_together(host: Host, ada: int) -> None:
    person = arrive(host, remember="1")
    person.code(host.otp(ada), remember_device="1")
    cookies = person.cookies()
    assert "remember_token" in cookies
    del cookies["session"]
    browser = new_browser(host, cookies)
    browser.get("/secret")
    assert browser.at == "/mfa/challenge"
    browser.follow()
    assert browser.text == "secret of ada@example.org"
    assert browser.client.get("/status").get_json()["method"] == "remembered"
    other = new_browser(host, {"remember_token": cookies["remember_token"]})
    other.get("/secret")
    assert other.follow().request.path == "/mfa/challenge/otp"


def test_method_and_level_tell_that_nothing_was_proven(host: Host, ada: int) -> None:
    person = remember(host, ada)
    person.sign_in()
    found = person.client.get("/status").get_json()
    assert found["satisfied"] and found["factors"] == [] and found["level"] == 0


@pytest.mark.check("D06", "S07")
def test_a_session_by_device_proves_nothing_fresh(host: Host, ada: int) -> None:
    person = remember(host, ada)
    person.sign_in()
    for path in ("/fresh", "/with-otp", "/mfa/enroll", "/mfa/enroll/recovery-codes"):
        person.get(path)
        assert person.at.startswith(("/mfa/challenge", "/mfa/enroll")), path
        assert person.follow().request.path == "/mfa/challenge/otp", path
    person.code(host.otp(ada))
    assert person.get("/with-otp").status_code == 200


@pytest.mark.check("D06")
def test_after_a_device_nothing_is_offered(make_host: Make) -> None:
    host = make_host(**ON)
    ada = host.user()
    host.enroll(ada, "otp")
    person = remember(host, ada)
    assert person.sign_in().headers["Location"] == "/secret"
    assert person.post("/mfa/enroll/recovery-codes").status_code == 303
    assert person.at == "/mfa/challenge" and not host.rows("mfa_recovery_code")


def test_a_sign_in_that_owes_nothing_uses_no_token_up(make_host: Make) -> None:
    host = make_host(ENABLE_MFA_REMEMBER_DEVICE=True)
    ada = host.user()
    host.enroll(ada, "otp")

    @host.app.route("/trusted", methods=["POST"])
    def trusted() -> Any:
        return host.mfa.sign_in(host.get(ada), method="trusted")

    person = remember(host, ada)
    before = device_cookies(person)
    person.post("/trusted")
    assert person.signed_in() and device_cookies(person) == before


# Copies


@pytest.mark.check("D09", "N01")
def test_a_copy_that_comes_back_revokes_the_device_and_tells_the_user(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = remember(host, ada)
        copied = device_cookies(person)
        assert not is_asked(person)
        clock.tick(60)
        thief = new_browser(host, copied)
        host.sent.clear()
        assert is_asked(thief)
        assert host.events(ada).count("device_reuse_detected") == 1
        assert ["was copied" in mail.subject for mail in host.mails()] == [True]
        assert is_asked(person), "and the owner's newer token is dead with it"
        assert not any(row["revoked_at"] is None for row in host.rows("mfa_device"))


@pytest.mark.check("D09")
def test_if_the_thief_comes_first_the_owner_finds_out(host: Host, ada: int) -> None:
    with host.clock() as clock:
        owner = remember(host, ada)
        thief = new_browser(host, device_cookies(owner))
        assert not is_asked(thief)
        clock.tick(60)
        host.sent.clear()
        assert is_asked(owner)
        assert "was copied" in host.mails()[0].subject
        assert thief.client.get("/secret").status_code in (302, 401), "at the next request"


@pytest.mark.check("D09")
def test_two_tabs_at_once_get_one_sign_in_and_no_alarm(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = remember(host, ada)
        second = new_browser(host, device_cookies(person))
        assert not is_asked(person)
        clock.tick(5)
        assert is_asked(second), "the token was used up"
        assert "device_reuse_detected" not in host.events(ada)
        assert not is_asked(person)


@pytest.mark.check("D09")
def test_a_copy_without_the_password_does_nothing(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = remember(host, ada)
        copied = device_cookies(person)
        assert not is_asked(person)
        clock.tick(60)
        thief = new_browser(host, copied)
        thief.get("/secret")
        thief.post("/login", {"email": ADA, "password": "wrong"})
        assert not is_asked(person)


# Forgetting


def test_the_list_shows_what_is_known_of_each_device(host: Host, ada: int) -> None:
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    with host.clock(1_790_000_000_000):
        person = arrive(host)
        person.post(
            "/mfa/challenge/otp",
            {"code": host.otp(ada), "remember_device": "1"},
            headers={"User-Agent": firefox},
        )
        remember(host, ada)
        page = person.get("/mfa/devices")
    assert page.status_code == 200
    plain = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    assert "Firefox on Linux" in plain
    assert plain.count("This device") == 1 and plain.count("from 127.0.0.1") == 2
    assert "Sep 21, 2026" in plain and "until Oct 21, 2026" in plain
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.check("H09")
def test_a_browser_writes_nothing_into_the_list(host: Host, ada: int) -> None:
    person = arrive(host)
    person.post(
        "/mfa/challenge/otp",
        {"code": host.otp(ada), "remember_device": "1"},
        headers={"User-Agent": "<img src=x onerror=alert(1)> Firefox/1"},
    )
    assert "<img" not in person.get("/mfa/devices").text


@pytest.mark.check("D08")
def test_one_device_is_forgotten_and_only_that_one_at_the_next_request(
    host: Host, ada: int
) -> None:
    one, other = remember(host, ada), remember(host, ada)
    for person in (one, other):
        person.sign_in()
    first = host.rows("mfa_device")[0]["id"]
    other.get("/mfa/devices")
    other.post(f"/mfa/devices/{first}/revoke")
    assert other.at == "/mfa/devices"
    assert "The device is forgotten." in other.follow().text
    one.get("/secret")
    assert one.at == "/mfa/challenge", "the session relied on it"
    assert other.signed_in() and not is_asked(other)
    assert is_asked(one)


def test_a_session_with_a_proof_of_its_own_outlives_its_device(host: Host, ada: int) -> None:
    person = sign_in(host, ada, remember_device="1")
    device = host.rows("mfa_device")[0]["id"]
    person.post(f"/mfa/devices/{device}/revoke")
    assert not device_cookies(person)
    assert person.signed_in() and is_asked(person)


def test_all_devices_are_forgotten(host: Host, ada: int) -> None:
    one, other = remember(host, ada), remember(host, ada)
    one.sign_in()
    one.post("/mfa/devices/revoke-all")
    assert is_asked(one) and is_asked(other)
    assert host.events(ada).count("device_revoked") == 1


@pytest.mark.check("D08", "N06")
@pytest.mark.parametrize("name", ["of bob", "unknown", "twice"])
def test_anothers_device_is_not_there(host: Host, ada: int, name: str) -> None:
    bob = host.user(BOB)
    host.enroll(bob, "otp")
    codes_of(host, bob)
    remember(host, bob, email=BOB)
    person = sign_in(host, ada, remember_device="1")
    rows = {row["user_key"]: row["id"] for row in host.rows("mfa_device")}
    if name == "twice":
        person.post(f"/mfa/devices/{rows[str(ada)]}/revoke")
    wanted = {"of bob": rows[str(bob)], "unknown": "0" * 32, "twice": rows[str(ada)]}[name]
    assert person.post(f"/mfa/devices/{wanted}/revoke").status_code == 404
    assert [r["revoked_at"] for r in host.rows("mfa_device") if r["user_key"] == str(bob)] == [None]


@pytest.mark.check("H01", "H03")
def test_forgetting_is_a_post_with_its_token(make_host: Make) -> None:
    host = make_host(**ON, WTF_CSRF_ENABLED=True)
    ada = host.user()
    host.enroll(ada, "otp")
    person = sign_in(host, ada, remember_device="1")
    device = host.rows("mfa_device")[0]["id"]
    for path in (f"/mfa/devices/{device}/revoke", "/mfa/devices/revoke-all"):
        assert person.client.post(path).status_code == 400
        assert person.get(path).status_code == 405
    assert host.rows("mfa_device")[0]["revoked_at"] is None
    person.get("/mfa/devices")
    person.post(f"/mfa/devices/{device}/revoke")
    assert host.rows("mfa_device")[0]["revoked_at"] is not None


@pytest.mark.parametrize("path", ["/mfa/devices", "/mfa/devices/revoke-all"])
def test_the_list_is_for_who_is_in(host: Host, ada: int, path: str) -> None:
    remember(host, ada)
    method: Callable[..., Any] = Person.get if path.endswith("devices") else Person.post
    stranger, pending = Person(host), arrive(host)
    method(stranger, path)
    assert stranger.at == "/login"
    method(pending, path)
    assert pending.at == "/mfa/challenge"
    assert host.rows("mfa_device")[0]["revoked_at"] is None


# What ends it


def by_password(host: Host, ada: int) -> None:
    host.mfa.password_changed(host.get(ada))


def by_reset(host: Host, ada: int) -> None:
    host.mfa.reset(host.get(ada), ["otp"])
    host.enroll(ada, "otp")


def by_whole_reset(host: Host, ada: int) -> None:
    host.mfa.reset(host.get(ada))
    host.enroll(ada, "otp")


def by_adoption(host: Host, ada: int) -> None:
    host.mfa.adopt_otp(host.get(ada), b"another secret of 20")


def by_new_codes(host: Host, ada: int) -> None:
    codes_of(host, ada)


def by_everywhere(host: Host, ada: int) -> None:
    devices.revoke_all(context(), state().describe(host.get(ada)))


def by_deactivation(host: Host, ada: int) -> None:
    host.get(ada).active = False
    host.db.session.commit()
    host.get(ada).active = True
    host.db.session.commit()


@pytest.mark.check("D04")
@pytest.mark.parametrize(
    "event",
    [by_password, by_reset, by_whole_reset, by_adoption, by_new_codes, by_everywhere,
     by_deactivation],
)  # fmt: skip
def test_a_device_ends_by(host: Host, ada: int, event: Callable[[Host, int], None]) -> None:
    person = remember(host, ada)
    assert not is_asked(person)
    assert person.signed_in()
    with host.app.app_context():
        event(host, ada)
    assert person.client.get("/secret").status_code in (302, 401), "its session, too"
    assert is_asked(person)
    assert all(row["revoked_at"] for row in host.rows("mfa_device"))


@pytest.mark.check("D04")
def test_a_device_ends_by_a_factor_that_its_user_adds(host: Host, ada: int) -> None:
    other = remember(host, ada)
    with host.clock() as clock:
        clock.tick(90)
        person = sign_in(host, ada)
        person.get("/mfa/enroll")
        person.post("/mfa/enroll", {"factor": "email"})
        person.post("/mfa/enroll/email/send")
        person.follow()
        person.code(host.last_code())
        assert len(host.rows("mfa_credential")) == 2
        assert is_asked(other)


@pytest.mark.check("D04")
def test_a_device_ends_by_a_replaced_factor(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    with host.clock() as clock:
        other = remember(host, ada)
        person = arrive(host)
        person.get(CHALLENGE)
        person.code(codes[0])
        person.follow()
        credential = host.rows("mfa_credential")[0]["id"]
        person.post("/mfa/enroll/replace", {"credential": credential})
        person.follow()
        person.code(totp(person.secret(), clock))
        assert is_asked(other)


@pytest.mark.check("D04", "E12")
def test_a_device_covers_nothing_while_the_feature_is_off(make_host: Make) -> None:
    host = make_host(**ON)
    ada = host.user()
    host.enroll(ada, "otp")
    with host.clock() as clock:
        person = remember(host, ada)
        assert not is_asked(person)
        here = host.app.extensions["melody_mfa"]
        host.app.config["ENABLE_MFA_REMEMBER_DEVICE"] = False
        here._settings = None
        clock.tick(11)
        assert person.client.get("/secret").status_code in (302, 401)
        assert is_asked(person)


@pytest.mark.check("D04")
def test_a_set_up_within_a_remembered_sign_in_ends_the_device_and_goes_on(
    make_host: Make,
) -> None:
    host = make_host(**ON)
    ada = host.user()
    host.enroll(ada, "email")
    codes_of(host, ada)
    person = arrive(host)
    person.code(host.last_code(), remember_device="1")
    host.app.extensions["melody_mfa"]._settings = None
    host.app.config["OTP_MFA_IS_REQUIRED"] = True
    with host.clock() as clock:
        clock.tick(90)
        assert is_asked(person)
        assert person.follow().request.path == "/mfa/challenge/email", "rule 3: a proof first"
        person.post("/mfa/challenge/email/send")
        person.follow()
        person.code(host.last_code())
        assert person.follow().request.path == "/mfa/enroll/otp"
        person.code(totp(person.secret(), clock))
        assert person.signed_in()
        assert all(row["revoked_at"] for row in host.rows("mfa_device"))


def test_a_device_revoked_while_its_sign_in_is_pending_covers_no_more(make_host: Make) -> None:
    host = make_host(**ON)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    codes_of(host, ada)
    person = arrive(host)
    person.code(host.otp(ada), remember_device="1")
    host.app.extensions["melody_mfa"]._settings = None
    host.app.config["MFA_ASK_EVERY_ENROLLED"] = True
    with host.clock() as clock:
        clock.tick(90)
        assert is_asked(person)
        assert person.follow().request.path == "/mfa/challenge/email"
        person.post("/mfa/challenge/email/send")
        with host.app.app_context():
            devices.revoke_all(context(), state().describe(host.get(ada)))
        person.follow()
        person.code(host.last_code())
        assert not person.signed_in()
        assert arrive(host).at == "/mfa/challenge/otp"


def test_a_proof_by_a_device_that_was_revoked_since_is_not_finished(make_host: Make) -> None:
    """Also where the sign-in had read its challenge before, and no strip reached it."""
    host = make_host(**ON, MFA_ASK_EVERY_ENROLLED=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    codes_of(host, ada)
    with host.app.app_context():
        ctx, account = context(), state().describe(host.get(ada))
        begun = sign_in_flow.begin(ctx, account, method="password", parked={})
        assert isinstance(begun, sign_in_flow.Begun)
        row = begun.challenge.row

        def add(session: Any) -> Any:
            proofs = (Proof(kind=FactorKind.OTP, at=ctx.now),)
            return devices.remember(ctx, session, row, proofs)[0]

        issued = ctx.store.run(add)
        device = host.rows("mfa_device")[0]["id"]
        by_device = (Proof(kind=FactorKind.OTP, at=ctx.now, device=device),)
        assert ctx.store.run(lambda session: devices.are_good(session, by_device))
        devices.revoke(ctx, account, device)
        assert not ctx.store.run(lambda session: devices.are_good(session, by_device))
        stale = replace(begun.challenge, proofs=by_device)
        with pytest.raises(ChallengeOver):
            ctx.store.run(lambda session: sign_in_flow.finish(ctx, session, stale))
        assert issued is not None and not host.rows("mfa_session")


# Remains


@pytest.mark.check("N05")
def test_an_erased_account_leaves_no_token(host: Host, ada: int) -> None:
    person = remember(host, ada)
    assert not is_asked(person)
    with host.app.app_context():
        host.mfa.erase(host.get(ada))
    assert not host.rows("mfa_device") and not host.rows("mfa_device_token")
    assert not host.rows("mfa_recovery_code")


def test_pruning_takes_what_ended_a_month_ago(host: Host, ada: int) -> None:
    from flask_melody_mfa.flows.prune import prune

    with host.clock() as clock:
        person = remember(host, ada)
        assert not is_asked(person)
        clock.tick(59 * DAY)
        with host.app.app_context():
            assert prune(context())["mfa_device"] == 0
        clock.tick(2 * DAY)
        with host.app.app_context():
            assert prune(context())["mfa_device"] == 1
    assert not host.rows("mfa_device") and not host.rows("mfa_device_token")

"""“This was not me”: the link in security mails, and all that it can do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.host import BROWSER, Host, Person

Make = Callable[..., Host]


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(ENABLE_MFA_REMEMBER_DEVICE=True, MFA_BASE_URL="https://host.example")


@pytest.fixture
def ada(host: Host) -> int:
    user = host.user()
    host.enroll(user, "otp", "email")
    return user


def signed_in(host: Host, user: int, **fields: str) -> Person:
    """A person who has just proven the authenticator."""
    person = Person(host)
    person.sign_in()
    person.follow()
    person.code(host.otp(user), **fields)
    assert person.signed_in()
    return person


def told(host: Host, person: Person) -> str:
    """Cause a security mail, and take the link out of it."""
    email = next(row["id"] for row in host.rows("mfa_credential") if row["kind"] == "email")
    person.post(f"/mfa/account/factors/{email}/remove")
    mail = host.mails()[-1]
    found = re.search(r"https://\S+/not-me/\S+", mail.text)
    assert found is not None
    assert found.group() in mail.html
    return found.group()


@pytest.mark.check("N01", "O12")
def test_the_link_is_in_the_mail_and_its_host_is_the_configured_one(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    person.client.environ_base["HTTP_HOST"] = "evil.example"
    link = told(host, person)
    assert link.startswith("https://host.example/mfa/not-me/")
    assert "evil.example" not in host.mails()[-1].text


def test_without_a_base_url_there_is_no_link(make_host: Make) -> None:
    host = make_host(MFA_BASE_URL=None)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    person = signed_in(host, ada)
    email = next(row["id"] for row in host.rows("mfa_credential") if row["kind"] == "email")
    person.post(f"/mfa/account/factors/{email}/remove")
    assert "removed" in host.mails()[-1].text
    assert "not-me" not in host.mails()[-1].text


@pytest.mark.check("O13", "H03")
def test_to_open_the_link_changes_nothing(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    path = urlsplit(told(host, person)).path
    before = [host.rows("mfa_session"), len(host.rows("mfa_event"))]
    scanner = host.app.test_client()
    for _ in range(3):
        assert scanner.get(path, headers=BROWSER).status_code == 200
        assert scanner.head(path).status_code == 200
    assert [host.rows("mfa_session"), len(host.rows("mfa_event"))] == before
    assert person.signed_in()


@pytest.mark.check("N01", "D04", "S04")
def test_its_button_ends_everything_without_a_sign_in(host: Host, ada: int) -> None:
    with host.clock() as clock:
        thief = signed_in(host, ada, remember_device="1")
        clock.tick(60)
        person = signed_in(host, ada)
        pending = Person(host)
        pending.sign_in()
        path = urlsplit(told(host, thief)).path
        reader = Person(host)
        reader.get(path)
        reader.post(path)
        assert "Everybody is signed out" in reader.text
        assert "password" in reader.text
        assert not reader.signed_in()
        for one in (thief, person):
            assert not one.signed_in()
            one.get("/secret")
            assert one.at == "/login"
        pending.get("/mfa/challenge")
        assert pending.at == "/login"
        thief.sign_in()
        assert not thief.signed_in()
        assert [row["kind"] for row in host.rows("mfa_credential")] == ["otp"]
        last = [row for row in host.rows("mfa_event") if row["type"] == "sessions_ended"][-1]
        assert '"reason": "not_me"' in last["detail"]
        about = next(row for row in host.rows("mfa_event") if row["type"] == "factor_removed")
        assert f'"about": "{about["id"]}"' in last["detail"]


def test_pressed_twice_it_is_told_once(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    path = urlsplit(told(host, person)).path
    reader = Person(host)
    reader.post(path)
    count = len(host.mails())
    assert "signed out of" in host.mails()[-1].subject
    reader.post(path)
    assert reader.page is not None
    assert reader.page.status_code == 200
    assert len(host.mails()) == count
    assert host.events(ada).count("sessions_ended") == 2


def test_it_works_while_somebody_else_is_signed_in_here(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    path = urlsplit(told(host, person)).path
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    other = Person(host)
    other.sign_in("bob@example.org")
    other.follow()
    other.code(host.otp(bob))
    other.post(path)
    assert other.signed_in()
    assert not person.signed_in()


@pytest.mark.check("H01")
def test_it_needs_the_forms_token(make_host: Make) -> None:
    host = make_host(WTF_CSRF_ENABLED=True, MFA_BASE_URL="https://host.example")
    ada = host.user()
    host.enroll(ada, "otp", "email")
    person = signed_in(host, ada)
    email = next(row["id"] for row in host.rows("mfa_credential") if row["kind"] == "email")
    page = f"/mfa/account/factors/{email}/remove"
    person.get(page)
    path = urlsplit(told(host, person)).path
    reader = Person(host)
    assert reader.post(path).status_code == 400
    assert person.signed_in()
    reader.get(path)
    assert reader.post(path).status_code == 200
    assert not person.signed_in()


@pytest.mark.parametrize("days", [6.9, 7.1, -1])
def test_it_lives_for_a_week(host: Host, ada: int, days: float) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        path = urlsplit(told(host, person)).path
        clock.tick(days * 86_400)
        reader = Person(host)
        assert reader.get(path).status_code == (200 if 0 < days < 7 else 404)


def test_what_is_no_link_of_ours_ends_nothing(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    token = urlsplit(told(host, person)).path.rpartition("/")[2]
    reader = Person(host)
    for wrong in ("x", token[:-1], token + "A", "ü", "%00", foreign(host, ada), "a" * 5000):
        page = reader.post(f"/mfa/not-me/{wrong}")
        assert page.status_code == 404, wrong
    assert person.signed_in()


def foreign(host: Host, user: int) -> str:
    """A value that we signed for another purpose."""
    from flask_melody_mfa.core.signed import Purpose
    from flask_melody_mfa.web.state import state

    with host.app.app_context():
        value: dict[str, Any] = {"user": str(user), "event": "e", "at": state().clock()}
        return state().signer(Purpose.POLICY_RESULT).dumps(value)


@pytest.mark.check("N05")
def test_the_link_of_a_deleted_user_ends_nothing(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    path = urlsplit(told(host, person)).path
    with host.app.app_context():
        host.db.session.delete(host.get(ada))
        host.db.session.commit()
    assert Person(host).post(path).status_code == 404


@pytest.mark.check("H08", "C07")
def test_the_link_is_no_sign_in_and_its_page_names_nobody(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    path = urlsplit(told(host, person)).path
    reader = Person(host)
    page = reader.get(path)
    assert "ada@example.org" not in page.text
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cache-Control"] == "no-store"
    reader.post(path)
    assert "ada@example.org" not in reader.text
    assert not reader.signed_in()

"""Sealing keys: rotated while the app runs, interrupted, and taken away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from flask_melody_mfa.cli import mfa_group
from flask_melody_mfa.flows import keys
from tests.host import PHONE, Host, Person

Make = Callable[..., Host]

OLD = "an old key that is long enough to be one"
NEW = "a new key that is long enough to be one"


@pytest.fixture
def url(tmp_path: Any) -> str:
    return f"sqlite:///{tmp_path / 'host.db'}"


def say(host: Host, *words: str) -> str:
    """What the command line answers."""
    answer = host.app.test_cli_runner().invoke(mfa_group, ["keys", *words])
    return str(answer.output)


def works(host: Host, user: int) -> bool:
    """Whether the user signs in with the authenticator and gets codes at the old address."""
    with host.clock() as clock:
        clock.tick(120)
        person = Person(host)
        person.sign_in()
        person.get("/mfa/challenge/otp")
        person.code(host.otp(user))
        clock.tick(120)
        other = Person(host)
        other.sign_in()
        other.get("/mfa/challenge/sms")
        other.post("/mfa/challenge/sms/send")
        other.follow()
        other.code(host.last_code())
        return person.signed_in() and other.signed_in()


def make_user(host: Host) -> int:
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "sms", "email")
    host.enroll(user, "email", destination="newer@example.org")
    return user


@pytest.mark.check("C03")
def test_old_secrets_open_and_new_ones_are_sealed_with_the_new_key(
    make_host: Make, url: str
) -> None:
    before = make_host(url, MFA_SECRET_KEYS=[OLD])
    user = make_user(before)
    during = make_host(url, create=False, MFA_SECRET_KEYS=[NEW, OLD])
    assert works(during, user)
    during.enroll(during.user("bob@example.org"), "otp")
    made = {row["user_key"]: row["key_id"] for row in during.rows("mfa_credential")}
    assert made[str(user)] != made[str(user + 1)]
    with during.app.app_context():
        assert made[str(user + 1)] == during.app.extensions["melody_mfa"].vault.sealer.key_id


@pytest.mark.check("C03")
def test_after_a_rotation_the_old_key_may_go(make_host: Make, url: str) -> None:
    before = make_host(url, MFA_SECRET_KEYS=[OLD])
    user = make_user(before)
    pending = Person(before)
    pending.sign_in()
    during = make_host(url, create=False, MFA_SECRET_KEYS=[NEW, OLD])
    said = say(during, "status").splitlines()
    assert said[0].endswith(": 0") and not said[1].endswith(": 0")
    assert "rows sealed with the newest key" in say(during, "rotate")
    said = say(during, "status").splitlines()
    assert not said[0].endswith(": 0") and said[1].endswith(": 0")
    assert say(during, "rotate").startswith("0 rows")
    assert during.events().count("keys_rotated") == 1
    after = make_host(url, create=False, MFA_SECRET_KEYS=[NEW])
    assert works(after, user)


@pytest.mark.check("C03")
def test_a_rotation_that_is_interrupted_goes_on_where_it_was(
    make_host: Make, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_host(url, MFA_SECRET_KEYS=[OLD])
    users = [make_user(before)]
    for number in range(5):
        users.append(before.user(f"user{number}@example.org"))
        before.enroll(users[-1], "otp")
    monkeypatch.setattr(keys, "BATCH", 2)
    during = make_host(url, create=False, MFA_SECRET_KEYS=[NEW, OLD])
    with during.app.app_context():
        engine = during.db.engine
    sealed: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("UPDATE mfa_credential"):
            sealed.append(statement)

    def stop(_: Any) -> None:
        if len(sealed) > keys.BATCH:  # the first batch is done, the second about to be
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", note)
    event.listen(engine, "commit", stop)
    with pytest.raises(KeyboardInterrupt):
        say_in(during)
    event.remove(engine, "commit", stop)
    event.remove(engine, "before_cursor_execute", note)
    assert len({row["key_id"] for row in during.rows("mfa_credential")}) == 2
    assert works(during, users[0])
    assert not say(during, "rotate").startswith("0 rows")
    assert len({row["key_id"] for row in during.rows("mfa_credential")}) == 1
    after = make_host(url, create=False, MFA_SECRET_KEYS=[NEW])
    assert works(after, users[0])


def say_in(host: Host) -> None:
    """A rotation in this process, so that an interruption comes through."""
    from flask_melody_mfa.web.state import context

    with host.app.app_context():
        keys.rotate(context(actor="cli"))


@pytest.mark.check("C03", "C04")
def test_without_the_old_key_a_rotation_refuses_and_changes_nothing(
    make_host: Make, url: str
) -> None:
    before = make_host(url, MFA_SECRET_KEYS=[OLD])
    user = make_user(before)
    rows = before.rows("mfa_credential")
    after = make_host(url, create=False, MFA_SECRET_KEYS=[NEW])
    assert "Error" in say(after, "rotate")
    assert after.rows("mfa_credential") == rows
    assert works(before, user)


@pytest.mark.check("C03")
def test_codes_on_their_way_survive_a_rotation(make_host: Make, url: str) -> None:
    """The key of the keyed hashes is sealed too, and stays itself."""
    before = make_host(url, SECRET_KEY="s" * 40, MFA_SECRET_KEYS=[OLD])
    user = before.user()
    before.enroll(user, "email")
    person = Person(before)
    person.sign_in()
    person.follow()
    code = before.last_code()
    during = make_host(url, create=False, SECRET_KEY="s" * 40, MFA_SECRET_KEYS=[NEW, OLD])
    say(during, "rotate")
    after = make_host(url, create=False, SECRET_KEY="s" * 40, MFA_SECRET_KEYS=[NEW])
    other = Person(after)
    other.client.set_cookie("session", person.cookies()["session"])
    other.get("/mfa/challenge/email")
    other.code(code)
    assert other.signed_in()

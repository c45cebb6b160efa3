"""Passkeys in a race: a challenge is spent once, a counter goes up once, a limit holds."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.core.errors import Conflict, NotFound
from flask_melody_mfa.flows import account as own_account
from flask_melody_mfa.flows import passkeys
from flask_melody_mfa.store import accounts
from flask_melody_mfa.web.state import context, state
from tests.authenticator import Passkey, ways
from tests.host import Host
from tests.passkeys import CHALLENGE, OPTIONS, PROMPT, VERIFY, Holder
from tests.races.hosts import host as make
from tests.races.racers import of_user
from tests.races.rig import EVERYONE, Race, Racing

pytestmark = pytest.mark.race

Races = Callable[..., Race]


def offering(url: str) -> Host:
    """A host that offers passkeys, and enforces nothing; no limit of sign-ins ends a race."""
    return make(
        url,
        ALLOW_PASSKEY_ENROLLMENT=True,
        ENFORCE_ONE_MFA_ENROLLMENT=[],
        MFA_SIGN_IN_THRESHOLD=100,
    )


def enforcing(url: str) -> Host:
    """A host where something must be held."""
    return make(url, ALLOW_PASSKEY_ENROLLMENT=True, ENFORCE_ONE_MFA_ENROLLMENT=["otp"])


def visitor(host: Host, index: int, cookie: str | None = None) -> Holder:
    """Somebody at a network address of their own; `cookie`: in a browser that is there already."""
    person = Holder(host)
    person.client.environ_base["REMOTE_ADDR"] = f"10.{index}.{id(person) % 251}.2"
    if cookie is not None:
        person.client.set_cookie("session", cookie)
    return person


def new_email() -> str:
    """An address that nobody has: hosts serve several races."""
    return f"{secrets.token_hex(6)}@example.org"


def holder(host: Host, email: str, seed: bytes, count: int = 0) -> tuple[int, Passkey]:
    """A user with a passkey that any process can use."""
    user = host.user(email)
    passkey = Passkey(seed=seed, count=count)
    person = visitor(host, EVERYONE)
    person.sign_in(email)
    assert person.make(passkey).status_code == 200
    return user, passkey


def post(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Post one and the same answer."""
    person = visitor(host, index, given["cookie"])
    yield
    return person.call(given["path"], {"credential": given["credential"]}).status_code


@pytest.mark.check("W21", "S12")
def test_one_assertion_signs_in_once(race_on: Races) -> None:
    race = race_on(offering)
    user, passkey = holder(race.host, new_email(), secrets.token_bytes(32))
    person = visitor(race.host, EVERYONE)
    options = person.options(OPTIONS)
    results = race.run(
        post,
        {"cookie": person.cookies()["session"], "path": VERIFY, "credential": passkey.get(options)},
    )
    assert results.count(200) == 1
    assert results.count(401) == EVERYONE - 1
    begun = [row["method"] for row in of_user(race.host, "mfa_session", user)]
    assert sorted(begun) == ["passkey", "password"]


@pytest.mark.check("W21")
def test_one_assertion_finishes_a_challenge_once(race_on: Races) -> None:
    race = race_on(offering)
    email = new_email()
    user, passkey = holder(race.host, email, secrets.token_bytes(32))
    person = visitor(race.host, EVERYONE)
    person.sign_in(email)
    options = person.options(f"{CHALLENGE}/options")
    results = race.run(
        post,
        {
            "cookie": person.cookies()["session"],
            "path": CHALLENGE,
            "credential": passkey.get(options),
        },
    )
    # Copies are wrong tries of the challenge: five of them may end it before the first is done.
    assert results.count(200) <= 1
    assert set(results) <= {200, 401, 410, 429, 503}
    begun = [row["method"] for row in of_user(race.host, "mfa_session", user)]
    assert len(begun) == 1 + results.count(200)


def enter(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Sign in with a counter of one's own choice, each in a ceremony of one's own."""
    person = visitor(host, index)
    passkey = Passkey(seed=given["seed"])
    passkey.handle = given["handle"]
    options = person.options(OPTIONS)
    body = {"credential": passkey.get(options, ways(count=given["count"]))}
    yield
    return person.call(VERIFY, body).status_code


@pytest.mark.check("W29")
def test_a_counter_is_taken_once(race_on: Races) -> None:
    race = race_on(offering)
    seed = secrets.token_bytes(32)
    user, passkey = holder(race.host, new_email(), seed, count=5)
    results = race.run(enter, {"seed": seed, "handle": passkey.handle, "count": 6})
    assert results.count(200) == 1
    assert [row["sign_count"] for row in of_user(race.host, "mfa_passkey", user)] == [6]


@pytest.mark.check("W29")
def test_a_passkey_without_counter_signs_in_everywhere_at_once(race_on: Races) -> None:
    race = race_on(offering)
    seed = secrets.token_bytes(32)
    _, passkey = holder(race.host, new_email(), seed)
    results = race.run(enter, {"seed": seed, "handle": passkey.handle, "count": 0})
    assert results.count(200) >= EVERYONE - 2, "a busy database may turn one away, no more"
    assert set(results) <= {200, 503}


def register(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Register one and the same credential, each for another account."""
    email = given["emails"][index]
    person = visitor(host, index)
    person.sign_in(email)
    passkey = Passkey(seed=given["seed"])
    options = person.options(f"{PROMPT}/options")
    yield
    return person.call(PROMPT, {"credential": passkey.create(options)}).status_code


@pytest.mark.check("W09")
def test_a_credential_is_registered_once(race_on: Races) -> None:
    race = race_on(offering)
    emails = [new_email() for _ in range(EVERYONE)]
    users = [race.host.user(email) for email in emails]
    results = race.run(register, {"emails": emails, "seed": secrets.token_bytes(32)})
    assert results.count(200) == 1
    assert set(results) <= {200, 409, 503}
    assert sum(len(of_user(race.host, "mfa_passkey", user)) for user in users) == 1


def add(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Add a further passkey, in a session of one's own."""
    person = visitor(host, index)
    passkey = Passkey(seed=given["seed"])
    passkey.handle = given["handle"]
    assert person.enter(passkey).status_code == 200
    options = person.options(f"{PROMPT}/options")
    yield
    new = Passkey(seed=secrets.token_bytes(32))
    return person.call(PROMPT, {"credential": new.create(options)}).status_code


def test_the_twentieth_passkey_is_the_last(race_on: Races) -> None:
    race = race_on(offering)
    seed = secrets.token_bytes(32)
    user, passkey = holder(race.host, new_email(), seed)
    results = race.run(add, {"seed": seed, "handle": passkey.handle})
    assert results.count(200) <= 19
    assert len(of_user(race.host, "mfa_passkey", user)) == 1 + results.count(200)
    assert set(results) <= {200, 409, 410, 503}


def take_away(host: Host, index: int, given: dict[str, Any]) -> Any:
    """Remove one of the two things that are held."""
    with host.app.app_context():
        account = state().account_of(given["user"])
        assert account is not None
        try:
            if index % 2:
                passkeys.remove(context(), account, given["passkey"])
            else:
                own_account.remove(context(), account, given["other"])
        except (Conflict, NotFound) as error:
            return error.code
        return "removed"


@pytest.mark.check("N03")
@pytest.mark.parametrize("other", ["otp", "passkey"])
def test_of_two_removals_one_loses(race_on: Races, other: str) -> None:
    race = race_on(enforcing)
    host = race.host
    user = host.user(new_email())
    host.enroll(user, "passkey")
    with host.app.app_context():
        ctx = context()
        if other == "otp":
            host.enroll(user, "otp")
            holding = ctx.store.read(lambda session: accounts.read_holding(session, str(user)))
            second = holding.credentials[0].id
        else:
            host.enroll(user, "passkey")
    ids = [row["id"] for row in of_user(host, "mfa_passkey", user)]
    given = {"user": str(user), "passkey": ids[0]}
    if other == "otp":
        results = race.run(take_away, {**given, "other": second})
    else:
        results = race.run(take_one_of, {**given, "other": ids[1]})
    assert results.count("removed") == 1
    left = len(of_user(host, "mfa_passkey", user)) + len(of_user(host, "mfa_credential", user))
    assert left == 1


def take_one_of(host: Host, index: int, given: dict[str, Any]) -> Any:
    """Remove one of two passkeys."""
    with host.app.app_context():
        account = state().account_of(given["user"])
        assert account is not None
        try:
            passkeys.remove(context(), account, given["passkey" if index % 2 else "other"])
        except (Conflict, NotFound) as error:
            return error.code
        return "removed"

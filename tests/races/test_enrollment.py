"""Set-ups in a race, and what is made at the first use of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.seal import Sealer
from flask_melody_mfa.store.vault import load_vault
from flask_melody_mfa.web.state import context, state
from tests.databases import Kind
from tests.host import KEY, Host, totp
from tests.races.hosts import plain
from tests.races.racers import arrived, cookie_of, of_user, with_session_of
from tests.races.rig import EVERYONE, Race, Racing, Rig

pytestmark = pytest.mark.race

Races = Callable[..., Race]


def confirm(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Set an authenticator up, in a sign-in of one's own or in a shared one.

    Told: the status, and the secret that this racer was shown.
    """
    if "cookie" in given:
        person = with_session_of(host, index, given["cookie"])
    else:
        person = arrived(host, index, given["email"])
    assert person.get("/mfa/enroll/otp").status_code == 200
    secret = person.secret()
    yield
    answer = person.post("/mfa/enroll/otp", {"code": totp(secret)})
    return answer.status_code, answer.headers.get("Location"), secret


def secret_of(host: Host, user: int) -> list[bytes]:
    """The secrets that a user holds."""
    from flask_melody_mfa.core.types import FactorKind
    from flask_melody_mfa.store import accounts

    with host.app.app_context():
        ctx = context()
        holding = ctx.store.run(lambda session: accounts.read_holding(session, str(user)))
        opened = [ctx.vault.open_credential(row) for row in holding.of(FactorKind.OTP)]
        return [credential.secret or b"" for credential in opened]


@pytest.mark.check("N07")
@pytest.mark.parametrize("shared", [False, True], ids=["many-sign-ins", "one-sign-in"])
def test_of_all_set_ups_that_are_confirmed_at_once_one_holds(race_on: Races, shared: bool) -> None:
    race = race_on(plain)
    host = race.host
    email = f"n07-{shared}@racers.example"
    user = host.user(email)
    given: dict[str, Any] = {"email": email}
    if shared:
        given["cookie"] = cookie_of(arrived(host, EVERYONE, email))
    results = race.run(confirm, given)
    won = [secret for status, where, secret in results if (status, where) == (303, "/secret")]
    assert len(won) == 1, Counter(status for status, *_ in results)
    assert secret_of(host, user) == won
    assert len(of_user(host, "mfa_session", user)) == 1
    assert host.events(user).count("factor_enrolled") == 1
    assert {status for status, *_ in results} <= {303, 401, 409, 503}


def add_one(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Add an authenticator to those that are there."""
    person = arrived(host, index, given["email"])
    yield
    with host.app.app_context():
        try:
            host.mfa.adopt_otp(host.get(given["user"]), otp.new_secret())
        except Exception as error:
            return type(error).__name__
    del person
    return "adopted"


@pytest.mark.check("N07")
def test_no_race_yields_a_sixth_authenticator(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    user = host.user("sixth@racers.example")
    host.enroll(user, "otp")
    results = Counter(race.run(add_one, {"email": "sixth@racers.example", "user": user}))
    held = len(secret_of(host, user))
    assert held == 1 + results["adopted"]
    assert 2 <= held <= 5, results
    assert set(results) <= {"adopted", "Conflict", "Unavailable"}


def first_key(host: Host, index: int, given: None) -> Racing:
    """Open the hash key, or make it."""
    with host.app.app_context():
        store = state().store
        yield
        vault = load_vault(store, Sealer([KEY]), 0)
        return vault.token_hash("the same text")


@pytest.mark.check("C03")
def test_the_key_of_our_hashes_is_made_once(
    rig: Rig, kind: Kind, new_database: Callable[[Kind], str]
) -> None:
    race = Race(rig, plain, new_database(kind))
    assert race.host.rows("mfa_key") == []
    results = race.run(first_key)
    assert len(results) == EVERYONE
    assert len(set(results)) == 1
    assert len(race.host.rows("mfa_key")) == 1
    rig.forget(race)

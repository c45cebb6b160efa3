"""Proofs in a race: a code counts once, a wrong one counts always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.databases import Kind
from tests.host import PHONE, Host
from tests.races.hosts import plain, serializable
from tests.races.racers import (
    arrived,
    codes_of,
    cookie_of,
    newcomer,
    of_user,
    outcome,
    statuses,
    winners,
    with_session_of,
)
from tests.races.rig import EVERYONE, Race, Racing

pytestmark = pytest.mark.race

Races = Callable[..., Race]

BUDGET = 10
"""`MFA_CODE_VERIFY_THRESHOLD` as it is by default."""


def with_otp(host: Host, email: str) -> int:
    """A user with an authenticator."""
    user = host.user(email)
    host.enroll(user, "otp")
    return user


def submit(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Submit a code: half of all in one pending sign-in, half in others."""
    if index % 2:
        person = arrived(host, index, given["email"])
    else:
        person = with_session_of(host, index, given["cookie"])
    yield
    answer = person.post(given["page"], {"code": given["code"]})
    return outcome(answer)


def submit_in_one(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Submit one of several codes in one pending sign-in."""
    person = with_session_of(host, index, given["cookie"])
    code = given["codes"][index % len(given["codes"])]
    yield
    return outcome(person.post(given["page"], {"code": code}))


def verify_or_submit(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """The same code in `mfa.verify`, and on the page."""
    person = arrived(host, index, given["email"])
    with host.app.app_context():
        user = host.get(given["user"])
        yield
        if index % 2:
            try:
                accepted = host.mfa.verify(user, given["code"])
            except Exception as error:
                return (type(error).__name__, False)
            return ("verify", accepted)
    return outcome(person.post("/mfa/challenge/otp", {"code": given["code"]}))


def check_one_use(race: Race, email: str) -> list[Any]:
    """One code, 32 submissions: one is accepted, and one session comes of it."""
    host = race.host
    user = with_otp(host, email)
    pending = arrived(host, EVERYONE, email)
    given = {
        "email": email,
        "code": codes_of(host, user)[0],
        "cookie": cookie_of(pending),
        "page": "/mfa/challenge/otp",
    }
    results = race.run(submit, given)
    assert winners(results) == 1, Counter(results)
    assert len(of_user(host, "mfa_session", user)) == 1
    events = host.events(user)
    assert events.count("proof_accepted") == events.count("signed_in") == 1
    # Whoever was told "wrong" was judged: no right code is lost in the crowd unseen.
    assert events.count("proof_refused") == sum(status == 401 for status, _ in results)
    return results


@pytest.mark.check("T05", "T03")
@pytest.mark.reference(47)
def test_one_authenticator_code_is_accepted_once(race_on: Races) -> None:
    results = check_one_use(race_on(plain), "t05@racers.example")
    assert statuses(results) <= {303, 401, 429, 503}


@pytest.mark.check("T05", "F02")
@pytest.mark.parametrize("kind", ["postgresql"])
def test_it_is_accepted_once_at_the_strictest_isolation(race_on: Races, kind: Kind) -> None:
    results = check_one_use(race_on(serializable), "t05-serializable@racers.example")
    assert statuses(results) <= {303, 401, 429, 503}


@pytest.mark.check("T03", "T05")
def test_the_pages_and_verify_share_one_use(race_on: Races) -> None:
    race = race_on(plain)
    user = with_otp(race.host, "verify@racers.example")
    given = {"email": "verify@racers.example", "user": user, "code": codes_of(race.host, user)[0]}
    results = race.run(verify_or_submit, given)
    assert winners(results) == 1, Counter(results)
    assert race.host.events(user).count("proof_accepted") == 1


@pytest.mark.check("O03", "T05")
@pytest.mark.reference(47)
def test_one_email_code_is_accepted_once(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    user = host.user("o03@racers.example")
    host.enroll(user, "email")
    pending = arrived(host, EVERYONE, "o03@racers.example")
    given = {
        "cookie": cookie_of(pending),
        "codes": [host.last_code()],
        "page": "/mfa/challenge/email",
    }
    results = race.run(submit_in_one, given)
    assert winners(results) == 1, Counter(results)
    assert len(of_user(host, "mfa_session", user)) == 1
    assert host.events(user).count("proof_accepted") == 1
    assert all(row["sealed"] is None for row in of_user(host, "mfa_challenge", user))


@pytest.mark.check("S12")
def test_a_sign_in_that_is_finished_by_many_gives_one_session(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    user = host.user("s12@racers.example")
    host.enroll(user, "otp")
    host.enroll(user, "otp")
    pending = arrived(host, EVERYONE, "s12@racers.example")
    given = {
        "cookie": cookie_of(pending),
        # Two authenticators: each code is claimed by itself, and only the challenge is the same.
        "codes": codes_of(host, user),
        "page": "/mfa/challenge/otp",
    }
    results = race.run(submit_in_one, given)
    assert winners(results) == 1, Counter(results)
    assert len(of_user(host, "mfa_session", user)) == 1
    assert host.events(user).count("signed_in") == 1
    steps = [row["last_step"] for row in of_user(host, "mfa_credential", user)]
    assert steps.count(None) == 1, "the code that came too late is not spent"


# Wrong ones


def guess(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Seven guesses, as fast as they go; the right code is the last one of one racer."""
    person = arrived(host, index, given["email"])
    yield
    results = []
    for number in range(7):
        wanted = index == EVERYONE - 1 and number == 6
        code = given["code"] if wanted else f"{index * 7 + number:06d}"
        results.append(outcome(person.post("/mfa/challenge/otp", {"code": code})))
    return results


@pytest.mark.check("L05", "L01", "L10", "L07")
def test_two_hundred_wrong_codes_at_once_spend_one_budget(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    user = with_otp(host, "l05@racers.example")
    given = {"email": "l05@racers.example", "code": codes_of(host, user)[0]}
    results = [result for racer in race.run(guess, given) for result in racer]
    assert len(results) == 7 * EVERYONE
    refused = sum(status == 401 for status, _ in results)
    assert refused == BUDGET, sorted(statuses(results))
    assert winners(results) == 0
    events = host.events(user)
    assert events.count("proof_refused") == refused
    assert events.count("locked") == 1
    (account,) = of_user(host, "mfa_user", user)
    assert (account["failures"], account["lock_level"]) == (0, 1)
    (factor,) = of_user(host, "mfa_factor", user)
    assert factor["failures"] == refused, "what was evaluated was counted"
    assert all(row["ended_at"] for row in of_user(host, "mfa_challenge", user))
    # Everywhere, and with the right code, too.
    for locked in race.ask(try_right_code, given):
        assert locked == 429


def try_right_code(host: Host, given: dict[str, Any]) -> int:
    """A new sign-in with the right code."""
    person = arrived(host, EVERYONE, given["email"])
    return person.post("/mfa/challenge/otp", {"code": given["code"]}).status_code


def guess_beside_the_owner(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Wrong codes from all but one, who gives the right one."""
    person = arrived(host, index, given["email"])
    yield
    code = given["code"] if index == 20 else f"{index:06d}"
    return outcome(person.post("/mfa/challenge/otp", {"code": code}))


@pytest.mark.check("L05")
def test_the_right_code_in_a_burst_costs_no_more_than_the_budget(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    user = with_otp(host, "l05-right@racers.example")
    given = {"email": "l05-right@racers.example", "code": codes_of(host, user)[0]}
    results = race.run(guess_beside_the_owner, given)
    refused = sum(status == 401 for status, _ in results)
    accepted = winners(results)
    assert accepted <= 1
    assert refused == host.events(user).count("proof_refused")
    # A satisfied gate sets the count back, so after it a second budget may begin.
    assert refused <= BUDGET * (1 + accepted)
    assert len(of_user(host, "mfa_session", user)) == accepted


def guess_text(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Guess a code that was sent, in one pending sign-in."""
    person = with_session_of(host, index, given["cookie"])
    yield
    return outcome(person.post("/mfa/challenge/sms", {"code": f"{index:06d}"}))


@pytest.mark.check("L05", "O03")
def test_a_code_that_was_sent_bears_five_tries_also_at_once(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    email = "tries@racers.example"
    user = host.user(email, phone=PHONE)
    host.enroll(user, "sms", destination="+447400333001")
    pending = newcomer(host, EVERYONE)
    pending.sign_in(email)
    results = race.run(guess_text, {"cookie": cookie_of(pending)})
    assert sum(status == 401 for status, _ in results) == 5
    assert host.events(user).count("proof_refused") == 5
    (challenge,) = of_user(host, "mfa_challenge", user)
    assert challenge["ended_at"] and challenge["sealed"] is None

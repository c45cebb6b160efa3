"""Recovery codes and remembered devices in a race: each counts once, and their end is their end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.core.errors import Conflict
from flask_melody_mfa.flows import devices, recovery
from flask_melody_mfa.testing import recovery_codes
from flask_melody_mfa.web.state import context, state
from tests.host import Host
from tests.races.hosts import host
from tests.races.racers import arrived, newcomer, of_user, winners
from tests.races.rig import EVERYONE, Race, Racing
from tests.recovering import CHALLENGE, device_cookies, stored

pytestmark = pytest.mark.race

Races = Callable[..., Race]


def recovering(url: str) -> Host:
    """A host with recovery codes and devices, where nobody is locked out while they race."""
    return host(
        url,
        ENABLE_RECOVERY_CODE=True,
        ENABLE_MFA_REMEMBER_DEVICE=True,
        MFA_CODE_VERIFY_THRESHOLD=1000,
        MFA_SIGN_IN_THRESHOLD=1000,
    )


def with_codes(race: Race, email: str) -> tuple[int, tuple[str, ...]]:
    """A user with an authenticator, and recovery codes."""
    user = race.host.user(email)
    race.host.enroll(user, "otp")
    with race.host.app.app_context():
        return user, recovery_codes(race.host.get(user))


def is_let_in(answer: Any) -> bool:
    """Whether an answer to a recovery code in a challenge finished the sign-in."""
    return bool(answer.status_code == 303 and "/mfa/enroll/replace" in answer.headers["Location"])


def use_code(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Use one of some codes: in a challenge, or in place of the password."""
    code = given["codes"][index % len(given["codes"])]
    by_login = given.get("recover", True) and index % 4 == 3
    if by_login:
        person = newcomer(host, index)
        person.get("/mfa/recover")
        yield
        answer = person.post("/mfa/recover", {"login": given["email"], "code": code})
        won = answer.status_code == 303 and answer.headers["Location"].startswith("/mfa/challenge")
        return answer.status_code, won, code
    person = arrived(host, index, given["email"])
    yield
    answer = person.post(CHALLENGE, {"code": code})
    return answer.status_code, is_let_in(answer), code


def left_of(host: Host, user: int) -> int:
    """How many codes a user has left."""
    return sum(row["used_at"] is None for row in of_user(host, "mfa_recovery_code", user))


@pytest.mark.check("R06")
def test_one_code_is_used_once(race_on: Races) -> None:
    race = race_on(recovering)
    user, codes = with_codes(race, "r06@racers.example")
    given = {"email": "r06@racers.example", "codes": codes[:1]}
    results = race.run(use_code, given)
    assert sum(won for _, won, _ in results) == 1, Counter(results)
    assert left_of(race.host, user) == 9
    assert race.host.events(user).count("recovery_code_used") == 1
    assert {status for status, _, _ in results} <= {303, 401, 503}


@pytest.mark.check("R07")
def test_ten_codes_are_used_once_each_and_none_comes_back(race_on: Races) -> None:
    race = race_on(recovering)
    user, codes = with_codes(race, "r07@racers.example")
    results = race.run(use_code, {"email": "r07@racers.example", "codes": codes})
    won = Counter(code for _, let_in, code in results if let_in)
    assert won and max(won.values()) == 1, won
    assert left_of(race.host, user) == 10 - len(won)
    for code in codes:
        row = stored(race.host, user, code)
        assert row is not None and (row["used_at"] is not None) == (code in won)


def regenerate_or_use(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Four make new codes, and try all old ones after; the others use old ones."""
    if index % 8:
        result = yield from use_code(host, index, given)
        return ("used", *result)
    with host.app.app_context():
        ctx, account = context(), state().describe(host.get(given["user"]))
        yield
        try:
            made = recovery.make(ctx, account)
        except Conflict:
            return "lost", None, 0
        return "made", made, recovery.are_unspent(ctx, account, given["codes"])


@pytest.mark.check("R09")
def test_new_codes_are_one_set_and_the_old_are_dead_at_once(race_on: Races) -> None:
    race = race_on(recovering)
    user, codes = with_codes(race, "r09@racers.example")
    given = {"email": "r09@racers.example", "user": user, "codes": codes}
    results = race.run(regenerate_or_use, given)
    made = [result for result in results if result[0] == "made"]
    assert made, results
    assert not any(usable for _, _, usable in made), "an old code outlived the answer"
    rows = {row["code_hash"] for row in of_user(race.host, "mfa_recovery_code", user)}
    whole = [codes for _, codes, _ in made if all(stored(race.host, user, code) for code in codes)]
    assert len(whole) == 1 and len(rows) == 10, "one whole set, and nothing else"
    with race.host.app.app_context():
        ctx, account = context(), state().describe(race.host.get(user))
        assert not any(recovery.are_unspent(ctx, account, [code]) for code in codes)


def use_make_or_remove(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Codes are used, new ones are made, and the last factor is taken away."""
    if index == 5:
        with host.app.app_context():
            user = host.get(given["user"])
            yield
            host.mfa.reset(user, ["otp"])
            return "removed", None, 0
    result = yield from regenerate_or_use(host, index, given)
    return result


@pytest.mark.check("R09", "N04", "S04")
def test_codes_and_sessions_do_not_outlive_the_last_factor(race_on: Races) -> None:
    race = race_on(recovering)
    user, codes = with_codes(race, "remove@racers.example")
    given = {"email": "remove@racers.example", "user": user, "codes": codes, "recover": False}
    results = race.run(use_make_or_remove, given)
    assert ("removed", None, 0) in results
    assert not of_user(race.host, "mfa_credential", user)
    assert not of_user(race.host, "mfa_recovery_code", user)
    assert all(row["ended_at"] for row in of_user(race.host, "mfa_session", user))


# Devices


def with_devices(race: Race, email: str, count: int) -> tuple[int, list[dict[str, str]]]:
    """A user, and the cookies of some browsers that are remembered."""
    user, _ = with_codes(race, email)
    browsers = []
    with race.host.clock() as clock:
        clock.tick(-60 * (count + 1))
        for number in range(count):
            person = arrived(race.host, EVERYONE + number, email)
            person.get("/mfa/challenge/otp")
            person.code(race.host.otp(user), remember_device="1")
            browsers.append(device_cookies(person))
            clock.tick(60)
    assert all(browsers)
    return user, browsers


def sign_in_on_device(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Sign in by password in a browser that is remembered; who revokes, revokes."""
    if index in given.get("revokers", ()):
        with host.app.app_context():
            ctx, account = context(), state().describe(host.get(given["user"]))
            yield
            newcomer(host, index).sign_in(given["email"])  # about as long as the others take
            devices.revoke_all(ctx, account)
            return 0, False
    person = newcomer(host, index)
    for name, value in given["browsers"][index % len(given["browsers"])].items():
        person.client.set_cookie(name, value)
    yield
    answer = person.sign_in(given["email"])
    return answer.status_code, answer.headers.get("Location") == "/secret"


@pytest.mark.check("D09")
def test_a_token_signs_in_once_and_two_tabs_are_no_alarm(race_on: Races) -> None:
    race = race_on(recovering)
    user, browsers = with_devices(race, "d09@racers.example", 1)
    results = race.run(sign_in_on_device, {"email": "d09@racers.example", "browsers": browsers})
    assert winners(results) == 1, Counter(results)
    assert "device_reuse_detected" not in race.host.events(user)
    assert [row["revoked_at"] for row in of_user(race.host, "mfa_device", user)] == [None]


@pytest.mark.check("D04", "D08", "S04")
def test_no_session_outlives_the_device_that_it_relies_on(race_on: Races) -> None:
    race = race_on(recovering)
    email = "d08@racers.example"
    user, browsers = with_devices(race, email, 30)
    given = {"email": email, "user": user, "browsers": browsers, "revokers": (7, 23)}
    results = race.run(sign_in_on_device, given)
    assert winners(results), "some came before the end"
    assert all(row["revoked_at"] for row in of_user(race.host, "mfa_device", user))
    for table in ("mfa_session", "mfa_challenge"):
        for row in of_user(race.host, table, user):
            relied = [proof for proof in json.loads(row["proofs"]) if proof[4]]
            assert row["ended_at"] or not relied, (table, row["proofs"])

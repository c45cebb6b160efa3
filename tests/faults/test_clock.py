"""Clocks that jump, disagree, or live in another time zone (F08)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from flask_melody_mfa.testing import Frozen
from tests.faults.people import arrived, inside, one, rows_of, somebody, visitor
from tests.host import Host, Person

Make = Callable[..., Host]

HOUR = 3600


@contextmanager
def two(
    make_host: Make, url: str, ahead: float, **config: object
) -> Iterator[tuple[Host, Host, Frozen, Frozen]]:
    """Two workers on one database; the first's clock is `ahead` seconds of the second's."""
    first, second = make_host(url, **config), make_host(url, **config)
    with first.clock() as fast, second.clock() as slow:
        slow.now = fast.now
        fast.tick(ahead)
        yield first, second, fast, slow


def at(host: Host, person: Person) -> Person:
    """The same browser, served by another worker."""
    other = Person(host)
    other.client.set_cookie("session", person.cookies()["session"])
    return other


@pytest.mark.check("F08", "T03", "T04")
@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_jump_replays_no_code(make_host: Make, jump: int) -> None:
    host = make_host()
    user, email = somebody(host, "otp")
    with host.clock() as clock:
        code = host.otp(user)
        person = arrived(host, email)
        person.post("/mfa/challenge/otp", {"code": code})
        assert person.signed_in()
        clock.tick(jump)
        clock.tick(-jump)
        assert arrived(host, email).post("/mfa/challenge/otp", {"code": code}).status_code == 401
        clock.tick(jump)
        again = arrived(host, email)
        assert again.post("/mfa/challenge/otp", {"code": code}).status_code == 401
        spent = one(rows_of(host, "mfa_credential", user))["last_step"]
        assert spent >= clock.now // 30_000 or jump > 0


@pytest.mark.check("F08", "L10")
@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_jump_makes_no_lock_endless(make_host: Make, jump: int) -> None:
    host = make_host(MFA_CODE_VERIFY_THRESHOLD=2)
    user, email = somebody(host, "otp")
    with host.clock() as clock:
        person = arrived(host, email)
        for _ in range(2):
            person.post("/mfa/challenge/otp", {"code": "000000"})
        clock.tick(jump)
        person = arrived(host, email)
        answer = person.post("/mfa/challenge/otp", {"code": host.otp(user)})
        if jump > 0:
            assert person.signed_in(), "the lock's hour is over"
            return
        assert answer.status_code == 429
        wait = int(answer.headers["Retry-After"])
        assert 0 < wait <= 900 + HOUR
        clock.tick(wait + 1)
        person = arrived(host, email)
        person.post("/mfa/challenge/otp", {"code": host.otp(user)})
        assert person.signed_in()


@pytest.mark.check("F08", "O02", "O08")
@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_a_jump_neither_extends_a_code_nor_stops_the_next(make_host: Make, jump: int) -> None:
    host = make_host()
    _, email = somebody(host, "otp", "sms")
    with host.clock() as clock:
        person = arrived(host, email)
        person.post("/mfa/challenge/sms/send")
        code = host.last_code()
        clock.tick(jump)
        if jump > 0:
            person.post("/mfa/challenge/sms", {"code": code})
            assert not person.signed_in()
            return
        assert person.post("/mfa/challenge/sms", {"code": code}).status_code == 401
        assert person.post("/mfa/challenge/sms/send").status_code == 303, "no hour-long pause"
        person.post("/mfa/challenge/sms", {"code": host.last_code()})
        assert person.signed_in()


@pytest.mark.check("F08", "O08")
def test_a_clock_set_back_stretches_no_limit_beyond_its_window(make_host: Make) -> None:
    host = make_host(SMS_MFA_MESSAGE_THRESHOLD=1)
    _, email = somebody(host, "otp", "sms")
    with host.clock() as clock:
        arrived(host, email).post("/mfa/challenge/sms/send")
        clock.tick(-24 * HOUR)
        answer = arrived(host, email).post("/mfa/challenge/sms/send")
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) <= 1800


@pytest.mark.check("F08", "S06")
def test_a_clock_set_back_makes_no_proof_fresher(make_host: Make) -> None:
    host = make_host()
    user, email = somebody(host, "otp")
    with host.clock() as clock:
        person = inside(host, email, user)
        clock.tick(100)
        assert person.get("/fresh").status_code == 200
        clock.tick(-HOUR)
        assert person.get("/fresh").status_code != 200
        assert person.get("/secret").status_code == 200, "the session itself goes on"


@pytest.mark.check("F08", "F09")
@pytest.mark.parametrize("ahead", [-40, 40, -1, 1])
def test_two_workers_that_disagree_by_seconds_serve_one_sign_in(
    make_host: Make, sqlite_url: str, ahead: int
) -> None:
    """±20 s each: what one worker made a moment ago is good at the other."""
    with two(make_host, sqlite_url, ahead) as (first, second, _, _):
        user, email = somebody(first, "otp", "sms")
        there = at(second, arrived(first, email))
        assert there.get("/mfa/challenge/otp").status_code == 200
        there.post("/mfa/challenge/otp", {"code": second.otp(user)})
        assert there.signed_in()

        person = arrived(first, email)
        assert person.post("/mfa/challenge/sms/send").status_code == 303
        there = at(second, person)
        there.post("/mfa/challenge/sms", {"code": first.last_code()})
        assert there.signed_in(), "a code that was sent a moment ago"
        assert there.get("/fresh").status_code == 200, "a proof that was given a moment ago"
        assert at(first, there).get("/fresh").status_code == 200, "and at the other worker"


@pytest.mark.check("F08", "F09")
@pytest.mark.parametrize("ahead", [-40, 40])
def test_a_first_set_up_works_across_two_workers(
    make_host: Make, sqlite_url: str, ahead: int
) -> None:
    with two(make_host, sqlite_url, ahead) as (first, second, _, _):
        _, email = somebody(first)
        person = at(second, arrived(first, email))
        assert person.post("/mfa/enroll/email/send").status_code == 303
        here = at(first, person)
        here.post("/mfa/enroll/email", {"code": second.last_code()})
        assert here.signed_in()
        assert at(second, here).signed_in()


@pytest.mark.check("F08", "O02")
@pytest.mark.parametrize("ahead", [-40, 0, 40])
def test_an_old_code_is_old_for_both(make_host: Make, sqlite_url: str, ahead: int) -> None:
    with two(make_host, sqlite_url, ahead) as (first, second, fast, slow):
        _, email = somebody(first, "otp", "sms")
        person = arrived(first, email)
        person.post("/mfa/challenge/sms/send")
        for clock in (fast, slow):
            clock.tick(300 + abs(ahead) + 1)
        there = at(second, person)
        assert there.post("/mfa/challenge/sms", {"code": first.last_code()}).status_code == 401


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    """This process lives somewhere else."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


@pytest.mark.check("F08", "N08")
def test_workers_in_other_time_zones_agree(any_database_url: str, make_host: Make) -> None:
    here, there = make_host(any_database_url), make_host(any_database_url)
    user, email = somebody(here, "otp", "sms")
    with time_zone("Pacific/Kiritimati"):
        person = visitor(here)
        person.sign_in(email)
        person.post("/mfa/challenge/sms/send")
    with time_zone("Pacific/Pago_Pago"):
        other = at(there, person)
        other.post("/mfa/challenge/sms", {"code": here.last_code()})
        assert other.signed_in()
        assert other.get("/fresh").status_code == 200
    now = time.time_ns() // 1_000_000
    for row in host_events(there, user):
        assert now - 60_000 < row["at"] <= now, "UTC, wherever the worker lives"


def host_events(host: Host, user: int) -> list[dict[str, int]]:
    """The events of a user."""
    return [row for row in host.rows("mfa_event") if row["user_key"] == str(user)]

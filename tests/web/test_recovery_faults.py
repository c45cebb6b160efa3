"""The database fails at any statement while a code is spent or a device is used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from flask_melody_mfa.flows import recovery
from flask_melody_mfa.web.state import context, state
from tests.host import Host, Person
from tests.recovering import (
    ADA,
    CHALLENGE,
    Make,
    arrive,
    codes_of,
    device_cookies,
    left,
    sign_in,
    stored,
)

MOST = 60
"""More statements than any of these acts takes."""


@contextmanager
def broken_at(host: Host, number: int) -> Iterator[list[str]]:
    """The database fails at the n-th statement or commit of ours from now on, and after it."""
    seen: list[str] = []
    with host.app.app_context():
        engine = host.app.extensions["melody_mfa"].store.engine

    def fail(what: str) -> None:
        if is_ours(what):
            seen.append(what)
            if len(seen) >= number:
                raise OperationalError(what, None, sqlite3.OperationalError("disk I/O error"))

    def at_statement(_c: Any, _u: Any, statement: str, _p: Any, _x: Any, _m: bool) -> None:
        fail(statement)

    def at_commit(_connection: Any) -> None:
        if seen:
            fail("COMMIT mfa_")

    event.listen(engine, "before_cursor_execute", at_statement)
    event.listen(engine, "commit", at_commit)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", at_statement)
        event.remove(engine, "commit", at_commit)


def is_ours(statement: str) -> bool:
    """Whether a statement touches our tables; the host's own are the host's affair."""
    return "mfa_" in statement


@pytest.fixture
def host(make_host: Make, sqlite_url: str) -> Host:
    """A host on a file."""
    return make_host(sqlite_url, ENABLE_RECOVERY_CODE=True, ENABLE_MFA_REMEMBER_DEVICE=True)


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user()
    host.enroll(user, "otp")
    return user


def is_in(person: Person) -> bool:
    return person.client.get("/secret", headers={"Accept": "text/html"}).status_code == 200


def each_fault(host: Host, act: Callable[[], Any]) -> Iterator[tuple[int, Any]]:
    """Do something with a fault at each of its statements in turn, until it takes no more."""
    for number in range(1, MOST):
        with broken_at(host, number) as seen:
            result = act()
        yield number, result
        if len(seen) < number:
            return
    raise AssertionError("it takes too many statements")


@pytest.mark.check("R10", "F01")
def test_nobody_is_let_in_by_a_code_that_is_not_spent(host: Host, ada: int) -> None:
    codes: tuple[str, ...] = ()
    browsers: list[Person] = []

    def act() -> int:
        return browsers[-1].code(codes[0]).status_code

    faults = 0
    for number in range(1, MOST):
        codes = codes_of(host, ada)
        browsers.append(arrive(host))
        browsers[-1].get(CHALLENGE)
        with broken_at(host, number) as seen:
            status = act()
        row = stored(host, ada, codes[0])
        assert row is not None
        if is_in(browsers[-1]):
            assert row["used_at"] is not None, number
        if len(seen) < number:
            break
        faults += 1
        assert status in (303, 503), number
        if status == 503:
            again = arrive(host)
            again.get(CHALLENGE)
            fresh = codes[0] if row["used_at"] is None else codes[1]
            again.code(fresh)
            assert is_in(again), "and the user can go on afterwards"
    assert faults > 10
    assert is_in(browsers[-1])


@pytest.mark.check("R10", "F01")
def test_nobody_is_let_in_by_login_and_a_code_that_is_not_spent(
    make_host: Make, sqlite_url: str
) -> None:
    host = make_host(sqlite_url, ENABLE_RECOVERY_CODE=True, MFA_RECOVERY_CODE_IS_ENOUGH=True)
    ada = host.user()
    host.enroll(ada, "otp")
    faults = 0
    for number in range(1, MOST):
        codes = codes_of(host, ada)
        person = Person(host)
        person.get("/mfa/recover")
        with broken_at(host, number) as seen:
            status = person.post("/mfa/recover", {"login": ADA, "code": codes[0]}).status_code
        row = stored(host, ada, codes[0])
        assert row is not None
        if is_in(person):
            assert row["used_at"] is not None, number
        if len(seen) < number:
            assert is_in(person)
            break
        faults += 1
        assert status in (303, 503), number
    assert faults > 5


@pytest.mark.check("R09", "F01")
def test_a_set_is_whole_or_not_there(host: Host, ada: int) -> None:
    old = codes_of(host, ada)

    def act() -> tuple[str, ...] | None:
        with host.app.app_context():
            try:
                return recovery.make(context(), state().describe(host.get(ada)))
            except Exception:
                return None

    for number, made in each_fault(host, act):
        there = [code for code in old if stored(host, ada, code)]
        if made is None:
            assert len(there) in (0, 10), number
            assert left(host, ada) == 10, number
        if not there:
            break
    assert left(host, ada) == 10


@pytest.mark.check("F01")
def test_a_device_never_signs_in_with_a_token_that_was_not_used_up(host: Host, ada: int) -> None:
    codes_of(host, ada)
    with host.clock() as clock:
        person = sign_in(host, ada, remember_device="1")
        for number in range(1, MOST):
            person.get("/logout")
            before = device_cookies(person)
            used = len(host.rows("mfa_device_token"))
            with broken_at(host, number) as seen:
                status = person.sign_in().status_code
            spent = len(host.rows("mfa_device_token")) > used
            assert not is_in(person) or spent, number
            if len(seen) < number:
                assert spent and is_in(person)
                break
            assert status in (302, 303, 503)
            if status == 503 and not spent:
                assert device_cookies(person) == before, "it is as good as it was"
            clock.tick(60)
            if spent and not is_in(person):  # the answer was lost, and the token with it
                person = sign_in(host, ada, remember_device="1")
                clock.tick(60)

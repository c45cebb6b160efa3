"""Those who suffer the faults."""

from __future__ import annotations

import itertools
from typing import Any

from tests.host import Host, Person

_numbers = itertools.count(1)


def somebody(host: Host, *factors: str, **values: Any) -> tuple[int, str]:
    """A new user with some factors, and a number of their own for text messages."""
    number = next(_numbers)
    email = f"user{number}@example.org"
    user = host.user(email, **values)
    for factor in factors:
        destination = f"+4474{number:08d}" if factor == "sms" else None
        host.enroll(user, factor, destination=destination)
    return user, email


def visitor(host: Host) -> Person:
    """Somebody with a browser, at a network address of their own: no flow meets its limits."""
    number = next(_numbers)
    person = Person(host)
    person.client.environ_base["REMOTE_ADDR"] = f"10.1.{number // 250}.{number % 250}"
    return person


def arrived(host: Host, email: str) -> Person:
    """Somebody who gave the password and owes the rest."""
    person = visitor(host)
    assert person.sign_in(email).status_code in (302, 303)
    return person


def inside(host: Host, email: str, user: int) -> Person:
    """Somebody who signed in by an authenticator, fault-free."""
    person = arrived(host, email)
    assert person.post("/mfa/challenge/otp", {"code": host.otp(user)}).status_code == 303
    return person


def gets_in(host: Host, email: str, user: int) -> None:
    """After recovery the user signs in as ever, by whatever is asked for."""
    person = arrived(host, email)
    held = {row["kind"] for row in rows_of(host, "mfa_credential", user)}
    if "otp" in held:
        person.post("/mfa/challenge/otp", {"code": host.otp(user)})
    elif held:
        person.post(f"/mfa/challenge/{held.pop()}", {"code": host.last_code()})
    assert person.signed_in(), person.text


def rows_of(host: Host, table: str, user: int) -> list[Any]:
    """A user's rows of a table."""
    return [row for row in host.rows(table) if row["user_key"] == str(user)]


def one(rows: list[Any]) -> Any:
    """The only row."""
    (row,) = rows
    return row

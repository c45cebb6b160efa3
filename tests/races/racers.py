"""What racers share: getting to the step where the race begins, and reading how it ended."""

from __future__ import annotations

from typing import Any

from werkzeug.test import TestResponse

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.store import accounts
from flask_melody_mfa.web.state import context
from tests.host import Host, Person

ENTERED = "/secret"
"""Where a finished sign-in leads in these races."""


def newcomer(host: Host, index: int) -> Person:
    """Somebody with a browser, at a network address of their own: no race meets its limit."""
    person = Person(host)
    person.client.environ_base["REMOTE_ADDR"] = f"10.{index}.{id(person) % 251}.1"
    return person


def arrived(host: Host, index: int, email: str) -> Person:
    """Somebody who gave the password and owes the rest."""
    person = newcomer(host, index)
    assert person.sign_in(email).status_code == 303
    return person


def cookie_of(person: Person) -> str:
    """The session cookie of a browser, for further requests of it."""
    return person.cookies()["session"]


def with_session_of(host: Host, index: int, cookie: str) -> Person:
    """A further request of a browser that is there already: same cookie."""
    person = newcomer(host, index)
    person.client.set_cookie("session", cookie)
    return person


def entered(response: TestResponse) -> bool:
    """Whether this answer finished a sign-in."""
    return response.status_code == 303 and response.headers["Location"] == ENTERED


def outcome(response: TestResponse) -> tuple[int, bool]:
    """An answer as a racer reports it: its status, and whether it finished a sign-in."""
    return response.status_code, entered(response)


def winners(results: list[Any]) -> int:
    """How many outcomes finished a sign-in."""
    return sum(won for _, won in results)


def statuses(results: list[Any]) -> set[int]:
    """The statuses that came."""
    return {status for status, _ in results}


def of_user(host: Host, table: str, user: int) -> list[Any]:
    """A user's rows of a table."""
    return [row for row in host.rows(table) if row["user_key"] == str(user)]


def codes_of(host: Host, user: int) -> list[str]:
    """The code that each of a user's authenticators shows now; good for 30 seconds at least."""
    with host.app.app_context():
        ctx = context()
        holding = ctx.store.run(lambda session: accounts.read_holding(session, str(user)))
        secrets = [
            ctx.vault.open_credential(row).secret or b"" for row in holding.of(FactorKind.OTP)
        ]
        return [otp.code_at(secret, otp.step_of(ctx.now)) for secret in secrets]

"""What tests of recovery codes and remembered devices share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from flask_melody_mfa.core.recovery_codes import canonical
from flask_melody_mfa.testing import recovery_codes
from flask_melody_mfa.web.state import context
from tests.host import Host, Person

ADA = "ada@example.org"
BOB = "bob@example.org"
CHALLENGE = "/mfa/challenge/recovery-code"
SHEET = "/mfa/enroll/recovery-codes"


def codes_of(host: Host, user: int) -> tuple[str, ...]:
    """New recovery codes for a user."""
    with host.app.app_context():
        return recovery_codes(host.get(user))


def arrive(host: Host, email: str = ADA, **fields: Any) -> Person:
    """A person who gave the password and was led to the first step."""
    person = Person(host)
    person.sign_in(email, **fields)
    person.follow()
    return person


def sign_in(host: Host, user: int, *, email: str = ADA, **fields: Any) -> Person:
    """A person who signed in with password and authenticator code; at the answer to the code."""
    person = arrive(host, email)
    person.code(host.otp(user), **fields)
    return person


def recover(host: Host, code: str, login: str = ADA, **fields: Any) -> Person:
    """A person who gave login and recovery code."""
    person = Person(host)
    person.get("/mfa/recover")
    person.post("/mfa/recover", {"login": login, "code": code, **fields})
    return person


def shown(person: Person) -> list[str]:
    """The codes on the sheet."""
    assert person.page is not None
    return re.findall(r'name="code" value="([^"]+)"', person.page.text)


def stored(host: Host, user: int, code: str) -> dict[str, Any] | None:
    """The row of a code, or None."""
    with host.app.app_context():
        found = context().vault.recovery_code_hash(str(user), canonical(code) or "")
    return next((r for r in host.rows("mfa_recovery_code") if r["code_hash"] == found), None)


def left(host: Host, user: int) -> int:
    """How many codes a user has left."""
    return sum(
        row["used_at"] is None
        for row in host.rows("mfa_recovery_code")
        if row["user_key"] == str(user)
    )


def device_cookies(person: Person) -> dict[str, str]:
    """The cookies of remembered devices that a browser holds."""
    return {name: value for name, value in person.cookies().items() if "mfa_device_" in name}


def new_browser(host: Host, cookies: dict[str, str]) -> Person:
    """A browser that holds nothing but these cookies."""
    person = Person(host)
    for name, value in cookies.items():
        person.client.set_cookie(name, value)
    return person


def is_asked(person: Person, email: str = ADA) -> bool:
    """Whether signing in by password in this browser still asks for a proof."""
    person.get("/logout")
    person.sign_in(email)
    return person.at == "/mfa/challenge"


@contextmanager
def statements(host: Host) -> Iterator[list[str]]:
    """The SQL statements that run meanwhile, without their parameters; those of all sessions."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, _p: Any, _x: Any, _many: bool) -> None:
        seen.append(statement)

    with host.app.app_context():
        engines = {host.db.engine, host.app.extensions["melody_mfa"].store.engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


Make = Callable[..., Host]

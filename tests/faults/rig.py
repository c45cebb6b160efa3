"""The fault rig: let the k-th thing that the extension does in its database fail.

    faults = Faults(host)
    with faults.failing("statement", 3) as planned:  # its third statement fails, once
        answer = person.post(…)
    planned.struck                                   # whether there was a third one

Kinds of faults:

- `connection`: the k-th connection from the pool cannot be had;
- `statement`: the k-th statement fails, as the driver says it;
- `drop`: the connection is gone at the k-th statement (servers only);
- `commit`: the k-th commit fails, and nothing is kept;
- `answer`: the k-th commit is kept, and its answer is lost on the way.

Counted is what the extension itself asks the database for, on its own connection or (the user that
it reads through the host's model) on the host's. What the host's views do by themselves is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from sqlalchemy import event
from werkzeug.test import TestResponse

import flask_melody_mfa
from tests.host import Host

PACKAGE = Path(flask_melody_mfa.__file__).parent

Kind = Literal["connection", "statement", "drop", "commit", "answer"]

KINDS: tuple[Kind, ...] = get_args(Kind)

LONGEST_FLOW = 200


@dataclass
class Planned:
    """One planned fault. In a `with` block of it, it may strike: once, or (`again`) ever after."""

    faults: Faults
    kind: Kind
    left: int
    error: Callable[[], Exception]
    again: bool = False
    struck: bool = False
    seen: list[str] = field(default_factory=list)

    def __enter__(self) -> Planned:
        self.faults.planned = self
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.planned = None

    def strikes(self, what: str) -> bool:
        """Count one; True when it is this one that fails."""
        if self.struck:
            return self.again
        self.seen.append(what)
        self.left -= 1
        self.struck = self.left == 0
        return self.struck


class Faults:
    """Makes a host's database fail on demand."""

    def __init__(self, host: Host) -> None:
        with host.app.app_context():
            self.engine = host.db.engine
        self.planned: Planned | None = None
        if self.engine.dialect.name == "sqlite":
            self.engine.dispose()
            event.listen(self.engine, "connect", do_not_wait_for_the_disk)
        for name in ("do_execute", "do_executemany"):
            event.listen(self.engine, name, self._execute)
        event.listen(self.engine, "do_execute_no_params", self._execute_plainly)
        event.listen(self.engine, "checkout", self._checkout)
        self._do_commit = self.engine.dialect.do_commit
        self.engine.dialect.do_commit = self._commit

    def operational_error(self) -> Exception:
        """What the driver raises when the server has gone."""
        error: Exception = self.engine.dialect.loaded_dbapi.OperationalError(
            "server closed the connection unexpectedly"
        )
        return error

    def failing(
        self,
        kind: Kind,
        at: int,
        *,
        error: Callable[[], Exception] | None = None,
        again: bool = False,
    ) -> Planned:
        """Plan that the `at`-th one fails; with `again`, all of that kind after it, too."""
        return Planned(self, kind, at, error or self.operational_error, again)

    def _strikes(self, what: str, *kinds: Kind) -> Planned | None:
        """The fault that strikes now, if one does."""
        planned = self.planned
        if planned is None or planned.kind not in kinds or not is_ours():
            return None
        return planned if planned.strikes(what) else None

    def _execute(self, cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        planned = self._strikes(statement, "statement", "drop")
        if planned is None:
            return
        if planned.kind == "statement":
            raise planned.error()
        cursor.connection.close()  # and the driver says what it says

    def _execute_plainly(self, cursor: Any, statement: str, context: Any) -> None:
        self._execute(cursor, statement, None, context)

    def _checkout(self, connection: Any, record: Any, proxy: Any) -> None:
        planned = self._strikes("connection", "connection")
        if planned is not None:
            raise planned.error()

    def _commit(self, connection: Any) -> None:
        planned = self._strikes("commit", "commit", "answer")
        if planned is None or planned.kind == "answer":
            self._do_commit(connection)
        if planned is not None:
            raise planned.error()


def do_not_wait_for_the_disk(connection: Any, record: Any) -> None:
    """What fails here is not the power."""
    connection.execute("PRAGMA synchronous = OFF")


def is_ours() -> bool:
    """Whether the extension, and not the host, asked for what the database is about to do."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if PACKAGE in path.parents:
            return True
        if path.name == "host.py":
            return False
        frame = frame.f_back
    return False


def each_fault(
    faults: Faults, kind: Kind, run: Callable[[Planned], None], *, least: int = 1
) -> int:
    """Let the first of a kind fail, then the second …, until the flow passes; how many there were.

    `run(planned)` goes through the flow anew each time; what it does in `with planned:` may fail.
    """
    for at in range(1, LONGEST_FLOW):
        planned = faults.failing(kind, at)
        run(planned)
        if not planned.struck:
            assert at > least, f"the flow has too few of {kind}"
            return at - 1
    raise AssertionError("the flow does not end")


def is_fair(answer: TestResponse) -> bool:
    """503 with Retry-After, or what the page says anyway; nothing else of the 500 kind."""
    if answer.status_code == 503:
        return "Retry-After" in answer.headers
    return answer.status_code < 500

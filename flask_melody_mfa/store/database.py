"""Own short transactions on the host's engine: begun and ended by us, never by the host.

`Store.run` is the only way to the database. Its work function is run again when the database
says that it lost against another transaction, so it must do nothing but talk to the database.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from flask_melody_mfa.core.errors import HostBlocks, Unavailable

T = TypeVar("T")

log = logging.getLogger("flask_melody_mfa")

TRIES = 4
CONFLICTS = frozenset({"40001", "40P01", "55P03", "1213", "1205", "1020"})
MISSING = frozenset({"42P01", "1146"})
PATIENCE = 1.0
"""Seconds. A conflict that took longer has waited for a lock already and is not tried again."""


class SharedConnection:
    """The host's only connection, lent to us inside a savepoint.

    An in-memory SQLite database lives in one connection. Committing or rolling back on it would
    do the same to what the host has open, so our transaction is a savepoint there.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._open = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def cursor(self, *args: Any) -> Any:
        if not self._open:
            self._connection.execute("SAVEPOINT mfa")
            self._open = True
        return self._connection.cursor(*args)

    def commit(self) -> None:
        if self._open:
            self._connection.execute("RELEASE mfa")
            self._open = False

    def rollback(self) -> None:
        if self._open:
            self._connection.execute("ROLLBACK TO mfa")
            self._connection.execute("RELEASE mfa")
            self._open = False

    def close(self) -> None:
        self.rollback()


def _code(error: DBAPIError) -> str:
    """The database's own code for an error: SQLSTATE, or MariaDB's number, else the text."""
    origin = error.orig
    state = getattr(origin, "sqlstate", None)
    if state:
        return str(state)
    arguments = getattr(origin, "args", ())
    return str(arguments[0]) if arguments else ""


def _is_conflict(error: DBAPIError) -> bool:
    if isinstance(error, IntegrityError):
        return True  # someone inserted the same row first; the next run finds it
    code = _code(error)
    return code in CONFLICTS or "database is locked" in code or "table is locked" in code


def _is_missing(error: DBAPIError) -> bool:
    code = _code(error)
    return code in MISSING or code.startswith("no such table")


class Store:
    """Runs work in transactions of our own.

    `host_writes()` tells whether the host's session holds uncommitted writes on SQLite, where
    ours would wait for them in vain.
    """

    def __init__(self, engine: Engine, *, host_writes: Callable[[], bool] = lambda: False) -> None:
        self.host_engine = engine
        self.shared = isinstance(engine.pool, StaticPool)
        self._host_writes = host_writes
        self._lock = threading.RLock()
        self._lent: tuple[Any, Engine] | None = None

    @property
    def engine(self) -> Engine:
        """The engine that our transactions run on."""
        if not self.shared:
            return self.host_engine
        pool: Any = self.host_engine.pool
        connection = pool.connection.dbapi_connection
        if self._lent is None or self._lent[0] is not connection:
            lent = SharedConnection(connection)
            engine = create_engine("sqlite://", creator=lambda: lent, poolclass=StaticPool)
            self._lent = (connection, engine)
        return self._lent[1]

    def run(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction and commit.

        Raises what `work` raises (after rolling back), `HostBlocks`, or `Unavailable`.
        """
        return self._patiently(work, commit=True)

    def read(self, work: Callable[[Session], T]) -> T:
        """Run `work`, which only asks, in one transaction without a commit. Raises as `run`."""
        return self._patiently(work, commit=False)

    def _patiently(self, work: Callable[[Session], T], *, commit: bool) -> T:
        if not self.shared and self._host_writes():
            log.error(
                "The app's database session holds uncommitted writes while MFA must write; on "
                "SQLite the second connection would wait for them. Call db.session.commit() "
                "before the view returns (or before login_user)."
            )
            raise HostBlocks
        for attempt in range(TRIES):
            began = time.monotonic()
            try:
                return self._once(work, commit=commit)
            except DBAPIError as error:
                if _is_missing(error):
                    log.error(
                        "The MFA tables are missing. Run `flask mfa db revision` and "
                        "`flask db upgrade`, or without Flask-Migrate `flask mfa db upgrade`."
                    )
                    raise Unavailable from None
                waited = time.monotonic() - began > PATIENCE
                if not _is_conflict(error) or waited or attempt == TRIES - 1:
                    log.error("The database failed: %s", type(error).__name__)
                    raise Unavailable from None
            except SQLAlchemyError as error:
                log.error("The database failed: %s", type(error).__name__)
                raise Unavailable from None
            time.sleep(random.uniform(0.005, 0.02) * (attempt + 1))
        raise AssertionError("unreachable")

    def _once(self, work: Callable[[Session], T], *, commit: bool) -> T:
        with (
            self._lock if self.shared else nullcontext(),
            Session(self.engine, expire_on_commit=False, autoflush=False) as session,
        ):
            result = work(session)
            if commit:
                session.commit()
            return result

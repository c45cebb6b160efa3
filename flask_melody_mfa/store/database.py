"""Own short transactions on the host's engine: begun and ended by us, never by the host.

`Store.run` is the only way to the database. Its work function is run again when the database
says that it lost against another transaction, so it must do nothing but talk to the database.

Work that changes several rows of an account takes them in one order, so that no two wait for each
other in a circle: `mfa_user`, `mfa_factor`, `mfa_challenge`, `mfa_credential`,
`mfa_recovery_code`, `mfa_device`, `mfa_session`.
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

TRIES = 6
PAUSE = 0.01
"""Seconds before the second try, about; then twice as long each time."""
CONFLICTS = frozenset({"40001", "40P01", "55P03", "1213", "1205", "1020"})
MISSING = frozenset({"42P01", "1146"})
PATIENCE = 2.0
"""Seconds. After that long a conflict is not tried again: it has waited for a lock already."""


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


def _codes(error: DBAPIError) -> set[str]:
    """The database's own codes for an error: SQLSTATE, MariaDB's number, SQLite's text."""
    origin = error.orig
    arguments = getattr(origin, "args", ())
    return {str(code) for code in (getattr(origin, "sqlstate", None), *arguments[:1]) if code}


def _is_conflict(error: DBAPIError) -> bool:
    if isinstance(error, IntegrityError):
        return True  # someone inserted the same row first; the next run finds it
    codes = _codes(error)
    return bool(codes & CONFLICTS) or any(
        text in code for code in codes for text in ("database is locked", "table is locked")
    )


def _is_late(error: DBAPIError, began: float) -> bool:
    """Whether to give up waiting. A row that was there first took no waiting of its own."""
    return time.monotonic() - began > PATIENCE and not isinstance(error, IntegrityError)


def _is_missing(error: DBAPIError) -> bool:
    codes = _codes(error)
    return bool(codes & MISSING) or any(code.startswith("no such table") for code in codes)


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
        began = time.monotonic()
        for attempt in range(TRIES):
            try:
                return self._once(work, commit=commit)
            except DBAPIError as error:
                if _is_missing(error):
                    log.error(
                        "The MFA tables are missing. Run `flask mfa db revision` and "
                        "`flask db upgrade`, or without Flask-Migrate `flask mfa db upgrade`."
                    )
                    raise Unavailable from None
                if not _is_conflict(error) or attempt == TRIES - 1 or _is_late(error, began):
                    log.error("The database failed: %s", type(error).__name__)
                    raise Unavailable from None
            except SQLAlchemyError as error:
                log.error("The database failed: %s", type(error).__name__)
                raise Unavailable from None
            time.sleep(random.uniform(0.5, 1.5) * PAUSE * 2**attempt)
        raise AssertionError("unreachable")

    def _once(self, work: Callable[[Session], T], *, commit: bool) -> T:
        with (
            self._lock if self.shared else nullcontext(),
            Session(self.engine, expire_on_commit=False, autoflush=False) as session,
        ):
            result = work(session)
            if commit:
                self._commit(session)
            return result

    def _commit(self, session: Session) -> None:
        """Commit. A connection whose COMMIT failed is given up, unless it is the host's only one.

        Nobody rolls back after a COMMIT that failed, and SQLite leaves the transaction open:
        whoever got this connection next would commit it.
        """
        try:
            session.commit()
        except BaseException:
            if not self.shared:
                session.invalidate()
            raise

"""Counters over a window that begins with the first count; every step is atomic."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.store.statements import execute, rows_changed
from flask_melody_mfa.store.tables import Counter


def count(session: Session, name: str, now: Instant, window: Instant, limit: int) -> Instant:
    """Count one more; 0 when it fits, else the time (Instant length) until the window ends."""
    # Looked for first: on MariaDB an UPDATE of a row that is not there locks its neighbourhood.
    expires_at = session.scalar(select(Counter.expires_at).where(Counter.name == name))
    if expires_at is None:
        session.execute(insert(Counter).values(name=name, count=1, expires_at=now + window))
        return 0
    counted = rows_changed(
        session,
        update(Counter)
        .where(Counter.name == name, Counter.expires_at > now, Counter.count < limit)
        .values(count=Counter.count + 1),
    )
    if counted:
        return 0
    renewed = rows_changed(
        session,
        update(Counter)
        .where(Counter.name == name, Counter.expires_at <= now)
        .values(count=1, expires_at=now + window),
    )
    if renewed:
        return 0
    # After a clock was set back the end may lie far ahead; nobody waits longer than one window.
    return min(window, max(1, expires_at - now))


def give_back(session: Session, name: str) -> None:
    """Count one less, of whatever window runs."""
    session.execute(
        update(Counter)
        .where(Counter.name == name, Counter.count > 0)
        .values(count=Counter.count - 1)
    )


FULL = select(Counter.expires_at).where(
    Counter.name == bindparam("counter"),
    Counter.expires_at > bindparam("now"),
    Counter.count >= bindparam("limit"),
)


def left_until(session: Session, name: str, now: Instant, limit: int) -> Instant:
    """0 while the count is below the limit, else the time until the window ends. Counts nothing."""
    expires_at = execute(session, FULL, counter=name, now=now, limit=limit).scalar()
    return 0 if expires_at is None else max(1, expires_at - now)


def prune(session: Session, now: Instant) -> int:
    """Delete windows that have ended."""
    return rows_changed(session, delete(Counter).where(Counter.expires_at <= now))

"""What an account holds, and its tries: each question one statement, each counter atomic."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session
from sqlalchemy.sql import Executable

from flask_melody_mfa.core.errors import CannotOpen
from flask_melody_mfa.core.types import FactorKind, Instant
from flask_melody_mfa.store.tables import (
    Address,
    ChallengeRow,
    CredentialRow,
    EventRow,
    FactorState,
    SessionRow,
    User,
)

log = logging.getLogger("flask_melody_mfa")


def rows_changed(session: Session, statement: Executable) -> int:
    """Execute an UPDATE or DELETE; its row count decides who won."""
    result = session.execute(statement)
    assert isinstance(result, CursorResult)  # noqa: S101
    return int(result.rowcount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What an account holds and owes, as read in one go; credentials still sealed."""

    user_key: str
    known: bool = False
    version: int = 0
    failures: int = 0
    lock_level: int = 0
    locked_until: Instant | None = None
    must_set_up: frozenset[FactorKind] = frozenset()
    disabled: frozenset[FactorKind] = frozenset()
    credentials: tuple[CredentialRow, ...] = field(default=(), repr=False)

    @property
    def enrolled(self) -> frozenset[FactorKind]:
        """The held factors among otp, sms and email."""
        return frozenset(FactorKind(row.kind) for row in self.credentials)

    def of(self, kind: FactorKind) -> tuple[CredentialRow, ...]:
        """The credentials of one factor."""
        return tuple(row for row in self.credentials if row.kind == kind)


def kinds_of(text: str) -> frozenset[FactorKind]:
    """Read a stored list of factors."""
    return frozenset(FactorKind(part) for part in text.split(",") if part)


def read_holding(session: Session, user_key: str) -> Holding:
    """Everything that the gate must know of an account, in two statements."""
    rows = session.execute(
        select(User, CredentialRow)
        .outerjoin(CredentialRow, CredentialRow.user_key == User.user_key)
        .where(User.user_key == user_key)
        .order_by(CredentialRow.id)
    ).all()
    if not rows:
        return Holding(user_key=user_key)
    user: User = rows[0][0]
    if user.user_key != user_key:  # to MySQL's `utf8mb4_bin`, blanks at the end are nothing
        log.error("The database takes two user keys for one; MFA lends nobody another's factors")
        raise CannotOpen
    disabled = session.scalars(
        select(FactorState.kind).where(
            FactorState.user_key == user_key, FactorState.disabled_at.is_not(None)
        )
    )
    return Holding(
        user_key=user_key,
        known=True,
        version=user.version,
        failures=user.failures,
        lock_level=user.lock_level,
        locked_until=user.locked_until,
        must_set_up=kinds_of(user.must_set_up),
        disabled=frozenset(FactorKind(kind) for kind in disabled),
        credentials=tuple(row[1] for row in rows if row[1] is not None),
    )


def ensure_user(session: Session, user_key: str, now: Instant) -> None:
    """Make the account's row. A lost race ends in IntegrityError, and the work runs again."""
    session.execute(
        insert(User).values(
            user_key=user_key, version=0, failures=0, lock_level=0, must_set_up="", created_at=now
        )
    )


def charge_user(session: Session, user_key: str, now: Instant, threshold: int) -> bool:
    """Count a try before it is judged; False when locked or out of tries."""
    return bool(
        rows_changed(
            session,
            update(User)
            .where(
                User.user_key == user_key,
                User.failures < threshold,
                (User.locked_until.is_(None)) | (User.locked_until <= now),
            )
            .values(failures=User.failures + 1, locked_until=None),
        )
    )


def hold_back(session: Session, user_key: str, until: Instant, threshold: int) -> bool:
    """Close an account whose tries are all spent, while the last ones are judged.

    False when that was done before: then they were never judged to the end.
    """
    return bool(
        rows_changed(
            session,
            update(User)
            .where(
                User.user_key == user_key,
                User.failures >= threshold,
                User.locked_until.is_(None),
            )
            .values(locked_until=until),
        )
    )


def charge_factor(session: Session, user_key: str, kind: FactorKind, cap: int) -> bool:
    """Count a try against one factor; False when it is disabled."""
    where = (FactorState.user_key == user_key, FactorState.kind == kind.value)
    charge = (
        update(FactorState)
        .where(*where, FactorState.disabled_at.is_(None), FactorState.failures < cap)
        .values(failures=FactorState.failures + 1)
    )
    if rows_changed(session, charge):
        return True
    if session.execute(select(FactorState.kind).where(*where)).first():
        # Disabled; or made by another request since our first look, and then this counts.
        return bool(rows_changed(session, charge))
    session.execute(insert(FactorState).values(user_key=user_key, kind=kind.value, failures=1))
    return True


def refund(session: Session, user_key: str, kind: FactorKind) -> None:
    """Give a try back that was charged and never judged wrong.

    Whoever was held back for want of tries may try again: a lock leaves no failures.
    """
    session.execute(
        update(User)
        .where(User.user_key == user_key, User.failures > 0)
        .values(failures=User.failures - 1, locked_until=None)
    )
    session.execute(
        update(FactorState)
        .where(
            FactorState.user_key == user_key,
            FactorState.kind == kind.value,
            FactorState.failures > 0,
        )
        .values(failures=FactorState.failures - 1)
    )


def forgive_factor(session: Session, user_key: str, kind: FactorKind) -> None:
    """A success of a factor sets its own failures back."""
    session.execute(
        update(FactorState)
        .where(
            FactorState.user_key == user_key,
            FactorState.kind == kind.value,
            FactorState.failures > 0,
        )
        .values(failures=0)
    )


def forgive_user(session: Session, user_key: str) -> None:
    """A satisfied gate sets the account's failures and the lock's growth back."""
    session.execute(update(User).where(User.user_key == user_key).values(failures=0, lock_level=0))


def lock(session: Session, holding: Holding, until: Instant, threshold: int) -> bool:
    """Lock an account that used up its tries; one caller wins."""
    return bool(
        rows_changed(
            session,
            update(User)
            .where(
                User.user_key == holding.user_key,
                User.failures >= threshold,
                User.lock_level == holding.lock_level,
            )
            .values(failures=0, lock_level=User.lock_level + 1, locked_until=until),
        )
    )


def unlock(session: Session, user_key: str) -> bool:
    """Lift the lock and forget the failures."""
    return bool(
        rows_changed(
            session,
            update(User)
            .where(User.user_key == user_key)
            .values(failures=0, lock_level=0, locked_until=None),
        )
    )


def disable_factor(
    session: Session, user_key: str, kind: FactorKind, now: Instant, cap: int
) -> bool:
    """Disable a factor that failed too often in a row; one caller wins."""
    return bool(
        rows_changed(
            session,
            update(FactorState)
            .where(
                FactorState.user_key == user_key,
                FactorState.kind == kind.value,
                FactorState.failures >= cap,
                FactorState.disabled_at.is_(None),
            )
            .values(disabled_at=now),
        )
    )


def tell_once(session: Session, user_key: str, what: str, now: Instant, pause: Instant) -> bool:
    """Claim the right to send a notice that goes out at most once in `pause`."""
    column = {"failing": User.failing_told_at, "locked": User.locked_told_at}[what]
    return bool(
        rows_changed(
            session,
            update(User)
            .where(User.user_key == user_key, (column.is_(None)) | (column <= now - pause))
            .values({column: now}),
        )
    )


def claim_version(session: Session, holding: Holding) -> bool:
    """Claim the right to change what an account holds; the slower of two loses."""
    return bool(
        rows_changed(
            session,
            update(User)
            .where(User.user_key == holding.user_key, User.version == holding.version)
            .values(version=User.version + 1),
        )
    )


def set_must_set_up(session: Session, user_key: str, kinds: Sequence[FactorKind]) -> None:
    """Remember what the user must set up at the next sign-in."""
    session.execute(
        update(User)
        .where(User.user_key == user_key)
        .values(must_set_up=",".join(sorted(kind.value for kind in kinds)))
    )


def free_factor(session: Session, user_key: str, kinds: Sequence[FactorKind]) -> None:
    """Forget failures and disablement of factors."""
    session.execute(
        delete(FactorState).where(
            FactorState.user_key == user_key,
            FactorState.kind.in_([kind.value for kind in kinds]),
        )
    )


def erase(session: Session, user_key: str) -> None:
    """Delete every row of an account; nothing is left for a namesake to inherit."""
    for table in (User, FactorState, ChallengeRow, CredentialRow, Address, SessionRow, EventRow):
        session.execute(delete(table).where(table.user_key == user_key))

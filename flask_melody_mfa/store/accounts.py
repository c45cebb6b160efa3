"""What an account holds, and its tries: each question one statement, each counter atomic.

Statements that a sign-in needs are built once, here, and filled in when they run.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.errors import CannotOpen
from flask_melody_mfa.core.types import FactorKind, Instant
from flask_melody_mfa.store.statements import execute, rows_changed
from flask_melody_mfa.store.tables import (
    Address,
    Ceremony,
    ChallengeRow,
    CredentialRow,
    Device,
    DeviceToken,
    EmbeddedSession,
    EventRow,
    FactorState,
    NoticeRow,
    Passkey,
    PasskeyUser,
    RecoveryCode,
    SessionRow,
    User,
)

log = logging.getLogger("flask_melody_mfa")


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
    passkeys: int = 0
    recovery_codes: int = 0
    credentials: tuple[CredentialRow, ...] = field(default=(), repr=False)

    @property
    def enrolled(self) -> frozenset[FactorKind]:
        """The held factors among otp, sms and email."""
        return frozenset(FactorKind(row.kind) for row in self.credentials)

    def of(self, kind: FactorKind) -> tuple[CredentialRow, ...]:
        """The credentials of one factor."""
        return tuple(row for row in self.credentials if row.kind == kind)

    def without(self, credential_id: str) -> Holding:
        """The same, had it not this credential."""
        rest = tuple(row for row in self.credentials if row.id != credential_id)
        return replace(self, credentials=rest)


def kinds_of(text: str) -> frozenset[FactorKind]:
    """Read a stored list of factors."""
    return frozenset(FactorKind(part) for part in text.split(",") if part)


def usable_beside(user_key: Any) -> tuple[Any, Any]:
    """How many passkeys and unspent recovery codes an account has, as columns of a SELECT."""
    return (
        select(func.count())
        .select_from(Passkey)
        .where(Passkey.user_key == user_key)
        .scalar_subquery(),
        select(func.count())
        .select_from(RecoveryCode)
        .where(RecoveryCode.user_key == user_key, RecoveryCode.used_at.is_(None))
        .scalar_subquery(),
    )


CREDENTIAL = tuple(CredentialRow.__table__.columns)

HOLDING = (
    select(
        User.user_key.label("holder"),
        User.version,
        User.failures,
        User.lock_level,
        User.locked_until,
        User.must_set_up,
        FactorState.kind.label("disabled"),
        *(
            column.label(name)
            for column, name in zip(
                usable_beside(User.user_key), ("passkeys", "recovery_codes"), strict=True
            )
        ),
        *CREDENTIAL,
    )
    .select_from(User)
    .outerjoin(CredentialRow, CredentialRow.user_key == User.user_key)
    .outerjoin(
        FactorState,
        and_(FactorState.user_key == User.user_key, FactorState.disabled_at.is_not(None)),
    )
    .where(User.user_key == bindparam("key"))
    .order_by(CredentialRow.id)
)


def read_holding(session: Session, user_key: str) -> Holding:
    """Everything that the gate must know of an account, in one statement."""
    rows = execute(session, HOLDING, key=user_key).all()
    if not rows:
        return Holding(user_key=user_key)
    first = rows[0]
    if first.holder != user_key:  # to MySQL's `utf8mb4_bin`, blanks at the end are nothing
        log.error("The database takes two user keys for one; MFA lends nobody another's factors")
        raise CannotOpen
    # A row for each pair of a credential and a disabled factor: each credential once.
    held = {row.id: row[-len(CREDENTIAL) :] for row in rows if row.id is not None}
    return Holding(
        user_key=user_key,
        known=True,
        version=first.version,
        failures=first.failures,
        lock_level=first.lock_level,
        locked_until=first.locked_until,
        must_set_up=kinds_of(first.must_set_up),
        disabled=frozenset(FactorKind(row.disabled) for row in rows if row.disabled),
        passkeys=first.passkeys,
        recovery_codes=first.recovery_codes,
        credentials=tuple(
            CredentialRow(**{c.key: value for c, value in zip(CREDENTIAL, values, strict=True)})
            for values in held.values()
        ),
    )


def ensure_user(session: Session, user_key: str, now: Instant) -> None:
    """Make the account's row. A lost race ends in IntegrityError, and the work runs again."""
    execute(
        session,
        insert(User),
        user_key=user_key,
        version=0,
        failures=0,
        lock_level=0,
        must_set_up="",
        created_at=now,
    )


CHARGE_USER = (
    update(User)
    .where(
        User.user_key == bindparam("key"),
        User.failures < bindparam("threshold"),
        (User.locked_until.is_(None)) | (User.locked_until <= bindparam("now")),
    )
    .values(failures=User.failures + 1, locked_until=None)
)


def charge_user(session: Session, user_key: str, now: Instant, threshold: int) -> bool:
    """Count a try before it is judged; False when locked or out of tries."""
    return bool(rows_changed(session, CHARGE_USER, key=user_key, now=now, threshold=threshold))


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


THIS_FACTOR = (FactorState.user_key == bindparam("key"), FactorState.kind == bindparam("factor"))

CHARGE_FACTOR = (
    update(FactorState)
    .where(*THIS_FACTOR, FactorState.disabled_at.is_(None), FactorState.failures < bindparam("cap"))
    .values(failures=FactorState.failures + 1)
)


def charge_factor(session: Session, user_key: str, kind: FactorKind, cap: int) -> bool:
    """Count a try against one factor; False when it is disabled."""
    this = {"key": user_key, "factor": kind.value}
    if rows_changed(session, CHARGE_FACTOR, **this, cap=cap):
        return True
    if execute(session, select(FactorState.kind).where(*THIS_FACTOR), **this).first():
        # Disabled; or made by another request since our first look, and then this counts.
        return bool(rows_changed(session, CHARGE_FACTOR, **this, cap=cap))
    execute(session, insert(FactorState), user_key=user_key, kind=kind.value, failures=1)
    return True


REFUND_USER = (
    update(User)
    .where(User.user_key == bindparam("key"), User.failures > 0)
    .values(failures=User.failures - 1, locked_until=None)
)
REFUND_FACTOR = (
    update(FactorState)
    .where(*THIS_FACTOR, FactorState.failures > 0)
    .values(failures=FactorState.failures - 1)
)


def refund_user(session: Session, user_key: str) -> None:
    """Give the account a try back that was charged and never judged wrong.

    Whoever was held back for want of tries may try again: a lock leaves no failures.
    """
    execute(session, REFUND_USER, key=user_key)


def refund(session: Session, user_key: str, kind: FactorKind) -> None:
    """Give account and factor a try back that was charged and never judged wrong."""
    refund_user(session, user_key)
    execute(session, REFUND_FACTOR, key=user_key, factor=kind.value)


FORGIVE_FACTOR = (
    update(FactorState).where(*THIS_FACTOR, FactorState.failures > 0).values(failures=0)
)


def forgive_factor(session: Session, user_key: str, kind: FactorKind) -> None:
    """A success of a factor sets its own failures back."""
    execute(session, FORGIVE_FACTOR, key=user_key, factor=kind.value)


FORGIVE_USER = (
    update(User).where(User.user_key == bindparam("key")).values(failures=0, lock_level=0)
)


def forgive_user(session: Session, user_key: str) -> None:
    """A satisfied gate sets the account's failures and the lock's growth back."""
    execute(session, FORGIVE_USER, key=user_key)


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


CLAIM_VERSION = (
    update(User)
    .where(User.user_key == bindparam("key"), User.version == bindparam("read"))
    .values(version=User.version + 1)
)


def claim_version(session: Session, holding: Holding) -> bool:
    """Claim the right to change what an account holds; the slower of two loses."""
    return bool(rows_changed(session, CLAIM_VERSION, key=holding.user_key, read=holding.version))


def change_version(session: Session, user_key: str) -> bool:
    """Change the version whatever it is; False where nothing is known of the account.

    First in its transaction, it lets no other change come between: whoever read the version
    before can claim it no more.
    """
    return bool(
        rows_changed(
            session,
            update(User).where(User.user_key == user_key).values(version=User.version + 1),
        )
    )


def set_must_set_up(session: Session, user_key: str, kinds: Sequence[FactorKind]) -> None:
    """Remember what the user must set up at the next sign-in."""
    session.execute(
        update(User)
        .where(User.user_key == user_key)
        .values(must_set_up=",".join(sorted(kind.value for kind in kinds)))
    )


FREE_FACTOR = delete(FactorState).where(*THIS_FACTOR)


def free_factor(session: Session, user_key: str, kinds: Sequence[FactorKind]) -> None:
    """Forget failures and disablement of factors."""
    for kind in kinds:
        execute(session, FREE_FACTOR, key=user_key, factor=kind.value)


OF_AN_ACCOUNT: tuple[Any, ...] = (
    User,
    FactorState,
    ChallengeRow,
    CredentialRow,
    Passkey,
    PasskeyUser,
    Ceremony,
    RecoveryCode,
    Device,
    Address,
    SessionRow,
    EmbeddedSession,
    NoticeRow,
    EventRow,
)
"""Every table with rows of one account, in the order in which they are changed."""


def erase(session: Session, user_key: str) -> None:
    """Delete every row of an account; nothing is left for a namesake to inherit."""
    theirs = select(Device.id).where(Device.user_key == user_key)
    session.execute(delete(DeviceToken).where(DeviceToken.device_id.in_(theirs)))
    for table in OF_AN_ACCOUNT:
        session.execute(delete(table).where(table.user_key == user_key))

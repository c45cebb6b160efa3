"""Counts for operators: over all accounts, and over the events of some days."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import DAY, Instant
from flask_melody_mfa.store.tables import CredentialRow, EventRow, Passkey, RecoveryCode, User


def held(session: Session) -> dict[str, int]:
    """How many accounts hold each factor, and unspent recovery codes."""
    rows = session.execute(
        select(CredentialRow.kind, func.count(func.distinct(CredentialRow.user_key))).group_by(
            CredentialRow.kind
        )
    ).all()
    found = {str(kind): int(number) for kind, number in rows}
    found["passkey"] = session.scalar(select(func.count(func.distinct(Passkey.user_key)))) or 0
    found["recovery_code"] = (
        session.scalar(
            select(func.count(func.distinct(RecoveryCode.user_key))).where(
                RecoveryCode.used_at.is_(None)
            )
        )
        or 0
    )
    return found


def accounts(session: Session, now: Instant) -> tuple[int, int]:
    """How many accounts are known here, and how many of them are locked."""
    known = session.scalar(select(func.count()).select_from(User)) or 0
    locked = (
        session.scalar(select(func.count()).select_from(User).where(User.locked_until > now)) or 0
    )
    return known, locked


def first_id(at: Instant) -> str:
    """What the ids of events begin with from an instant on (see `core.codes.new_id`)."""
    return f"{max(0, at):012x}"


def by_day(
    session: Session, types: Sequence[str], since: Instant
) -> list[tuple[str, str, int, int]]:
    """Type, outcome, day since 1970 and count of the events since an instant.

    By the index on type and id, which begins with the time: whatever is older is not touched.
    """
    day = EventRow.at // DAY
    rows = session.execute(
        select(EventRow.type, EventRow.outcome, day, func.count())
        .where(EventRow.type.in_(types), EventRow.id >= first_id(since))
        .group_by(EventRow.type, EventRow.outcome, day)
    ).all()
    return [(str(kind), str(outcome), int(at), int(number)) for kind, outcome, at, number in rows]

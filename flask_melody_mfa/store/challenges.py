"""Challenges: every change of one is conditional on its still being open."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.store.statements import execute, rows_changed
from flask_melody_mfa.store.tables import ChallengeRow

POLICY = "policy"
"""The purpose of a visit to a policy page (`flows/policies.py`)."""

FIND = select(ChallengeRow).where(ChallengeRow.token_hash == bindparam("token"))


def find(session: Session, token_hash: str) -> ChallengeRow | None:
    """The challenge of a token, open or not."""
    return session.scalars(FIND, {"token": token_hash}).one_or_none()


def find_open(
    session: Session,
    user_key: str,
    purpose: str,
    now: Instant,
    *,
    client: str | None,
    setting_up: str | None = None,
    challenge_id: str | None = None,
) -> ChallengeRow | None:
    """The newest open challenge of an account that a backend opened, by kind or by id."""
    statement = select(ChallengeRow).where(
        ChallengeRow.user_key == user_key,
        ChallengeRow.purpose == purpose,
        ChallengeRow.client == client,
        ChallengeRow.ended_at.is_(None),
        ChallengeRow.expires_at > now,
    )
    if setting_up is not None:
        statement = statement.where(ChallengeRow.setting_up == setting_up)
    if challenge_id is not None:
        statement = statement.where(ChallengeRow.id == challenge_id)
    return session.scalars(statement.order_by(ChallengeRow.id.desc()).limit(1)).one_or_none()


def insert_row(session: Session, row: ChallengeRow) -> None:
    """Write a new challenge. Raises `IntegrityError` where its token stands already."""
    columns = ChallengeRow.__table__.columns.keys()
    session.execute(insert(ChallengeRow).values({name: getattr(row, name) for name in columns}))


def forget(session: Session, row: ChallengeRow, now: Instant) -> None:
    """Delete a challenge that is over."""
    session.execute(
        delete(ChallengeRow).where(
            ChallengeRow.id == row.id,
            (ChallengeRow.ended_at.is_not(None)) | (ChallengeRow.expires_at <= now),
        )
    )


def is_open(row: ChallengeRow, now: Instant) -> bool:
    """Not ended and not expired."""
    return row.ended_at is None and row.expires_at > now


def change(session: Session, row: ChallengeRow, now: Instant, *also: Any, **values: Any) -> bool:
    """Change an open challenge; False when it is over or `also` does not hold."""
    return bool(
        rows_changed(
            session,
            update(ChallengeRow)
            .where(
                ChallengeRow.id == row.id,
                ChallengeRow.ended_at.is_(None),
                ChallengeRow.expires_at > now,
                *also,
            )
            .values(**values),
        )
    )


THIS_IF_OPEN = (
    ChallengeRow.id == bindparam("challenge"),
    ChallengeRow.ended_at.is_(None),
    ChallengeRow.expires_at > bindparam("now"),
)

CHARGE = (
    update(ChallengeRow)
    .where(*THIS_IF_OPEN, ChallengeRow.tries < bindparam("limit"))
    .values(tries=ChallengeRow.tries + 1)
)


def charge(session: Session, row: ChallengeRow, now: Instant, limit: int) -> bool:
    """Count a try; False when the challenge is over or out of tries."""
    return bool(rows_changed(session, CHARGE, challenge=row.id, now=now, limit=limit))


REFUND = (
    update(ChallengeRow)
    .where(ChallengeRow.id == bindparam("challenge"), ChallengeRow.tries > 0)
    .values(tries=ChallengeRow.tries - 1)
)


def refund(session: Session, row: ChallengeRow) -> None:
    """Give a try back."""
    execute(session, REFUND, challenge=row.id)


def start_code(
    session: Session,
    row: ChallengeRow,
    now: Instant,
    pause: Instant,
    **code: Any,
) -> bool:
    """Put a new code in place of the last; False within the pause or when it is over.

    A clock that was set back does not stretch the pause.
    """
    return change(
        session,
        row,
        now,
        (ChallengeRow.sent_at.is_(None))
        | (ChallengeRow.sent_at <= now - pause)
        | (ChallengeRow.sent_at > now + pause),
        sent_at=now,
        **code,
    )


def claim_code(session: Session, row: ChallengeRow, now: Instant) -> bool:
    """Spend the current code. The pause before the next message ends with it."""
    return change(
        session,
        row,
        now,
        ChallengeRow.code_id == row.code_id,
        code_id=None,
        code_kind=None,
        sealed=None,
        key_id=None,
        sent_at=None,
    )


END = (
    update(ChallengeRow)
    .where(*THIS_IF_OPEN)
    .values(ended_at=bindparam("now"), sealed=None, code_id=None, code_kind=None)
)


def end(session: Session, row: ChallengeRow, now: Instant, *also: Any) -> bool:
    """End an open challenge; one caller wins. False too where `also` does not hold."""
    statement = END.where(*also) if also else END
    return bool(rows_changed(session, statement, challenge=row.id, now=now))


def end_all(session: Session, user_key: str, now: Instant) -> int:
    """End all challenges of an account.

    Not a visit to a policy: it proves nothing, and is of use only to its session, while that lives.
    """
    return rows_changed(
        session,
        update(ChallengeRow)
        .where(
            ChallengeRow.user_key == user_key,
            ChallengeRow.purpose != POLICY,
            ChallengeRow.ended_at.is_(None),
        )
        .values(ended_at=now, sealed=None, code_id=None, code_kind=None),
    )

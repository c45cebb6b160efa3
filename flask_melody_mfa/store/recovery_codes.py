"""Recovery codes: keyed hashes, each spent by one conditional UPDATE on a unique index."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.codes import new_id
from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.store.statements import execute, rows_changed
from flask_melody_mfa.store.tables import RecoveryCode


def replace(session: Session, user_key: str, hashes: Iterable[str], now: Instant) -> int:
    """A new set in place of the old; returns how many codes went, spent ones too.

    The caller has claimed the account's version before.
    """
    gone = void(session, user_key)
    session.execute(
        insert(RecoveryCode),
        [
            {"id": new_id(now), "user_key": user_key, "code_hash": one, "created_at": now}
            for one in hashes
        ],
    )
    return gone


SPEND = (
    update(RecoveryCode)
    .where(
        RecoveryCode.code_hash == bindparam("code"),
        RecoveryCode.user_key == bindparam("key"),
        RecoveryCode.used_at.is_(None),
    )
    .values(used_at=bindparam("now"))
)


def spend(session: Session, user_key: str, code_hash: str, now: Instant) -> bool:
    """Spend a code of this account; of many at once, one is told True."""
    return bool(rows_changed(session, SPEND, code=code_hash, key=user_key, now=now))


LEFT = (
    select(func.count())
    .select_from(RecoveryCode)
    .where(RecoveryCode.user_key == bindparam("key"), RecoveryCode.used_at.is_(None))
)


def left(session: Session, user_key: str) -> int:
    """How many codes are unspent."""
    return int(execute(session, LEFT, key=user_key).scalar_one())


def are_unspent(session: Session, user_key: str, hashes: Iterable[str]) -> bool:
    """Whether all of some hashes are those of unspent codes of this account."""
    wanted = set(hashes)
    found = session.scalar(
        select(func.count())
        .select_from(RecoveryCode)
        .where(
            RecoveryCode.user_key == user_key,
            RecoveryCode.code_hash.in_(wanted),
            RecoveryCode.used_at.is_(None),
        )
    )
    return bool(wanted) and found == len(wanted)


def void(session: Session, user_key: str) -> int:
    """Delete all codes of an account, spent ones too; returns how many."""
    return rows_changed(session, delete(RecoveryCode).where(RecoveryCode.user_key == user_key))

"""Remembered devices: a token is good for one sign-in, and one conditional UPDATE replaces it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.store.statements import execute, rows_changed
from flask_melody_mfa.store.tables import ChallengeRow, Device, DeviceToken, SessionRow

Relying = SessionRow | ChallengeRow
"""What may rely on a remembered device."""


COLUMNS = tuple(Device.__table__.columns)
FIND = select(*COLUMNS).where(Device.token_hash == bindparam("token"))


def find(session: Session, token_hash: str) -> Device | None:
    """The device whose current token this is, alive or not; changes of it are not followed."""
    found = execute(session, FIND, token=token_hash).one_or_none()
    if found is None:
        return None
    return Device(**{c.key: value for c, value in zip(COLUMNS, found, strict=True)})


def find_replaced(session: Session, token_hash: str) -> tuple[Device, Instant] | None:
    """The device that had this token before, and when the token was replaced."""
    found = session.execute(
        select(Device, DeviceToken.replaced_at)
        .join(DeviceToken, DeviceToken.device_id == Device.id)
        .where(DeviceToken.token_hash == token_hash)
    ).one_or_none()
    return None if found is None else (found[0], found[1])


THIS_TOKEN = (
    Device.id == bindparam("device"),
    Device.token_hash == bindparam("old"),
    Device.revoked_at.is_(None),
    Device.expires_at > bindparam("now"),
)
ROTATE = (
    update(Device)
    .where(*THIS_TOKEN)
    .values(token_hash=bindparam("new"), last_used_at=bindparam("now"))
)
KEEP_OLD = insert(DeviceToken)


def rotate(session: Session, row: Device, token_hash: str, now: Instant, **values: Any) -> bool:
    """Put a new token in place of the current one and keep the old; of many, one caller wins."""
    this = {"device": row.id, "old": row.token_hash, "new": token_hash, "now": now}
    statement = ROTATE.values(**values) if values else ROTATE
    if not rows_changed(session, statement, **this):
        return False
    execute(session, KEEP_OLD, token_hash=row.token_hash, device_id=row.id, replaced_at=now)
    return True


def of_user(session: Session, user_key: str, now: Instant) -> Sequence[Device]:
    """The devices of an account that are neither revoked nor expired, the newest first."""
    return session.scalars(
        select(Device)
        .where(
            Device.user_key == user_key,
            Device.revoked_at.is_(None),
            Device.expires_at > now,
        )
        .order_by(Device.id.desc())
    ).all()


def revoke(session: Session, user_key: str, device_id: str, now: Instant) -> bool:
    """Revoke one device of this account; one caller wins."""
    return bool(
        rows_changed(
            session,
            update(Device)
            .where(Device.id == device_id, Device.user_key == user_key, Device.revoked_at.is_(None))
            .values(revoked_at=now),
        )
    )


def revoke_all(session: Session, user_key: str, now: Instant) -> int:
    """Revoke all devices of an account; returns how many."""
    return rows_changed(
        session,
        update(Device)
        .where(Device.user_key == user_key, Device.revoked_at.is_(None))
        .values(revoked_at=now),
    )


def claim(session: Session, device_ids: Collection[str]) -> bool:
    """Lock devices that a sign-in relies on; False when one of them was revoked.

    Whoever revokes one waits for this transaction, and then finds what it wrote. An UPDATE, for
    it sees what is there now, also where a SELECT would see what was there before.
    """
    touch = update(Device).where(Device.id.in_(device_ids)).values(expires_at=Device.expires_at)
    if rows_changed(session, touch.where(Device.revoked_at.is_(None))) == len(device_ids):
        return True
    return not rows_changed(session, touch.where(Device.revoked_at.is_not(None)))


def relying_on(session: Session, user_key: str, device_id: str | None) -> list[Relying]:
    """Live sessions and open challenges whose proofs name a device; None: any device.

    Read with a lock, so as they are now and not as this transaction first saw them. Within the
    proofs only the id of a device is a text that follows a comma (`flows/challenge.py`).
    """
    named = f', "{device_id}"' if device_id is not None else ', "'
    found: list[Relying] = []
    for table in (SessionRow, ChallengeRow):
        found += session.scalars(
            select(table)
            .where(
                table.user_key == user_key,
                table.ended_at.is_(None),
                table.proofs.contains(named, autoescape=True),
            )
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    return found


def set_proofs(session: Session, row: Relying, proofs: str) -> None:
    """Write the proofs of a row that this transaction has locked."""
    table: Any = type(row)
    session.execute(update(table).where(table.id == row.id).values(proofs=proofs))


def prune(session: Session, now: Instant, kept: Instant) -> int:
    """Delete devices that expired, or were revoked, longer ago than `kept`, with their tokens."""
    over = (Device.expires_at < now - kept) | (Device.revoked_at < now - kept)
    session.execute(
        delete(DeviceToken).where(DeviceToken.device_id.in_(select(Device.id).where(over)))
    )
    return rows_changed(session, delete(Device).where(over))

"""Passkeys and ceremonies: found by hash, used once, changed by one conditional statement."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, or_, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.passkeys import (
    HeldPasskey,
    NewPasskey,
    hash_of,
    to_bytes,
    to_text,
)
from flask_melody_mfa.core.types import FactorKind, Instant
from flask_melody_mfa.store.statements import execute, rows_changed
from flask_melody_mfa.store.tables import Ceremony, Passkey, PasskeyUser

OPENED = select(Passkey, PasskeyUser.handle).join(
    PasskeyUser, PasskeyUser.user_key == Passkey.user_key
)
OF_USER = OPENED.where(Passkey.user_key == bindparam("key")).order_by(Passkey.id)
FIND = OPENED.where(Passkey.credential_hash == bindparam("credential"))


def opened(row: Passkey, handle: str) -> HeldPasskey:
    """A row as the factor knows it."""
    return HeldPasskey(
        id=row.id,
        kind=FactorKind.PASSKEY,
        name=row.name,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        credential_id=to_bytes(row.credential_id),
        public_key=row.public_key,
        sign_count=row.sign_count,
        transports=tuple(part for part in row.transports.split(",") if part),
        backup_eligible=bool(row.backup_eligible),
        backed_up=bool(row.backed_up),
        uv_initialized=bool(row.uv_initialized),
        handle=to_bytes(handle),
    )


def of_user(session: Session, user_key: str) -> tuple[HeldPasskey, ...]:
    """An account's passkeys, the oldest first."""
    rows = session.execute(OF_USER, {"key": user_key}).all()
    return tuple(opened(row, handle) for row, handle in rows)


def find(session: Session, credential_id: bytes) -> tuple[HeldPasskey, str] | None:
    """A passkey by its credential id, and the account that it belongs to."""
    found = session.execute(FIND, {"credential": hash_of(credential_id)}).one_or_none()
    return None if found is None else (opened(found[0], found[1]), found[0].user_key)


def exists(session: Session, credential_id: bytes) -> bool:
    """Whether anybody holds this credential."""
    statement = select(Passkey.id).where(Passkey.credential_hash == hash_of(credential_id))
    return session.execute(statement).first() is not None


def is_known(session: Session, credential_id: bytes, handle: bytes) -> bool:
    """Whether the account of a user handle holds this credential."""
    return (
        session.execute(
            select(Passkey.id)
            .join(PasskeyUser, PasskeyUser.user_key == Passkey.user_key)
            .where(
                Passkey.credential_hash == hash_of(credential_id),
                PasskeyUser.handle == to_text(handle),
            )
        ).first()
        is not None
    )


def add(
    session: Session, user_key: str, new: NewPasskey, *, row_id: str, name: str, now: Instant
) -> None:
    """Write a passkey. One with the same credential id ends in IntegrityError."""
    session.execute(
        insert(Passkey).values(
            id=row_id,
            user_key=user_key,
            credential_hash=hash_of(new.credential_id),
            credential_id=to_text(new.credential_id),
            public_key=new.public_key,
            sign_count=new.sign_count,
            transports=",".join(new.transports),
            aaguid=new.aaguid,
            name=name,
            backup_eligible=int(new.backup_eligible),
            backed_up=int(new.backed_up),
            uv_initialized=int(new.uv_initialized),
            created_at=now,
        )
    )


CLAIM = (
    update(Passkey)
    .where(
        Passkey.id == bindparam("row"),
        Passkey.user_key == bindparam("key"),
        or_(Passkey.sign_count < bindparam("count"), Passkey.sign_count + bindparam("count") == 0),
    )
    .values(
        sign_count=bindparam("count"),
        backed_up=bindparam("synced"),
        uv_initialized=1,
        last_used_at=bindparam("now"),
    )
)


def claim(
    session: Session,
    user_key: str,
    row_id: str,
    *,
    sign_count: int,
    backed_up: bool,
    now: Instant,
) -> bool:
    """Take over a counter that went up (or is not kept); False for any other, or a passkey gone.

    One statement: of two assertions with one counter, only the first is taken. The user was
    verified, or there is nothing to be claimed.
    """
    return bool(
        rows_changed(
            session,
            CLAIM,
            row=row_id,
            key=user_key,
            count=sign_count,
            synced=int(backed_up),
            now=now,
        )
    )


def rename(session: Session, user_key: str, row_id: str, name: str) -> bool:
    """Give a passkey another name; False where it is not this account's."""
    return bool(
        rows_changed(
            session,
            update(Passkey)
            .where(Passkey.id == row_id, Passkey.user_key == user_key)
            .values(name=name),
        )
    )


def remove(session: Session, user_key: str, row_id: str) -> bool:
    """Delete a passkey; False where it is not this account's."""
    mine = (Passkey.id == row_id, Passkey.user_key == user_key)
    return bool(rows_changed(session, delete(Passkey).where(*mine)))


def names(session: Session, user_key: str) -> Sequence[tuple[str, str | None]]:
    """Ids and names of an account's passkeys."""
    rows = session.execute(select(Passkey.id, Passkey.name).where(Passkey.user_key == user_key))
    return [(row[0], row[1]) for row in rows]


def handle_of(session: Session, user_key: str) -> str | None:
    """The account's user handle, if it has one."""
    return session.scalar(select(PasskeyUser.handle).where(PasskeyUser.user_key == user_key))


def ensure_handle(session: Session, user_key: str, new: bytes) -> str:
    """The account's user handle, made once. A lost race ends in IntegrityError."""
    found = handle_of(session, user_key)
    if found is not None:
        return found
    session.execute(insert(PasskeyUser).values(user_key=user_key, handle=to_text(new)))
    return to_text(new)


def decline(session: Session, user_key: str, new: bytes, now: Instant) -> None:
    """Remember that the account is not to be offered a passkey again."""
    ensure_handle(session, user_key, new)
    session.execute(
        update(PasskeyUser).where(PasskeyUser.user_key == user_key).values(declined_at=now)
    )


BEGIN = insert(Ceremony)


def begin(
    session: Session,
    challenge: bytes,
    *,
    row_id: str,
    bound_to: str,
    purpose: str,
    user_key: str | None,
    now: Instant,
    life: Instant,
) -> None:
    """Write down a ceremony."""
    execute(
        session,
        BEGIN,
        id=row_id,
        challenge_hash=hash_of(challenge),
        bound_to=bound_to,
        purpose=purpose,
        user_key=user_key,
        created_at=now,
        expires_at=now + life,
    )


RUNNING = delete(Ceremony).where(
    Ceremony.challenge_hash == bindparam("challenge"),
    Ceremony.bound_to == bindparam("binding"),
    Ceremony.purpose == bindparam("kind"),
    Ceremony.expires_at > bindparam("now"),
    Ceremony.expires_at <= bindparam("latest"),
)
SPEND = RUNNING.where(Ceremony.user_key == bindparam("key"))
SPEND_NOBODYS = RUNNING.where(Ceremony.user_key.is_(None))


def spend(
    session: Session,
    challenge: bytes,
    *,
    bound_to: str,
    purpose: str,
    user_key: str | None,
    now: Instant,
    latest: Instant,
) -> bool:
    """Delete a running ceremony; one caller wins. `latest`: no ceremony begun yet ends later."""
    owner = {} if user_key is None else {"key": user_key}
    return bool(
        rows_changed(
            session,
            SPEND if owner else SPEND_NOBODYS,
            challenge=hash_of(challenge),
            binding=bound_to,
            kind=purpose,
            now=now,
            latest=latest,
            **owner,
        )
    )


def prune(session: Session, now: Instant) -> int:
    """Delete ceremonies that nobody finished in time."""
    return rows_changed(session, delete(Ceremony).where(Ceremony.expires_at <= now))

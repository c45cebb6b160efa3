"""Credentials: stored sealed, claimed by one conditional UPDATE."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import FactorKind, Instant
from flask_melody_mfa.store.statements import rows_changed
from flask_melody_mfa.store.tables import Address, CredentialRow, Passkey

CLAIM_STEP = (
    update(CredentialRow)
    .where(
        CredentialRow.id == bindparam("credential"),
        CredentialRow.user_key == bindparam("key"),
        (CredentialRow.last_step.is_(None)) | (CredentialRow.last_step < bindparam("step")),
    )
    .values(last_step=bindparam("step"), last_used_at=bindparam("now"))
)


def claim_step(
    session: Session, user_key: str, credential_id: str, step: int, now: Instant
) -> bool:
    """Spend an authenticator's time step: it only ever goes up (RFC 6238 §5.2)."""
    return bool(
        rows_changed(
            session, CLAIM_STEP, credential=credential_id, key=user_key, step=step, now=now
        )
    )


def touch(session: Session, user_key: str, credential_id: str, now: Instant) -> bool:
    """Note a use; False when the credential is gone."""
    return bool(
        rows_changed(
            session,
            update(CredentialRow)
            .where(CredentialRow.id == credential_id, CredentialRow.user_key == user_key)
            .values(last_used_at=now),
        )
    )


def remove(session: Session, user_key: str, kinds: Sequence[FactorKind]) -> int:
    """Delete the credentials of some factors; returns how many."""
    return rows_changed(
        session,
        delete(CredentialRow).where(
            CredentialRow.user_key == user_key,
            CredentialRow.kind.in_([kind.value for kind in kinds]),
        ),
    )


def remove_one(session: Session, user_key: str, credential_id: str) -> FactorKind | None:
    """Delete one credential, or one passkey, of this account; what it was, or None."""
    row = session.get(CredentialRow, credential_id)
    if row is not None:
        kind = FactorKind(row.kind)
        mine = (CredentialRow.id == credential_id, CredentialRow.user_key == user_key)
        return kind if rows_changed(session, delete(CredentialRow).where(*mine)) else None
    theirs = (Passkey.id == credential_id, Passkey.user_key == user_key)
    gone = rows_changed(session, delete(Passkey).where(*theirs))
    return FactorKind.PASSKEY if gone else None


def rename(session: Session, user_key: str, credential_id: str, name: str | None) -> bool:
    """Give a credential of this account another name; False when it is gone."""
    return bool(
        rows_changed(
            session,
            update(CredentialRow)
            .where(CredentialRow.id == credential_id, CredentialRow.user_key == user_key)
            .values(name=name),
        )
    )


def of_user(session: Session, user_key: str) -> Sequence[CredentialRow]:
    """An account's credentials, still sealed, the oldest first."""
    return session.scalars(
        select(CredentialRow).where(CredentialRow.user_key == user_key).order_by(CredentialRow.id)
    ).all()


def passkeys_of_user(session: Session, user_key: str) -> Sequence[Passkey]:
    """An account's passkeys, the oldest first."""
    return session.scalars(
        select(Passkey).where(Passkey.user_key == user_key).order_by(Passkey.id)
    ).all()


def replaced_addresses(session: Session, user_key: str, since: Instant) -> list[Address]:
    """Addresses that were replaced after `since` and still get notices."""
    return list(
        session.scalars(
            select(Address).where(Address.user_key == user_key, Address.replaced_at > since)
        )
    )

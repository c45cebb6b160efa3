"""Clients, their secrets and their access tokens."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.clients import Client, in_order
from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.store.statements import rows_changed
from flask_melody_mfa.store.tables import AccessToken, ClientRow, ClientSecret


def from_row(row: ClientRow) -> Client:
    """A client as it is kept. Raises `ValueError` where somebody else wrote the row badly."""
    overrides, redirect_uris, origins = (
        json.loads(text) for text in (row.overrides, row.redirect_uris, row.origins)
    )
    if not (
        isinstance(overrides, dict)
        and all(isinstance(found, list) for found in (redirect_uris, origins))
    ):
        raise ValueError("no JSON of the right kind")
    return Client(
        id=row.id,
        name=row.name,
        source="client database",
        overrides=overrides,
        redirect_uris=tuple(redirect_uris),
        origins=tuple(origins),
        allow_native=bool(row.allow_native),
        scopes=frozenset(part for part in row.scopes.split(",") if part),
        enabled=bool(row.enabled),
        version=row.version,
        created_at=row.created_at,
        changed_at=row.changed_at,
    )


def columns_of(client: Client) -> dict[str, Any]:
    """What of a client may change, as columns."""
    return {
        "name": client.name,
        "overrides": json.dumps(dict(client.overrides)),
        "redirect_uris": json.dumps(list(client.redirect_uris)),
        "origins": json.dumps(list(client.origins)),
        "allow_native": int(client.allow_native),
        "scopes": ",".join(in_order(client.scopes)),
        "enabled": int(client.enabled),
    }


def find(session: Session, client_id: str) -> ClientRow | None:
    """The row of a client; by its exact id, whatever a database takes for equal."""
    row = session.get(ClientRow, client_id)
    return row if row is not None and row.id == client_id else None


def listed(
    session: Session, after: str, limit: int, *, but: Collection[str] = ()
) -> list[ClientRow]:
    """Clients in the order of their ids, from behind `after`. `but`: ids that are left out."""
    wanted = select(ClientRow).where(ClientRow.id > after, ClientRow.id.not_in(but))
    return list(session.scalars(wanted.order_by(ClientRow.id).limit(limit)))


def add(session: Session, client: Client, now: Instant) -> None:
    """Write a new client. Raises `IntegrityError` for an id that is taken."""
    session.execute(
        insert(ClientRow).values(
            id=client.id, version=0, created_at=now, changed_at=now, **columns_of(client)
        )
    )


def change(session: Session, client: Client, now: Instant) -> bool:
    """Write a client over the version that was read; the slower of two loses."""
    return bool(
        rows_changed(
            session,
            update(ClientRow)
            .where(ClientRow.id == client.id, ClientRow.version == client.version)
            .values(version=client.version + 1, changed_at=now, **columns_of(client)),
        )
    )


def remove(session: Session, client_id: str) -> bool:
    """Delete a client, its secrets and its tokens; one caller wins."""
    session.execute(delete(AccessToken).where(AccessToken.client_id == client_id))
    session.execute(delete(ClientSecret).where(ClientSecret.client_id == client_id))
    return bool(rows_changed(session, delete(ClientRow).where(ClientRow.id == client_id)))


def secrets_of(session: Session, client_ids: Sequence[str]) -> Mapping[str, list[ClientSecret]]:
    """The secrets of some clients, oldest first."""
    found: dict[str, list[ClientSecret]] = {}
    for row in session.scalars(
        select(ClientSecret).where(ClientSecret.client_id.in_(client_ids)).order_by(ClientSecret.id)
    ):
        found.setdefault(row.client_id, []).append(row)
    return found


def drop_secrets(session: Session, secret_ids: Sequence[str]) -> None:
    """Revoke secrets; the tokens that they bought die with them."""
    session.execute(delete(AccessToken).where(AccessToken.secret_id.in_(secret_ids)))
    session.execute(delete(ClientSecret).where(ClientSecret.id.in_(secret_ids)))


def expire_secret(session: Session, secret_id: str, at: Instant) -> None:
    """Let a secret end at a time."""
    session.execute(update(ClientSecret).where(ClientSecret.id == secret_id).values(expires_at=at))


def find_secret(
    session: Session, secret_hash: str, client_id: str, now: Instant
) -> tuple[ClientSecret, ClientRow | None] | None:
    """A live secret of a client, and the client's row, in one statement for right and wrong."""
    found = session.execute(
        select(ClientSecret, ClientRow)
        .outerjoin(ClientRow, ClientRow.id == ClientSecret.client_id)
        .where(
            ClientSecret.secret_hash == secret_hash,
            ClientSecret.client_id == client_id,
            (ClientSecret.expires_at.is_(None)) | (ClientSecret.expires_at > now),
        )
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def find_token(
    session: Session, token_hash: str, now: Instant
) -> tuple[AccessToken, ClientRow | None] | None:
    """A live access token whose secret lives too, and its client's row, in one statement."""
    found = session.execute(
        select(AccessToken, ClientRow)
        .join(ClientSecret, ClientSecret.id == AccessToken.secret_id)
        .outerjoin(ClientRow, ClientRow.id == AccessToken.client_id)
        .where(
            AccessToken.token_hash == token_hash,
            AccessToken.expires_at > now,
            (ClientSecret.expires_at.is_(None)) | (ClientSecret.expires_at > now),
        )
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def prune(session: Session, now: Instant) -> dict[str, int]:
    """Delete tokens and secrets that have ended."""
    return {
        "mfa_access_token": rows_changed(
            session, delete(AccessToken).where(AccessToken.expires_at <= now)
        ),
        "mfa_client_secret": rows_changed(
            session, delete(ClientSecret).where(ClientSecret.expires_at <= now)
        ),
    }

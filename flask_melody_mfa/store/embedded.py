"""Sessions of the embedded API: every change is conditional on what was read."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.store.statements import rows_changed
from flask_melody_mfa.store.tables import ClientRow, EmbeddedSession


def find(session: Session, token_hash: str) -> EmbeddedSession | None:
    """The session of a token, live or not; read anew."""
    return session.scalars(
        select(EmbeddedSession)
        .where(EmbeddedSession.token_hash == token_hash)
        .execution_options(populate_existing=True)
    ).one_or_none()


def is_live(row: EmbeddedSession, now: Instant) -> bool:
    """Neither completed, nor ended, nor expired."""
    return row.completed_at is None and row.ended_at is None and row.expires_at > now


def change(session: Session, row: EmbeddedSession, now: Instant, **values: Any) -> bool:
    """Change a live session that is still as `row` has it; one caller wins."""
    same_user = (
        EmbeddedSession.user_key.is_(None)
        if row.user_key is None
        else EmbeddedSession.user_key == row.user_key
    )
    return bool(
        rows_changed(
            session,
            update(EmbeddedSession)
            .where(
                EmbeddedSession.id == row.id,
                EmbeddedSession.completed_at.is_(None),
                EmbeddedSession.ended_at.is_(None),
                EmbeddedSession.expires_at > now,
                EmbeddedSession.sealed == row.sealed,
                same_user,
            )
            .values(**values),
        )
    )


def end(session: Session, row: EmbeddedSession, now: Instant) -> None:
    """End a session; ending one that has ended is no error."""
    session.execute(
        update(EmbeddedSession)
        .where(EmbeddedSession.id == row.id, EmbeddedSession.ended_at.is_(None))
        .values(ended_at=now, sealed=None)
        .execution_options(synchronize_session=False)
    )


def origins_of_clients(session: Session) -> tuple[frozenset[str], bool]:
    """The origins of all clients that are switched on, and whether any allows native apps."""
    rows = session.execute(
        select(ClientRow.origins, ClientRow.allow_native).where(
            ClientRow.enabled == 1, (ClientRow.origins != "[]") | (ClientRow.allow_native == 1)
        )
    ).all()
    found = {origin for text, _ in rows for origin in json.loads(text)}
    return frozenset(found), any(native for _, native in rows)

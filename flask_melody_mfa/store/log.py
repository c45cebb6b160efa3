"""The record of events."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from flask_melody_mfa.core.codes import new_id
from flask_melody_mfa.core.types import Event
from flask_melody_mfa.store.tables import EventRow

PRINTABLE_LIMIT = 255


def plain(text: str | None, limit: int = PRINTABLE_LIMIT) -> str | None:
    """One line of stored text: control characters and lone surrogates spelled out, cut."""
    if text is None:
        return None
    if text.isprintable():
        return text[:limit]
    safe = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text[:limit]
    )
    return safe[:limit]


WRITE = insert(EventRow)


def record(session: Session, events: Iterable[Event]) -> None:
    """Write events in the transaction of what they tell."""
    rows = [
        {
            "id": event.id or new_id(event.at),
            "at": event.at,
            "type": event.type,
            "user_key": event.user_key,
            "actor": plain(event.actor) or "user",
            "client": event.client,
            "address": plain(event.address, 64),
            "user_agent": plain(event.user_agent),
            "outcome": event.outcome,
            "detail": json.dumps(dict(event.detail), ensure_ascii=True),
        }
        for event in events
    ]
    if rows:
        session.connection().execute(WRITE, rows)


def of_user(
    session: Session, user_key: str, limit: int, *, but: Collection[str] = ()
) -> Sequence[EventRow]:
    """The newest events of an account, without those of some types."""
    return session.scalars(
        select(EventRow)
        .where(EventRow.user_key == user_key, EventRow.type.not_in(but))
        .order_by(EventRow.id.desc())
        .limit(limit)
    ).all()


def listed(
    session: Session,
    *,
    limit: int,
    user_key: str | None = None,
    type_: str | None = None,
    client: str | None = None,
    before: str | None = None,
) -> list[EventRow]:
    """Events that fit, newest first. `before`: the id of the last one of the page before."""
    statement = select(EventRow).order_by(EventRow.id.desc()).limit(limit)
    for column, value in (
        (EventRow.user_key, user_key),
        (EventRow.type, type_),
        (EventRow.client, client),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if before is not None:
        statement = statement.where(EventRow.id < before)
    return list(session.scalars(statement))

"""Sealing keys: how many rows each has, and sealing anew with the newest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.statements import rows_changed
from flask_melody_mfa.store.tables import (
    Address,
    ChallengeRow,
    CredentialRow,
    EmbeddedSession,
    Key,
    NoticeRow,
)

BATCH = 200

SEALED: tuple[Any, ...] = (
    Key,
    CredentialRow,
    Address,
    ChallengeRow,
    EmbeddedSession,
    NoticeRow,
)
"""The tables with a column `sealed` and the id of its key."""


def status(ctx: Context) -> dict[str, int]:
    """How many sealed rows each key has; 0 for a configured key that has none."""

    def work(session: Session) -> dict[str, int]:
        counts = dict.fromkeys(ctx.vault.sealer.key_ids, 0)
        for table in SEALED:
            column: Any = table.key_id
            rows = session.execute(
                select(column, func.count()).where(column.is_not(None)).group_by(column)
            )
            for key_id, number in rows:
                counts[key_id] = counts.get(key_id, 0) + number
        return counts

    return ctx.store.read(work)


def rotate(ctx: Context) -> int:
    """Seal every row anew with the newest key; returns how many were changed.

    Works in small transactions while the app runs, and goes on where it was interrupted. A row
    that another process changed meanwhile is left to the next round. Raises `CannotOpen`.
    """
    changed = 0
    for table in SEALED:
        while True:
            done = ctx.store.run(batch(ctx, table))
            changed += done
            if not done:
                break
    if changed:
        events = (ctx.event("keys_rotated", None, rows=changed),)
        ctx.store.run(lambda session: record(session, events))
        ctx.tell(None, events)
    return changed


def batch(ctx: Context, table: Any) -> Callable[[Session], int]:
    """The work of one transaction: some rows of one table."""
    sealer = ctx.vault.sealer

    def work(session: Session) -> int:
        rows = session.scalars(
            select(table)
            .where(
                table.key_id.is_not(None),
                table.key_id != sealer.key_id,
                table.sealed.is_not(None),
            )
            .order_by(table.id)
            .limit(BATCH)
        ).all()
        for row in rows:
            user = getattr(row, "user_key", "") or ""
            bound = {"table": table.__tablename__, "column": "sealed", "row": row.id, "user": user}
            plain = sealer.open(row.sealed, key_id=row.key_id, **bound)
            rows_changed(
                session,
                update(table)
                .where(table.id == row.id, table.sealed == row.sealed)
                .values(sealed=sealer.seal(plain, **bound), key_id=sealer.key_id),
            )
        return len(rows)

    return work


__all__ = ["rotate", "status"]

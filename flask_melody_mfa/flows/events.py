"""The record of events, as operators read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import log


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One event as it was written down."""

    id: str
    at: Instant
    type: str
    user_key: str | None
    actor: str
    client: str | None
    address: str | None
    user_agent: str | None
    outcome: str
    detail: Mapping[str, Any]


def listed(
    ctx: Context,
    *,
    user_key: str | None = None,
    type_: str | None = None,
    client: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> tuple[list[Recorded], str | None]:
    """A page of events, newest first, and the id from behind which the next page begins."""
    rows = ctx.store.read(
        lambda session: log.listed(
            session,
            user_key=user_key,
            type_=type_,
            client=client,
            before=before,
            limit=limit + 1,
        )
    )
    found = [
        Recorded(
            id=row.id,
            at=row.at,
            type=row.type,
            user_key=row.user_key,
            actor=row.actor,
            client=row.client,
            address=row.address,
            user_agent=row.user_agent,
            outcome=row.outcome,
            detail=json.loads(row.detail),
        )
        for row in rows[:limit]
    ]
    return found, found[-1].id if len(rows) > limit else None

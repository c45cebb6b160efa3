"""What follows every change of what an account holds, however it came about."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import Event
from flask_melody_mfa.flows import devices, recovery
from flask_melody_mfa.flows.context import Context


def follow(
    ctx: Context, session: Session, user_key: str, *, reason: str, but: Collection[str] = ()
) -> tuple[Event, ...]:
    """End what a factor added, removed or reset ends: devices, and codes with nothing to recover.

    Part of the transaction that makes the change, after it, and after the claim of the account's
    version. `reason`: the type of the event that tells of the change. `but`: ids of challenges
    whose proofs the caller rewrites itself. Returns events for the caller to record and to tell.
    """
    return (
        *devices.end_all(ctx, session, user_key, reason=reason, but=but),
        *recovery.void_where_bare(ctx, session, user_key),
    )

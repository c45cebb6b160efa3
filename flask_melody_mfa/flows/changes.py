"""What follows every change of what an account holds, however it came about."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import Event, FactorKind
from flask_melody_mfa.flows import devices, recovery
from flask_melody_mfa.flows.challenge import proofs_from_text, proofs_to_text
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import sessions


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


def forget_proofs(
    session: Session, user_key: str, kinds: Collection[FactorKind], *, but: str | None = None
) -> None:
    """Take what was proven by some factors from the account's sessions, but one (its id)."""
    for row in sessions.lock_of_user(session, user_key):
        proofs = proofs_from_text(row.proofs)
        kept = tuple(proof for proof in proofs if proof.kind not in kinds)
        if row.id != but and kept != proofs:
            sessions.change(session, row, proofs=proofs_to_text(kept))

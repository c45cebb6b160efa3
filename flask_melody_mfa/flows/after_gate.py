"""What a sign-in offers after the gate: a passkey, recovery codes (contract section 3).

Owed by the sign-in, not by the gate: the session is satisfied already, and either can be left.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.types import FactorKind, Method, Proof
from flask_melody_mfa.flows.challenge import is_recent
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.tables import PasskeyUser

NEVER_AFTER = frozenset({Method.TRUSTED, Method.RECOVERY_CODE, Method.REMEMBERED})


def is_strong(holding: Holding, *, method: str, proofs: Iterable[Proof]) -> bool:
    """Whether a sign-in holds a proof that would pass a step-up, or a password where none is held.

    The code that confirmed a set-up counts here: whoever set up the first factor in this sign-in
    proved all that there was to prove. Nothing that stood in for a factor does.
    """
    proofs = tuple(proofs)
    if method in NEVER_AFTER or not all(proof.is_own for proof in proofs):
        return False
    proven = {proof.kind for proof in proofs}
    if FactorKind.RECOVERY_CODE in proven:
        return False
    if method == Method.PASSKEY:
        proven.add(FactorKind.PASSKEY)
    held = set(holding.enrolled) | ({FactorKind.PASSKEY} if holding.passkeys else set())
    if not held:
        return method == Method.PASSWORD
    return gate.level_of(proven & held) == gate.level_of(held)


def prompts(ctx: Context, standing: Standing) -> tuple[FactorKind, ...]:
    """What is still offered in a session that has just begun, in order; nothing in an older one.

    Reads at most one row, and only where passkeys can be offered.
    """
    settings, holding = ctx.settings, standing.holding
    offers_passkey = settings.allow_passkey_enrollment and not holding.passkeys
    offers_codes = (
        settings.enable_recovery_code
        and not holding.recovery_codes
        and bool(holding.enrolled or holding.passkeys or settings.mfa_recovery_code_is_enough)
    )
    if (
        not (offers_passkey or offers_codes)
        or not standing.satisfied
        or not is_recent(ctx, standing.row.created_at, settings.mfa_fresh_seconds)
        or not is_strong(holding, method=standing.row.method, proofs=standing.proofs)
    ):
        return ()
    if offers_passkey and ctx.store.read(lambda session: has_declined(session, holding.user_key)):
        offers_passkey = False
    found = []
    if offers_passkey:
        found.append(FactorKind.PASSKEY)
    if offers_codes:
        found.append(FactorKind.RECOVERY_CODE)
    return tuple(found)


def has_declined(session: Session, user_key: str) -> bool:
    """Whether the user asked not to be offered a passkey again."""
    return (
        session.scalar(
            select(PasskeyUser.declined_at).where(
                PasskeyUser.user_key == user_key, PasskeyUser.declined_at.is_not(None)
            )
        )
        is not None
    )

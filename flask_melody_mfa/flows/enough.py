"""Whether what an account would hold after a removal is enough: asked of the gate beforehand."""

from __future__ import annotations

from dataclasses import replace

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import Conflict
from flask_melody_mfa.core.types import Account, FactorKind, Method
from flask_melody_mfa.flows.challenge import gate_facts
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store.accounts import Holding


def check(ctx: Context, account: Account, after: Holding) -> None:
    """Raises `Conflict` where the next sign-in would demand a set-up, or could not be finished.

    `after`: what would be held. A set-up that could be put off until `MFA_REQUIRED_FROM` counts as
    demanded: what is there already is not given up for so short a time.
    """
    facts = replace(gate_facts(ctx, account, after, method=Method.PASSWORD), grace=False)
    held = facts.enrolled | ({FactorKind.PASSKEY} if facts.passkeys > 0 else set())
    first = gate.next_step(ctx.settings, facts)
    last = gate.next_step(ctx.settings, replace(facts, proven=held))
    if isinstance(first, gate.Stuck) or not isinstance(last, gate.Satisfied):
        raise Conflict


def is_enough(ctx: Context, account: Account, after: Holding) -> bool:
    """Whether `check` would let this pass."""
    try:
        check(ctx, account, after)
    except Conflict:
        return False
    return True

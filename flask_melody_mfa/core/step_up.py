"""Step-up: what a sensitive act asks of a session whose gate is satisfied (contract section 3)."""

from __future__ import annotations

from collections.abc import Iterable

from flask_melody_mfa.core.facts import (
    EMAIL,
    OTP,
    PASSKEY,
    RECOVERY_CODE,
    SMS,
    Facts,
    GateSettings,
    NeedPassword,
    Prove,
    Satisfied,
    SetUp,
    StepUp,
    Stuck,
    in_order,
)
from flask_melody_mfa.core.types import FACTOR_ORDER, FactorKind, Method

LEVELS = {PASSKEY: 2, OTP: 2, SMS: 2, EMAIL: 1}


def level_of(kinds: Iterable[str]) -> int:
    """The level of what was proven or is held: 2 passkey, otp, sms; 1 email; 0 nothing."""
    return max((LEVELS.get(FactorKind(kind), 0) for kind in kinds), default=0)


def step_up(
    settings: GateSettings,
    facts: Facts,
    *,
    factors: frozenset[FactorKind] | None = None,
    phishing_resistant: bool = False,
    fresh: frozenset[FactorKind] = frozenset(),
    password_fresh: bool = False,
    or_recovery_code: bool = False,
) -> StepUp:
    """What a sensitive act still asks of a session whose gate is satisfied.

    `factors`: any one of them will do; None or empty: any at the account's highest level.
    `fresh`: proven recently enough, as the caller measures it; without backups, remembered
    devices and the codes of set-ups. `password_fresh`: the same of the password, for an account
    that holds nothing. `facts.proven` tells a recovery session, which gets no step-up.
    `or_recovery_code`: one that was spent for this act will do too, and in a recovery session
    nothing else does; then it is among `fresh`.
    """
    held = held_kinds(facts)
    codes_do = or_recovery_code and settings.enable_recovery_code
    if codes_do and RECOVERY_CODE in fresh:
        return Satisfied()
    code = (RECOVERY_CODE,) if codes_do and facts.recovery_codes > 0 else ()
    if is_recovery_session(facts):
        return Prove(factors=(), alternatives=code) if code else Stuck(reason="recovery_session")
    level = level_of(held)
    highest = frozenset(kind for kind in held if LEVELS[kind] == level)
    wanted = frozenset({PASSKEY}) if phishing_resistant else frozenset(factors or ())
    accepted = wanted & held if wanted else highest
    if accepted & fresh:
        return Satisfied()
    if accepted:
        return prove_one(facts, accepted, code)
    # Nothing held, or nothing of what is wanted: what there is, and then the set-up.
    if not held and not password_fresh:
        return NeedPassword()
    if highest and not highest & fresh:
        return prove_one(facts, highest, code)
    if not wanted:
        return Satisfied()
    allowed = facts.available | ({PASSKEY} if settings.allow_passkey_enrollment else set())
    offered = tuple(kind for kind in (*FACTOR_ORDER, PASSKEY) if kind in wanted and kind in allowed)
    return SetUp(factors=offered) if offered else Stuck(reason="cannot_set_up")


def is_recovery_session(facts: Facts) -> bool:
    """Whether a recovery code stood for MFA here, or for the whole sign-in."""
    return RECOVERY_CODE in facts.proven or (
        facts.method == Method.RECOVERY_CODE and not held_kinds(facts) & facts.proven
    )


def held_kinds(facts: Facts) -> frozenset[FactorKind]:
    """Everything held that counts for a step-up."""
    return frozenset(in_order(facts.enrolled)) | ({PASSKEY} if facts.passkeys > 0 else set())


def prove_one(
    facts: Facts, kinds: frozenset[FactorKind], alternatives: tuple[str, ...] = ()
) -> Prove | Stuck:
    """A fresh proof of any usable one; a weaker one never does instead."""
    usable = tuple(
        kind
        for kind in (*FACTOR_ORDER, PASSKEY)
        if kind in kinds
        and (kind is PASSKEY or (kind in facts.available and kind not in facts.disabled))
    )
    if not usable and not alternatives:
        return Stuck(reason="cannot_prove")
    return Prove(factors=usable, alternatives=alternatives)

"""The gate: the one decision on what a sign-in, or a sensitive act, still owes.

Pure: the settings and facts come in, a step comes out. The rules are numbered as in section 3 of
the contract. Where the contract leaves a choice, the stricter reading is taken and said.

`Satisfied` never depends on what is available: an outage may leave somebody stuck, never let
anybody in, and the guard may judge a session without asking what could be sent right now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flask_melody_mfa.core.facts import (
    EMAIL,
    EMAIL_BACKUP,
    FACTORS,
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
    SignIn,
    Step,
    StepUp,
    Stuck,
    in_order,
)
from flask_melody_mfa.core.step_up import is_recovery_session, level_of, step_up
from flask_melody_mfa.core.types import FactorKind, Method

__all__ = [
    "EMAIL_BACKUP",
    "Decision",
    "Facts",
    "GateSettings",
    "NeedPassword",
    "Prove",
    "Satisfied",
    "SetUp",
    "SignIn",
    "Step",
    "StepUp",
    "Stuck",
    "backup_stands_for",
    "decide",
    "explain",
    "in_order",
    "is_recovery_session",
    "level_of",
    "next_step",
    "step_up",
]

BACKED_BY_EMAIL = frozenset({OTP, SMS})
METHODS = frozenset(Method)


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, the rule that decided, and what an email backup would stand for where offered."""

    step: Step
    rule: str
    backs_up: FactorKind | None = None


def next_step(settings: GateSettings, facts: Facts) -> Step:
    """What this sign-in still owes."""
    return decide(settings, facts).step


def explain(settings: GateSettings, facts: Facts) -> tuple[str, ...]:
    """The rule that decided, then what stood in for something, as short English lines."""
    lines = [decide(settings, facts).rule]
    if facts.method in METHODS:
        reading = Reading(settings, facts)
        if reading.all_stood:
            lines.append("stands in for all: " + ("recovery code" if reading.spent else "passkey"))
        lines += [f"stands in for {kind}: email backup" for kind in reading.backed]
        lines += [f"stands in for {kind}: remembered device" for kind in reading.on_device]
    return tuple(lines)


def backup_stands_for(settings: GateSettings, facts: Facts) -> FactorKind | None:
    """The factor for which an email backup would stand in now; None where none is offered."""
    return decide(settings, facts).backs_up


class Reading:
    """The facts, read in the light of the settings: what is held, proven, standing in."""

    def __init__(self, settings: GateSettings, facts: Facts) -> None:
        self.settings = settings
        self.facts = facts
        self.held = in_order(facts.enrolled)
        self.holds_something = bool(self.held or facts.passkeys > 0)
        self.usable = tuple(
            kind for kind in self.held if kind in facts.available and kind not in facts.disabled
        )
        self.by_recovery_code = facts.method == Method.RECOVERY_CODE
        # A passkey that opened the sign-in stood for the password: it does not count twice.
        self.has_passkey = facts.passkeys > 0 and facts.method != Method.PASSKEY
        self.required = in_order(
            facts.must_set_up
            | {
                kind
                for kind, required in (
                    (OTP, settings.otp_mfa_is_required),
                    (SMS, settings.sms_mfa_is_required),
                    (EMAIL, settings.email_mfa_is_required),
                )
                if required
            }
        )
        # A proof of what is no longer held counts for nothing: so a removal takes effect at once.
        # One of a factor that was disabled since does count: else anybody who guesses wrong often
        # enough could end the sessions of its owner.
        self.proven = frozenset(kind for kind in self.held if kind in facts.proven)
        self.proved_passkey = self.has_passkey and PASSKEY in facts.proven
        self.proved_held = bool(self.proven or self.proved_passkey)
        self.spent = (
            settings.enable_recovery_code
            and RECOVERY_CODE in facts.proven
            and not self.by_recovery_code
        )
        self.all_stood = self.spent or (self.proved_passkey and settings.mfa_passkey_is_enough)
        # Rule 2: after a sign-in by recovery code nothing stands in before a held factor is proven.
        self.weighs_stand_ins = self.proved_held or not self.by_recovery_code
        self.may_back_up = (
            settings.allow_email_mfa_as_backup
            and EMAIL not in self.required
            and EMAIL not in self.held
            and self.weighs_stand_ins
        )
        # One per sign-in, whatever the facts say.
        self.backed = (
            tuple(
                kind for kind in self.held if kind in BACKED_BY_EMAIL and kind in facts.backed_up
            )[:1]
            if self.may_back_up
            else ()
        )
        self.on_device = (
            tuple(kind for kind in self.held if kind in facts.device)
            if settings.enable_mfa_remember_device and self.weighs_stand_ins
            else ()
        )
        self.covered = self.proven | set(self.backed) | set(self.on_device)

    def asked_each(self) -> tuple[FactorKind, ...]:
        """What rules 4 and 6 ask for one by one, among what is held and neither proven nor covered.

        `MFA_ASK_EVERY_ENROLLED` holds beside a requirement, too: otherwise requiring one factor
        would spare the others.
        """
        if self.all_stood:
            return ()
        every = self.settings.mfa_ask_every_enrolled
        return tuple(
            kind
            for kind in self.held
            if (every or kind in self.required) and kind not in self.covered
        )

    def passkey_shown(self) -> bool:
        """A passkey was proven beside the sign-in, or when this device was remembered."""
        return self.proved_passkey or (
            self.has_passkey
            and PASSKEY in self.facts.device
            and self.settings.enable_mfa_remember_device
            and self.weighs_stand_ins
        )

    def one_was_shown(self) -> bool:
        """Rule 6: one of what is held was proven, or something stands in for it."""
        return bool(self.covered or self.all_stood or self.passkey_shown())

    def proved_before_set_up(self) -> bool:
        """Rule 3: a factor, a passkey, or a recovery code spent in this sign-in."""
        return self.proved_held or self.spent or self.facts.method == Method.PASSKEY

    def first_to_back_up(self, among: Iterable[FactorKind]) -> FactorKind | None:
        """Of some factors, the one for which an email code may stand in now, if any."""
        facts = self.facts
        if (
            not self.may_back_up
            or facts.backed_up
            or not facts.email_verified
            or EMAIL not in facts.available
            # Too many wrong email codes close this way, too.
            or EMAIL in facts.disabled
        ):
            return None
        for kind in among:
            if kind in BACKED_BY_EMAIL and kind not in self.covered:
                return kind
        return None

    def recovery_code(self) -> tuple[str, ...]:
        """A recovery code as an alternative, where one could be spent."""
        usable = (
            self.settings.enable_recovery_code
            and self.facts.recovery_codes > 0
            and not self.by_recovery_code
            and not self.spent
        )
        return (RECOVERY_CODE,) if usable else ()

    def ask(
        self,
        rule: str,
        factors: tuple[FactorKind, ...],
        *,
        instead_of: tuple[FactorKind, ...] = (),
        with_passkey: bool = False,
        or_stuck: str = "cannot_prove",
    ) -> Decision:
        """Ask for one of `factors`; stuck where there is neither one nor an alternative.

        `instead_of`: what an email backup may stand for here.
        `with_passkey`: a passkey is one of the choices even where it cannot stand in.
        """
        alternatives: tuple[str, ...] = ()
        if self.has_passkey and not self.proved_passkey:
            enough = self.settings.mfa_passkey_is_enough
            if with_passkey and (not enough or not factors):
                factors = (*factors, PASSKEY)
            elif enough:
                alternatives = (PASSKEY,)
        alternatives += self.recovery_code()
        backs_up = self.first_to_back_up(instead_of)
        if backs_up is not None:
            alternatives += (EMAIL_BACKUP,)
        if factors or alternatives:
            return Decision(Prove(factors=factors, alternatives=alternatives), rule, backs_up)
        return Decision(Stuck(reason=or_stuck), rule)


def decide(settings: GateSettings, facts: Facts) -> Decision:
    """The step that is owed, and the rule that says so: the first that applies."""
    if facts.method not in METHODS:
        return Decision(Stuck(reason="unknown_method"), "unknown method: fails closed")
    if not facts.enrolled | facts.must_set_up <= FACTORS:
        return Decision(Stuck(reason="unknown_factor"), "unknown factor: fails closed")
    if is_enough(settings, facts.method):
        return Decision(Satisfied(), f"rule 1: {facts.method} is enough")
    reading = Reading(settings, facts)
    return (
        beyond_recovery(reading)
        or owed_each(reading)
        or owed_any(reading)
        or owed_set_up(reading)
        or owed_to_recovery(reading)
        or Decision(Satisfied(), "rule 7: nothing is owed")
    )


def is_enough(settings: GateSettings, method: str) -> bool:
    """Rule 1: whether a way to sign in satisfies the gate by itself."""
    match method:
        case Method.TRUSTED:
            return True
        case Method.EXTERNAL:
            return settings.mfa_external_sign_in_is_enough
        case Method.PASSKEY:
            return settings.mfa_passkey_is_enough
        case Method.RECOVERY_CODE:
            return settings.mfa_recovery_code_is_enough
    return False


def beyond_recovery(reading: Reading) -> Decision | None:
    """Rule 2, where nothing is left that could be proven: so whatever else is owed is vain."""
    return None if reading.usable or reading.has_passkey else owed_to_recovery(reading)


def owed_each(reading: Reading) -> Decision | None:
    """Rule 4, and rule 6 where every one is asked: prove what is held, one at a time."""
    owed = reading.asked_each()
    for kind in owed:
        if kind in reading.usable:
            return reading.ask(why(reading, kind), (kind,), instead_of=(kind,))
        # A disabled one waits: it is set up anew after another proof. Any other must be stood for.
        if kind not in reading.facts.disabled or kind not in reading.facts.available:
            return reading.ask(why(reading, kind), (), instead_of=(kind,))
    if owed and not reading.proved_held:
        return reading.ask(
            f"disabled: {owed[0]} becomes free by another proof",
            tuple(kind for kind in reading.usable if kind not in owed),
            instead_of=owed,
            with_passkey=True,
            or_stuck="factor_disabled",
        )
    every = reading.settings.mfa_ask_every_enrolled
    choice = reading.has_passkey and not reading.settings.mfa_passkey_is_enough
    if every and choice and not (reading.passkey_shown() or reading.all_stood):
        # "Each" of what is held: a passkey that is not enough alone is one of them.
        return reading.ask("rule 6: passkey, as each is asked", (), with_passkey=True)
    return None


def why(reading: Reading, kind: FactorKind) -> str:
    """The rule by which a held factor is asked for."""
    if kind in reading.required:
        return f"rule 4: {kind} is required"
    return f"rule 6: {kind}, as each is asked"


def owed_any(reading: Reading) -> Decision | None:
    """Rule 6: none required, something held: any one of it, the user's choice."""
    if reading.required or not reading.holds_something or reading.one_was_shown():
        return None
    return reading.ask(
        "rule 6: one of what is held",
        reading.usable,
        instead_of=reading.held,
        with_passkey=True,
        # Where only a passkey is held, and it opened this sign-in, it stood for the password.
        or_stuck="cannot_prove" if reading.held else "passkey_needs_factor",
    )


def owed_set_up(reading: Reading) -> Decision | None:
    """Rules 4 and 5: what is to be set up, after any proof that rules 2 and 3 ask for first."""
    facts, settings = reading.facts, reading.settings
    anew = reading.asked_each()  # by now only what is disabled, and free by another proof
    missing = tuple(kind for kind in reading.required if kind not in reading.held)
    if anew or missing:
        firm = in_order({*anew, *(facts.must_set_up & set(missing))})
        # Before the date, what may be put off comes last: to put it off ends the sign-in.
        first = (firm if facts.grace and firm else in_order({*anew, *missing}))[0]
        offered: tuple[FactorKind, ...] = (first,) if first in facts.available else ()
        may_skip = facts.grace and not firm
        rule = f"rule 4: {first} must be set up"
    elif not reading.holds_something and settings.enforce_one_mfa_enrollment:
        listed = settings.enforce_one_mfa_enrollment
        offered = tuple(FactorKind(k) for k in listed if k in FACTORS and k in facts.available)
        may_skip = facts.grace
        rule = "rule 5: one must be set up"
    else:
        return None
    recovering = owed_to_recovery(reading)
    if recovering is not None:
        return recovering
    if reading.holds_something and not reading.proved_before_set_up():
        return reading.ask("rule 3: a proof before any set-up", reading.usable, with_passkey=True)
    if may_skip and reading.held and not reading.one_was_shown():
        # A sign-in by passkey passes rule 3, but to put the set-up off must not spare rule 6.
        if reading.usable:
            return reading.ask("rule 6: before a set-up that can be put off", reading.usable)
        may_skip = False
    if not offered:
        return Decision(Stuck(reason="cannot_set_up"), rule)
    if facts.method == Method.REMEMBERED and not reading.holds_something:
        return Decision(SignIn(), "set-up: needs a credential checked in this sign-in")
    return Decision(SetUp(factors=offered, may_skip=may_skip), rule)


def owed_to_recovery(reading: Reading) -> Decision | None:
    """Rule 2: a sign-in by recovery code goes no further before a held factor is proven in it."""
    if not reading.by_recovery_code or reading.proved_held:
        return None
    return reading.ask(
        "rule 2: a recovery code stood for the password only",
        reading.usable,
        with_passkey=True,
        or_stuck="recovery_needs_factor",
    )

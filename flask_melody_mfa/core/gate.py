"""The gate: the one decision on what a sign-in, or a sensitive act, still owes.

Pure: the settings and facts come in, a step comes out. The rules are numbered as in section 3 of
the contract. Where the contract leaves a choice, the stricter reading is taken and said.

`Satisfied` never depends on what is available: an outage may leave somebody stuck, never let
anybody in, and the guard may judge a session without asking what could be sent right now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from flask_melody_mfa.core.types import FACTOR_ORDER, FactorKind, Method

OTP, EMAIL, SMS = FactorKind.OTP, FactorKind.EMAIL, FactorKind.SMS
PASSKEY, RECOVERY_CODE = FactorKind.PASSKEY, FactorKind.RECOVERY_CODE
EMAIL_BACKUP = "email_backup"
"""Among `Prove.alternatives`: an email code that stands for one OTP or SMS factor."""

BACKED_BY_EMAIL = frozenset({OTP, SMS})
LEVELS = {PASSKEY: 2, OTP: 2, SMS: 2, EMAIL: 1}
METHODS = frozenset(Method)
FACTORS = frozenset(FACTOR_ORDER)


class GateSettings(Protocol):
    """What the gate reads of the settings."""

    @property
    def otp_mfa_is_required(self) -> bool: ...
    @property
    def sms_mfa_is_required(self) -> bool: ...
    @property
    def email_mfa_is_required(self) -> bool: ...
    @property
    def enforce_one_mfa_enrollment(self) -> tuple[FactorKind, ...]: ...
    @property
    def allow_email_mfa_as_backup(self) -> bool: ...
    @property
    def allow_passkey_enrollment(self) -> bool: ...
    @property
    def enable_recovery_code(self) -> bool: ...
    @property
    def enable_mfa_remember_device(self) -> bool: ...
    @property
    def mfa_ask_every_enrolled(self) -> bool: ...
    @property
    def mfa_passkey_is_enough(self) -> bool: ...
    @property
    def mfa_recovery_code_is_enough(self) -> bool: ...
    @property
    def mfa_external_sign_in_is_enough(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the decision may know of one account and one sign-in. Plain text does for factors.

    `enrolled`: held factors among otp, sms, email; `disabled`: of those, disabled.
    `passkeys`, `recovery_codes`: how many are usable.
    `available`: what this user could prove or set up now; never limits what is held.
    `proven`: proven in this sign-in, also `passkey` and `recovery_code`.
    `backed_up`: factors for which an email backup stood in.
    `device`: factors that a remembered device covers. `grace`: before `MFA_REQUIRED_FROM`.
    """

    method: str = Method.PASSWORD
    enrolled: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    must_set_up: frozenset[str] = frozenset()
    passkeys: int = 0
    recovery_codes: int = 0
    available: frozenset[str] = FACTORS
    email_verified: bool = True
    proven: frozenset[str] = frozenset()
    backed_up: frozenset[str] = frozenset()
    device: frozenset[str] = frozenset()
    grace: bool = False


@dataclass(frozen=True, slots=True)
class Satisfied:
    """Nothing is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """One of `factors` must be proven now, in this order; `alternatives` may stand in.

    `factors` is empty where only what stands in can help.
    """

    factors: tuple[FactorKind, ...]
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """One of `factors` must be set up now; `may_skip`: it can be put off."""

    factors: tuple[FactorKind, ...]
    may_skip: bool = False


@dataclass(frozen=True, slots=True)
class SignIn:
    """A credential checked by the host is needed: to the login view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """Nothing that this person could do helps; `reason` is a key of `words.STUCK`."""

    reason: str


@dataclass(frozen=True, slots=True)
class NeedPassword:
    """A step-up of an account that holds nothing: the password anew."""


Step = Satisfied | Prove | SetUp | SignIn | Stuck
StepUp = Step | NeedPassword


@dataclass(frozen=True, slots=True)
class Decision:
    """A step, and the rule that decided."""

    step: Step
    rule: str


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
    match next_step(settings, facts):
        case Prove(alternatives=alternatives) if EMAIL_BACKUP in alternatives:
            return Reading(settings, facts).first_to_back_up()
    return None


def in_order(kinds: Iterable[str]) -> tuple[FactorKind, ...]:
    """Factors in the order in which they are asked for, as members."""
    kinds = frozenset(kinds)
    return tuple(kind for kind in FACTOR_ORDER if kind in kinds)


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

    def one_was_shown(self) -> bool:
        """Rule 6: one of what is held was proven, or something stands in for it."""
        passkey_on_device = (
            self.has_passkey
            and PASSKEY in self.facts.device
            and self.settings.enable_mfa_remember_device
            and self.weighs_stand_ins
        )
        return bool(self.covered or self.proved_passkey or self.all_stood or passkey_on_device)

    def proved_before_set_up(self) -> bool:
        """Rule 3: a factor, a passkey, or a recovery code spent in this sign-in."""
        return self.proved_held or self.spent or self.facts.method == Method.PASSKEY

    def first_to_back_up(self, among: Iterable[FactorKind] | None = None) -> FactorKind | None:
        """The factor for which an email code may stand in now, if any."""
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
        owed = self.asked_each() or self.held
        for kind in owed if among is None else among:
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

    def prove(
        self,
        factors: tuple[FactorKind, ...],
        *,
        instead_of: tuple[FactorKind, ...] = (),
        with_passkey: bool = False,
    ) -> Prove | None:
        """Ask for one of `factors`; None if there is neither one nor an alternative.

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
        if self.first_to_back_up(instead_of) is not None:
            alternatives += (EMAIL_BACKUP,)
        if factors or alternatives:
            return Prove(factors=factors, alternatives=alternatives)
        return None


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
        owed_each(reading)
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


def owed_each(reading: Reading) -> Decision | None:
    """Rule 4, and rule 6 where every one is asked: prove what is held, one at a time."""
    owed = reading.asked_each()
    for kind in owed:
        if kind in reading.usable:
            step = reading.prove((kind,), instead_of=(kind,))
            return Decision(step or Stuck(reason="cannot_prove"), why(reading, kind))
    # What is left can not be proven. A disabled one is set up anew after another proof.
    for kind in owed:
        if kind in reading.facts.disabled and kind in reading.facts.available:
            continue
        step = reading.prove((), instead_of=(kind,))
        return Decision(step or Stuck(reason="cannot_prove"), why(reading, kind))
    if owed and not reading.proved_held:
        others = tuple(kind for kind in reading.usable if kind not in owed)
        step = reading.prove(others, instead_of=owed, with_passkey=True)
        rule = f"disabled: {owed[0]} becomes free by another proof"
        return Decision(step or Stuck(reason="factor_disabled"), rule)
    every = reading.settings.mfa_ask_every_enrolled
    choice = reading.has_passkey and not reading.settings.mfa_passkey_is_enough
    if every and choice and not (reading.proved_passkey or reading.all_stood):
        # "Each" of what is held: a passkey that is not enough alone is one of them.
        step = reading.prove((), with_passkey=True)
        return Decision(step or Stuck(reason="cannot_prove"), "rule 6: passkey, as each is asked")
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
    step = reading.prove(reading.usable, instead_of=reading.held, with_passkey=True)
    if step is None and reading.by_recovery_code:
        return owed_to_recovery(reading)
    if step is None and not reading.held:
        # The only thing held is the passkey that opened this sign-in.
        rule = "rule 6: the passkey stood for the password"
        return Decision(Stuck(reason="passkey_needs_factor"), rule)
    return Decision(step or Stuck(reason="cannot_prove"), "rule 6: one of what is held")


def owed_set_up(reading: Reading) -> Decision | None:
    """Rules 4 and 5: what is to be set up, after any proof that rules 2 and 3 ask for first."""
    facts, settings = reading.facts, reading.settings
    anew = reading.asked_each()  # by now only what is disabled, and free by another proof
    missing = tuple(kind for kind in reading.required if kind not in reading.held)
    if anew or missing:
        # What may be put off comes last: to put it off ends the sign-in.
        firm = tuple(k for k in (*anew, *missing) if k in anew or k in facts.must_set_up)
        ordered = (*firm, *(kind for kind in missing if kind not in firm))
        offered = ordered[:1] if all(kind in facts.available for kind in ordered) else ()
        may_skip = facts.grace and not firm
        rule = f"rule 4: {ordered[0]} must be set up"
    elif not reading.holds_something and settings.enforce_one_mfa_enrollment:
        listed = settings.enforce_one_mfa_enrollment
        offered = tuple(FactorKind(k) for k in listed if k in FACTORS and k in facts.available)
        may_skip = facts.grace
        rule = "rule 5: one must be set up"
    else:
        return None
    first = owed_to_recovery(reading)
    if first is not None:
        return first
    if reading.holds_something and not reading.proved_before_set_up():
        unproven = tuple(kind for kind in reading.usable if kind not in reading.proven)
        step = reading.prove(unproven, with_passkey=True)
        return Decision(step or Stuck(reason="cannot_prove"), "rule 3: a proof before any set-up")
    if not offered:
        return Decision(Stuck(reason="cannot_set_up"), rule)
    if facts.method == Method.REMEMBERED and not reading.holds_something:
        return Decision(SignIn(), "set-up: needs a credential checked in this sign-in")
    return Decision(SetUp(factors=offered, may_skip=may_skip), rule)


def owed_to_recovery(reading: Reading) -> Decision | None:
    """Rule 2: a sign-in by recovery code goes no further before a held factor is proven in it."""
    if not reading.by_recovery_code or reading.proved_held:
        return None
    rule = "rule 2: a recovery code stood for the password only"
    step = reading.prove(reading.usable, with_passkey=True)
    return Decision(step or Stuck(reason="recovery_needs_factor"), rule)


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
) -> StepUp:
    """What a sensitive act still asks of a session whose gate is satisfied.

    `factors`: any one of them will do; None or empty: any at the account's highest level.
    `fresh`: proven recently enough, as the caller measures it; without backups, remembered
    devices and the codes of set-ups. `password_fresh`: the same of the password, for an account
    that holds nothing. `facts.proven` tells a recovery session, which gets no step-up.
    """
    held = held_kinds(facts)
    if RECOVERY_CODE in facts.proven or (
        facts.method == Method.RECOVERY_CODE and not held & facts.proven
    ):
        return Stuck(reason="recovery_session")
    level = level_of(held)
    highest = frozenset(kind for kind in held if LEVELS[kind] == level)
    wanted = frozenset({PASSKEY}) if phishing_resistant else frozenset(factors or ())
    accepted = wanted & held if wanted else highest
    if accepted & fresh:
        return Satisfied()
    if accepted:
        return prove_one(facts, accepted)
    # Nothing held, or nothing of what is wanted: what there is, and then the set-up.
    if not held and not password_fresh:
        return NeedPassword()
    if highest and not highest & fresh:
        return prove_one(facts, highest)
    if not wanted:
        return Satisfied()
    allowed = facts.available | ({PASSKEY} if settings.allow_passkey_enrollment else set())
    offered = tuple(kind for kind in (*FACTOR_ORDER, PASSKEY) if kind in wanted and kind in allowed)
    return SetUp(factors=offered) if offered else Stuck(reason="cannot_set_up")


def held_kinds(facts: Facts) -> frozenset[FactorKind]:
    """Everything held that counts for a step-up."""
    return frozenset(in_order(facts.enrolled)) | ({PASSKEY} if facts.passkeys > 0 else set())


def prove_one(facts: Facts, kinds: frozenset[FactorKind]) -> Prove | Stuck:
    """A fresh proof of any usable one; a weaker one never does instead."""
    usable = tuple(
        kind
        for kind in (*FACTOR_ORDER, PASSKEY)
        if kind in kinds
        and (kind is PASSKEY or (kind in facts.available and kind not in facts.disabled))
    )
    return Prove(factors=usable) if usable else Stuck(reason="cannot_prove")

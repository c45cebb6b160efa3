"""What the gate is told of an account and a sign-in, and the steps that it answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from flask_melody_mfa.core.types import FACTOR_ORDER, FactorKind, Method

OTP, EMAIL, SMS = FactorKind.OTP, FactorKind.EMAIL, FactorKind.SMS
PASSKEY, RECOVERY_CODE = FactorKind.PASSKEY, FactorKind.RECOVERY_CODE
EMAIL_BACKUP = "email_backup"
"""Among `Prove.alternatives`: an email code that stands for one OTP or SMS factor."""

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


def in_order(kinds: Iterable[str]) -> tuple[FactorKind, ...]:
    """Factors in the order in which they are asked for, as members."""
    kinds = frozenset(kinds)
    return tuple(kind for kind in FACTOR_ORDER if kind in kinds)

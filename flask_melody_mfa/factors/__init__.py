"""The factors. Adding one: a module here, one line below, one part of a template."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.factors.base import Factor
from flask_melody_mfa.factors.email import EmailFactor
from flask_melody_mfa.factors.otp import OtpFactor
from flask_melody_mfa.factors.recovery_code import RecoveryCodeFactor
from flask_melody_mfa.factors.sms import SmsFactor

FACTORS: Mapping[FactorKind, Factor] = MappingProxyType(
    {
        factor.kind: factor
        for factor in (OtpFactor(), EmailFactor(), SmsFactor(), RecoveryCodeFactor())
    }
)

"""The factors. Adding one: a module here, one line below, one part of a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.factors.base import Factor
from flask_melody_mfa.factors.email import EmailFactor
from flask_melody_mfa.factors.otp import OtpFactor
from flask_melody_mfa.factors.recovery_code import RecoveryCodeFactor


class Registry(Mapping[FactorKind, Factor]):
    """Factors by kind. `later`: those whose module is loaded when they are first asked for."""

    def __init__(self, *ready: Factor, later: Mapping[FactorKind, tuple[str, str]]) -> None:
        self._ready = {factor.kind: factor for factor in ready}
        self._later = dict(later)

    def __getitem__(self, kind: FactorKind) -> Factor:
        found = self._ready.get(kind)
        if found is None:
            module, name = self._later[kind]
            found = self._ready[kind] = getattr(import_module(module), name)()
        return found

    def __iter__(self) -> Iterator[FactorKind]:
        return iter({**self._ready, **self._later})

    def __len__(self) -> int:
        return len({**self._ready, **self._later})


FACTORS: Mapping[FactorKind, Factor] = Registry(
    OtpFactor(),
    EmailFactor(),
    RecoveryCodeFactor(),
    # What these are made of takes long to load, and many apps never need them.
    later={
        FactorKind.PASSKEY: (f"{__name__}.passkey", "PasskeyFactor"),
        FactorKind.SMS: (f"{__name__}.sms", "SmsFactor"),
    },
)

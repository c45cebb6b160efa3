"""Recovery codes: what somebody keeps on paper for the day on which the phone is gone."""

from __future__ import annotations

from collections.abc import Sequence

from flask_melody_mfa.core import recovery_codes
from flask_melody_mfa.core.errors import InvalidRequest, WrongProof
from flask_melody_mfa.core.types import (
    Accepted,
    Account,
    Answer,
    Credential,
    FactorKind,
    Kept,
    NewCredential,
    Prompt,
)
from flask_melody_mfa.factors.base import Env


class RecoveryCodeFactor:
    """Codes that work once each. They stand in for a factor and are none."""

    kind = FactorKind.RECOVERY_CODE

    def start_enrollment(self, env: Env, account: Account, answer: Answer) -> Prompt:
        """A new set: `shown["codes"]`, in their canonical form."""
        del account, answer
        count = env.settings.mfa_recovery_code_count
        return Prompt(shown={"codes": tuple(recovery_codes.new_code() for _ in range(count))})

    def finish_enrollment(self, env: Env, kept: Kept, answer: Answer) -> NewCredential:
        """There is nothing to confirm: a set counts once it is made. Raises `InvalidRequest`."""
        raise InvalidRequest

    def start_proof(self, env: Env, account: Account, held: Sequence[Credential]) -> Prompt:
        """Nothing to send: the person has the code."""
        del env, account, held
        return Prompt()

    def finish_proof(
        self, env: Env, held: Sequence[Credential], kept: Kept, answer: Answer
    ) -> Accepted:
        """The code that is to be claimed. Whether it is one of the account's, the claim tells."""
        del env, held, kept
        code = recovery_codes.canonical(answer["code"])
        if code is None:
            raise WrongProof
        return Accepted(kind=self.kind, recovery_code=code)

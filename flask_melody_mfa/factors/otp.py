"""The authenticator app."""

from __future__ import annotations

from collections.abc import Sequence

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.codes import clean_name
from flask_melody_mfa.core.errors import WrongProof
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

LONGEST_LABEL = 128


def secret_of(env: Env) -> bytes:
    """The secret of one enrollment: 160 bits of a keyed hash over its unguessable id.

    The same until it is confirmed, without a row that a page view would have to write; and
    nobody's once the challenge is over.
    """
    return env.digest("otp-setup", env.subject)[: otp.SECRET_BYTES]


class OtpFactor:
    """Codes of an authenticator app (RFC 6238). Several may be held; any of them will do."""

    kind = FactorKind.OTP

    def start_enrollment(self, env: Env, account: Account, answer: Answer) -> Prompt:
        """The key to be shown, in groups of four, and its URI for the QR code."""
        del answer
        secret = secret_of(env)
        issuer = env.settings.mfa_issuer or ""
        label = (account.login or account.key)[:LONGEST_LABEL]
        return Prompt(
            shown={
                "secret": otp.grouped(secret),
                "uri": otp.provisioning_uri(secret, issuer, label),
            }
        )

    def finish_enrollment(self, env: Env, kept: Kept, answer: Answer) -> NewCredential:
        """Judge the first code. A code of another time says so: `WrongProof(hint="clock")`."""
        del kept
        name = clean_name(answer.get("name", ""))
        secret, code = secret_of(env), answer["code"]
        step = otp.matching_step(secret, code, env.now)
        if step is None:
            off = otp.matching_step(secret, code, env.now, drift=otp.CLOCK_DRIFT)
            raise WrongProof(hint=None if off is None else "clock")
        return NewCredential(kind=self.kind, secret=secret, name=name, last_step=step)

    def start_proof(self, env: Env, account: Account, held: Sequence[Credential]) -> Prompt:
        """Nothing to send: the app has the code."""
        del env, account, held
        return Prompt()

    def finish_proof(
        self, env: Env, held: Sequence[Credential], kept: Kept, answer: Answer
    ) -> Accepted:
        """The authenticator whose code this is, and the time step to be claimed.

        A step at or before the last one that was used is no proof (RFC 6238 §5.2).
        """
        del kept
        found = None
        for credential in held:  # all of them, so that the time taken tells nothing
            step = otp.matching_step(credential.secret or b"", answer["code"], env.now)
            fresh = step is not None and step > (
                -1 if credential.last_step is None else credential.last_step
            )
            if fresh and found is None:
                found = Accepted(kind=self.kind, credential_id=credential.id, last_step=step)
        if found is None:
            raise WrongProof
        return found

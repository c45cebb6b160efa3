"""PROVISIONAL"""

from __future__ import annotations
from flask_melody_mfa.core import otp
from flask_melody_mfa.core.errors import WrongProof
from flask_melody_mfa.core.types import Accepted, FactorKind, NewCredential, Prompt


class OtpFactor:
    kind = FactorKind.OTP

    def start_enrollment(self, env, account, answer):
        s = env.digest("otp-setup", env.subject)[:20]
        return Prompt(
            shown={
                "secret": otp.grouped(s),
                "uri": otp.provisioning_uri(s, env.settings.mfa_issuer, account.login),
            }
        )

    def finish_enrollment(self, env, kept, answer):
        s = env.digest("otp-setup", env.subject)[:20]
        step = otp.matching_step(s, answer["code"], env.now)
        if step is None:
            raise WrongProof
        return NewCredential(
            kind=self.kind, secret=s, last_step=step, name=answer.get("name") or None
        )

    def start_proof(self, env, account, held):
        return Prompt()

    def finish_proof(self, env, held, kept, answer):
        for c in held:
            step = otp.matching_step(c.secret, answer["code"], env.now)
            if step is not None and step > (c.last_step or 0):
                return Accepted(kind=self.kind, credential_id=c.id, last_step=step)
        raise WrongProof

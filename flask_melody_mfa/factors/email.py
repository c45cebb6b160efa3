"""Codes by email."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
from flask_melody_mfa.factors import sent_codes
from flask_melody_mfa.factors.base import Env

LONGEST = 254
_ONE_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\\\"\x00-\x1f\x7f-\x9f]+@[^\s@,;:<>()\[\]\\\"]+")


def one_address(text: str | None) -> str:
    """One plain address, as it is. Raises `InvalidRequest` for none, a list, or anything odd."""
    if text is None or len(text) > LONGEST or not _ONE_ADDRESS.fullmatch(text):
        raise InvalidRequest({"email": "email"})
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidRequest({"email": "email"}) from None
    return text


class EmailFactor:
    """A code sent to an address. What was proven stays, whatever the host says later."""

    kind = FactorKind.EMAIL

    def start_enrollment(self, env: Env, account: Account, answer: Answer) -> Prompt:
        """A code to the host's address; nobody chooses another one here."""
        del answer
        return sent_codes.start(env, self.kind, one_address(account.email), "enroll")

    def finish_enrollment(self, env: Env, kept: Kept, answer: Answer) -> NewCredential:
        """The address that the code proves."""
        destination = sent_codes.judge(env, self.kind, kept, answer)
        return NewCredential(kind=self.kind, destination=destination)

    def start_proof(self, env: Env, account: Account, held: Sequence[Credential]) -> Prompt:
        """A code to the proven address; with none enrolled, the backup: to the host's."""
        destination = held[0].destination if held else account.email
        return sent_codes.start(env, self.kind, one_address(destination), "sign_in")

    def finish_proof(
        self, env: Env, held: Sequence[Credential], kept: Kept, answer: Answer
    ) -> Accepted:
        """Judge the code. One that went to an address which is proven no more is wrong."""
        destination = sent_codes.judge(env, self.kind, kept, answer)
        if held and destination != held[0].destination:
            raise WrongProof
        return Accepted(kind=self.kind, credential_id=held[0].id if held else None)

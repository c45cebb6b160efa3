"""The protocol that all factors speak: data in, data out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import (
    Accepted,
    Account,
    Answer,
    Credential,
    FactorKind,
    Instant,
    Kept,
    NewCredential,
    Prompt,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """What a factor may know beside its arguments.

    `subject`: the id of the challenge or enrollment that its codes are bound to.
    `digest(purpose, *parts)`: keyed HMAC-SHA256, 32 bytes, the key never leaving the server.
    `origin_host`: the host name of `MFA_BASE_URL`, for the last line of an SMS; None if unset.
    `origins`: where passkeys may be used. `held`: what the account holds of a factor already.
    """

    settings: Settings
    now: Instant
    subject: str
    digest: Callable[..., bytes]
    origin_host: str | None = None
    origins: tuple[str, ...] = ()
    held: Sequence[Credential] = ()
    locale: str | None = None


class Factor(Protocol):
    """One way to prove who one is. Reads no request, writes no row, sends nothing."""

    kind: FactorKind

    def start_enrollment(self, env: Env, account: Account, answer: Answer) -> Prompt:
        """Begin a set-up. Raises `InvalidRequest` for a malformed or forbidden destination."""
        ...

    def finish_enrollment(self, env: Env, kept: Kept, answer: Answer) -> NewCredential:
        """Judge the code that confirms a set-up. Raises `WrongProof` or `InvalidRequest`."""
        ...

    def start_proof(self, env: Env, account: Account, held: Sequence[Credential]) -> Prompt:
        """Begin a proof of what the account holds (email with nothing held: the backup)."""
        ...

    def finish_proof(
        self, env: Env, held: Sequence[Credential], kept: Kept, answer: Answer
    ) -> Accepted:
        """Judge a proof. Raises `WrongProof` or `InvalidRequest`; charges and claims nothing."""
        ...

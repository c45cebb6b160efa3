"""WebAuthn ceremonies: begun for one browser, challenge or session, and spent before they count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import limits
from flask_melody_mfa.core import passkeys as rules
from flask_melody_mfa.core.codes import new_id
from flask_melody_mfa.core.errors import InvalidPasskey, WrongProof
from flask_melody_mfa.core.passkeys import AcceptedPasskey, HeldPasskey
from flask_melody_mfa.core.types import MINUTE, Account, Answer, FactorKind, Kept, Prompt
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import passkeys as store
from flask_melody_mfa.store.log import record

SKEW = MINUTE
"""How far the clocks of two of our processes may differ."""
BROWSER, CHALLENGE, SESSION = "browser", "challenge", "session"


class CloneSuspected(InvalidPasskey):
    """Signed well, but the counter did not go up. Answered like anything else that is wrong."""

    def __init__(self, passkey_id: str) -> None:
        super().__init__()
        self.passkey_id = passkey_id


def bound_to(ctx: Context, kind: str, value: str) -> str:
    """What a ceremony belongs to, as it stands in the database."""
    return ctx.vault.hasher.digest("ceremony", kind, value).hex()


def begin(
    ctx: Context,
    session: Session,
    prompt: Prompt,
    *,
    binding: str,
    purpose: str,
    user_key: str | None = None,
) -> Mapping[str, Any]:
    """Write down what was just begun; returns the options for the browser."""
    store.begin(
        session,
        rules.to_bytes(prompt.kept["challenge"]),
        row_id=new_id(ctx.now),
        bound_to=binding,
        purpose=purpose,
        user_key=user_key,
        now=ctx.now,
        life=limits.CEREMONY,
    )
    return prompt.shown


def spend(
    ctx: Context,
    session: Session,
    challenge: bytes,
    *,
    binding: str,
    purpose: str,
    user_key: str | None = None,
) -> bool:
    """Use a ceremony up, whatever becomes of it; of several callers one wins."""
    return store.spend(
        session,
        challenge,
        bound_to=binding,
        purpose=purpose,
        user_key=user_key,
        now=ctx.now,
        latest=ctx.now + limits.CEREMONY + SKEW,
    )


def kept(challenge: bytes) -> Kept:
    """A ceremony that was spent, as the factor knows it."""
    return {"challenge": rules.to_text(challenge)}


# In a challenge


def held(ctx: Context, user_key: str) -> tuple[HeldPasskey, ...]:
    """The account's passkeys."""
    return ctx.store.read(lambda session: store.of_user(session, user_key))


def begin_proof(ctx: Context, account: Account, challenge_id: str) -> Mapping[str, Any]:
    """Options for proving one of the account's passkeys in a challenge."""

    def work(session: Session) -> Mapping[str, Any]:
        factor = ctx.factors[FactorKind.PASSKEY]
        found = store.of_user(session, account.key)
        prompt = factor.start_proof(ctx.env(challenge_id), account, found)
        return begin(
            ctx,
            session,
            prompt,
            binding=bound_to(ctx, CHALLENGE, challenge_id),
            purpose=rules.GET,
            user_key=account.key,
        )

    return ctx.store.run(work)


def spend_proof(ctx: Context, user_key: str, challenge_id: str, answer: Answer) -> Kept:
    """Use up the ceremony that an assertion answers. Raises `InvalidPasskey`, `InvalidRequest`."""
    asserted = rules.read_asserted(answer["credential"])
    challenge = rules.challenge_of(asserted.client_data, rules.GET, ctx.origins)
    spent = ctx.store.run(
        lambda session: spend(
            ctx,
            session,
            challenge,
            binding=bound_to(ctx, CHALLENGE, challenge_id),
            purpose=rules.GET,
            user_key=user_key,
        )
    )
    if not spent:
        raise InvalidPasskey
    return kept(challenge)


def claim(
    ctx: Context, session: Session, user_key: str, accepted: AcceptedPasskey, *, vouched: bool
) -> None:
    """Take over the counter of an assertion that holds, in the transaction of what it opens.

    `vouched`: something beside it proved who it is (a password, say); then user verification
    that was not there when the passkey was made may be relied upon from now on. Without it such
    a passkey opens nothing (Level 3 §7.2 step 24). Raises `InvalidPasskey`, `CloneSuspected`.
    """
    passkey_id = accepted.credential_id or ""
    if accepted.regressed:
        raise CloneSuspected(passkey_id)
    if not accepted.uv_initialized and not vouched:
        raise InvalidPasskey
    if not store.claim(
        session,
        user_key,
        passkey_id,
        sign_count=accepted.sign_count,
        backed_up=accepted.backed_up,
        now=ctx.now,
    ):
        raise InvalidPasskey


def tell_of_clone(ctx: Context, account: Account, error: WrongProof) -> None:
    """Record that a passkey may have been copied, and tell its owner."""
    if not isinstance(error, CloneSuspected):
        return
    events = (
        ctx.event(
            "passkey_clone_suspected",
            account.key,
            outcome="refused",
            factor=FactorKind.PASSKEY.value,
            passkey=error.passkey_id,
        ),
    )
    ctx.store.run(lambda session: record(session, events))
    ctx.tell(account, events)

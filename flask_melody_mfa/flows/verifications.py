"""Proofs that a backend asks for and judges, with the counters of the sign-in pages.

They change no session. See `flows/backend.py` for how their challenges are found again.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    InvalidRequest,
    NotFound,
    WrongProof,
)
from flask_melody_mfa.core.types import (
    Accepted,
    Account,
    Answer,
    Event,
    FactorKind,
    Instant,
)
from flask_melody_mfa.flows import messages, tries
from flask_melody_mfa.flows.backend import (
    check_active,
    check_sender,
    just_sent,
    new,
    running,
    write,
)
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import accounts, challenges, credentials
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import ChallengeRow

VERIFY = "s2s_verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A proof that was asked for."""

    id: str
    expires_at: Instant


def ask(ctx: Context, account: Account, kind: FactorKind) -> Verification:
    """Ask for a proof; sends the code for email and sms.

    Raises `NotFound` for a factor that is not held, `Conflict` for a disabled one, `Locked`,
    `Throttled`, `NotDelivered`, `Forbidden`, `NotConfigured`.
    """
    check_active(account)
    check_sender(ctx, kind)
    now = running(ctx, account, VERIFY, kind)
    held = [ctx.vault.open_credential(row) for row in now.holding.of(kind)]
    if not held:
        raise NotFound
    if kind in now.holding.disabled:
        raise Conflict
    tries.check_lock(ctx, now.holding)
    row = now.row
    if not now.is_new:
        sends = kind is not FactorKind.OTP
        ends = just_sent(ctx, row, held[0].destination or "") if sends else row.expires_at
        if ends is not None:
            return Verification(id=row.id, expires_at=min(ends, row.expires_at))
        if row.sent_at is not None:  # the pause is over: a new code, which voids the old
            ctx.store.run(lambda session: challenges.end(session, now.row, ctx.now))
            row = new(ctx, account, VERIFY, kind)
    row = write(ctx, row)
    prompt = ctx.factors[kind].start_proof(ctx.env(row.id), account, held)
    messages.send_code(ctx, account, row, kind, prompt)
    ends = int(prompt.kept.get("expires_at", row.expires_at))
    return Verification(id=row.id, expires_at=min(ends, row.expires_at))


def verify(
    ctx: Context,
    account: Account,
    kind: FactorKind,
    answer: Answer,
    *,
    verification_id: str | None = None,
) -> None:
    """Judge a proof, with the same counters and the same single use as everywhere.

    An authenticator's code needs no `verification_id`. Raises `WrongProof` for whatever is
    wrong, over or somebody else's; `InvalidRequest`, `Locked`, `Throttled`, `Forbidden`.
    """
    check_active(account)
    if verification_id is None and kind is not FactorKind.OTP:
        raise InvalidRequest({"verification_id": "missing"})

    def look(session: Session) -> tuple[ChallengeRow | None, Holding]:
        row = None
        if verification_id is not None:
            row = challenges.find_open(
                session,
                account.key,
                VERIFY,
                ctx.now,
                client=ctx.client,
                setting_up=kind.value,
                challenge_id=verification_id,
            )
        return row, accounts.read_holding(session, account.key)

    row, holding = ctx.store.read(look)
    tries.check_lock(ctx, holding)
    if (row is None and verification_id is not None) or not holding.of(kind):
        raise WrongProof
    held = [ctx.vault.open_credential(one) for one in holding.of(kind)]
    kept = ctx.vault.open_kept(row) if row is not None and row.code_kind == kind.value else {}
    try:
        tries.charge(ctx, account.key, kind, row)
    except ChallengeOver:
        raise WrongProof from None
    try:
        subject = row.id if row is not None else VERIFY
        accepted = ctx.factors[kind].finish_proof(ctx.env(subject), held, kept, answer)
        accept(ctx, account, row, accepted)
    except WrongProof:
        tries.fail(ctx, account, kind, row)
        raise
    except Exception:
        tries.refund(ctx, account.key, kind, row)
        raise


def accept(ctx: Context, account: Account, row: ChallengeRow | None, accepted: Accepted) -> None:
    """Claim an accepted proof, once. Raises `WrongProof` when it was spent already."""

    def work(session: Session) -> tuple[Event, ...]:
        claim(ctx, session, account, row, accepted)
        if row is not None:
            challenges.end(session, row, ctx.now)
        tries.settle(session, account.key, accepted.kind)
        accounts.forgive_user(session, account.key)
        events = (ctx.event("proof_accepted", account.key, factor=accepted.kind.value),)
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def claim(
    ctx: Context,
    session: Session,
    account: Account,
    row: ChallengeRow | None,
    accepted: Accepted,
) -> None:
    """Spend what a proof was made of. Raises `WrongProof` when it was spent already."""
    credential_id = accepted.credential_id or ""
    if accepted.last_step is not None:
        spent = credentials.claim_step(
            session, account.key, credential_id, accepted.last_step, ctx.now
        )
    else:
        spent = (
            row is not None
            and challenges.claim_code(session, row, ctx.now)
            and credentials.touch(session, account.key, credential_id, ctx.now)
        )
    if not spent:
        raise WrongProof

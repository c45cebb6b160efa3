"""Enrollment: choose a factor, prove that it works, store it."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import delete
from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate, limits
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    InvalidRequest,
    NobodyCan,
    WrongProof,
)
from flask_melody_mfa.core.types import (
    Account,
    Answer,
    Event,
    FactorKind,
    NewCredential,
    Prompt,
    Proof,
)
from flask_melody_mfa.flows import changes, messages, tries
from flask_melody_mfa.flows.challenge import Challenge, owed, with_proof
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sign_in import Finished, advance
from flask_melody_mfa.store import accounts, challenges, credentials, statements
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import CredentialRow


def wanted(ctx: Context, account: Account, challenge: Challenge) -> gate.SetUp:
    """The set-up that is owed now.

    Raises `Forbidden` while a proof is owed first: whoever holds a factor proves it before
    adding one. Raises `NobodyCan` when stuck.
    """
    match owed(ctx, account, challenge):
        case gate.SetUp() as step:
            return step
        case gate.Stuck(reason=reason):
            raise NobodyCan(reason)
        case _:
            raise Forbidden


def check_offered(
    ctx: Context, account: Account, challenge: Challenge, kind: FactorKind
) -> gate.SetUp:
    """Raises `Forbidden` or `Conflict` unless this factor is to be set up now."""
    step = wanted(ctx, account, challenge)
    if kind not in step.factors:
        raise Conflict
    return step


def choose(ctx: Context, account: Account, challenge: Challenge, kind: FactorKind) -> None:
    """Remember the choice. The other factors on offer stay open."""
    check_offered(ctx, account, challenge, kind)

    def work(session: Session) -> None:
        if not challenges.change(session, challenge.row, ctx.now, setting_up=kind.value):
            raise ChallengeOver

    ctx.store.run(work)


def show(ctx: Context, account: Account, challenge: Challenge, kind: FactorKind) -> Prompt:
    """What the set-up page shows; writes nothing, so a page may be reloaded at will."""
    check_offered(ctx, account, challenge, kind)
    return ctx.factors[kind].start_enrollment(ctx.env(challenge.row.id), account, {})


def send(
    ctx: Context, account: Account, challenge: Challenge, kind: FactorKind, answer: Answer
) -> None:
    """Send the code that confirms a destination.

    Raises `InvalidRequest`, `UnsupportedDestination`, `Throttled`, `NotDelivered`.
    """
    check_offered(ctx, account, challenge, kind)
    env = ctx.env(challenge.row.id)
    prompt = ctx.factors[kind].start_enrollment(env, account, answer)
    messages.send_code(ctx, account, challenge.row, kind, prompt)


def finish(
    ctx: Context, account: Account, challenge: Challenge, kind: FactorKind, answer: Answer
) -> Finished | None:
    """Judge the confirming code and store the credential.

    A wrong code costs a try of the challenge, not of the account: what is guessed here is one's
    own new factor. Raises `WrongProof`, `InvalidRequest`, `Conflict` for a lost race or a sixth
    authenticator, `ChallengeOver`.
    """
    if not account.active:
        raise Forbidden
    check_offered(ctx, account, challenge, kind)
    row = challenge.row
    kept = ctx.vault.open_kept(row) if row.code_kind == kind.value else {}
    charge(ctx, challenge)
    try:
        new = ctx.factors[kind].finish_enrollment(ctx.env(row.id), kept, answer)
    except WrongProof as error:
        if over(ctx, challenge):
            raise tries.LastTry(locked=False) from None
        raise error from None
    except InvalidRequest:
        ctx.store.run(lambda session: challenges.refund(session, row))
        raise
    return keep(ctx, account, challenge, new)


def charge(ctx: Context, challenge: Challenge) -> None:
    """Count a try of the challenge before the code is looked at."""

    def work(session: Session) -> None:
        limit = ctx.settings.mfa_tries_per_code
        if not challenges.charge(session, challenge.row, ctx.now, limit):
            raise ChallengeOver

    ctx.store.run(work)


def over(ctx: Context, challenge: Challenge) -> bool:
    """End the challenge when its tries are spent."""
    return ctx.store.run(lambda session: tries.out_of_tries(ctx, session, challenge.row))


def keep(
    ctx: Context, account: Account, challenge: Challenge, new: NewCredential
) -> Finished | None:
    """Store a confirmed credential and go on, all in one transaction."""
    row = challenge.row

    def work(session: Session) -> tuple[Finished | None, tuple[Event, ...]]:
        if not accounts.claim_version(session, challenge.holding):
            raise Conflict
        if new.destination is not None and not challenges.claim_code(session, row, ctx.now):
            raise WrongProof
        events = [ctx.event("factor_enrolled", account.key, factor=new.kind.value)]
        holding = challenge.holding
        lost = challenge.goal.replaces
        if lost is not None and not replaces_its_kind(holding, lost):
            events.append(take_away(ctx, session, account.key, lost))
            holding = replace(
                holding, credentials=tuple(r for r in holding.credentials if r.id != lost)
            )
        add(ctx, session, account, holding, new)
        challenges.refund(session, row)
        events += changes.follow(ctx, session, account.key, reason="factor_enrolled", but=(row.id,))
        still = tuple(proof for proof in challenge.proofs if proof.device is None)
        proofs = with_proof(still, Proof(kind=new.kind, at=ctx.now, setup=True))
        finished, more = advance(ctx, session, account, challenge, proofs)
        events.extend(more)
        record(session, events)
        return finished, tuple(events)

    finished, events = ctx.store.run(work)
    ctx.tell(account, events)
    return finished


def take_away(ctx: Context, session: Session, user_key: str, credential_id: str) -> Event:
    """Delete the credential or passkey that another replaces. Raises `Conflict` if it is gone."""
    kind = credentials.remove_one(session, user_key, credential_id)
    if kind is None:
        raise Conflict
    # The mail about what was set up tells of the replacement, too.
    return ctx.event("factor_removed", user_key, factor=kind.value, replaced=True, notify=False)


def replaces_its_kind(holding: accounts.Holding, credential_id: str) -> bool:
    """Whether a credential is an address or number: a new one always takes the place of the old."""
    return any(
        row.id == credential_id and row.kind != FactorKind.OTP for row in holding.credentials
    )


def add(
    ctx: Context,
    session: Session,
    account: Account,
    holding: accounts.Holding,
    new: NewCredential,
) -> None:
    """Write a credential: a further authenticator beside the old, an address in its place."""
    existing = holding.of(new.kind)
    if new.kind in holding.disabled:
        # Set up anew after another proof: what failed a hundred times must not come back to life.
        session.execute(delete(CredentialRow).where(CredentialRow.id.in_([r.id for r in existing])))
        existing = ()
    if new.kind is FactorKind.OTP:
        if len(existing) >= limits.OTP_CREDENTIALS:
            raise Conflict
        if new.name and new.name in {other.name for other in existing}:
            raise Conflict
    replaced = existing if new.kind is not FactorKind.OTP else ()
    for old in replaced:
        address = ctx.vault.open_credential(old).destination
        if new.kind is FactorKind.EMAIL and address and address != new.destination:
            session.add(ctx.vault.seal_address(address, account.key, ctx.now))
        session.execute(delete(CredentialRow).where(CredentialRow.id == old.id))
    statements.add(session, ctx.vault.seal_credential(new, account.key, ctx.now))
    accounts.free_factor(session, account.key, [new.kind])
    if new.kind in holding.must_set_up:
        rest = holding.must_set_up - {new.kind}
        accounts.set_must_set_up(session, account.key, sorted(rest))


__all__ = ["choose", "finish", "send", "show", "wanted"]

"""Proving: send a code, judge an answer, claim it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    MfaError,
    NobodyCan,
    WrongProof,
)
from flask_melody_mfa.core.passkeys import AcceptedPasskey
from flask_melody_mfa.core.types import (
    FACTOR_ORDER,
    Accepted,
    Account,
    Answer,
    Credential,
    Event,
    FactorKind,
    Kept,
    Method,
    Proof,
)
from flask_melody_mfa.flows import ceremonies, messages, recovery, tries
from flask_melody_mfa.flows.challenge import (
    Challenge,
    gate_facts,
    owed,
    preferred,
    with_proof,
)
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sign_in import Finished, advance
from flask_melody_mfa.store import challenges, credentials, recovery_codes
from flask_melody_mfa.store.log import record

SENT = (FactorKind.EMAIL, FactorKind.SMS)
"""The factors whose codes we send."""
TICKED = frozenset({"1", "on", "true", "yes"})
"""What a ticked box is sent as."""


def wanted(ctx: Context, account: Account, challenge: Challenge) -> gate.Prove:
    """The proof that is owed now. Raises `NobodyCan`, or `Conflict` when something else is."""
    match owed(ctx, account, challenge):
        case gate.Prove() as step:
            return step
        case gate.Stuck(reason=reason):
            raise NobodyCan(reason)
        case _:
            raise Conflict


def is_backup(step: gate.Prove, kind: FactorKind) -> bool:
    """Whether an email code would stand in for another factor here."""
    return (
        kind is FactorKind.EMAIL
        and kind not in step.factors
        and gate.EMAIL_BACKUP in step.alternatives
    )


def backed_up_by(ctx: Context, account: Account, challenge: Challenge) -> FactorKind:
    """The factor for which an email code stands in. Raises `Conflict` where it may not."""
    facts = gate_facts(
        ctx,
        account,
        challenge.holding,
        method=challenge.row.method,
        proofs=challenge.proofs,
    )
    kind = gate.backup_stands_for(ctx.settings, facts)
    if kind is None:
        raise Conflict
    return kind


def allowed(step: gate.Prove, kind: FactorKind) -> bool:
    """Whether this factor may be proven (or may stand in) now."""
    return kind in step.factors or kind in step.alternatives or is_backup(step, kind)


def held(ctx: Context, challenge: Challenge, kind: FactorKind) -> tuple[Credential, ...]:
    """The opened credentials of a factor. Raises `CannotOpen`."""
    if kind is FactorKind.PASSKEY:
        return ceremonies.held(ctx, challenge.row.user_key)
    return tuple(ctx.vault.open_credential(row) for row in challenge.holding.of(kind))


def destination(ctx: Context, account: Account, challenge: Challenge, kind: FactorKind) -> str:
    """Where a code would go: the proven destination, or the verified address for a backup."""
    opened = held(ctx, challenge, kind)
    if opened:
        return opened[0].destination or ""
    return (account.email or "") if kind is FactorKind.EMAIL else ""


def send(ctx: Context, account: Account, challenge: Challenge, kind: FactorKind) -> None:
    """Send a code for a proof. Raises `Throttled`, `NotDelivered`, `Conflict`, `ChallengeOver`."""
    step = wanted(ctx, account, challenge)
    if not allowed(step, kind):
        raise Conflict
    tries.check_lock(ctx, challenge.holding)
    prompt = ctx.factors[kind].start_proof(
        ctx.env(challenge.row.id), account, held(ctx, challenge, kind)
    )
    messages.send_code(ctx, account, challenge.row, kind, prompt)


def send_preferred(ctx: Context, account: Account, challenge: Challenge, step: gate.Prove) -> None:
    """Send the code that is asked for first, where it is one that is sent. Raises as `send`."""
    kind = preferred(step, challenge.holding)
    if kind in SENT:
        send(ctx, account, challenge, kind)


def start_passkey(ctx: Context, account: Account, challenge: Challenge) -> Mapping[str, Any]:
    """Options for proving a passkey. Raises `Conflict`, `NobodyCan`, `Locked`, `Forbidden`."""
    if not account.active:
        raise Forbidden
    step = wanted(ctx, account, challenge)
    if not allowed(step, FactorKind.PASSKEY):
        raise Conflict
    tries.check_lock(ctx, challenge.holding)
    return ceremonies.begin_proof(ctx, account, challenge.row.id)


def prove(
    ctx: Context, account: Account, challenge: Challenge, kind: FactorKind, answer: Answer
) -> Finished | None:
    """Judge a proof; `Finished` when nothing is owed after it, None when something is.

    Raises `WrongProof` (also `tries.LastTry`), `Locked`, `Throttled`, `ChallengeOver`,
    `InvalidRequest`, `Forbidden` for an account that was disabled meanwhile.
    """
    if not account.active:
        raise Forbidden
    tries.check_lock(ctx, challenge.holding)
    step = wanted(ctx, account, challenge)
    if not allowed(step, kind):
        raise Conflict
    row = challenge.row
    credentials_held = held(ctx, challenge, kind)
    kept: Kept = ctx.vault.open_kept(row) if row.code_kind == kind.value else {}
    tries.charge(ctx, account.key, kind, row)
    try:
        if kind is FactorKind.PASSKEY:
            kept = ceremonies.spend_proof(ctx, account.key, row.id, answer)
        accepted = ctx.factors[kind].finish_proof(ctx.env(row.id), credentials_held, kept, answer)
        wished = with_wish(challenge, step, kind, answer)
        finished = accept(ctx, account, wished, step, accepted)
    except WrongProof as error:
        ceremonies.tell_of_clone(ctx, account, error)
        over = tries.fail(ctx, account, kind, row)
        if over.challenge:
            raise tries.LastTry(locked=over.locked) from None
        raise
    except ChallengeOver:
        raise
    except MfaError:
        tries.refund(ctx, account.key, kind, row)
        raise
    except Exception:
        tries.refund(ctx, account.key, kind, row)
        raise
    return finished


def may_wish(step: gate.Prove, kind: FactorKind) -> bool:
    """Whether `remember_device` is asked beside this proof: what stands in earns nothing."""
    return kind is not FactorKind.RECOVERY_CODE and not is_backup(step, kind)


def with_wish(
    challenge: Challenge, step: gate.Prove, kind: FactorKind, answer: Answer
) -> Challenge:
    """The challenge, with what `remember_device` says where it was asked."""
    if not may_wish(step, kind):
        return challenge
    goal = replace(challenge.goal, remember=answer.get("remember_device") in TICKED)
    return replace(challenge, goal=goal)


def accept(
    ctx: Context, account: Account, challenge: Challenge, step: gate.Prove, accepted: Accepted
) -> Finished | None:
    """Claim an accepted proof and write what follows from it, all in one transaction."""
    kind = accepted.kind
    backup = is_backup(step, kind)

    def work(session: Session) -> tuple[Finished | None, tuple[Event, ...]]:
        # The account's row first, as everything else does that touches it and its codes.
        tries.settle(session, account.key, kind, challenge.row)
        claim(ctx, session, account, challenge, accepted)
        stood_for = backed_up_by(ctx, account, challenge) if backup else None
        proof = Proof(kind=stood_for or kind, at=ctx.now, backup=backup)
        events = [ctx.event("proof_accepted", account.key, factor=kind.value, backup=backup)]
        if backup:
            events.append(ctx.event("email_backup_used", account.key, factor=proof.kind.value))
        if kind is FactorKind.RECOVERY_CODE:
            events.append(recovery.note_use(ctx, session, account.key, "mfa"))
        proofs = with_proof(challenge.proofs, proof)
        finished, more = advance(ctx, session, account, challenge, proofs)
        events.extend(more)
        record(session, events)
        return finished, tuple(events)

    finished, events = ctx.store.run(work)
    ctx.tell(account, events)
    return finished


def claim(
    ctx: Context, session: Session, account: Account, challenge: Challenge, accepted: Accepted
) -> None:
    """Spend what the proof was made of. Raises `WrongProof` when it was spent already."""
    if isinstance(accepted, AcceptedPasskey):
        ceremonies.claim(ctx, session, account.key, accepted, vouched=is_vouched_for(challenge))
        return
    if accepted.recovery_code is not None:
        code_hash = ctx.vault.recovery_code_hash(account.key, accepted.recovery_code)
        if not recovery_codes.spend(session, account.key, code_hash, ctx.now):
            raise WrongProof
        return
    if accepted.last_step is not None:
        if accepted.credential_id is None or not credentials.claim_step(
            session, account.key, accepted.credential_id, accepted.last_step, ctx.now
        ):
            raise WrongProof
        return
    if not challenges.claim_code(session, challenge.row, ctx.now):
        raise WrongProof
    if accepted.credential_id is not None and not credentials.touch(
        session, account.key, accepted.credential_id, ctx.now
    ):
        raise WrongProof


def is_vouched_for(challenge: Challenge) -> bool:
    """Whether something beside a passkey proved in this challenge who it is."""
    if challenge.row.method in (Method.PASSWORD, Method.EXTERNAL):
        return True
    return any(proof.is_own and proof.kind in FACTOR_ORDER for proof in challenge.proofs)

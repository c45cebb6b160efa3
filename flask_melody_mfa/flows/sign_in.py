"""Sign-in: from the host's `login_user` to a satisfied session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.codes import new_id, new_token
from flask_melody_mfa.core.errors import ChallengeOver, NotAuthenticated
from flask_melody_mfa.core.types import SECOND, Account, Event, Proof
from flask_melody_mfa.flows import devices
from flask_melody_mfa.flows.challenge import (
    ENROLL,
    RAISE,
    SIGN_IN,
    STEP_UP,
    Challenge,
    Goal,
    earned,
    gate_facts,
    owed,
    parked_from,
    proofs_from_text,
    proofs_to_text,
    with_proof,
)
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.store import accounts, challenges, sessions
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.log import plain, record
from flask_melody_mfa.store.statements import add
from flask_melody_mfa.store.tables import ChallengeRow, SessionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Something is owed: the browser gets the token of a challenge.

    `device`: the token that replaces the one of its remembered device, if that was used up.
    """

    token: str = field(repr=False)
    challenge: Challenge
    step: gate.StepUp
    device: devices.Issued | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing is owed (any more).

    `token`: of the new session, or None where an existing session was raised.
    `parked`: Flask-Login's fields to put back. `device`: the browser's new device token.
    `standing`: where the session stands now.
    """

    token: str | None = field(repr=False)
    parked: Mapping[str, Any] = field(default_factory=dict, repr=False)
    next_url: str | None = None
    purpose: str = SIGN_IN
    device: devices.Issued | None = None
    standing: Standing | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """This sign-in can yield nothing: the user goes to the login view."""


def begin(
    ctx: Context,
    account: Account,
    *,
    method: str,
    parked: Mapping[str, Any],
    next_url: str | None = None,
    replaces: str | None = None,
    device_token: str | None = None,
    proofs: tuple[Proof, ...] = (),
) -> Begun | Finished | Refused:
    """Answer a `login_user`: a session when nothing is owed, else a challenge.

    `proofs`: what was proven in place of the password.
    `replaces`: the token of a challenge in the same browser that this sign-in puts aside.
    `device_token`: that of the browser's remembered device; used up where a proof is owed.
    """
    token = new_token()

    def work(session: Session) -> tuple[Begun | Finished | Refused, tuple[Event, ...]]:
        if replaces is not None:
            old = challenges.find(session, ctx.vault.token_hash(replaces))
            if old is not None:
                challenges.end(session, old, ctx.now)
        holding = accounts.read_holding(session, account.key)
        if not holding.known:
            accounts.ensure_user(session, account.key, ctx.now)
        step = gate.next_step(ctx.settings, gate_facts(ctx, account, holding, method=method))
        if isinstance(step, gate.SignIn):
            return Refused(), ()
        cover = devices.Cover()
        if (
            device_token is not None
            and isinstance(step, gate.Prove)
            and ctx.settings.enable_mfa_remember_device
        ):
            cover = devices.cover(ctx, session, holding, device_token)
            facts = gate_facts(ctx, account, holding, method=method, proofs=cover.proofs)
            step = gate.next_step(ctx.settings, facts)
        proven = (*proofs, *cover.proofs)
        if isinstance(step, gate.Satisfied):
            made = add_session(ctx, session, account.key, method, token, proven)
            signed_in = ctx.event("signed_in", account.key, method=method, device=cover.device_id)
            events = (*cover.events, signed_in)
            record(session, events)
            finished = Finished(
                token=token,
                parked=parked,
                next_url=next_url,
                device=cover.issued,
                standing=satisfied(made, holding, proven),
            )
            return finished, events
        goal = Goal(device=cover.device_id)
        row = new_row(ctx, account.key, SIGN_IN, method, token, next_url)
        row.parked = parked_from(parked)
        row.proofs = proofs_to_text(proven)
        row.goal = goal.to_text()
        add(session, row)
        events = (*cover.events, ctx.event("challenge_started", account.key, method=method))
        record(session, events)
        challenge = Challenge(row=row, holding=holding, proofs=proven, goal=goal)
        return Begun(token=token, challenge=challenge, step=step, device=cover.issued), events

    outcome, events = ctx.store.run(work)
    ctx.tell(account, events)
    return outcome


def begin_on_session(
    ctx: Context,
    account: Account,
    session_row: SessionRow,
    *,
    purpose: str,
    method: str,
    proofs: tuple[Proof, ...] = (),
    goal: Goal | None = None,
    next_url: str | None = None,
) -> Begun | Refused:
    """Open a challenge for a signed-in session: `raise`, `step_up` or `enroll`.

    A raised session keeps what it proved, so only what is missing is asked for.
    """
    token = new_token()

    def work(session: Session) -> tuple[Begun | Refused, tuple[Event, ...]]:
        holding = accounts.read_holding(session, account.key)
        if not holding.known:
            accounts.ensure_user(session, account.key, ctx.now)
        row = new_row(ctx, account.key, purpose, method, token, next_url)
        row.session_id = session_row.id
        row.proofs = proofs_to_text(proofs)
        row.goal = (goal or Goal()).to_text()
        challenge = Challenge(row=row, holding=holding, proofs=proofs, goal=goal or Goal())
        step = owed(ctx, account, challenge)
        if isinstance(step, gate.SignIn):
            return Refused(), ()
        add(session, row)
        events = (ctx.event("challenge_started", account.key, method=method, purpose=purpose),)
        record(session, events)
        return Begun(token=token, challenge=challenge, step=step), events

    outcome, events = ctx.store.run(work)
    ctx.tell(account, events)
    return outcome


def new_row(
    ctx: Context, user_key: str, purpose: str, method: str, token: str, next_url: str | None
) -> ChallengeRow:
    """A challenge row that lives for `MFA_CHALLENGE_SECONDS`."""
    return ChallengeRow(
        id=new_id(ctx.now),
        token_hash=ctx.vault.token_hash(token),
        user_key=user_key,
        purpose=purpose,
        client=ctx.client,
        method=method,
        parked="{}",
        goal="{}",
        proofs="[]",
        next_url=next_url,
        tries=0,
        created_at=ctx.now,
        expires_at=ctx.now + ctx.settings.mfa_challenge_seconds * SECOND,
    )


def add_session(
    ctx: Context,
    session: Session,
    user_key: str,
    method: str,
    token: str,
    proofs: tuple[Proof, ...],
) -> SessionRow:
    """A new MFA session."""
    row = SessionRow(
        id=new_id(ctx.now),
        token_hash=ctx.vault.token_hash(token),
        user_key=user_key,
        client=ctx.client,
        method=method,
        proofs=proofs_to_text(proofs),
        created_at=ctx.now,
        used_at=ctx.now,
        address=plain(ctx.address, 64),
        user_agent=plain(ctx.user_agent),
    )
    add(session, row)
    return row


def advance(
    ctx: Context,
    session: Session,
    account: Account,
    challenge: Challenge,
    proofs: tuple[Proof, ...],
) -> tuple[Finished | None, tuple[Event, ...]]:
    """Write new proofs, and finish the challenge if nothing is owed after them.

    Part of the transaction that claims the proof: when this fails, the claim is undone with it.
    Raises `ChallengeOver` when another request ended or changed the challenge first.
    """
    row = challenge.row
    fresh = Challenge(
        row=row,
        holding=accounts.read_holding(session, row.user_key),
        proofs=proofs,
        goal=challenge.goal,
    )
    if not isinstance(owed(ctx, account, fresh), gate.Satisfied):
        changed = challenges.change(
            session,
            row,
            ctx.now,
            ChallengeRow.proofs == row.proofs,
            proofs=proofs_to_text(proofs),
            goal=challenge.goal.to_text(),
            setting_up=None,
        )
        if not changed:
            raise ChallengeOver
        return None, ()
    return finish(ctx, session, fresh)


def finish(
    ctx: Context, session: Session, challenge: Challenge
) -> tuple[Finished, tuple[Event, ...]]:
    """End a satisfied challenge and give its browser what it earned, once.

    Raises `ChallengeOver` also where a device that it relied on was revoked meanwhile.
    """
    row = challenge.row
    if challenge.purpose in (SIGN_IN, RAISE, STEP_UP):
        accounts.forgive_user(session, row.user_key)
    if not challenges.end(session, row, ctx.now, ChallengeRow.proofs == row.proofs):
        raise ChallengeOver
    if not devices.are_good(session, challenge.proofs):
        raise ChallengeOver
    issued: devices.Issued | None = None
    events: tuple[Event, ...] = ()
    if challenge.goal.remember:
        issued, events = devices.remember(
            ctx, session, row, challenge.proofs, renews=challenge.goal.device
        )
    if challenge.purpose == SIGN_IN:
        token = new_token()
        made = add_session(ctx, session, row.user_key, row.method, token, challenge.proofs)
        signed_in = ctx.event(
            "signed_in",
            row.user_key,
            method=row.method,
            factors=sorted({proof.kind.value for proof in challenge.proofs}),
            put_off=challenge.goal.put_off,
        )
        finished = Finished(
            token=token,
            parked=challenge.parked,
            next_url=row.next_url,
            device=issued,
            standing=satisfied(made, challenge.holding, challenge.proofs),
        )
        return finished, (signed_in, *events)
    found = session.get(SessionRow, row.session_id)
    if found is None or found.user_key != row.user_key:
        raise NotAuthenticated
    proofs = proofs_from_text(found.proofs)
    for proof in earned(session, challenge, ctx.now):
        proofs = with_proof(proofs, proof)
    values: dict[str, Any] = {"proofs": proofs_to_text(proofs), "used_at": ctx.now}
    if not sessions.change(session, found, SessionRow.proofs == found.proofs, **values):
        raise ChallengeOver
    finished = Finished(
        token=None,
        next_url=row.next_url,
        purpose=challenge.purpose,
        device=issued,
        standing=satisfied(found, challenge.holding, proofs),
    )
    return finished, events


def satisfied(row: SessionRow, holding: Holding, proofs: tuple[Proof, ...]) -> Standing:
    """Where a session stands in which nothing is owed any more."""
    return Standing(
        row=row, holding=holding, proofs=proofs, method=row.method, step=gate.Satisfied()
    )


def put_off(ctx: Context, account: Account, challenge: Challenge) -> Finished:
    """Leave an optional set-up for later. Raises `ChallengeOver` where it is not optional."""
    step = owed(ctx, account, challenge)
    if not (isinstance(step, gate.SetUp) and step.may_skip):
        raise ChallengeOver

    def work(session: Session) -> tuple[Finished, tuple[Event, ...]]:
        skipped = Challenge(
            row=challenge.row,
            holding=challenge.holding,
            proofs=challenge.proofs,
            goal=replace(challenge.goal, put_off=True),
        )
        finished, events = finish(ctx, session, skipped)
        record(session, events)
        return finished, events

    finished, events = ctx.store.run(work)
    ctx.tell(account, events)
    return finished


def cancel(ctx: Context, token: str) -> None:
    """Give up a challenge; its code is dead with it. Unknown tokens are no error."""

    def work(session: Session) -> None:
        row = challenges.find(session, ctx.vault.token_hash(token))
        if row is not None:
            challenges.end(session, row, ctx.now)

    ctx.store.run(work)


def sign_out(ctx: Context, token: str) -> None:
    """End a session in the database."""

    def work(session: Session) -> tuple[Event, ...]:
        row = sessions.find(session, ctx.vault.token_hash(token))
        if row is None or not sessions.end(session, row.token_hash, ctx.now):
            return ()
        events = (ctx.event("signed_out", row.user_key),)
        record(session, events)
        return events

    ctx.tell(None, ctx.store.run(work))


__all__ = [
    "ENROLL",
    "RAISE",
    "SIGN_IN",
    "STEP_UP",
    "Begun",
    "Finished",
    "Refused",
    "advance",
    "begin",
    "begin_on_session",
    "cancel",
    "finish",
    "put_off",
    "sign_out",
]

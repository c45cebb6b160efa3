"""Sign-in: from the host's `login_user` to a satisfied session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.codes import new_id, new_token
from flask_melody_mfa.core.errors import ChallengeOver, NotAuthenticated
from flask_melody_mfa.core.types import SECOND, Account, Event, Proof
from flask_melody_mfa.flows.challenge import (
    ENROLL,
    RAISE,
    SIGN_IN,
    STEP_UP,
    Challenge,
    Goal,
    gate_facts,
    owed,
    parked_from,
    proofs_from_text,
    proofs_to_text,
    with_proof,
)
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing, stand
from flask_melody_mfa.store import accounts, challenges, sessions
from flask_melody_mfa.store.log import plain, record
from flask_melody_mfa.store.statements import add
from flask_melody_mfa.store.tables import ChallengeRow, SessionRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Something is owed: the browser gets the token of a challenge."""

    token: str = field(repr=False)
    challenge: Challenge
    step: gate.StepUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing is owed (any more).

    `token`: of the new session, or None where an existing session was raised; `standing`: its own.
    `parked`: Flask-Login's fields to put back.
    """

    token: str | None = field(repr=False)
    standing: Standing | None = None
    parked: Mapping[str, Any] = field(default_factory=dict, repr=False)
    next_url: str | None = None
    purpose: str = SIGN_IN


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
) -> Begun | Finished | Refused:
    """Answer a `login_user`: a session when nothing is owed, else a challenge.

    `replaces`: the token of a challenge in the same browser that this sign-in puts aside.
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
        facts = gate_facts(ctx, account, holding, method=method)
        step = gate.next_step(ctx.settings, facts)
        if isinstance(step, gate.SignIn):
            return Refused(), ()
        if isinstance(step, gate.Satisfied):
            made = add_session(ctx, session, account.key, method, token, ())
            events = (ctx.event("signed_in", account.key, method=method),)
            record(session, events)
            standing = Standing(row=made, holding=holding, proofs=(), method=method, step=step)
            finished = Finished(token=token, standing=standing, parked=parked, next_url=next_url)
            return finished, events
        row = new_row(ctx, account.key, SIGN_IN, method, token, next_url)
        row.parked = parked_from(parked)
        add(session, row)
        events = (ctx.event("challenge_started", account.key, method=method),)
        record(session, events)
        challenge = Challenge(row=row, holding=holding)
        return Begun(token=token, challenge=challenge, step=step), events

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
    """End a satisfied challenge and give its browser what it earned, once."""
    row = challenge.row
    if not challenges.end(session, row, ctx.now):
        raise ChallengeOver
    if challenge.purpose == SIGN_IN:
        accounts.forgive_user(session, row.user_key)
        token = new_token()
        made = add_session(ctx, session, row.user_key, row.method, token, challenge.proofs)
        events = (
            ctx.event(
                "signed_in",
                row.user_key,
                method=row.method,
                factors=sorted({proof.kind.value for proof in challenge.proofs}),
                put_off=challenge.goal.put_off,
            ),
        )
        return (
            Finished(
                token=token,
                standing=stand(ctx, made, challenge.holding),
                parked=challenge.parked,
                next_url=row.next_url,
            ),
            events,
        )
    found = session.get(SessionRow, row.session_id)
    if found is None or found.user_key != row.user_key:
        raise NotAuthenticated
    proofs = proofs_from_text(found.proofs)
    for proof in challenge.proofs:
        proofs = with_proof(proofs, proof)
    values: dict[str, Any] = {"proofs": proofs_to_text(proofs), "used_at": ctx.now}
    if challenge.purpose in (RAISE, STEP_UP):
        accounts.forgive_user(session, row.user_key)
    if not sessions.change(session, found, SessionRow.proofs == found.proofs, **values):
        raise ChallengeOver
    return Finished(token=None, next_url=row.next_url, purpose=challenge.purpose), ()


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
            goal=Goal(put_off=True),
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

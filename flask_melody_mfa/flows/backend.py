"""What a backend does for a user, without the user's browser: set-ups, and demands.

Each begins with a challenge of a purpose of its own, whose token nobody holds: it is found again
by the user, the calling client and the factor, or by its id. Nothing here changes a session.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.codes import new_token
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotConfigured,
    WrongProof,
)
from flask_melody_mfa.core.types import (
    SECOND,
    Account,
    Answer,
    Event,
    FactorKind,
    Instant,
    NewCredential,
    Prompt,
)
from flask_melody_mfa.flows import changes, directory, enroll, messages, people
from flask_melody_mfa.flows.account import SessionView, session_view
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sign_in import new_row
from flask_melody_mfa.store import accounts, challenges, sessions
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import ChallengeRow

SET_UP = "s2s_setup"
METHOD = "backend"
MOST_LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A set-up that waits for its code. `destination`: where the code went; not masked."""

    expires_at: Instant
    secret: str | None = field(default=None, repr=False)
    uri: str | None = field(default=None, repr=False)
    destination: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An open challenge of a backend, and what its account holds."""

    row: ChallengeRow
    holding: Holding
    is_new: bool


def check_active(account: Account) -> None:
    """Raises `Forbidden` for an account that the host has switched off."""
    if not account.active:
        raise Forbidden


def check_sender(ctx: Context, kind: FactorKind) -> None:
    """Raises `NotConfigured` where no code of this factor could leave."""
    can = {FactorKind.EMAIL: ctx.can_mail, FactorKind.SMS: ctx.can_sms}
    if not can.get(kind, True):
        raise NotConfigured


def known_holding(ctx: Context, session: Session, account: Account) -> Holding:
    """What an account holds; its row is made where there is none yet."""
    holding = accounts.read_holding(session, account.key)
    if not holding.known:
        accounts.ensure_user(session, account.key, ctx.now)
        holding = accounts.read_holding(session, account.key)
    return holding


def running(ctx: Context, account: Account, purpose: str, kind: FactorKind) -> Running:
    """What is open for this backend, user and factor; a new challenge is not written yet."""

    def work(session: Session) -> Running:
        holding = known_holding(ctx, session, account)
        row = challenges.find_open(
            session, account.key, purpose, ctx.now, client=ctx.client, setting_up=kind.value
        )
        is_new = row is None
        return Running(row=row or new(ctx, account, purpose, kind), holding=holding, is_new=is_new)

    return ctx.store.run(work)


def new(ctx: Context, account: Account, purpose: str, kind: FactorKind) -> ChallengeRow:
    """A challenge that no browser can hold: what stands for its token is no hash of any token.

    It is the same for the same backend, user and factor, so that the index lets one be open.
    """
    row = new_row(ctx, account.key, purpose, METHOD, new_token(), None)
    row.token_hash = ctx.vault.name("backend", purpose, account.key, ctx.client or "", kind.value)
    row.setting_up = kind.value
    return row


def write(ctx: Context, row: ChallengeRow) -> ChallengeRow:
    """Write a new challenge; of two at once the first one counts, for both."""

    def work(session: Session) -> ChallengeRow:
        other = challenges.find(session, row.token_hash)
        if other is not None and challenges.is_open(other, ctx.now):
            return other
        if other is not None:
            challenges.forget(session, other, ctx.now)
        challenges.insert_row(session, row)
        return row

    return ctx.store.run(work)


def just_sent(ctx: Context, row: ChallengeRow, destination: str) -> Instant | None:
    """When the code ends that went to this very destination within the pause; else None.

    Whoever asks again because an answer was lost gets that answer, and no second message.
    """
    pause = ctx.settings.mfa_resend_seconds * SECOND
    # It may have been sent after this request began, by one that came at the same time.
    if row.sent_at is None or abs(ctx.now - row.sent_at) > pause:
        return None
    kept = ctx.vault.open_kept(row)
    return int(kept["expires_at"]) if kept.get("destination") == destination else None


def set_up(ctx: Context, account: Account, kind: FactorKind, answer: Answer) -> Prepared:
    """Begin a set-up, or show the one that has begun. Sends the code for email and sms.

    Raises `Conflict` for a factor that is held, `InvalidRequest`, `UnsupportedDestination`,
    `NotConfigured`, `Throttled`, `NotDelivered`, `Forbidden`.
    """
    check_active(account)
    check_sender(ctx, kind)
    now = running(ctx, account, SET_UP, kind)
    if now.holding.of(kind):
        raise Conflict
    row, prompt = now.row, start(ctx, account, now.row, kind, answer)
    if now.is_new and write(ctx, row).id != row.id:
        row = running(ctx, account, SET_UP, kind).row  # somebody was faster: theirs is shown
        prompt = start(ctx, account, row, kind, answer)
    if prompt.message is None:
        secret = otp.decode_secret(str(prompt.shown["secret"]))
        return Prepared(
            expires_at=row.expires_at,
            secret=otp.encode(secret),
            uri=str(prompt.shown["uri"]),
        )
    destination = prompt.message.to
    ends = just_sent(ctx, row, destination)
    if ends is None:
        messages.send_code(ctx, account, row, kind, prompt)
        ends = int(prompt.kept["expires_at"])
    return Prepared(expires_at=min(ends, row.expires_at), destination=destination)


def start(
    ctx: Context, account: Account, row: ChallengeRow, kind: FactorKind, answer: Answer
) -> Prompt:
    """What a set-up shows and sends."""
    return ctx.factors[kind].start_enrollment(ctx.env(row.id), account, answer)


def confirm(ctx: Context, account: Account, kind: FactorKind, answer: Answer) -> None:
    """Judge the code of a set-up and store the factor; the user is told of it.

    Where no set-up is open (any more) a code is as wrong as any. Raises `WrongProof`,
    `InvalidRequest`, and `Conflict` for a factor that is held or a lost race.
    """
    check_active(account)
    now = running(ctx, account, SET_UP, kind)
    if now.holding.of(kind):
        raise Conflict
    if now.is_new:
        raise WrongProof
    row = now.row
    challenge = Challenge(row=row, holding=now.holding)
    kept = ctx.vault.open_kept(row) if row.code_kind == kind.value else {}
    try:
        enroll.charge(ctx, challenge)
    except ChallengeOver:
        raise WrongProof from None
    try:
        new = ctx.factors[kind].finish_enrollment(ctx.env(row.id), kept, answer)
    except WrongProof:
        enroll.over(ctx, challenge)
        raise
    except InvalidRequest:
        ctx.store.run(lambda session: challenges.refund(session, row))
        raise
    store(ctx, account, challenge, new)


def store(ctx: Context, account: Account, challenge: Challenge, new: NewCredential) -> None:
    """Write a confirmed factor and end its set-up, all in one transaction."""

    def work(session: Session) -> tuple[Event, ...]:
        row = challenge.row
        if new.destination is not None and not challenges.claim_code(session, row, ctx.now):
            raise WrongProof
        if not challenges.end(session, row, ctx.now):
            raise Conflict
        if not accounts.claim_version(session, challenge.holding):
            raise Conflict
        enroll.add(ctx, session, account, challenge.holding, new)
        events = (
            ctx.event("factor_enrolled", account.key, factor=new.kind.value),
            *changes.follow(ctx, session, account.key, reason="factor_enrolled"),
        )
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def demand(ctx: Context, account: Account, kind: FactorKind) -> None:
    """The user must set a factor up at the next sign-in. One that is held stays as it is.

    Raises `Forbidden`, and `Conflict` for a lost race.
    """
    check_active(account)

    def work(session: Session) -> None:
        holding = known_holding(ctx, session, account)
        if holding.of(kind) or kind in holding.must_set_up:
            return
        if not accounts.claim_version(session, holding):
            raise Conflict
        accounts.set_must_set_up(session, account.key, sorted({*holding.must_set_up, kind}))

    ctx.store.run(work)


def take_away(ctx: Context, account: Account, kind: FactorKind) -> None:
    """Remove a factor with its secret, and the demand for it. Taking nothing away is fine.

    Raises `Forbidden`, and `Conflict` for a lost race.
    """
    check_active(account)

    def work(session: Session) -> bool:
        holding = accounts.read_holding(session, account.key)
        if kind in holding.must_set_up:
            if not accounts.claim_version(session, holding):
                raise Conflict
            accounts.set_must_set_up(session, account.key, sorted(holding.must_set_up - {kind}))
        return bool(holding.of(kind))

    if ctx.store.run(work):
        people.reset(ctx, account, [kind], reason="taken away")


def sessions_of(ctx: Context, account: Account) -> list[SessionView]:
    """The live sessions of an account, those used last first."""
    rows = ctx.store.read(lambda session: list(sessions.of_user(session, account.key, MOST_LISTED)))
    return [session_view(row, None) for row in rows]


def lock_of(ctx: Context, account: Account) -> Instant | None:
    """When the account's lock ends; None without one."""
    holding = ctx.store.read(lambda session: accounts.read_holding(session, account.key))
    return directory.lock_of(ctx, holding.locked_until)

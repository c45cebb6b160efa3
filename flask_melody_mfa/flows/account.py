"""What users see and change of their own security: factors, sessions, what happened lately.

Whether the session may change anything (a fresh proof) is asked by the face.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core.codes import clean_name, mask_destination
from flask_melody_mfa.core.errors import Conflict, NotAuthenticated, NotFound
from flask_melody_mfa.core.types import Account, Event, FactorKind, Instant
from flask_melody_mfa.flows import addresses, changes, devices, enough, sign_in
from flask_melody_mfa.flows.challenge import ENROLL, Goal, proofs_from_text
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.store import accounts, challenges, credentials, log, sessions
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import CredentialRow, EventRow, SessionRow

SESSIONS_SHOWN = 20
EVENTS_SHOWN = 15

UNREMARKABLE = frozenset({"challenge_started", "message_sent", "message_failed", "signed_out"})
"""Events that are recorded, and of no interest to the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialView:
    """A factor as its owner may see it; `destination` masked, times as `Instant`.

    `outdated`: codes go to a proven address, and the host knows another by now.
    `removable`: what else is held would be enough without it.
    """

    id: str
    kind: FactorKind
    name: str | None
    destination: str | None
    created_at: Instant
    last_used_at: Instant | None
    disabled: bool = False
    outdated: bool = False
    removable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as its owner may see it. `is_this`: the one that asks."""

    id: str
    is_this: bool
    method: str
    factors: frozenset[FactorKind]
    created_at: Instant
    used_at: Instant
    address: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """Something that happened to the account."""

    id: str
    type: str
    at: Instant
    actor: str
    address: str | None
    user_agent: str | None
    outcome: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything of one's own security. `more_sessions`: there are older ones, not listed."""

    credentials: tuple[CredentialView, ...]
    passkeys: int
    recovery_codes: int
    sessions: tuple[SessionView, ...]
    more_sessions: bool
    events: tuple[EventView, ...]
    holding: Holding = field(repr=False)


def overview(ctx: Context, account: Account, *, session_id: str | None = None) -> Overview:
    """One read of it all, in four statements. `session_id`: of the session that asks."""

    def work(session: Session) -> tuple[Holding, list[SessionRow], list[EventRow]]:
        return (
            accounts.read_holding(session, account.key),
            list(sessions.of_user(session, account.key, SESSIONS_SHOWN + 1)),
            list(log.of_user(session, account.key, EVENTS_SHOWN, but=UNREMARKABLE)),
        )

    holding, live, happened = ctx.store.run(work)
    listed = sorted(live, key=lambda row: row.id != session_id)  # this one first
    return Overview(
        credentials=tuple(view_of(ctx, account, holding, row) for row in holding.credentials),
        passkeys=holding.passkeys,
        recovery_codes=holding.recovery_codes,
        sessions=tuple(session_view(row, session_id) for row in listed[:SESSIONS_SHOWN]),
        more_sessions=len(listed) > SESSIONS_SHOWN,
        events=tuple(event_view(row) for row in happened),
        holding=holding,
    )


def view_of(ctx: Context, account: Account, holding: Holding, row: CredentialRow) -> CredentialView:
    """A credential for its owner. The secret of an authenticator is not even opened."""
    kind = FactorKind(row.kind)
    destination = None if kind is FactorKind.OTP else ctx.vault.open_credential(row).destination
    return CredentialView(
        id=row.id,
        kind=kind,
        name=row.name,
        destination=mask_destination(destination) if destination else None,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        disabled=kind in holding.disabled,
        outdated=bool(kind is FactorKind.EMAIL and account.email and destination != account.email),
        removable=enough.is_enough(ctx, account, holding.without(row.id)),
    )


def session_view(row: SessionRow, session_id: str | None) -> SessionView:
    """A session for its owner."""
    proofs = proofs_from_text(row.proofs)
    return SessionView(
        id=row.id,
        is_this=row.id == session_id,
        method=row.method,
        factors=frozenset(proof.kind for proof in proofs if proof.is_own),
        created_at=row.created_at,
        used_at=row.used_at,
        address=row.address,
        user_agent=row.user_agent,
    )


def event_view(row: EventRow) -> EventView:
    """An event for whom it concerns."""
    return EventView(
        id=row.id,
        type=row.type,
        at=row.at,
        actor=row.actor,
        address=row.address,
        user_agent=row.user_agent,
        outcome=row.outcome,
        detail=json.loads(row.detail),
    )


def credential(ctx: Context, account: Account, credential_id: str) -> CredentialView:
    """One factor of this account. Raises `NotFound`, for another user's, too."""
    holding = ctx.store.run(lambda session: accounts.read_holding(session, account.key))
    return view_of(ctx, account, holding, own(holding, credential_id))


def own(holding: Holding, credential_id: str) -> CredentialRow:
    """A credential among what is held. Raises `NotFound`."""
    for row in holding.credentials:
        if row.id == credential_id:
            return row
    raise NotFound


def rename(ctx: Context, account: Account, credential_id: str, name: str) -> None:
    """Name a factor. Raises `NotFound`, `InvalidRequest`, `Conflict` for a name that is taken."""
    plain = clean_name(name)

    def work(session: Session) -> None:
        holding = accounts.read_holding(session, account.key)
        row = own(holding, credential_id)
        others = {other.name for other in holding.of(FactorKind(row.kind)) if other.id != row.id}
        if plain is not None and plain in others:
            raise Conflict
        if not accounts.claim_version(session, holding):
            raise Conflict
        credentials.rename(session, account.key, row.id, plain)

    ctx.store.run(work)


def remove(
    ctx: Context, account: Account, credential_id: str, *, session_id: str | None = None
) -> FactorKind:
    """Take one factor away; returns which it was. `session_id`: of the session that does it.

    Other sessions lose what was proven by it, pending challenges and remembered devices end.
    Raises `NotFound`, and `Conflict` where the rest would not be enough, or where another change
    came between: of two removals at once, one loses.
    """

    def work(session: Session) -> tuple[FactorKind, tuple[Event, ...]]:
        holding = accounts.read_holding(session, account.key)
        row = own(holding, credential_id)
        kind = FactorKind(row.kind)
        rest = holding.without(row.id)
        enough.check(ctx, account, rest)
        if not accounts.claim_version(session, holding):
            raise Conflict
        addresses.keep(ctx, session, account.key, [row])
        if credentials.remove_one(session, account.key, row.id) is None:
            raise Conflict
        if kind not in rest.enrolled:
            accounts.free_factor(session, account.key, [kind])
            session_kept = None
        else:
            session_kept = session_id
        changes.forget_proofs(session, account.key, {kind}, but=session_kept)
        challenges.end_all(session, account.key, ctx.now)
        events = (
            ctx.event("factor_removed", account.key, factor=kind.value, name=row.name),
            *changes.follow(ctx, session, account.key, reason="factor_removed"),
        )
        record(session, events)
        return kind, events

    kind, events = ctx.store.run(work)
    ctx.tell(account, events)
    return kind


def replace(
    ctx: Context,
    account: Account,
    standing: Standing,
    credential_id: str,
    *,
    next_url: str | None = None,
) -> tuple[sign_in.Begun, FactorKind]:
    """Open the set-up of what takes a factor's place; the old one works until it is confirmed."""
    holding = ctx.store.run(lambda session: accounts.read_holding(session, account.key))
    row = own(holding, credential_id)
    kind = FactorKind(row.kind)
    begun = sign_in.begin_on_session(
        ctx,
        account,
        standing.row,
        purpose=ENROLL,
        method=standing.method,
        goal=Goal(replaces=row.id),
        next_url=next_url,
    )
    if not isinstance(begun, sign_in.Begun):
        raise NotAuthenticated
    return begun, kind


def end_session(ctx: Context, account: Account, session_id: str) -> None:
    """End one session of this account. Raises `NotFound`, for another user's, too."""

    def work(session: Session) -> tuple[Event, ...]:
        if not sessions.end_one(session, account.key, session_id, ctx.now):
            raise NotFound
        events = (ctx.event("session_revoked", account.key, session=session_id),)
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def end_other_sessions(ctx: Context, account: Account, *, but: str | None) -> int:
    """Sign out everywhere else: sessions, pending challenges, remembered devices. How many."""

    def work(session: Session) -> tuple[int, tuple[Event, ...]]:
        ended = sessions.end_all(session, account.key, ctx.now, but=but)
        challenges.end_all(session, account.key, ctx.now)
        events = devices.end_all(ctx, session, account.key, reason="sessions_ended")
        if ended:
            told = ctx.event("sessions_ended", account.key, count=ended, reason="user")
            events = (*events, told)
        record(session, events)
        return ended, events

    ended, events = ctx.store.run(work)
    ctx.tell(account, events)
    return ended

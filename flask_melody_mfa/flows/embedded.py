"""Sessions of the embedded API: one browser, one client and, once signed in, one user.

A session holds the tokens of a challenge and of an MFA session for its frontend, sealed; whatever
is decided is decided by the same flows as on the pages (contract section 7).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.codes import new_id, new_token
from flask_melody_mfa.core.errors import (
    Conflict,
    Forbidden,
    NotAuthenticated,
    StepUpRequired,
)
from flask_melody_mfa.core.types import SECOND, Account, Method
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import sessions, sign_in
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Requirement
from flask_melody_mfa.store import embedded as store
from flask_melody_mfa.store import sessions as store_sessions
from flask_melody_mfa.store.tables import EmbeddedSession

SIGN_IN = "sign_in"
MANAGE = "manage"
"""What a session is for: to sign somebody in, or to change what a signed-in user holds."""

LENT = "lent"
TABLE = "mfa_embedded_session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """One live session. `kept`: the tokens that it holds. `notes`: what its frontend put aside."""

    row: EmbeddedSession
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_managing(self) -> bool:
        return self.row.purpose == MANAGE


def open_session(
    ctx: Context,
    *,
    origin: str | None,
    locale: str | None = None,
    device_token: str | None = None,
) -> tuple[str, Embedded]:
    """A new session to sign in with, and its token.

    `origin`: the only one that may use it; None for a native app. `device_token`: of the
    caller's remembered device.
    """
    kept = {"device": device_token} if device_token is not None else {}
    return add(ctx, SIGN_IN, origin=origin, locale=locale, kept=kept)


def open_managing(
    ctx: Context,
    account: Account,
    session_token: str,
    *,
    origin: str | None,
    locale: str | None = None,
    lent: bool = False,
) -> tuple[str, Embedded]:
    """A new session in which a signed-in user changes what they hold, after a fresh proof.

    `session_token`: of the user's MFA session. `lent`: it was made for this (`open_lent`), has
    proven nothing yet, and ends with this. Raises `NotAuthenticated` where that is over,
    `StepUpRequired` where only a password could be asked for.
    """
    standing = sessions.read(ctx, session_token)
    if standing is None or standing.row.user_key != account.key:
        raise NotAuthenticated
    if not standing.satisfied and not lent:
        raise NotAuthenticated
    kept = {"session": session_token}
    if lent:
        kept[LENT] = "1"
    asked = Requirement(max_age=ctx.settings.mfa_fresh_seconds)
    step = sessions.meets(ctx, account, standing, asked)
    if isinstance(step, gate.NeedPassword):
        raise StepUpRequired
    if not isinstance(step, gate.Satisfied):
        begun = sign_in.begin_on_session(
            ctx, account, standing.row, purpose=challenges.STEP_UP, method=standing.method
        )
        if not isinstance(begun, sign_in.Begun):
            raise NotAuthenticated
        kept["challenge"] = begun.token
    return add(
        ctx, MANAGE, origin=origin, locale=locale, kept=kept, user_key=account.key,
        session_id=standing.row.id, method=standing.method,
    )  # fmt: skip


def open_lent(
    ctx: Context, account: Account, *, origin: str | None, locale: str | None = None
) -> tuple[str, Embedded]:
    """As `open_managing`, for a user whom a token of the host's identifies.

    The MFA session that it lends proves nothing, and a token says as little about when a password
    was given as a remember cookie does: all that it can do is ask for a proof. It is gone with
    whatever keeps this from opening. Raises as `open_managing`, and `Forbidden`.
    """
    if not account.active:
        raise Forbidden
    token = new_token()

    def work(session: Session) -> None:
        sign_in.add_session(ctx, session, account.key, Method.REMEMBERED, token, ())

    ctx.store.run(work)
    try:
        return open_managing(ctx, account, token, origin=origin, locale=locale, lent=True)
    except Exception:
        close_session(ctx, token)
        raise


def add(
    ctx: Context,
    purpose: str,
    *,
    origin: str | None,
    locale: str | None,
    kept: Mapping[str, str],
    **values: Any,
) -> tuple[str, Embedded]:
    """Write a new session down."""
    token, row_id = new_token(), new_id(ctx.now)
    user_key = values.get("user_key")
    sealed, key_id = ctx.vault.seal_json(TABLE, row_id, user_key or "", kept)
    row = EmbeddedSession(
        id=row_id,
        token_hash=ctx.vault.token_hash(token),
        client=ctx.client,
        origin=origin,
        purpose=purpose,
        locale=locale,
        state="{}",
        sealed=sealed,
        key_id=key_id,
        created_at=ctx.now,
        expires_at=ctx.now + ctx.settings.mfa_challenge_seconds * SECOND,
        **values,
    )

    def work(session: Session) -> None:
        session.add(row)

    ctx.store.run(work)
    return token, Embedded(row=row, kept=kept)


def load(ctx: Context, session_id: str, token: str) -> Embedded:
    """The live session of an id and its token. Raises `NotAuthenticated`."""

    def work(session: Session) -> Embedded:
        row = store.find(session, ctx.vault.token_hash(token))
        if row is None or row.id != session_id or not store.is_live(row, ctx.now):
            raise NotAuthenticated
        return read(ctx, row)

    return ctx.store.run(work)


def read(ctx: Context, row: EmbeddedSession) -> Embedded:
    """A row, opened."""
    kept = ctx.vault.open_json(TABLE, row)
    return Embedded(row=row, kept=kept, notes=json.loads(row.state))


def write(
    ctx: Context,
    embedded: Embedded,
    *,
    kept: Mapping[str, str | None] | None = None,
    notes: Mapping[str, Any] | None = None,
    **values: Any,
) -> Embedded:
    """Change a live session that is still as it was read; one caller wins. Raises `Conflict`.

    `kept`: tokens to hold, None to drop one. `notes`: what is put aside.
    """
    row = embedded.row
    user_key = values.get("user_key", row.user_key)
    held = {
        name: value
        for name, value in {**embedded.kept, **(kept or {})}.items()
        if value is not None
    }
    sealed, key_id = ctx.vault.seal_json(TABLE, row.id, user_key or "", held)
    noted = {**embedded.notes, **(notes or {})}

    def work(session: Session) -> EmbeddedSession:
        changed = store.change(
            session, row, ctx.now, sealed=sealed, key_id=key_id, state=json.dumps(noted), **values
        )
        if not changed:
            raise Conflict
        found = store.find(session, row.token_hash)
        assert found is not None  # noqa: S101
        return found

    return Embedded(row=ctx.store.run(work), kept=held, notes=noted)


def end(ctx: Context, embedded: Embedded) -> None:
    """Give the session up, with the challenge that it holds."""
    challenge = embedded.kept.get("challenge")
    if challenge is not None:
        sign_in.cancel(ctx, challenge)
    own = not embedded.is_managing or LENT in embedded.kept
    unused = embedded.kept.get("session") if own else None
    if unused is not None:
        sign_in.sign_out(ctx, unused)
    ctx.store.run(lambda session: store.end(session, embedded.row, ctx.now))


def close_session(ctx: Context, token: str) -> None:
    """End an MFA session that nobody holds: its user has a token of the host's instead."""
    ctx.store.run(lambda session: ended(ctx, session, token))


def ended(ctx: Context, session: Session, token: str) -> None:
    """End the session of a token."""
    store_sessions.end(session, ctx.vault.token_hash(token), ctx.now)


def origins_of_clients(ctx: Context) -> tuple[frozenset[str], bool]:
    """The origins of all stored clients, and whether any of them allows native apps."""
    return ctx.store.run(store.origins_of_clients)

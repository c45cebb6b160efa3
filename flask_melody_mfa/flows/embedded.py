"""Sessions of the embedded API: one browser, one client and, once signed in, one user.

A session holds the tokens of a challenge and of an MFA session for its frontend, sealed; whatever
is decided is decided by the same flows as on the pages (contract section 7).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.codes import new_id, new_token
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    NotAuthenticated,
    StepUpRequired,
    WrongProof,
)
from flask_melody_mfa.core.types import SECOND, Account, FactorKind, Method
from flask_melody_mfa.flows import after_gate, replacing, sessions, sign_in, sign_in_tries
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import recover as recovering
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Requirement, Standing
from flask_melody_mfa.store import embedded as store
from flask_melody_mfa.store import sessions as store_sessions
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import EmbeddedSession

SIGN_IN = "sign_in"
MANAGE = "manage"
"""What a session is for: to sign somebody in, or to change what a signed-in user holds."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a session stands. One of `step` and `offers` says what comes next.

    `step`: what is owed; `Satisfied` where nothing is. `offers`: what can be put aside then, in
    order: `replace_factor`, `passkey_prompt`, `recovery_codes`.
    """

    step: gate.StepUp
    account: Account | None = None
    challenge: Challenge | None = None
    standing: Standing | None = None
    offers: tuple[str, ...] = ()
    lost: tuple[replacing.Lost, ...] = ()

    @property
    def is_done(self) -> bool:
        return isinstance(self.step, gate.Satisfied) and not self.offers


REPLACE, PASSKEY, CODES = "replace_factor", "passkey_prompt", "recovery_codes"
OFFERS = {FactorKind.PASSKEY: PASSKEY, FactorKind.RECOVERY_CODE: CODES}


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
) -> tuple[str, Embedded]:
    """A new session in which a signed-in user changes what they hold, after a fresh proof.

    `session_token`: of the user's MFA session. Raises `NotAuthenticated` where that is over.
    """
    standing = sessions.read(ctx, session_token)
    if standing is None or not standing.satisfied or standing.row.user_key != account.key:
        raise NotAuthenticated
    kept = {"session": session_token}
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


def open_without_cookie(ctx: Context, account: Account) -> str:
    """The token of an MFA session for a user whom a token of the host's identifies.

    It proves nothing: all that it can do is ask for a fresh proof.
    """
    token = new_token()

    def work(session: Session) -> None:
        sign_in.add_session(ctx, session, account.key, Method.EXTERNAL, token, ())

    ctx.store.run(work)
    return token


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
    unused = None if embedded.is_managing else embedded.kept.get("session")
    if unused is not None:
        sign_in.sign_out(ctx, unused)
    ctx.store.run(lambda session: store.end(session, embedded.row, ctx.now))


def place(ctx: Context, embedded: Embedded, account: Account | None) -> Place:
    """Where the session stands now. Changes nothing. Raises `ChallengeOver`, `Forbidden`."""
    if embedded.row.user_key is None:
        return Place(step=gate.SignIn())
    if account is None or not account.active:
        raise Forbidden
    token = embedded.kept.get("challenge")
    if token is not None:
        challenge = challenges.load(ctx, token)
        step = challenges.owed(ctx, account, challenge)
        return Place(step=step, account=account, challenge=challenge)
    standing = sessions.read(ctx, embedded.kept.get("session", ""))
    if standing is None or standing.row.user_key != account.key:
        raise ChallengeOver
    lost: tuple[replacing.Lost, ...] = ()
    offers: list[str] = []
    if not embedded.is_managing:
        if not embedded.notes.get(REPLACE):
            lost = replacing.offered(ctx, account, standing)
        offers = [REPLACE] if lost else []
        offers += [OFFERS[kind] for kind in after_gate.prompts(ctx, standing)]
        if embedded.notes.get(CODES) == "shown":
            offers.append(CODES)
        offers = [name for name in dict.fromkeys(offers) if embedded.notes.get(name) != "aside"]
    return Place(
        step=gate.Satisfied(), account=account, standing=standing, offers=tuple(offers), lost=lost
    )


# Signing in


def check_new(embedded: Embedded) -> None:
    """Raises `Conflict` for a session in which somebody signed in already."""
    if embedded.row.user_key is not None or embedded.is_managing:
        raise Conflict


def sign_in_by_password(
    ctx: Context, embedded: Embedded, login: str, check: Callable[[], Account | None]
) -> Embedded:
    """Sign in with login and password. `check()`: whose they are, in the host's way.

    The try is counted before anything is looked at, and never against the account's MFA counters.
    Raises `Conflict`, `Throttled`, `WrongProof`, `Forbidden`.
    """
    check_new(embedded)
    sign_in_tries.charge(ctx, login)
    try:
        account = check()
    except Exception:
        sign_in_tries.refund(ctx, login)
        raise

    def work(session: Session) -> None:
        if account is None:
            sign_in_tries.fail(ctx, session)
            refused = ctx.event("proof_refused", None, outcome="refused", instead="password")
            record(session, (refused,))
        else:
            sign_in_tries.settle(ctx, session, login)

    ctx.store.run(work)
    if account is None or not account.active:
        raise WrongProof
    return begin(ctx, embedded, account, Method.PASSWORD)


def sign_in_by_recovery_code(
    ctx: Context,
    embedded: Embedded,
    login: str,
    code: str,
    find: Callable[[str], Account | None],
) -> Embedded:
    """Sign in with login and recovery code. Raises as `flows.recover.recover`, and `Conflict`."""
    check_new(embedded)
    account = recovering.recover(ctx, login, code, find)
    return begin(ctx, embedded, account, Method.RECOVERY_CODE)


def begin(ctx: Context, embedded: Embedded, account: Account, method: str) -> Embedded:
    """Begin the sign-in of whoever was recognised. Raises `Conflict` for a second one."""
    outcome = sign_in.begin(
        ctx, account, method=method, parked={}, device_token=embedded.kept.get("device")
    )
    kept: dict[str, str | None] = {}
    match outcome:
        case sign_in.Begun():
            kept["challenge"] = outcome.token
        case sign_in.Finished():
            kept["session"] = outcome.token
        case _:
            raise Forbidden
    if outcome.device is not None:
        kept["device"] = outcome.device.token
    try:
        return write(
            ctx, embedded, kept=kept, user_key=account.key, method=method,
            expires_at=ctx.now + ctx.settings.mfa_challenge_seconds * SECOND,
        )  # fmt: skip
    except Conflict:
        # Two sign-ins at once in one session: this one came second, and leaves nothing behind.
        if isinstance(outcome, sign_in.Begun):
            sign_in.cancel(ctx, outcome.token)
        elif outcome.token is not None:
            sign_in.sign_out(ctx, outcome.token)
        raise


# Going on


def settle(ctx: Context, embedded: Embedded, finished: sign_in.Finished | None) -> Embedded:
    """Take in what a proof or a set-up brought; None: more is owed in the same challenge."""
    if finished is None:
        return embedded
    kept: dict[str, str | None] = {"challenge": None}
    values: dict[str, Any] = {}
    if finished.token is not None:
        kept["session"] = finished.token
    if finished.device is not None:
        kept["device"] = finished.device.token
    if finished.standing is not None:
        values["session_id"] = finished.standing.row.id
        values["expires_at"] = ctx.now + ctx.settings.mfa_challenge_seconds * SECOND
    return write(ctx, embedded, kept=kept, **values)


def put_aside(ctx: Context, embedded: Embedded, offer: str) -> Embedded:
    """Leave something that is offered for another time."""
    return write(ctx, embedded, notes={offer: "aside"})


def note_codes_shown(ctx: Context, embedded: Embedded) -> Embedded:
    """New codes were shown; the session goes on once they are said to be saved."""
    if embedded.is_managing:
        return embedded
    return write(ctx, embedded, notes={CODES: "shown"})


def leave_challenge(ctx: Context, embedded: Embedded) -> Embedded:
    """Give a set-up up that a signed-in user began."""
    token = embedded.kept.get("challenge")
    if token is not None:
        sign_in.cancel(ctx, token)
    return write(ctx, embedded, kept={"challenge": None})


def begin_replacing(
    ctx: Context, embedded: Embedded, at: Place, kind: FactorKind
) -> tuple[Embedded, Challenge]:
    """Open the set-up of what takes the place of a lost factor. Raises `Conflict`."""
    found = next((lost for lost in at.lost if lost.kind is kind), None)
    if found is None or at.account is None or at.standing is None:
        raise Conflict
    begun = replacing.begin(ctx, at.account, at.standing, found.id)
    changed = write(ctx, embedded, kept={"challenge": begun.token}, notes={REPLACE: "aside"})
    return changed, begun.challenge


def begin_enrolling(
    ctx: Context, embedded: Embedded, at: Place, kind: FactorKind
) -> tuple[Embedded, Challenge]:
    """Open the set-up of a further factor for a signed-in user. Raises `StepUpRequired`."""
    account, standing = check_fresh(ctx, embedded, at)
    begun = sign_in.begin_on_session(
        ctx, account, standing.row, purpose=challenges.ENROLL, method=standing.method
    )
    if not isinstance(begun, sign_in.Begun):
        raise NotAuthenticated
    if not (isinstance(begun.step, gate.SetUp) and kind in begun.step.factors):
        sign_in.cancel(ctx, begun.token)
        raise Conflict
    return write(ctx, embedded, kept={"challenge": begun.token}), begun.challenge


def check_fresh(ctx: Context, embedded: Embedded, at: Place) -> tuple[Account, Standing]:
    """Who may change what they hold now. Raises `StepUpRequired`, `Conflict`."""
    if not embedded.is_managing or at.standing is None or at.account is None:
        raise Conflict
    asked = Requirement(max_age=ctx.settings.mfa_fresh_seconds)
    if not isinstance(sessions.meets(ctx, at.account, at.standing, asked), gate.Satisfied):
        raise StepUpRequired
    return at.account, at.standing


def step_up_again(ctx: Context, embedded: Embedded, at: Place) -> Embedded:
    """Ask for a fresh proof once more, where the last one is too old. Raises `Conflict`."""
    if not embedded.is_managing or at.standing is None or at.account is None:
        raise Conflict
    begun = sign_in.begin_on_session(
        ctx, at.account, at.standing.row, purpose=challenges.STEP_UP, method=at.standing.method
    )
    if not isinstance(begun, sign_in.Begun):
        raise NotAuthenticated
    return write(ctx, embedded, kept={"challenge": begun.token})


def complete(ctx: Context, embedded: Embedded, at: Place) -> tuple[str, Standing]:
    """End the session, once, and hand out its MFA session's token, and where that stands.

    Raises `Conflict` while something is owed or offered, and for the second of two callers.
    """
    token = embedded.kept.get("session")
    if embedded.is_managing or not at.is_done or at.standing is None or token is None:
        raise Conflict

    def work(session: Session) -> None:
        if not store.change(session, embedded.row, ctx.now, completed_at=ctx.now, sealed=None):
            raise Conflict

    ctx.store.run(work)
    return token, at.standing


def close_session(ctx: Context, token: str) -> None:
    """End an MFA session that nobody holds: its user has a token of the host's instead."""
    ctx.store.run(lambda session: ended(ctx, session, token))


def ended(ctx: Context, session: Session, token: str) -> None:
    """End the session of a token."""
    store_sessions.end(session, ctx.vault.token_hash(token), ctx.now)


def origins_of_clients(ctx: Context) -> tuple[frozenset[str], bool]:
    """The origins of all stored clients, and whether any of them allows native apps."""
    return ctx.store.run(store.origins_of_clients)

"""What a session of the embedded API goes through: signing in, proving, offers, completion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    NotAuthenticated,
    StepUpRequired,
    WrongProof,
)
from flask_melody_mfa.core.types import SECOND, Account, Answer, FactorKind, Method
from flask_melody_mfa.flows import (
    after_gate,
    passkey_sign_in,
    recovery,
    replacing,
    sessions,
    sign_in,
    sign_in_tries,
)
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import recover as recovering
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.embedded import Embedded, write
from flask_melody_mfa.flows.sessions import Requirement, Standing
from flask_melody_mfa.store import embedded as store
from flask_melody_mfa.store.log import record


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


def start_passkey(ctx: Context, embedded: Embedded) -> dict[str, Any]:
    """Options to sign in by passkey. Raises `Conflict`."""
    check_new(embedded)
    return dict(passkey_sign_in.start(ctx, browser_of(embedded)))


def sign_in_by_passkey(
    ctx: Context, embedded: Embedded, answer: Answer, find: Callable[[str], Account | None]
) -> Embedded:
    """Sign in with a passkey alone. Raises as `flows.passkey_sign_in.finish`, and `Conflict`."""
    check_new(embedded)
    account = passkey_sign_in.finish(ctx, browser_of(embedded), answer, find)
    return begin(ctx, embedded, account, Method.PASSKEY)


def browser_of(embedded: Embedded) -> str:
    """What the ceremony of a sign-in is bound to: this session, which one caller holds."""
    return f"embedded {embedded.row.id}"


def begin(ctx: Context, embedded: Embedded, account: Account, method: str) -> Embedded:
    """Begin the sign-in of whoever was recognised. Raises `Conflict` for a second one."""
    check_new(embedded)
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


def make_codes(ctx: Context, embedded: Embedded, at: Place) -> tuple[tuple[str, ...], Embedded]:
    """Recovery codes, shown this once; in a session that manages, they replace the old.

    A session that signs in goes on once they are said to be saved. Raises `Conflict` where they
    are not offered, `StepUpRequired`, and as `flows.recovery.make`.
    """
    if embedded.is_managing:
        account, _ = check_fresh(ctx, embedded, at)
        return recovery.make(ctx, account), embedded
    if CODES not in at.offers or at.account is None:
        raise Conflict
    codes = recovery.make(ctx, at.account)
    return codes, write(ctx, embedded, notes={CODES: "shown"})


def codes_saved(ctx: Context, embedded: Embedded, at: Place) -> Embedded:
    """New codes are saved: go on. Raises `Conflict` where none were shown."""
    if CODES not in at.offers and not embedded.is_managing:
        raise Conflict
    return put_aside(ctx, embedded, CODES)


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

"""Spend the try, then judge: charging, refunding, and what follows a wrong proof."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from flask_melody_mfa.core import limits
from flask_melody_mfa.core.errors import ChallengeOver, Locked, Throttled, WrongProof
from flask_melody_mfa.core.types import FACTOR_ORDER, Account, Event, FactorKind
from flask_melody_mfa.flows.challenge import SIGN_IN, STEP_UP
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import accounts, challenges
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import ChallengeRow

GUESSED = frozenset(FACTOR_ORDER)
"""Factors that are disabled after a hundred failures. Nobody guesses a recovery code, or the
signature of a passkey; to disable them would only shut their owner out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """What a wrong proof brought to an end."""

    locked: bool = False
    challenge: bool = False


class LastTry(WrongProof):
    """Wrong, and the challenge is over with it. Answered like any wrong proof."""

    def __init__(self, *, locked: bool) -> None:
        super().__init__()
        self.locked = locked


def check_lock(ctx: Context, holding: Holding) -> None:
    """Raises `Locked` while the account is locked."""
    if holding.locked_until is not None and holding.locked_until > ctx.now:
        # After a clock was set back the end may lie further ahead than any lock is long.
        left = min(holding.locked_until - ctx.now, limits.LONGEST_LOCK)
        raise Locked(limits.seconds(left))


def charge(ctx: Context, user_key: str, kind: FactorKind, row: ChallengeRow | None = None) -> None:
    """Count one try in its own committed transaction, before the proof is looked at.

    Raises `Locked`, `Throttled` (the address), `ChallengeOver`, or `WrongProof` for a factor
    that is disabled.
    """
    threshold = ctx.settings.mfa_code_verify_threshold

    def work(session: Session) -> None:
        left = ctx.address_limits.left_until(
            ctx, session, "proof", limits.ADDRESS_FAILURES, limits.ADDRESS_FAILURES_WINDOW
        )
        if left:
            raise Throttled(limits.seconds(left))
        if not accounts.charge_user(session, user_key, ctx.now, threshold):
            holding = accounts.read_holding(session, user_key)
            check_lock(ctx, holding)
            if not holding.known:
                accounts.ensure_user(session, user_key, ctx.now)
                accounts.charge_user(session, user_key, ctx.now, threshold)
            else:
                # Every try is spent, and judged by requests beside this one, or by none (`mend`).
                raise Locked(limits.seconds(limits.JUDGING))
        if kind in GUESSED and not accounts.charge_factor(
            session, user_key, kind, limits.FACTOR_CAP
        ):
            raise WrongProof
        if row is not None and not challenges.charge(
            session, row, ctx.now, ctx.settings.mfa_tries_per_code
        ):
            raise ChallengeOver

    try:
        ctx.store.run(work)
    except (Locked, WrongProof):
        mend(ctx, user_key, kind)
        raise


def mend(ctx: Context, user_key: str, kind: FactorKind) -> None:
    """Write the lock, or the end of a factor, that was earned and that a fault kept from `fail`.

    Tries that were spent a moment ago may be under judgement right now. So the first who finds
    them all spent only closes the account for as long as that may take.
    """
    threshold = ctx.settings.mfa_code_verify_threshold

    def work(session: Session) -> tuple[Event, ...]:
        events = []
        holding = accounts.read_holding(session, user_key)
        locked = holding.locked_until is not None and holding.locked_until > ctx.now
        ends = ctx.now + limits.JUDGING
        if (
            not locked
            and holding.failures >= threshold
            and not accounts.hold_back(session, user_key, ends, threshold)
        ):
            length = limits.lock_length(holding.lock_level)
            if accounts.lock(session, holding, ctx.now + length, threshold):
                events.append(ctx.event("locked", user_key, seconds=limits.seconds(length)))
        if accounts.disable_factor(session, user_key, kind, ctx.now, limits.FACTOR_CAP):
            events.append(ctx.event("factor_disabled", user_key, factor=kind.value))
        if any(event.type == "locked" for event in events):
            challenges.end_all(session, user_key, ctx.now)
        record(session, events)
        return tuple(events)

    ctx.tell(None, ctx.store.run(work))


def refund(ctx: Context, user_key: str, kind: FactorKind, row: ChallengeRow | None = None) -> None:
    """Give the try back after a fault of our own: no answer was told, so nothing was learned."""

    def work(session: Session) -> None:
        accounts.refund(session, user_key, kind)
        if row is not None:
            challenges.refund(session, row)

    ctx.store.run(work)


def settle(
    session: Session, user_key: str, kind: FactorKind, row: ChallengeRow | None = None
) -> None:
    """A proof held: its try is given back, and the factor's failures in a row end.

    The account's own count is only set back by a satisfied gate.
    """
    accounts.refund_user(session, user_key)
    accounts.forgive_factor(session, user_key, kind)
    if row is not None:
        challenges.refund(session, row)


def fail(ctx: Context, account: Account, kind: FactorKind, row: ChallengeRow | None = None) -> Over:
    """What follows a wrong proof: the record, the notice, the lock, the end of the challenge."""
    threshold = ctx.settings.mfa_code_verify_threshold
    key = account.key

    def work(session: Session) -> tuple[Over, tuple[Event, ...]]:
        events = [ctx.event("proof_refused", key, outcome="refused", factor=kind.value)]
        ctx.address_limits.count(
            ctx, session, "proof", limits.ADDRESS_FAILURES, limits.ADDRESS_FAILURES_WINDOW
        )
        holding = accounts.read_holding(session, key)
        locked = False
        if holding.failures >= threshold:
            length = limits.lock_length(holding.lock_level)
            if accounts.lock(session, holding, ctx.now + length, threshold):
                locked = True
                told = accounts.tell_once(session, key, "locked", ctx.now, limits.NOTICE_PAUSE)
                events.append(ctx.event("locked", key, seconds=limits.seconds(length), notify=told))
        elif row is not None and row.purpose in (SIGN_IN, STEP_UP):
            if holding.failures >= limits.FAILING_NOTICE_AT and accounts.tell_once(
                session, key, "failing", ctx.now, limits.NOTICE_PAUSE
            ):
                events.append(ctx.event("proofs_failing", key, factor=kind.value))
        elif holding.failures == limits.FAILING_NOTICE_AT:
            # Nobody gave a password, so nobody is told that somebody knows it.
            events.append(ctx.event("proofs_failing", key, factor=kind.value, notify=False))
        if accounts.disable_factor(session, key, kind, ctx.now, limits.FACTOR_CAP):
            events.append(ctx.event("factor_disabled", key, factor=kind.value))
        if locked:
            challenges.end_all(session, key, ctx.now)
        over = locked or (row is not None and out_of_tries(ctx, session, row))
        record(session, events)
        return Over(locked=locked, challenge=over), tuple(events)

    over, events = ctx.store.run(work)
    ctx.tell(account, events)
    return over


def out_of_tries(ctx: Context, session: Session, row: ChallengeRow) -> bool:
    """End a challenge whose tries are spent."""
    return challenges.change(
        session,
        row,
        ctx.now,
        ChallengeRow.tries >= ctx.settings.mfa_tries_per_code,
        ended_at=ctx.now,
        sealed=None,
        code_id=None,
        code_kind=None,
    )

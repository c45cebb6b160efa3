"""Tries to sign in that a login text was given for, known or not; apart from all MFA counters."""

from __future__ import annotations

import unicodedata

from sqlalchemy.orm import Session

from flask_melody_mfa.core import limits
from flask_melody_mfa.core.errors import Throttled
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import counters

WHAT = "sign-in"


def same_login(login: str) -> str:
    """What a login text is counted as: its other spellings count with it."""
    return unicodedata.normalize("NFKC", login).strip().casefold()


def charge(ctx: Context, login: str) -> None:
    """Count a try in its own committed transaction, before anything is looked at.

    Raises `Throttled`: after `MFA_SIGN_IN_THRESHOLD` failures of a login text in 15 minutes,
    or 30 of a network address in 10, over all of them.
    """
    ctx.store.run(lambda session: count(ctx, session, login))


def count(ctx: Context, session: Session, login: str) -> None:
    """The same, as part of a transaction that is committed before anything is judged."""
    left = ctx.address_limits.left_until(
        ctx, session, WHAT, limits.ADDRESS_FAILURES, limits.ADDRESS_FAILURES_WINDOW
    )
    left = left or counters.count(
        session,
        ctx.vault.name(WHAT, same_login(login)),
        ctx.now,
        limits.SIGN_IN_WINDOW,
        ctx.settings.mfa_sign_in_threshold,
    )
    if left:
        raise Throttled(limits.seconds(left))


def refund(ctx: Context, login: str) -> None:
    """Give a try back after a fault that was not the caller's: nothing was judged."""
    ctx.store.run(lambda session: settle(ctx, session, login))


def settle(ctx: Context, session: Session, login: str) -> None:
    """A try was right: it is given back, as part of what it opened."""
    counters.give_back(session, ctx.vault.name(WHAT, same_login(login)))


def fail(ctx: Context, session: Session) -> None:
    """Count a failure of the network address."""
    ctx.address_limits.count(
        ctx, session, WHAT, limits.ADDRESS_FAILURES, limits.ADDRESS_FAILURES_WINDOW
    )

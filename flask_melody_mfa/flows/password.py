"""The password anew: the step-up of an account that holds nothing (contract section 3)."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from flask_melody_mfa.core.codes import new_token
from flask_melody_mfa.core.errors import ChallengeOver, Forbidden, WrongProof
from flask_melody_mfa.core.types import Account, Event, Method
from flask_melody_mfa.flows import sign_in_tries
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.flows.sign_in import add_session
from flask_melody_mfa.store import sessions
from flask_melody_mfa.store.log import record

FACTOR = "password"
"""How events name it."""


def confirm(ctx: Context, account: Account, standing: Standing, check: Callable[[], bool]) -> str:
    """Judge the password, and put a session that begins now in the old one's place: its token.

    `check`: the host's own. Wrong ones are counted with those of sign-ins. Raises `Throttled`,
    `WrongProof`, `Forbidden` for an account that was disabled, `ChallengeOver` where the session
    ended meanwhile.
    """
    if not account.active:
        raise Forbidden
    sign_in_tries.charge(ctx, account.login)
    try:
        right = check()
    except Exception:
        sign_in_tries.refund(ctx, account.login)
        raise
    old, token = standing.row, new_token()
    # A remember cookie's session has a password now.
    method = Method.PASSWORD if old.method == Method.REMEMBERED else old.method

    def work(session: Session) -> tuple[Event, ...]:
        if right:
            sign_in_tries.settle(ctx, session, account.login)
            if not sessions.end(session, old.token_hash, ctx.now):
                raise ChallengeOver
            add_session(ctx, session, account.key, method, token, standing.proofs)
            events = (ctx.event("proof_accepted", account.key, factor=FACTOR),)
        else:
            sign_in_tries.fail(ctx, session)
            events = (ctx.event("proof_refused", account.key, outcome="refused", factor=FACTOR),)
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))
    if not right:
        raise WrongProof
    return token

"""Sign-in by login and recovery code: the code stands for the password, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from flask_melody_mfa.core import recovery_codes as rules
from flask_melody_mfa.core.errors import NotFound, WrongProof
from flask_melody_mfa.core.types import Account, Event, FactorKind
from flask_melody_mfa.flows import recovery, sign_in_tries
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import recovery_codes as store
from flask_melody_mfa.store.log import record

NOBODY = ""
"""A user key that has no codes: asked where no account is known, so that both take the same."""


def recover(ctx: Context, login: str, code: str, find: Callable[[str], Account | None]) -> Account:
    """Spend a recovery code in place of a password; whose sign-in may then begin by it.

    `find`: the account of a login text, in the host's way. An unknown login, an account without
    codes and a wrong code are answered by the same error, after the same statements. Raises
    `NotFound` where codes are switched off, `Throttled`, `WrongProof`. The account's own
    counters are not touched: nobody who knows but a login may lock its owner out.
    """
    if not ctx.settings.enable_recovery_code:
        raise NotFound
    sign_in_tries.charge(ctx, login)
    try:
        account = find(login)
    except Exception:
        sign_in_tries.refund(ctx, login)
        raise
    key = account.key if account is not None and account.active else NOBODY
    code_hash = ctx.vault.recovery_code_hash(key, rules.canonical(code) or "")

    def work(session: Session) -> tuple[bool, tuple[Event, ...]]:
        spent = store.spend(session, key, code_hash, ctx.now)
        if spent:
            sign_in_tries.settle(ctx, session, login)
            events = (recovery.note_use(ctx, session, key, "password"),)
        else:
            sign_in_tries.fail(ctx, session)
            kind = FactorKind.RECOVERY_CODE.value
            # In the account's name where there is one, so that its owner can see it.
            user_key = account.key if account is not None else None
            events = (
                ctx.event(
                    "proof_refused", user_key, outcome="refused", factor=kind, instead="password"
                ),
            )
        record(session, events)
        return spent, events

    spent, events = ctx.store.run(work)
    ctx.tell(account, events)
    if not spent or account is None:
        raise WrongProof
    return account

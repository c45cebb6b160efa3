"""Recovery codes: made, counted, spent, and void when there is nothing left to recover."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import recovery_codes as rules
from flask_melody_mfa.core.errors import Conflict, Forbidden, NotFound
from flask_melody_mfa.core.types import Account, Event, FactorKind
from flask_melody_mfa.flows import devices
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import accounts
from flask_melody_mfa.store import recovery_codes as store
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.log import record

FEW = rules.FEW


def may_have(ctx: Context, holding: Holding) -> bool:
    """Whether there is something to recover: a factor, a passkey, or the sign-in by code alone."""
    return bool(holding.enrolled or holding.passkeys or ctx.settings.mfa_recovery_code_is_enough)


def make(ctx: Context, account: Account) -> tuple[str, ...]:
    """A new set, as people read it: to be shown now and never again. The old one is dead with it.

    Whether the caller may is asked before. Raises `Forbidden` for an account that the host has
    switched off, `NotFound` where codes are, `Conflict` where the account holds nothing, or where
    another change came between.
    """
    if not account.active:
        raise Forbidden
    if not ctx.settings.enable_recovery_code:
        raise NotFound
    kind = FactorKind.RECOVERY_CODE
    prompt = ctx.factors[kind].start_enrollment(ctx.env(account.key), account, {})
    codes: tuple[str, ...] = prompt.shown["codes"]
    hashes = [ctx.vault.recovery_code_hash(account.key, code) for code in codes]

    def work(session: Session) -> tuple[Event, ...]:
        holding = accounts.read_holding(session, account.key)
        if not holding.known:
            accounts.ensure_user(session, account.key, ctx.now)
            holding = accounts.read_holding(session, account.key)
        # One set at a time: who claims the version first makes all of it, the other none.
        if not may_have(ctx, holding) or not accounts.claim_version(session, holding):
            raise Conflict
        events: tuple[Event, ...] = (
            ctx.event("recovery_codes_made", account.key, count=len(codes)),
        )
        if store.replace(session, account.key, hashes, ctx.now):
            # Whoever makes codes anew may have reason to: what else lets in without a code, ends.
            ended = devices.end_all(ctx, session, account.key, reason="recovery_codes_made")
            events = (*events, *ended)
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))
    return tuple(rules.grouped(code) for code in codes)


def left(ctx: Context, user_key: str) -> int:
    """How many codes are unspent."""
    return ctx.store.read(lambda session: store.left(session, user_key))


def are_unspent(ctx: Context, account: Account, typed: Iterable[str]) -> bool:
    """Whether these are all codes of the account that still work. Spends nothing."""
    codes = [rules.canonical(text) for text in typed]
    if None in codes:
        return False
    hashes = [ctx.vault.recovery_code_hash(account.key, code or "") for code in codes]
    return ctx.store.read(lambda session: store.are_unspent(session, account.key, hashes))


def void(ctx: Context, account: Account) -> int:
    """Take all codes away; returns how many there were, spent ones too."""

    def work(session: Session) -> tuple[int, tuple[Event, ...]]:
        accounts.change_version(session, account.key)
        count = store.void(session, account.key)
        events = (gone(ctx, account.key, count),) if count else ()
        record(session, events)
        return count, events

    count, events = ctx.store.run(work)
    ctx.tell(account, events)
    return count


def void_where_bare(ctx: Context, session: Session, user_key: str) -> tuple[Event, ...]:
    """Take the codes away where nothing is held any more, as part of what took the last thing.

    The caller has claimed the account's version before, and records and tells the events.
    """
    if may_have(ctx, accounts.read_holding(session, user_key)):
        return ()
    count = store.void(session, user_key)
    return (gone(ctx, user_key, count, notify=False),) if count else ()


def gone(ctx: Context, user_key: str, count: int, **detail: Any) -> Event:
    """What tells that codes were taken away."""
    kind = FactorKind.RECOVERY_CODE.value
    return ctx.event("factor_removed", user_key, factor=kind, count=count, **detail)


def note_use(ctx: Context, session: Session, user_key: str, stood_for: str) -> Event:
    """What tells that a code was spent just now, in this transaction, and how many are left.

    `stood_for`: `mfa` or `password`.
    """
    count = store.left(session, user_key)
    return ctx.event("recovery_code_used", user_key, left=count, stood_for=stood_for)

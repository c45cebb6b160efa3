"""The life cycle of an account: status, reset, unlock, erase, and what the host tells us."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.codes import clean_code, clean_name
from flask_melody_mfa.core.errors import Conflict, MfaError, NotConfigured, WrongProof
from flask_melody_mfa.core.types import (
    Account,
    Answer,
    Event,
    FactorKind,
    NewCredential,
)
from flask_melody_mfa.flows import addresses, changes, devices, tries
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.enroll import add
from flask_melody_mfa.store import accounts, challenges, credentials, recovery_codes, sessions
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import Passkey


def password_changed(ctx: Context, account: Account, *, but: str | None = None) -> None:
    """A new password ends what was begun with the old: challenges, and other sessions."""
    end_all(ctx, account, reason="password", but=but)


def deactivated(ctx: Context, account: Account) -> None:
    """The host lets this account in no more: what it has begun, proven and remembered ends."""
    end_all(ctx, account, reason="deactivated")


def end_all(ctx: Context, account: Account, *, reason: str, but: str | None = None) -> None:
    """End devices, challenges and sessions of an account; `but`: the id of the one that stays."""

    def work(session: Session) -> tuple[Event, ...]:
        challenges.end_all(session, account.key, ctx.now)
        events = devices.end_all(ctx, session, account.key, reason=reason)
        ended = sessions.end_all(session, account.key, ctx.now, but=but)
        if ended:
            event = ctx.event("sessions_ended", account.key, count=ended, reason=reason)
            events = (*events, event)
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def email_changed(ctx: Context, account: Account) -> None:
    """The host has a new address. Codes go to the proven one until the new one is proven."""
    ctx.store.run(lambda session: challenges.end_all(session, account.key, ctx.now))


def reset(
    ctx: Context,
    account: Account,
    factors: Iterable[FactorKind] | None = None,
    *,
    reason: str = "",
) -> None:
    """Take factors away, with their secrets; without `factors`, everything.

    Passkeys and recovery codes may be among them. Devices, sessions and pending challenges end
    in both cases: what they proved is gone.
    """
    kinds = tuple(FactorKind) if factors is None else tuple(FactorKind(kind) for kind in factors)

    def work(session: Session) -> tuple[Event, ...]:
        if not accounts.change_version(session, account.key):
            return ()
        accounts.free_factor(session, account.key, list(kinds))
        challenges.end_all(session, account.key, ctx.now)
        take_away(ctx, session, account.key, kinds)
        if factors is None:
            accounts.unlock(session, account.key)
            accounts.set_must_set_up(session, account.key, ())
        named = [] if factors is None else sorted(kind.value for kind in kinds)
        events = (
            ctx.event("factor_reset", account.key, factors=named, reason=reason),
            *changes.follow(ctx, session, account.key, reason="factor_reset"),
        )
        sessions.end_all(session, account.key, ctx.now)
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def take_away(ctx: Context, session: Session, user_key: str, kinds: Collection[FactorKind]) -> None:
    """Delete what an account holds of some kinds, as part of a reset; the version is claimed."""
    if FactorKind.EMAIL in kinds:
        rows = credentials.of_user(session, user_key)
        addresses.keep(ctx, session, user_key, rows)
    credentials.remove(session, user_key, list(kinds))
    if FactorKind.PASSKEY in kinds:
        session.execute(delete(Passkey).where(Passkey.user_key == user_key))
    if FactorKind.RECOVERY_CODE in kinds:
        recovery_codes.void(session, user_key)
    accounts.free_factor(session, user_key, list(kinds))


def unlock(ctx: Context, account: Account) -> bool:
    """Lift the account's lock; False where nothing is known of the account."""

    def work(session: Session) -> tuple[Event, ...]:
        if not accounts.unlock(session, account.key):
            return ()
        events = (ctx.event("unlocked", account.key),)
        record(session, events)
        return events

    events = ctx.store.run(work)
    ctx.tell(account, events)
    return bool(events)


def erase(ctx: Context, user_key: str) -> None:
    """Delete everything that we know of an account."""
    ctx.store.run(lambda session: accounts.erase(session, user_key))
    ctx.tell(None, ())


def adopt_otp(
    ctx: Context, account: Account, secret: bytes | str, *, name: str | None = None
) -> None:
    """Take over an authenticator that the host already has; the user need not enroll again.

    `secret`: bytes, or base 32 text. Raises `InvalidRequest` for a malformed one, `Conflict`
    for a sixth authenticator. The same secret twice is adopted once.
    """
    plain = otp.decode_secret(secret) if isinstance(secret, str) else otp.checked_secret(secret)
    name = clean_name(name or "")

    def work(session: Session) -> tuple[Event, ...]:
        holding = accounts.read_holding(session, account.key)
        if not holding.known:
            accounts.ensure_user(session, account.key, ctx.now)
            holding = accounts.read_holding(session, account.key)
        held = [ctx.vault.open_credential(row) for row in holding.of(FactorKind.OTP)]
        if any(credential.secret == plain for credential in held):
            return ()
        if not accounts.claim_version(session, holding):
            raise Conflict
        new = NewCredential(kind=FactorKind.OTP, secret=plain, name=name)
        add(ctx, session, account, holding, new)
        events = (
            ctx.event("factor_enrolled", account.key, factor="otp", adopted=True),
            *changes.follow(ctx, session, account.key, reason="factor_enrolled"),
        )
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def verify(ctx: Context, account: Account, code: str, *, factor: FactorKind | None = None) -> bool:
    """Judge a second proof without a browser: the same counters, the same single use.

    Only an authenticator code can be judged without a challenge. Raises `Locked`, `Throttled`,
    `Unavailable`, `InvalidRequest`; a wrong code is False.
    """
    kind = factor or FactorKind.OTP
    if kind is not FactorKind.OTP:
        raise NotConfigured
    if not account.active:
        return False
    holding = ctx.store.read(lambda session: accounts.read_holding(session, account.key))
    tries.check_lock(ctx, holding)
    held = [ctx.vault.open_credential(row) for row in holding.of(kind)]
    if not held or kind in holding.disabled:
        return False
    answer: Answer = {"code": clean_code(code)}
    tries.charge(ctx, account.key, kind)
    try:
        accepted = ctx.factors[kind].finish_proof(ctx.env("verify"), held, {}, answer)

        def work(session: Session) -> tuple[Event, ...]:
            tries.settle(session, account.key, kind)
            if not credentials.claim_step(
                session,
                account.key,
                accepted.credential_id or "",
                accepted.last_step or 0,
                ctx.now,
            ):
                raise WrongProof
            accounts.forgive_user(session, account.key)
            events = (ctx.event("proof_accepted", account.key, factor=kind.value),)
            record(session, events)
            return events

        ctx.tell(account, ctx.store.run(work))
    except WrongProof:
        tries.fail(ctx, account, kind)
        return False
    except MfaError:
        tries.refund(ctx, account.key, kind)
        raise
    return True


def status(ctx: Context, account: Account) -> dict[str, Any]:
    """What the operator may know of an account; never a secret, destinations masked."""
    from_store = ctx.store.read(lambda session: accounts.read_holding(session, account.key))
    locked = from_store.locked_until
    return {
        "user_key": account.key,
        "factors": [
            {
                "kind": row.kind,
                "name": row.name,
                "enrolled_at": row.created_at,
                "last_used_at": row.last_used_at,
                "disabled": FactorKind(row.kind) in from_store.disabled,
            }
            for row in from_store.credentials
        ],
        "must_set_up": sorted(from_store.must_set_up),
        "failures": from_store.failures,
        "locked_until": locked if locked is not None and locked > ctx.now else None,
    }

"""The life cycle of an account: status, reset, unlock, erase, and what the host tells us."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from flask_melody_mfa.core import limits, otp
from flask_melody_mfa.core.codes import clean_code, clean_name
from flask_melody_mfa.core.errors import Conflict, MfaError, NotConfigured, WrongProof
from flask_melody_mfa.core.types import (
    Account,
    Answer,
    Event,
    FactorKind,
    NewCredential,
)
from flask_melody_mfa.flows import tries
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.enroll import add
from flask_melody_mfa.store import accounts, challenges, credentials, sessions
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import CredentialRow, SessionRow

ENROLLABLE = (FactorKind.OTP, FactorKind.EMAIL, FactorKind.SMS)


def password_changed(ctx: Context, account: Account, *, but: str | None = None) -> None:
    """A new password ends what was begun with the old: challenges, and other sessions."""

    def work(session: Session) -> tuple[Event, ...]:
        challenges.end_all(session, account.key, ctx.now)
        ended = sessions.end_all(session, account.key, ctx.now, but=but)
        events = (ctx.event("sessions_ended", account.key, count=ended, reason="password"),)
        record(session, events if ended else ())
        return events if ended else ()

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

    Sessions and pending challenges end in both cases: what they proved is gone.
    """
    kinds = ENROLLABLE if factors is None else tuple(FactorKind(kind) for kind in factors)

    def work(session: Session) -> tuple[Event, ...]:
        holding = accounts.read_holding(session, account.key)
        if not holding.known:
            return ()
        accounts.claim_version(session, holding)
        accounts.free_factor(session, account.key, kinds)
        challenges.end_all(session, account.key, ctx.now)
        credentials.remove(session, account.key, kinds)
        sessions.end_all(session, account.key, ctx.now)
        if factors is None:
            accounts.unlock(session, account.key)
            accounts.set_must_set_up(session, account.key, ())
        events = (
            ctx.event(
                "factor_reset",
                account.key,
                factors=sorted(kind.value for kind in kinds),
                reason=reason,
            ),
        )
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


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
        events = (ctx.event("factor_enrolled", account.key, factor="otp", adopted=True),)
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
    holding = ctx.store.run(lambda session: accounts.read_holding(session, account.key))
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


def notice_addresses(ctx: Context, account: Account) -> tuple[str, ...]:
    """Every verified address that we know of a user, and those replaced lately."""

    def work(session: Session) -> tuple[str, ...]:
        found: list[str] = []
        if account.email and account.email_verified:
            found.append(account.email)
        rows = session.scalars(
            select(CredentialRow).where(
                CredentialRow.user_key == account.key,
                CredentialRow.kind == FactorKind.EMAIL.value,
            )
        )
        found.extend(ctx.vault.open_credential(row).destination or "" for row in rows)
        since = ctx.now - limits.REPLACED_ADDRESS_KEPT
        found.extend(
            ctx.vault.open_address(row)
            for row in credentials.replaced_addresses(session, account.key, since)
        )
        return tuple(dict.fromkeys(address for address in found if address))

    return ctx.store.run(work)


def status(ctx: Context, account: Account) -> dict[str, Any]:
    """What the operator may know of an account; never a secret, destinations masked."""
    from_store = ctx.store.run(lambda session: accounts.read_holding(session, account.key))
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


def end_session(ctx: Context, session_id: str) -> None:
    """Delete one session row's claim to anything."""
    ctx.store.run(
        lambda session: (
            session.execute(delete(SessionRow).where(SessionRow.id == session_id)) and None
        )
    )

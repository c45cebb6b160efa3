"""Accounts as operators see them: what they hold, never a secret, destinations masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask_melody_mfa.core import limits
from flask_melody_mfa.core.codes import mask_destination
from flask_melody_mfa.core.types import Account, FactorKind, Instant
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import overview
from flask_melody_mfa.store.overview import Overview
from flask_melody_mfa.store.tables import CredentialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorView:
    """One enrolled otp, email or sms. `destination`: masked, or None for an authenticator."""

    id: str
    kind: FactorKind
    name: str | None
    destination: str | None
    enrolled_at: Instant
    last_used_at: Instant | None
    disabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """One account. Passkeys, recovery codes and devices: how many there are."""

    account: Account
    factors: tuple[FactorView, ...]
    must_set_up: tuple[FactorKind, ...]
    passkeys: int
    recovery_codes: int
    devices: int
    failures: int
    locked_until: Instant | None
    last_used_at: Instant | None


def described(ctx: Context, accounts: Sequence[Account]) -> list[AccountView]:
    """What accounts hold, in the same order. Raises `CannotOpen`."""
    keys = [account.key for account in accounts]
    found = ctx.store.read(lambda session: overview.read(session, keys, ctx.now)) if keys else {}
    return [one_view(ctx, account, found[account.key]) for account in accounts]


def one_view(ctx: Context, account: Account, found: Overview) -> AccountView:
    """One account from what was read of it."""
    times = [found.last_used_at, *(row.last_used_at for row in found.credentials)]
    used = [at for at in times if at is not None]
    return AccountView(
        account=account,
        factors=tuple(factor_view(ctx, row, found) for row in found.credentials),
        must_set_up=tuple(sorted(found.must_set_up)),
        passkeys=found.passkeys,
        recovery_codes=found.recovery_codes,
        devices=found.devices,
        failures=found.failures,
        locked_until=lock_of(ctx, found.locked_until),
        last_used_at=max(used, default=None),
    )


def factor_view(ctx: Context, row: CredentialRow, found: Overview) -> FactorView:
    """One credential, its destination masked."""
    kind = FactorKind(row.kind)
    destination = None
    if kind is not FactorKind.OTP:
        destination = mask_destination(ctx.vault.open_credential(row).destination or "")
    return FactorView(
        id=row.id,
        kind=kind,
        name=row.name,
        destination=destination,
        enrolled_at=row.created_at,
        last_used_at=row.last_used_at,
        disabled=kind in found.disabled,
    )


def lock_of(ctx: Context, locked_until: Instant | None) -> Instant | None:
    """When a lock ends; None without one. A clock that was set back makes none longer."""
    if locked_until is None or locked_until <= ctx.now:
        return None
    return min(locked_until, ctx.now + limits.LONGEST_LOCK)

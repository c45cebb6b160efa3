"""What an admin does with somebody else's account: each verb checked, recorded, told by mail.

An admin never learns a secret, never sets a factor for anyone, and touches neither the own
account nor that of another admin here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from flask_melody_mfa.core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from flask_melody_mfa.core.types import Account, FactorKind
from flask_melody_mfa.flows import account as accounts
from flask_melody_mfa.flows import backend, devices, directory, passkeys, people, recovery
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import accounts as store
from flask_melody_mfa.store.log import record

LONGEST_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whose account it is. `protected`: the admin's own, or another admin's."""

    account: Account
    protected: bool = False


def acting(ctx: Context, admin_key: str) -> Context:
    """The same means, in an admin's name."""
    return replace(ctx, actor=f"admin:{admin_key}"[:255])


def check_may_change(target: Target) -> None:
    """Raises `Forbidden`."""
    if target.protected:
        raise Forbidden


def checked_reason(text: str) -> str:
    """Why it is done. Raises `InvalidRequest` for none, or too many words."""
    reason = " ".join(text.split())
    if not reason:
        raise InvalidRequest({"reason": "reason"})
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise InvalidRequest({"reason": "invalid"})
    return reason


def note_view(ctx: Context, target: Target) -> None:
    """Record that an admin looked at a user."""
    events = (ctx.event("admin_viewed_user", target.account.key),)
    ctx.store.run(lambda session: record(session, events))
    ctx.tell(None, events)


def demand(ctx: Context, target: Target, kind: FactorKind) -> None:
    """The user must set a factor up at the next sign-in."""
    check_may_change(target)
    backend.demand(ctx, target.account, kind)


def remove(ctx: Context, target: Target, kinds: Sequence[FactorKind], reason: str) -> None:
    """Take some factors away, with a reason; without `kinds`, everything."""
    check_may_change(target)
    people.reset(ctx, target.account, kinds or None, reason=checked_reason(reason))


def withdraw(ctx: Context, target: Target, kind: FactorKind) -> None:
    """Take a demand back. Raises `Conflict` for a lost race."""
    check_may_change(target)
    key = target.account.key

    def work(session: Session) -> None:
        holding = store.read_holding(session, key)
        if kind not in holding.must_set_up:
            return
        if not store.claim_version(session, holding):
            raise Conflict
        store.set_must_set_up(session, key, sorted(holding.must_set_up - {kind}))

    ctx.store.run(work)


def remove_passkey(ctx: Context, target: Target, passkey_id: str, reason: str) -> None:
    """Remove one passkey, whatever the gate requires: the user sets something else up then.

    Raises `NotFound`.
    """
    check_may_change(target)
    why = checked_reason(reason)
    passkeys.remove(ctx, target.account, passkey_id, although_required=True, reason=why)


def void_codes(ctx: Context, target: Target) -> None:
    """Void the recovery codes."""
    check_may_change(target)
    recovery.void(ctx, target.account)


def forget_device(ctx: Context, target: Target, device_id: str) -> None:
    """Forget a remembered device. Raises `NotFound`."""
    check_may_change(target)
    devices.revoke(ctx, target.account, device_id)


def forget_devices(ctx: Context, target: Target) -> None:
    """Forget all remembered devices."""
    check_may_change(target)
    devices.revoke_all(ctx, target.account, reason="admin")


def end_session(ctx: Context, target: Target, session_id: str) -> None:
    """End a session. Raises `NotFound`."""
    check_may_change(target)
    accounts.end_session(ctx, target.account, session_id)


def end_sessions(ctx: Context, target: Target) -> None:
    """End all sessions."""
    check_may_change(target)
    accounts.end_other_sessions(ctx, target.account, but=None)


def unlock(ctx: Context, target: Target) -> None:
    """Lift the lock."""
    check_may_change(target)
    people.unlock(ctx, target.account)


def described(ctx: Context, account: Account) -> directory.AccountView:
    """What one account holds. Raises `NotFound`."""
    found = directory.described(ctx, [account])
    if not found:
        raise NotFound
    return found[0]

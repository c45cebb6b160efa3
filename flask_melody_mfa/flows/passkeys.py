"""The life of an account's passkeys: made, named, listed, removed; and what the browser is told."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import passkeys as rules
from flask_melody_mfa.core.codes import clean_name
from flask_melody_mfa.core.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
)
from flask_melody_mfa.core.passkeys import HeldPasskey
from flask_melody_mfa.core.types import Account, Event, FactorKind, Method
from flask_melody_mfa.flows import ceremonies, changes, enough
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.passkey_making import (
    Added,
    PasskeyView,
    Right,
    by_challenge,
    by_session,
    finish_enrollment,
    may_be_automatic,
    start_enrollment,
)
from flask_melody_mfa.store import accounts, challenges
from flask_melody_mfa.store import passkeys as store
from flask_melody_mfa.store import sessions as session_store
from flask_melody_mfa.store.log import record

PASSKEY = FactorKind.PASSKEY


def view(passkey: HeldPasskey) -> PasskeyView:
    """What its owner may see."""
    return PasskeyView(
        id=passkey.id,
        name=passkey.name or "",
        created_at=passkey.created_at,
        last_used_at=passkey.last_used_at,
        synced=passkey.backed_up,
        transports=passkey.transports,
    )


def listed(ctx: Context, user_key: str) -> tuple[PasskeyView, ...]:
    """The account's passkeys, the oldest first."""
    return tuple(view(passkey) for passkey in ceremonies.held(ctx, user_key))


def decline(ctx: Context, account: Account) -> None:
    """Never offer this account a passkey after a sign-in again."""
    handle = secrets.token_bytes(rules.HANDLE_BYTES)
    ctx.store.run(lambda session: store.decline(session, account.key, handle, ctx.now))


def rename(ctx: Context, account: Account, passkey_id: str, name: str) -> None:
    """Give a passkey another name.

    Raises `InvalidRequest`, `NotFound` for one that is not there or not theirs, `Conflict` for a
    name that another one has.
    """
    wished = clean_name(name)
    if wished is None:
        raise InvalidRequest({"name": "name_required"})

    def work(session: Session) -> None:
        accounts.change_version(session, account.key)
        others = [one for row_id, one in store.names(session, account.key) if row_id != passkey_id]
        if not store.rename(session, account.key, passkey_id, wished):
            raise NotFound
        if wished in others:
            raise Conflict

    ctx.store.run(work)


def remove(
    ctx: Context,
    account: Account,
    passkey_id: str,
    *,
    session_id: str | None = None,
    although_required: bool = False,
    reason: str | None = None,
) -> None:
    """Take a passkey away. `session_id`: of the session that does it.

    `although_required`: whatever the gate requires, for an operator; the user sets something else
    up then. `reason`: why an operator does it, for the log.

    Nobody knows which passkey opened another session: so every other one that a passkey opened
    ends, and those that it was proven in lose the proof. Raises `NotFound` for one that is not
    there or not theirs, `Conflict` for the last proof that the gate requires.
    """

    def work(session: Session) -> tuple[Event, ...]:
        # The account's row first: of two removals at once, the second sees what the first left.
        accounts.change_version(session, account.key)
        before = accounts.read_holding(session, account.key)
        if not store.remove(session, account.key, passkey_id):
            raise NotFound
        rest = replace(before, passkeys=before.passkeys - 1)
        if not although_required:
            enough.check(ctx, account, rest)
        ended = session_store.end_begun_by(
            session, account.key, Method.PASSKEY, ctx.now, but=session_id
        )
        but = session_id if rest.passkeys else None
        changes.forget_proofs(session, account.key, {PASSKEY}, but=but)
        challenges.end_all(session, account.key, ctx.now)
        events = (
            ctx.event(
                "passkey_removed",
                account.key,
                factor=PASSKEY.value,
                passkey=passkey_id,
                sessions=ended,
                **({} if reason is None else {"reason": reason}),
            ),
            *changes.follow(ctx, session, account.key, reason="passkey_removed"),
        )
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def is_removable(ctx: Context, account: Account, holding: accounts.Holding) -> bool:
    """Whether the gate would be content with one passkey less."""
    rest = replace(holding, passkeys=holding.passkeys - 1)
    return enough.is_enough(ctx, account, rest)


def signals(ctx: Context, account: Account) -> dict[str, Any] | None:
    """What `signalAllAcceptedCredentials` and `signalCurrentUserDetails` are to be called with.

    None for an account that has never had a passkey.
    """

    def work(session: Session) -> tuple[str | None, tuple[HeldPasskey, ...]]:
        return store.handle_of(session, account.key), store.of_user(session, account.key)

    handle, held = ctx.store.read(work)
    if handle is None or not ctx.settings.mfa_rp_id:
        return None
    name = account.login or account.name or account.key
    return {
        "rpId": ctx.settings.mfa_rp_id,
        "userId": handle,
        "allAcceptedCredentialIds": [rules.to_text(one.credential_id) for one in held],
        "name": name,
        "displayName": account.name or name,
    }


__all__ = [
    "Added",
    "PasskeyView",
    "Right",
    "by_challenge",
    "by_session",
    "decline",
    "finish_enrollment",
    "is_removable",
    "listed",
    "may_be_automatic",
    "remove",
    "rename",
    "signals",
    "start_enrollment",
]

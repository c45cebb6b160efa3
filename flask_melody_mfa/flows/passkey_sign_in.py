"""Sign-in by passkey alone: no login text, no password; limits of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import limits
from flask_melody_mfa.core import passkeys as rules
from flask_melody_mfa.core.errors import InvalidPasskey, InvalidRequest, Throttled, WrongProof
from flask_melody_mfa.core.passkeys import AcceptedPasskey, HeldPasskey
from flask_melody_mfa.core.types import Account, Answer, Event, FactorKind, Kept
from flask_melody_mfa.flows import ceremonies, sign_in_tries
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import passkeys as store
from flask_melody_mfa.store.log import record

PASSKEY = FactorKind.PASSKEY
WHOEVER = Account(key="")
TIDY_EVERY = 50
"""Of so many new ceremonies in a process, one clears away those that nobody finished."""
BEGIN = "passkey-options"

_begun = itertools.count(1)


def start(ctx: Context, browser: str) -> Mapping[str, Any]:
    """Options for whoever comes. `browser`: a token that this browser alone holds.

    Names no passkeys: they are found by the browser. Raises `Throttled` for an address that begins
    without end, `NotConfigured`.
    """

    def work(session: Session) -> Mapping[str, Any]:
        charge_address(ctx, session)
        if next(_begun) % TIDY_EVERY == 0:
            store.prune(session, ctx.now)
        return ceremonies.begin(
            ctx,
            session,
            ctx.factors[PASSKEY].start_proof(ctx.env(browser), WHOEVER, ()),
            binding=ceremonies.bound_to(ctx, ceremonies.BROWSER, browser),
            purpose=rules.GET,
        )

    return ctx.store.run(work)


def charge_address(ctx: Context, session: Session) -> None:
    """Count what is asked without being signed in. Raises `Throttled`."""
    left = ctx.address_limits.count(
        ctx, session, BEGIN, limits.ADDRESS_CEREMONIES, limits.ADDRESS_CEREMONIES_WINDOW
    )
    if left:
        raise Throttled(limits.seconds(left))


def finish(
    ctx: Context, browser: str, answer: Answer, find: Callable[[str], Account | None]
) -> Account:
    """Verify an assertion; whose sign-in may then begin by it.

    `find`: the host's account of a user key. A passkey that nobody holds, another account's, a
    wrong signature, one without user verification and a spent challenge are answered by the same
    error, after the same work. Raises `InvalidPasskey`, `InvalidRequest`, `Throttled`. The
    account's own counters are not touched.
    """
    asserted = rules.read_asserted(answer["credential"])
    tried = f"passkey {rules.hash_of(asserted.credential_id)}"
    spent, found = spend(ctx, browser, asserted, tried)
    account = None
    try:
        if spent is None:
            raise InvalidPasskey
        accepted = ctx.factors[PASSKEY].finish_proof(
            ctx.env(browser), () if found is None else (found[0],), spent, answer
        )
        # Who was asked for no account must name it (Level 3 §7.2 step 6).
        if found is None or asserted.user_handle is None:
            raise InvalidPasskey
        account = find(found[1])
        if account is None or not account.active:
            raise InvalidPasskey
        assert isinstance(accepted, AcceptedPasskey)  # noqa: S101
        accept(ctx, account, accepted, tried)
    except WrongProof as error:
        if account is not None:
            ceremonies.tell_of_clone(ctx, account, error)
        refuse(ctx, account, None if found is None else found[1])
        raise InvalidPasskey from None
    except Exception:
        sign_in_tries.refund(ctx, tried)
        raise
    return account


def spend(
    ctx: Context, browser: str, asserted: rules.Asserted, tried: str
) -> tuple[Kept | None, tuple[HeldPasskey, str] | None]:
    """Count the try and use up its ceremony; whose passkey is meant. Raises `Throttled`."""
    try:
        challenge = rules.challenge_of(asserted.client_data, rules.GET, ctx.origins)
    except InvalidPasskey:
        challenge = None

    def work(session: Session) -> tuple[bool, tuple[HeldPasskey, str] | None]:
        sign_in_tries.count(ctx, session, tried)
        spent = challenge is not None and ceremonies.spend(
            ctx,
            session,
            challenge,
            binding=ceremonies.bound_to(ctx, ceremonies.BROWSER, browser),
            purpose=rules.GET,
        )
        return spent, store.find(session, asserted.credential_id)

    spent, found = ctx.store.run(work)
    return (ceremonies.kept(challenge) if spent and challenge is not None else None), found


def accept(ctx: Context, account: Account, accepted: AcceptedPasskey, tried: str) -> None:
    """Take over the counter, and give the try back."""

    def work(session: Session) -> tuple[Event, ...]:
        ceremonies.claim(ctx, session, account.key, accepted, vouched=False)
        sign_in_tries.settle(ctx, session, tried)
        events = (
            ctx.event("proof_accepted", account.key, factor=PASSKEY.value, instead="password"),
        )
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def refuse(ctx: Context, account: Account | None, user_key: str | None) -> None:
    """Count a failure of the network address, and record it for the owner of what was tried."""
    events = (
        ctx.event(
            "proof_refused",
            user_key,
            outcome="refused",
            factor=PASSKEY.value,
            instead="password",
        ),
    )

    def work(session: Session) -> None:
        sign_in_tries.fail(ctx, session)
        record(session, events)

    ctx.store.run(work)
    ctx.tell(account, events)


def is_known(ctx: Context, credential_id: str, user_handle: str) -> bool:
    """Whether a passkey is still of use, asked by who offered it in vain.

    So that the browser may be told to forget one that is gone (`signalUnknownCredential`). Only
    who knows the account's 64 random bytes learns anything: to anybody else, whatever is asked
    about is unknown. Raises `InvalidRequest`, `Throttled`.
    """
    try:
        wanted, handle = rules.to_bytes(credential_id), rules.to_bytes(user_handle)
    except ValueError:
        raise InvalidRequest({"credential": "passkey"}) from None

    def work(session: Session) -> bool:
        charge_address(ctx, session)
        return store.is_known(session, wanted, handle)

    return ctx.store.run(work)

"""Remembered devices: what they cover, how they are earned, and how they end."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from flask_melody_mfa.core.codes import new_id, new_token
from flask_melody_mfa.core.errors import NotFound
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import (
    DAY,
    SECOND,
    Account,
    Event,
    FactorKind,
    Instant,
    Method,
    Proof,
)
from flask_melody_mfa.flows.challenge import (
    RAISE,
    SIGN_IN,
    is_recent,
    proofs_from_text,
    proofs_to_text,
)
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import devices as store
from flask_melody_mfa.store.accounts import Holding, kinds_of
from flask_melody_mfa.store.log import plain, record
from flask_melody_mfa.store.tables import ChallengeRow, Device

GRACE: Instant = 10 * SECOND
"""Two tabs that sign in at once show the same token. Later, an old token is a copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What the browser is to keep: a new token, and when the device ends."""

    token: str = field(repr=False)
    expires_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """What a device's token brought: proofs by the device, and the token that replaces it.

    `device_id`: of a device that is good, also where it covers nothing that is held.
    """

    proofs: tuple[Proof, ...] = ()
    device_id: str | None = None
    issued: Issued | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A remembered device as its owner may see it. Times are `Instant`."""

    id: str
    user_agent: str | None
    address: str | None
    factors: frozenset[FactorKind]
    created_at: Instant
    last_used_at: Instant | None
    expires_at: Instant


def is_alive(ctx: Context, row: Device) -> bool:
    """Neither revoked nor expired, by our clock and by the setting as it is now."""
    days = ctx.settings.mfa_remember_device_days
    return (
        row.revoked_at is None
        and row.expires_at > ctx.now
        and is_recent(ctx, row.created_at, days * DAY // SECOND)
    )


def cover(ctx: Context, session: Session, holding: Holding, token: str) -> Cover:
    """What a device covers in a sign-in of this account. Its token is used up with that.

    Only the account's own device counts, and of several requests with one token only the first.
    A token that was used up before and comes back later was copied: its device is revoked.
    """
    token_hash = ctx.vault.token_hash(token)
    row = store.find(session, token_hash)
    if row is None:
        return came_back(ctx, session, holding.user_key, token_hash)
    if row.user_key != holding.user_key or not is_alive(ctx, row):
        return Cover()
    held = set(holding.enrolled) | ({FactorKind.PASSKEY} if holding.passkeys else set())
    kinds = sorted(kinds_of(row.factors) & held)
    if not kinds:
        return Cover(device_id=row.id)
    issued = Issued(token=new_token(), expires_at=row.expires_at)
    if not store.rotate(session, row, ctx.vault.token_hash(issued.token), ctx.now):
        return Cover()
    return Cover(
        proofs=tuple(Proof(kind=kind, at=ctx.now, device=row.id) for kind in kinds),
        device_id=row.id,
        issued=issued,
    )


def came_back(ctx: Context, session: Session, user_key: str, token_hash: str) -> Cover:
    """Answer a token that is nobody's now; one that was replaced a while ago is a copy."""
    found = store.find_replaced(session, token_hash)
    if found is None:
        return Cover()
    row, replaced_at = found
    if (
        row.user_key != user_key
        or not is_alive(ctx, row)
        or abs(ctx.now - replaced_at) <= GRACE
        or not store.revoke(session, user_key, row.id, ctx.now)
    ):
        return Cover()
    strip(session, user_key, row.id)
    return Cover(events=(ctx.event("device_reuse_detected", user_key, device=row.id),))


def may_remember(
    settings: Settings, *, purpose: str, method: str, proofs: Iterable[Proof] = ()
) -> bool:
    """Whether a sign-in could earn a device. Never where a recovery code stood for anything."""
    return (
        settings.enable_mfa_remember_device
        and purpose in (SIGN_IN, RAISE)
        and method != Method.RECOVERY_CODE
        and all(proof.kind is not FactorKind.RECOVERY_CODE for proof in proofs)
    )


def remember(
    ctx: Context,
    session: Session,
    row: ChallengeRow,
    proofs: tuple[Proof, ...],
    *,
    renews: str | None = None,
) -> tuple[Issued | None, tuple[Event, ...]]:
    """Remember the browser of a challenge that is done, for the factors proven in it.

    `renews`: the id of this browser's device, which then covers what was proven now instead.
    Nothing is remembered where nothing was proven but by backup, or by a device.
    """
    kinds = {proof.kind for proof in proofs if proof.is_own and proof.at >= row.created_at}
    if not kinds or not may_remember(
        ctx.settings, purpose=row.purpose, method=row.method, proofs=proofs
    ):
        return None, ()
    token = new_token()
    lasts = ctx.now + ctx.settings.mfa_remember_device_days * DAY
    earned = {
        "factors": ",".join(sorted(kinds)),
        "client": ctx.client,
        "address": plain(ctx.address, 64),
        "user_agent": plain(ctx.user_agent),
        "created_at": ctx.now,
        "expires_at": lasts,
    }
    token_hash = ctx.vault.token_hash(token)
    held = session.get(Device, renews) if renews is not None else None
    if held is None or not store.rotate(session, held, token_hash, ctx.now, **earned):
        held = Device(
            id=new_id(ctx.now),
            user_key=row.user_key,
            token_hash=token_hash,
            last_used_at=ctx.now,
            **earned,
        )
        session.add(held)
        session.flush()
    event = ctx.event("device_remembered", row.user_key, device=held.id, factors=sorted(kinds))
    return Issued(token=token, expires_at=lasts), (event,)


def are_good(session: Session, proofs: Iterable[Proof]) -> bool:
    """Whether every device that proofs rely on still stands; it does until this is committed."""
    relied_on = {proof.device for proof in proofs if proof.device is not None}
    return not relied_on or store.claim(session, relied_on)


def listed(ctx: Context, user_key: str) -> tuple[DeviceView, ...]:
    """The account's devices, the newest first."""

    def work(session: Session) -> tuple[DeviceView, ...]:
        return tuple(
            DeviceView(
                id=row.id,
                user_agent=row.user_agent,
                address=row.address,
                factors=kinds_of(row.factors),
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                expires_at=row.expires_at,
            )
            for row in store.of_user(session, user_key, ctx.now)
            if is_alive(ctx, row)
        )

    return ctx.store.read(work)


def id_of(ctx: Context, user_key: str, token: str) -> str | None:
    """The id of the account's device that holds this token."""

    def work(session: Session) -> str | None:
        row = store.find(session, ctx.vault.token_hash(token))
        return row.id if row is not None and row.user_key == user_key else None

    return ctx.store.read(work)


def revoke(ctx: Context, account: Account, device_id: str) -> None:
    """Forget one device. Raises `NotFound` for one that is not there, or not theirs."""

    def work(session: Session) -> tuple[Event, ...]:
        if not store.revoke(session, account.key, device_id, ctx.now):
            raise NotFound
        strip(session, account.key, device_id)
        events = (ctx.event("device_revoked", account.key, device=device_id),)
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def revoke_all(ctx: Context, account: Account, *, reason: str = "") -> None:
    """Forget all devices of an account."""

    def work(session: Session) -> tuple[Event, ...]:
        events = end_all(ctx, session, account.key, reason=reason)
        record(session, events)
        return events

    ctx.tell(account, ctx.store.run(work))


def end_all(
    ctx: Context, session: Session, user_key: str, *, reason: str, but: Collection[str] = ()
) -> tuple[Event, ...]:
    """Revoke every device, as part of what ends them (check D04).

    `but`: ids of challenges that the caller rewrites itself. The events are the caller's to
    record and to tell.
    """
    count = store.revoke_all(session, user_key, ctx.now)
    strip(session, user_key, None, but=but)
    return (ctx.event("device_revoked", user_key, count=count, reason=reason),) if count else ()


def strip(
    session: Session, user_key: str, device_id: str | None, *, but: Collection[str] = ()
) -> None:
    """Take a device's proofs (None: all devices') from sessions and challenges that rely on it."""
    for row in store.relying_on(session, user_key, device_id):
        if row.id in but:
            continue
        kept = (
            proof
            for proof in proofs_from_text(row.proofs)
            if proof.device is None or (device_id is not None and proof.device != device_id)
        )
        store.set_proofs(session, row, proofs_to_text(kept))

"""Context: one request's means. Every flow takes it first; nothing below `web` asks a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy.orm import Session

from flask_melody_mfa.core import limits
from flask_melody_mfa.core.codes import new_id
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import (
    Account,
    Credential,
    Event,
    FactorKind,
    Instant,
    Message,
)
from flask_melody_mfa.factors.base import Env, Factor
from flask_melody_mfa.store import counters
from flask_melody_mfa.store.database import Store
from flask_melody_mfa.store.vault import Vault, load_vault

__all__ = [
    "AddressLimits",
    "Context",
    "DatabaseAddressLimits",
    "NoAddressLimits",
    "Store",
    "Vault",
    "load_vault",
]


class AddressLimits(Protocol):
    """Counts what comes from one network address; the account's own limits do not depend on it.

    Both answer 0, or the time until the window ends.
    """

    def count(
        self, ctx: Context, session: Session, what: str, limit: int, window: Instant
    ) -> Instant:
        """Count one more."""
        ...

    def left_until(
        self, ctx: Context, session: Session, what: str, limit: int, window: Instant
    ) -> Instant:
        """Ask without counting."""
        ...


class DatabaseAddressLimits:
    """Per-address limits in the database: shared by all processes, needs nothing else."""

    def count(
        self, ctx: Context, session: Session, what: str, limit: int, window: Instant
    ) -> Instant:
        name = ctx.vault.name("address", what, limits.network_of(ctx.address))
        return counters.count(session, name, ctx.now, window, limit)

    def left_until(
        self, ctx: Context, session: Session, what: str, limit: int, window: Instant
    ) -> Instant:
        name = ctx.vault.name("address", what, limits.network_of(ctx.address))
        return counters.left_until(session, name, ctx.now, limit)


class NoAddressLimits:
    """For a backend that speaks for many people from one address: nothing is counted by it.

    The limits of account, destination and app hold as for everyone.
    """

    def count(
        self, ctx: Context, session: Session, what: str, limit: int, window: Instant
    ) -> Instant:
        del ctx, session, what, limit, window
        return 0

    def left_until(
        self, ctx: Context, session: Session, what: str, limit: int, window: Instant
    ) -> Instant:
        del ctx, session, what, limit, window
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a flow may use.

    `deliver(message)` hands a code to its provider now and raises `NotDelivered`.
    `tell(account, events)` is called after commit: signals, notices, cache. `origins`: where
    passkeys may be used, the app's and the client's own.
    """

    settings: Settings
    store: Store
    vault: Vault
    factors: Mapping[FactorKind, Factor]
    now: Instant
    deliver: Callable[[Message], None]
    tell: Callable[[Account | None, tuple[Event, ...]], None]
    address_limits: AddressLimits
    client: str | None = None
    address: str | None = None
    user_agent: str | None = None
    locale: str | None = None
    origin_host: str | None = None
    origins: tuple[str, ...] = ()
    can_mail: bool = False
    can_sms: bool = False
    actor: str = "user"

    def env(self, subject: str, *, held: Sequence[Credential] = ()) -> Env:
        """What a factor may know."""
        return Env(
            settings=self.settings,
            now=self.now,
            subject=subject,
            digest=self.vault.hasher.digest,
            origin_host=self.origin_host,
            origins=self.origins,
            held=held,
            locale=self.locale,
        )

    def event(
        self, type_: str, user_key: str | None, *, outcome: str = "ok", **detail: Any
    ) -> Event:
        """An event of this request."""
        return Event(
            type=type_,
            user_key=user_key,
            at=self.now,
            actor=self.actor,
            client=self.client,
            address=self.address,
            user_agent=self.user_agent,
            outcome=outcome,
            detail=detail,
            id=new_id(self.now),
        )

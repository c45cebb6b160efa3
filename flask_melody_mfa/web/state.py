"""One app's state, and the context of one request: the one place where clients' settings apply."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, has_request_context, request
from sqlalchemy.exc import SQLAlchemyError

from flask_melody_mfa.core.errors import ConfigError, MfaError, Unavailable
from flask_melody_mfa.core.seal import Sealer
from flask_melody_mfa.core.settings import Settings, late_problems
from flask_melody_mfa.core.types import Account, Event, Instant, Message
from flask_melody_mfa.factors import FACTORS
from flask_melody_mfa.flows.context import AddressLimits, Context, DatabaseAddressLimits
from flask_melody_mfa.flows.sessions import Requirement, Standing
from flask_melody_mfa.store.database import Store
from flask_melody_mfa.store.vault import Vault, load_vault
from flask_melody_mfa.web.deliver import DeliverPool
from flask_melody_mfa.web.limits import RedisAddressLimits
from flask_melody_mfa.web.users import Users

log = logging.getLogger("flask_melody_mfa")

EXTENSION = "melody_mfa"
CACHED_SESSIONS = 10_000
LONGEST_KEY = 255


@dataclass(slots=True)
class Hooks:
    """The host's own ways, where it has set them."""

    describe_user: Callable[[Any], Account] | None = None
    load_user: Callable[[str], Any] | None = None
    find_user: Callable[[str], Any] | None = None
    check_password: Callable[[Any, str], bool] | None = None
    send_mail: Callable[[Any], Any] | None = None
    send_sms: Callable[[Any], Any] | None = None
    client_for: Callable[[Any, Account | None], str | None] | None = None
    is_admin: Callable[[Any], bool] | None = None
    vouches_for: Callable[[Any], bool] | None = None
    issue_token: Callable[..., Any] | None = None
    identify_token: Callable[[Any], Any] | None = None
    set_password_url: Callable[[Any], str] | None = None
    list_users: Callable[..., Any] | None = None
    deliver_later: Callable[[Callable[[], None]], Any] | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """A satisfied session as this process knows it. `flask_id`: Flask-Login's `_user_id`."""

    read_at: Instant
    flask_id: str
    standing: Standing


class SessionCache:
    """Satisfied sessions that were read a moment ago, by token and client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str | None], Remembered] = OrderedDict()

    def get(self, token: str, client: str | None) -> Remembered | None:
        """What is known of a session, however old."""
        return self._held.get((token, client))

    def put(self, token: str, client: str | None, entry: Remembered) -> None:
        """Remember a satisfied session."""
        with self._lock:
            self._held[token, client] = entry
            while len(self._held) > CACHED_SESSIONS:
                self._held.popitem(last=False)

    def drop_user(self, user_key: str) -> None:
        """Forget an account's sessions, so that they are read again at once."""
        with self._lock:
            for key, entry in list(self._held.items()):
                if entry.standing.row.user_key == user_key:
                    del self._held[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()


@dataclass(slots=True)
class State:
    """What one app has of this extension."""

    app: Flask
    db: Any
    hooks: Hooks
    users: Users
    deliver: Callable[[State, Message], None]
    tell: Callable[[State, Account | None, tuple[Event, ...]], None]
    clock: Callable[[], Instant] = field(default=lambda: time.time_ns() // 1_000_000)
    cache: SessionCache = field(default_factory=SessionCache)
    pool: DeliverPool | None = None
    exempt: set[str] = field(default_factory=set)
    required: dict[str, Requirement] = field(default_factory=dict)
    exempt_views: set[Any] = field(default_factory=set)
    sms_provider: Any = None
    views_checked: bool = False
    sent: list[Any] = field(default_factory=list)
    _settings: Settings | None = None
    _for_clients: dict[str, Settings] = field(default_factory=dict)
    _store: Store | None = None
    _vault: Vault | None = None
    _limits: AddressLimits | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def settings(self) -> Settings:
        """The settings; frozen when first asked for while a request is served."""
        if self._settings is None:
            with self._lock:
                settings = Settings.load(self.app.config, app_name=self.app.name)
                problems, warnings, enforce = late_problems(
                    settings, mail_sender=self.can_mail(settings), sms_sender=self.can_sms(settings)
                )
                if problems:
                    raise ConfigError(problems)
                for warning in warnings:
                    log.warning("%s", warning)
                self._settings = settings.with_enforced(enforce)
        return self._settings

    def can_mail(self, settings: Settings) -> bool:
        """Whether there is a way to send mail."""
        return bool(
            self.hooks.send_mail
            or settings.mfa_mail_sender
            or self.app.config.get("MAIL_DEFAULT_SENDER")
        )

    def can_sms(self, settings: Settings) -> bool:
        """Whether there is a way to send SMS."""
        return bool(self.hooks.send_sms or settings.mfa_sms_provider)

    def settings_for(self, client: str | None) -> Settings:
        """The settings with a client's overrides. An unknown client closes, never opens."""
        if client is None:
            return self.settings
        found = self._for_clients.get(client)
        if found is None:
            overrides = self.settings.mfa_clients.get(client)
            if overrides is None:
                log.error("Unknown MFA client")
                raise Unavailable
            found = self._for_clients[client] = self.settings.for_client(
                overrides, source="client code"
            )
        return found

    @property
    def store(self) -> Store:
        """Our transactions on the host's engine."""
        if self._store is None:
            with self._lock:
                store = Store(self.db.engine, host_writes=self.host_writes)
                if store.shared and not (self.app.testing or self.app.debug):
                    log.error(
                        "The database has one shared connection (in-memory SQLite); MFA cannot "
                        "keep its promises there. Use a file or a server outside of tests."
                    )
                    raise Unavailable
                self._store = store
        return self._store

    def host_writes(self) -> bool:
        """Whether the host's session holds uncommitted writes on SQLite."""
        registry = getattr(self.db.session, "registry", None)
        if registry is None or not registry.has():
            return False
        session = registry()
        if not session.in_transaction():
            return False
        engine = self.db.engine
        if engine.dialect.name != "sqlite":
            return False
        try:
            raw = session.connection().connection.driver_connection
        except SQLAlchemyError:
            return False
        return bool(getattr(raw, "in_transaction", False))

    @property
    def vault(self) -> Vault:
        """Our keys, opened once per process."""
        if self._vault is None:
            with self._lock:
                if self._vault is None:
                    sealer = Sealer(self.settings.mfa_secret_keys)
                    self._vault = load_vault(self.store, sealer, self.clock())
        return self._vault

    @property
    def address_limits(self) -> AddressLimits:
        """Where per-address limits are counted."""
        if self._limits is None:
            uri = self.settings.mfa_rate_limit_storage_uri
            self._limits = RedisAddressLimits(uri) if uri else DatabaseAddressLimits()
        return self._limits

    def ask(self, hook: Callable[..., Any], *arguments: Any) -> Any:
        """What a hook answers. Whatever it raises closes the gate."""
        try:
            return hook(*arguments)
        except MfaError:
            raise
        except Exception:
            log.exception("The hook %s failed", getattr(hook, "__qualname__", hook))
            raise Unavailable from None

    def describe(self, user: Any) -> Account:
        """The account of a user. Raises `Unavailable` for what is none: nobody is let in by it."""
        account = self.ask(self.hooks.describe_user or self.users.describe, user)
        if (
            not isinstance(account, Account)
            or not isinstance(account.key, str)
            or not 0 < len(account.key) <= LONGEST_KEY
        ):
            log.error("describe_user must return an Account whose key has 1 to 255 characters")
            raise Unavailable
        return account

    def load_user(self, key: str) -> Any:
        """The user of a key, or None."""
        if self.hooks.load_user is not None:
            return self.ask(self.hooks.load_user, key)
        if self.users.model is None:
            manager = getattr(self.app, "login_manager", None)
            callback = getattr(manager, "_user_callback", None)
            return self.ask(callback, key) if callback is not None else None
        return self.users.load(key)

    def find_user(self, login: str) -> Any:
        """The user of a login text, or None."""
        if self.hooks.find_user is not None:
            return self.ask(self.hooks.find_user, login)
        return self.users.find(login) if self.users.model is not None else None

    def account_of(self, key: str) -> Account | None:
        """The account of a key; None when the host has no such user any more."""
        user = self.load_user(key)
        return None if user is None else self.describe(user)

    def deliver_later(self, job: Callable[[], None]) -> None:
        """Hand a job to the host's queue, or to our pool."""
        if self.hooks.deliver_later is not None:
            try:
                self.hooks.deliver_later(job)
            except Exception:
                log.exception("deliver_later failed")
            return
        if self.pool is None:
            self.pool = DeliverPool(inline=self.app.testing)
        self.pool.submit(job)


def state() -> State:
    """The state of the current app."""
    found: State | None = current_app.extensions.get(EXTENSION)
    if found is None:
        raise RuntimeError("This app has no MelodyMFA: call mfa.init_app(app, db).")
    return found


def context(
    client: str | None = None, *, locale: str | None = None, actor: str = "user"
) -> Context:
    """The means of this request, with the client's settings resolved."""
    here = state()
    settings = here.settings_for(client)
    in_request = has_request_context()
    base_url = here.settings.mfa_base_url
    return Context(
        settings=settings,
        store=here.store,
        vault=here.vault,
        factors=FACTORS,
        now=here.clock(),
        deliver=partial(here.deliver, here),
        tell=partial(here.tell, here),
        address_limits=here.address_limits,
        client=client,
        address=request.remote_addr if in_request else None,
        user_agent=request.user_agent.string[:512] if in_request else None,
        locale=locale,
        origin_host=urlsplit(base_url).hostname if base_url else None,
        can_mail=here.can_mail(here.settings),
        can_sms=here.can_sms(here.settings),
        actor=actor,
    )

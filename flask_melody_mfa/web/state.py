"""One app's state, and the context of one request: the one place where clients' settings apply."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, has_request_context, request
from flask_login import current_user
from sqlalchemy.exc import SQLAlchemyError

from flask_melody_mfa.core.errors import ConfigError, MfaError, NotConfigured, Unavailable
from flask_melody_mfa.core.seal import Sealer
from flask_melody_mfa.core.settings import Settings, late_problems
from flask_melody_mfa.core.signed import Purpose, Signer
from flask_melody_mfa.core.types import Account, Event, Instant, Message
from flask_melody_mfa.factors import FACTORS
from flask_melody_mfa.flows.clients import stored
from flask_melody_mfa.flows.context import (
    AddressLimits,
    Context,
    DatabaseAddressLimits,
    Store,
    Vault,
    load_vault,
)
from flask_melody_mfa.flows.sessions import Requirement
from flask_melody_mfa.web.clients import Clients
from flask_melody_mfa.web.deliver import DeliverPool
from flask_melody_mfa.web.proxies import this_app
from flask_melody_mfa.web.session_cache import SessionCache
from flask_melody_mfa.web.users import UserPage, Users, is_key, password_checker, unwrap

log = logging.getLogger("flask_melody_mfa")

EXTENSION = "melody_mfa"


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
    callers: Any = None
    password_seconds: float | None = None
    client_of_endpoint: dict[str | None, str | None] = field(default_factory=dict)
    views_checked: bool = False
    sent: list[Any] = field(default_factory=list)
    looked_for_due_at: Instant = field(default_factory=lambda: time.time_ns() // 1_000_000)
    _settings: Settings | None = None
    _clients: Clients | None = None
    _store: Store | None = None
    _vault: Vault | None = None
    _limits: AddressLimits | None = None
    _signers: dict[Purpose, Signer] = field(default_factory=dict)
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

    @property
    def clients(self) -> Clients:
        """The clients, as this process knows them."""
        if self._clients is None:
            with self._lock:
                self._clients = self._clients or Clients(
                    lambda: self.settings,
                    lambda client_id: stored(self.store, client_id),
                    lambda: self.clock(),
                )
        return self._clients

    def settings_for(self, client: str | None, *, however_old: bool = False) -> Settings:
        """The settings with a client's overrides. An unknown client closes, never opens.

        Raises `UnknownClient`, `ClientDisabled`, `Unavailable`.
        """
        if client is None:
            return self.settings
        return self.clients.get(client, however_old=however_old).settings

    @property
    def store(self) -> Store:
        """Our transactions on the host's engine."""
        if self._store is None:
            with self._lock:
                if self._store is not None:
                    return self._store
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

    def signer(self, purpose: Purpose) -> Signer:
        """What signs and reads the values of one purpose."""
        found = self._signers.get(purpose)
        if found is None:
            found = self._signers[purpose] = Signer(self.settings.mfa_secret_keys, purpose)
        return found

    @property
    def address_limits(self) -> AddressLimits:
        """Where per-address limits are counted."""
        if self._limits is None:
            uri = self.settings.mfa_rate_limit_storage_uri
            self._limits = redis_limits(uri) if uri else DatabaseAddressLimits()
        return self._limits

    def ask(self, name: str, hook: Callable[..., Any], *arguments: Any) -> Any:
        """What a hook of the host's answers. Raises `Unavailable` for whatever it raises."""
        try:
            return self.app.ensure_sync(hook)(*arguments)
        except MfaError:
            raise
        except Exception:
            log.exception("%s failed", name)
            raise Unavailable from None

    def current_user(self) -> Any:
        """Flask-Login's current user, or None for nobody. Raises `Unavailable`."""
        try:
            with self.users.quietly():
                user = unwrap(current_user)
        except SQLAlchemyError:
            log.exception("The user could not be loaded")
            raise Unavailable from None
        return user if getattr(user, "is_authenticated", False) else None

    def describe(self, user: Any) -> Account:
        """The account of a user. One that cannot be described closes the gate."""
        hook = self.hooks.describe_user or self.users.describe
        account = self.ask("describe_user", hook, unwrap(user))
        if not isinstance(account, Account):
            log.error("describe_user answered a %s, not an Account", type(account).__name__)
            raise Unavailable
        if not is_key(account.key):
            log.error("A user key is a text of 1 to 255 characters that ends in no blank")
            raise Unavailable
        return account

    def load_user(self, key: str) -> Any:
        """The user of a key, or None."""
        if self.hooks.load_user is not None:
            return self.ask("load_user", self.hooks.load_user, key)
        if self.users.model is None:
            manager = getattr(self.app, "login_manager", None)
            callback = getattr(manager, "_user_callback", None)
            return None if callback is None else self.ask("user_loader", callback, key)
        return self.users.load(key)

    def find_user(self, login: str) -> Any:
        """The user of a login text, or None."""
        if self.hooks.find_user is not None:
            return self.ask("find_user", self.hooks.find_user, login)
        return self.users.find(login) if self.users.model is not None else None

    def list_users(self, query: str, cursor: str, limit: int) -> UserPage:
        """A page of the host's users. Raises `NotConfigured` where there is no way to list them."""
        if self.hooks.list_users is not None:
            return UserPage(*self.ask("list_users", self.hooks.list_users, query, cursor or None))
        if self.users.model is None:
            raise NotConfigured
        return self.users.listed(query, cursor, limit)

    def password_check(self, user: Any) -> Callable[[str], bool] | None:
        """What tells whether a password is this user's; None where the app has no way to."""
        hook, user = self.hooks.check_password, unwrap(user)
        if hook is not None:
            return lambda password: bool(self.ask("check_password", hook, user, password))
        check = password_checker(user)
        if check is None:
            return None
        return lambda password: bool(self.ask("check_password", check, password))

    def account_of(self, key: str) -> Account | None:
        """The account of a key; None when the host has no such user any more."""
        user = self.load_user(key)
        return None if user is None else self.describe(user)

    def deliver_later(self, job: Callable[[], None]) -> None:
        """Hand a job to the host's queue, or to our pool. It runs in a context of this app."""
        if self.hooks.deliver_later is not None:
            try:
                self.hooks.deliver_later(job)
            except Exception:
                log.exception("deliver_later failed")
            return
        if self.pool is None:
            self.pool = DeliverPool(inline=self.app.testing)

        def in_context() -> None:
            with self.app.app_context():
                job()

        self.pool.submit(in_context)


def redis_limits(uri: str) -> AddressLimits:
    """Limits counted in Redis; what talks to it is loaded only where it is used."""
    module = import_module("flask_melody_mfa.web.limits")
    counted: AddressLimits = module.RedisAddressLimits(uri)
    return counted


@lru_cache(maxsize=64)
def host_of(url: str) -> str | None:
    """The host name in a URL."""
    return urlsplit(url).hostname


def state() -> State:
    """The state of the current app."""
    found: State | None = this_app().extensions.get(EXTENSION)
    if found is None:
        raise RuntimeError("This app has no MelodyMFA: call mfa.init_app(app, db).")
    return found


def context(
    client: str | None = None,
    *,
    locale: str | None = None,
    actor: str = "user",
    however_old: bool = False,
) -> Context:
    """The means of this request, with the client's settings resolved.

    `however_old`: also from a client that is due to be read again, for who is about to do so.
    """
    here = state()
    settings, origins = here.settings, here.settings.mfa_origins
    if client is not None:
        found = here.clients.get(client, however_old=however_old)
        settings, origins = found.settings, (*origins, *found.client.origins)
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
        origin_host=host_of(base_url) if base_url else None,
        origins=origins,
        can_mail=here.can_mail(here.settings),
        can_sms=here.can_sms(here.settings),
        actor=actor,
    )

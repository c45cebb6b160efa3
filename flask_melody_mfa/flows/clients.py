"""Clients: what holds for one, and who may make, change and delete them."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy.orm import Session

from flask_melody_mfa.core import clients as rules
from flask_melody_mfa.core.clients import USE_SYSTEM, Caller, Client
from flask_melody_mfa.core.codes import new_id, new_token
from flask_melody_mfa.core.errors import (
    ClientDisabled,
    ConfigError,
    Conflict,
    Forbidden,
    InvalidClient,
    NotFound,
    UnknownClient,
)
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import DAY, Event, Instant
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import clients
from flask_melody_mfa.store.database import Store
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import ClientRow, ClientSecret

log = logging.getLogger("flask_melody_mfa")

MOST_SECRETS = 2
OVERLAP: Instant = 7 * DAY
"""How long an old secret lives on beside the new one."""

FIELDS = frozenset({"name", "redirect_uris", "origins", "allow_native", "scopes", "enabled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A client, and the settings that are in force for it."""

    client: Client
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What may be shown of a secret: not the secret."""

    id: str
    created_at: Instant
    expires_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A secret at the only moment at which it can be shown."""

    client_id: str
    secret: str = field(repr=False)
    info: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientView:
    """A client as operators see it.

    `effective`: what is in force for it; None where it is switched off or `problems` say why not.
    """

    client: Client
    secrets: tuple[Secret, ...] = ()
    effective: Settings | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


def opened(row: ClientRow | None) -> Client | None:
    """A stored client. Raises `UnknownClient` for a row that cannot be read."""
    if row is None:
        return None
    try:
        return clients.from_row(row)
    except ValueError:
        log.error("The MFA client %r cannot be read from the database", row.id)
        raise UnknownClient from None


def stored(store: Store, client_id: str) -> Client | None:
    """The client of an id in the database, or None. Raises `UnknownClient`, `Unavailable`."""
    if not rules.is_client_id(client_id):
        return None
    return opened(store.read(lambda session: clients.find(session, client_id)))


def effective(settings: Settings, client: Client) -> Settings:
    """The settings in force for a client.

    Raises `ClientDisabled`; `UnknownClient`, with the reasons in the log, where what it says
    cannot take effect: a broken override closes, it never falls back to the app's values.
    """
    if not client.enabled:
        log.warning("The MFA client %r is switched off", client.id)
        raise ClientDisabled
    try:
        return settings.for_client(client.overrides, source=client.source)
    except ConfigError as error:
        reasons = "; ".join(error.problems)
        log.error("The MFA client %r cannot take effect: %s", client.id, reasons)
        raise UnknownClient from None


def read(ctx: Context, client_id: str) -> Client:
    """A client, from code or database; what code declares is not looked for elsewhere.

    Raises `NotFound`.
    """
    client = rules.from_code(ctx.settings, client_id) or stored(ctx.store, client_id)
    if client is None:
        raise NotFound
    return client


def view(ctx: Context, client: Client, rows: Sequence[ClientSecret] = ()) -> ClientView:
    """A client as operators see it."""
    live = tuple(
        Secret(id=row.id, created_at=row.created_at, expires_at=row.expires_at)
        for row in rows
        if row.expires_at is None or row.expires_at > ctx.now
    )
    try:
        _, settings = rules.checked(
            ctx.settings, client, mail_sender=ctx.can_mail, sms_sender=ctx.can_sms
        )
    except InvalidClient as error:
        return ClientView(client=client, secrets=live, problems=error.problems)
    return ClientView(client=client, secrets=live, effective=settings if client.enabled else None)


def show(ctx: Context, client_id: str) -> ClientView:
    """One client with its secrets' ids. Raises `NotFound`."""
    client = read(ctx, client_id)
    rows = ctx.store.read(lambda session: clients.secrets_of(session, [client_id]))
    return view(ctx, client, rows.get(client_id, ()))


def listed(
    ctx: Context, *, after: tuple[str, str] | None = None, limit: int = 50
) -> tuple[list[ClientView], tuple[str, str] | None]:
    """A page of clients, those of code first, and where the next page begins.

    `after`: source and id of the last client of the page before.
    """
    source, last = after or ("client code", "")
    declared = sorted(ctx.settings.mfa_clients)
    of_code = [name for name in declared if name > last] if source == "client code" else []
    found = [rules.from_code(ctx.settings, name) for name in of_code[: limit + 1]]
    begin = last if source == "client database" else ""

    def work(session: Session) -> tuple[list[ClientRow], Mapping[str, list[ClientSecret]]]:
        wanted = limit + 1 - len(found)
        rows = clients.listed(session, begin, wanted, but=declared) if wanted > 0 else []
        ids = [client.id for client in found if client] + [row.id for row in rows]
        return rows, clients.secrets_of(session, ids) if ids else {}

    rows, by_client = ctx.store.read(work)
    shown = [*found, *map(opened, rows)][:limit]
    views = [view(ctx, one, by_client.get(one.id, ())) for one in shown if one is not None]
    ids = [*of_code[: limit + 1], *(row.id for row in rows)]
    following: tuple[str, str] | None = None
    if len(ids) > limit:
        source = "client code" if limit <= len(found) else "client database"
        following = (source, ids[limit - 1])
    return views, following


def create(
    ctx: Context, caller: Caller, said: Mapping[str, Any], *, client_id: str | None = None
) -> Client:
    """A new client. `said`: its fields and ◆ settings, by lower-case names.

    Raises `InvalidClient` with every reason, `Forbidden` for scopes that the caller may not
    grant, `Conflict` for an id that is taken.
    """
    client_id = client_id or f"c{secrets.token_hex(10)}"
    if not rules.is_client_id(client_id):
        raise InvalidClient({"id": "use letters, digits, '.', '_' and '-', at most 64"})
    blank = Client(id=client_id, name="", source="client database")
    client, _ = rules.checked(
        ctx.settings, merged(blank, said), mail_sender=ctx.can_mail, sms_sender=ctx.can_sms
    )
    rules.check_may_grant(caller, client.scopes)
    if client_id in ctx.settings.mfa_clients:
        raise Conflict

    def work(session: Session) -> tuple[Event, ...]:
        if clients.find(session, client_id) is not None:
            raise Conflict
        clients.add(session, client, ctx.now)
        events = (changed(ctx, client_id, "created", sorted(said)),)
        record(session, events)
        return events

    ctx.tell(None, ctx.store.run(work))
    return replace(client, created_at=ctx.now, changed_at=ctx.now)


def merged(client: Client, said: Mapping[str, Any]) -> Client:
    """A client with what is said of it put in place; None takes an override back."""
    overrides = dict(client.overrides)
    for name in (*rules.OVERRIDES, USE_SYSTEM):
        if name in said:
            overrides[name] = said[name]
            if said[name] is None:
                del overrides[name]
    values: dict[str, Any] = {name: said[name] for name in FIELDS if name in said}
    for name in ("redirect_uris", "origins"):
        if name in values:
            values[name] = tuple(values[name])
    if "scopes" in values:
        values["scopes"] = frozenset(values["scopes"])
    return replace(client, overrides=overrides, **values)


def changed(ctx: Context, client_id: str, action: str, fields: Sequence[str] = ()) -> Event:
    """The event of a change; it is told of the client that changed, by whoever did it."""
    event = ctx.event("client_changed", None, action=action, fields=list(fields))
    return replace(event, client=client_id)


def kept(ctx: Context, client_id: str) -> Client:
    """A client that can be changed. Raises `NotFound`; `Forbidden` for one declared in code."""
    client = read(ctx, client_id)
    if client.source == "client code":
        raise Forbidden
    return client


def change(ctx: Context, caller: Caller, client_id: str, said: Mapping[str, Any]) -> Client:
    """Change a client; what is not said stays.

    Raises `NotFound`, `Forbidden`, `InvalidClient`, and `Conflict` for a lost race.
    """
    old = kept(ctx, client_id)
    rules.check_may_change(caller, old)
    new, _ = rules.checked(
        ctx.settings, merged(old, said), mail_sender=ctx.can_mail, sms_sender=ctx.can_sms
    )
    rules.check_may_grant(caller, new.scopes - old.scopes)

    def work(session: Session) -> tuple[Event, ...]:
        if not clients.change(session, new, ctx.now):
            raise Conflict
        events = (changed(ctx, client_id, "changed", sorted(said)),)
        record(session, events)
        return events

    ctx.tell(None, ctx.store.run(work))
    return replace(new, version=old.version + 1, changed_at=ctx.now)


def remove(ctx: Context, caller: Caller, client_id: str) -> None:
    """Delete a client with its secrets and tokens. Views that still name it are closed.

    Raises `NotFound`, `Forbidden`.
    """
    rules.check_may_change(caller, kept(ctx, client_id))

    def work(session: Session) -> tuple[Event, ...]:
        if not clients.remove(session, client_id):
            raise NotFound
        events = (changed(ctx, client_id, "deleted"),)
        record(session, events)
        return events

    ctx.tell(None, ctx.store.run(work))


def make_secret(
    ctx: Context, caller: Caller, client_id: str, *, revoke_old: bool = False
) -> NewSecret:
    """A further secret. The newest old one lives on for a week, so that it can be replaced
    everywhere; any older one, or with `revoke_old` all, are dead at once with their tokens.

    Raises `NotFound`, `Forbidden`, and `Conflict` for a lost race.
    """
    client = read(ctx, client_id)
    rules.check_may_change(caller, client)
    secret = new_token()
    row = ClientSecret(
        id=new_id(ctx.now),
        client_id=client_id,
        secret_hash=ctx.vault.token_hash(secret),
        created_at=ctx.now,
    )

    def work(session: Session) -> tuple[Event, ...]:
        # Claimed by version, so that two rotations at once cannot leave three secrets.
        if client.source == "client database" and not clients.change(session, client, ctx.now):
            raise Conflict
        old = clients.secrets_of(session, [client_id]).get(client_id, [])
        keep = [] if revoke_old else old[-(MOST_SECRETS - 1) :]
        dead = [one.id for one in old if one not in keep]
        clients.drop_secrets(session, dead)
        for one in keep:
            if one.expires_at is None:
                clients.expire_secret(session, one.id, ctx.now + OVERLAP)
        session.add(row)
        session.flush()
        event = ctx.event("client_secret_made", None, revoked=len(dead))
        events = (replace(event, client=client_id),)
        record(session, events)
        return events

    ctx.tell(None, ctx.store.run(work))
    return NewSecret(
        client_id=client_id,
        secret=secret,
        info=Secret(id=row.id, created_at=ctx.now, expires_at=None),
    )

"""Clients and their secrets."""

from __future__ import annotations

import re
from typing import Any

from flask import request

from flask_melody_mfa.core import clients as rules
from flask_melody_mfa.core.clients import USE_SYSTEM
from flask_melody_mfa.core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.flows import clients
from flask_melody_mfa.flows.clients import ClientView
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.web import cursors
from flask_melody_mfa.web.operation import LONGEST_KEY, Call, Header, Operation
from flask_melody_mfa.web.s2s import client_shapes as shapes
from flask_melody_mfa.web.s2s.addresses import IDEMPOTENCY_KEY
from flask_melody_mfa.web.s2s.means import context_of
from flask_melody_mfa.web.s2s.shapes import Effective

READ, WRITE = "read_app", "write_app"
LIST = cursors.fingerprint("clients")


def client_of(found: ClientView) -> shapes.ClientOut:
    """A client as the API shows it."""
    client = found.client
    overrides = {
        name: listed(client.overrides[name])
        for name in (*rules.OVERRIDES, USE_SYSTEM)
        if client.overrides.get(name) is not None
    }
    return shapes.ClientOut.model_construct(
        id=client.id,
        name=client.name,
        source=client.source,
        enabled=client.enabled,
        redirect_uris=list(client.redirect_uris),
        origins=list(client.origins),
        allow_native=client.allow_native,
        scopes=list(rules.in_order(client.scopes)),
        secrets=[
            shapes.SecretInfo(id=one.id, created_at=one.created_at, expires_at=one.expires_at)
            for one in found.secrets
        ],
        effective=None if found.effective is None else effective(found.effective),
        problems=dict(found.problems),
        created_at=client.created_at,
        changed_at=client.changed_at,
        **overrides,
    )


def listed(value: Any) -> Any:
    """A value as JSON has it."""
    return [str(one) for one in value] if isinstance(value, tuple | list) else value


def effective(settings: Settings) -> dict[str, Effective]:
    """What is in force of what a client may override, and where it came from."""
    public = settings.as_public_dict()
    return {
        name: Effective(value=public[name], source=settings.source_of(name))
        for name in rules.OVERRIDES
    }


def said(body: shapes.ClientChange) -> dict[str, Any]:
    """What a request says of a client; an own field of null says nothing."""
    given = body.model_dump(exclude_unset=True)
    return {
        name: value
        for name, value in given.items()
        if value is not None or name in (*rules.OVERRIDES, USE_SYSTEM)
    }


def list_clients(call: Call) -> shapes.ClientPage:
    """A page of clients."""
    asked: shapes.ClientQuery = call.query
    after = cursors.read(LIST, asked.cursor)
    found, following = clients.listed(
        context_of(call), after=None if after is None else tuple(after), limit=asked.limit
    )
    return shapes.ClientPage(
        items=[client_of(one) for one in found],
        next_cursor=None if following is None else cursors.write(LIST, list(following)),
    )


def read_client(call: Call) -> shapes.ClientOut:
    """One client."""
    return client_of(clients.show(context_of(call), call.path["id"]))


def create_client(call: Call) -> shapes.ClientOut:
    """A new client."""
    ctx = context_of(call)
    client_id = repeatable_id(ctx, call)
    try:
        client = clients.create(ctx, call.caller, said(call.body), client_id=client_id)
    except Conflict:
        found = clients.show(ctx, client_id or "")
        rules.check_may_change(call.caller, found.client)
        return client_of(found)
    return client_of(clients.view(ctx, client))


def repeatable_id(ctx: Context, call: Call) -> str | None:
    """The id that a request with an `Idempotency-Key` always gets: sent twice, it makes one."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if len(key) > LONGEST_KEY or not re.fullmatch(IDEMPOTENCY_KEY, key):
        raise InvalidRequest({"Idempotency-Key": "invalid"})
    return "c" + ctx.vault.name("idempotency", call.caller.client, key)[:20]


def change_client(call: Call) -> shapes.ClientOut:
    """Change a client."""
    ctx = context_of(call)
    clients.change(ctx, call.caller, call.path["id"], said(call.body))
    return client_of(clients.show(ctx, call.path["id"]))


def remove_client(call: Call) -> None:
    """Delete a client."""
    clients.remove(context_of(call), call.caller, call.path["id"])


def make_secret(call: Call) -> shapes.NewSecret:
    """A new secret."""
    body: shapes.SecretRequest = call.body
    made = clients.make_secret(
        context_of(call), call.caller, call.path["id"], revoke_old=body.revoke_old
    )
    return shapes.NewSecret(
        client_id=made.client_id,
        client_secret=made.secret,
        secret_id=made.info.id,
        created_at=made.info.created_at,
    )


OPERATIONS = (
    Operation(
        name="list_clients",
        method="GET",
        path="/clients",
        summary="List clients, those declared in code first.",
        function=list_clients,
        access=READ,
        tag="clients",
        query=shapes.ClientQuery,
        answer=shapes.ClientPage,
        errors=(NotFound,),
    ),
    Operation(
        name="read_client",
        method="GET",
        path="/clients/{id}",
        summary="Read one client, with what is in force for it and where that comes from.",
        function=read_client,
        access=READ,
        tag="clients",
        answer=shapes.ClientOut,
    ),
    Operation(
        name="create_client",
        method="POST",
        path="/clients",
        summary="Make a client.",
        description=(
            "Only scopes that the caller holds can be given, and never `root`: that is for the "
            "command line and the admin panel."
        ),
        function=create_client,
        access=WRITE,
        tag="clients",
        body=shapes.NewClient,
        answer=shapes.ClientOut,
        status=201,
        errors=(Conflict,),
        headers={
            "Idempotency-Key": Header(
                what="Sent again with the same key, it makes no second client.",
                pattern=IDEMPOTENCY_KEY,
            )
        },
    ),
    Operation(
        name="change_client",
        method="PATCH",
        path="/clients/{id}",
        summary="Change a client. It holds in live sessions within the re-read time.",
        description="Only a client whose scopes are all the caller's own; none declared in code.",
        function=change_client,
        access=WRITE,
        tag="clients",
        body=shapes.ClientChange,
        answer=shapes.ClientOut,
        errors=(Conflict,),
    ),
    Operation(
        name="remove_client",
        method="DELETE",
        path="/clients/{id}",
        summary="Delete a client with its secrets and tokens. Views that name it are closed.",
        function=remove_client,
        access=WRITE,
        tag="clients",
        errors=(Forbidden, NotFound),
    ),
    Operation(
        name="make_client_secret",
        method="POST",
        path="/clients/{id}/secret",
        summary="Make a secret, shown once. The last one stays good for a week beside it.",
        function=make_secret,
        access=WRITE,
        tag="clients",
        body=shapes.SecretRequest,
        body_optional=True,
        answer=shapes.NewSecret,
        status=201,
        errors=(Conflict,),
    ),
)

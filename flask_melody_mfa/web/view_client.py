"""Which client a view belongs to (contract section 1, the guard)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import request

from flask_melody_mfa.core.errors import Unavailable
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.web import door
from flask_melody_mfa.web.proxies import this_request
from flask_melody_mfa.web.seen import At, Seen
from flask_melody_mfa.web.state import State

log = logging.getLogger("flask_melody_mfa")


def client_of_view(here: State, account: Callable[[], Account | None]) -> str | None:
    """Whose gate applies: the view's own, its blueprint's, the hook's, or the app's (None).

    `account()` is asked for only where the hook wants to know. Raises `Unavailable` for a hook
    that fails: nobody knows then whose gate it would have been.
    """
    endpoint = this_request().endpoint
    if endpoint in here.client_of_endpoint:
        client = here.client_of_endpoint[endpoint]
    else:
        client = here.client_of_endpoint[endpoint] = declared_client(here, endpoint)
    if client is not None or here.hooks.client_for is None:
        return client
    found = here.ask("client_for", here.hooks.client_for, request, account())
    if found is not None and not isinstance(found, str):
        log.error("client_for answered a %s; it answers a client's id or None", type(found))
        raise Unavailable
    return found or None


def declared_client(here: State, endpoint: str | None) -> str | None:
    """The client that a view, or else its blueprint, was declared for. Never changes."""
    view = here.app.view_functions.get(endpoint) if endpoint else None
    asked = getattr(view, "_mfa_requirement", None)
    if asked is not None and asked.client:
        return str(asked.client)
    for name in request.blueprints:
        required = here.required.get(name)
        if required is not None and required.client:
            return str(required.client)
    return None


def gate_named(seen: Seen) -> str | None:
    """Whose gate the challenge is to be for. An empty text: the app's, where another may run."""
    if seen.at is not At.OWED:
        return None
    return "" if seen.client is None and door.mark().get("c") else seen.client

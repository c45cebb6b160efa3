"""Who may call the embedded API: origins, exactly as configured, and native apps that may."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.clients import Client
from flask_melody_mfa.core.errors import Forbidden, NotAuthenticated
from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.flows import embedded as flow
from flask_melody_mfa.web.state import State, context, state

HEADERS = "Authorization, Content-Type"
METHODS = "GET, POST, PATCH, DELETE, OPTIONS"
FRESH = "600"
"""Seconds for which a browser need not ask again."""


@dataclass(frozen=True, slots=True)
class Callers:
    """Everybody who may call, over all clients."""

    origins: frozenset[str]
    native: bool
    read_at: Instant


def callers() -> Callers:
    """The origins of the app and of its clients; those in the database as they were lately."""
    here = state()
    known: Callers | None = here.callers
    now = here.clock()
    window = here.settings.mfa_session_recheck_seconds * 1000
    if known is None or not 0 <= now - known.read_at < window:
        known = here.callers = read(here, now)
    return known


def read(here: State, now: Instant) -> Callers:
    """The same, read anew."""
    stored, native = flow.origins_of_clients(context())
    declared = {
        origin
        for client in here.settings.mfa_clients
        for origin in here.clients.get(client).client.origins
    }
    native = native or any(
        here.clients.get(client).client.allow_native for client in here.settings.mfa_clients
    )
    origins = frozenset({*here.settings.embedded_auth_origins, *declared, *stored})
    return Callers(origins, native, now)


def anybody() -> bool:
    """Whether the API answers at all."""
    found = callers()
    return bool(found.origins) or found.native


def of_request() -> str | None:
    """The origin of this request; None where there is no such header."""
    return request.headers.get("Origin")


def is_same_origin() -> bool:
    """Whether a browser says that the page and we are of one origin."""
    return request.headers.get("Sec-Fetch-Site") == "same-origin"


def check_new(client: Client | None) -> str | None:
    """The origin that a new session is bound to. Raises `Forbidden`."""
    origin = of_request()
    own = client.origins if client is not None else ()
    if origin is not None:
        # `null` is what a sandboxed frame or a local file sends: everybody can.
        if origin != "null" and origin in (*state().settings.embedded_auth_origins, *own):
            return origin
    elif is_same_origin() or (client is not None and client.allow_native):
        return None
    raise Forbidden


def check_bound(bound: str | None, client: Client | None) -> None:
    """Whether this request comes from where its session was made. Raises `NotAuthenticated`."""
    origin = of_request()
    if origin is not None:
        if origin == bound:
            return
    elif is_same_origin() or (bound is None and client is not None and client.allow_native):
        return
    raise NotAuthenticated


def with_cors(response: BaseResponse, *, credentials: bool = False) -> BaseResponse:
    """Let the page read the answer, if its origin may call at all (Fetch Standard §3.2)."""
    response.headers.add("Vary", "Origin")
    origin = of_request()
    if origin is not None and origin != "null" and origin in callers().origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        if credentials:
            response.headers["Access-Control-Allow-Credentials"] = "true"
    return response

"""The server-to-server API: operations of a backend with an access token."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.clients import Caller, holds
from flask_melody_mfa.core.errors import Forbidden, MfaError, NotAuthenticated
from flask_melody_mfa.flows import tokens
from flask_melody_mfa.web import answers, api_docs
from flask_melody_mfa.web.operation import Face, Operation
from flask_melody_mfa.web.s2s import about, clients, holdings, token, users
from flask_melody_mfa.web.s2s.means import ANY
from flask_melody_mfa.web.state import context, state

REALM = 'Bearer realm="mfa"'

SCOPES = {
    "read_user": "Read users and what they hold.",
    "write_user": "Change what users hold; verify their codes.",
    "read_app": "Read clients.",
    "write_app": "Make, change and delete clients.",
    "read_log": "Read the log.",
    "root": "Everything.",
}


def admit(operation: Operation) -> Caller:
    """Who shows a token that allows this operation. Raises `NotAuthenticated`, `Forbidden`."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not shown:
        raise NotAuthenticated
    caller = tokens.check(context(), shown.strip(" "))
    if operation.access not in (None, ANY) and not holds(caller.scopes, str(operation.access)):
        raise Forbidden
    return caller


def refuse(error: MfaError, operation: Operation | None) -> BaseResponse:
    """The answer to an error; a client is told how to do better (RFC 6750 §3)."""
    if operation is not None and operation.name == "token":
        told = token.refusal(error)
        if told is not None:
            return told
    response = answers.problem(error)
    if isinstance(error, NotAuthenticated):
        shown = "Authorization" in request.headers
        challenge = f'{REALM}, error="invalid_token"' if shown else REALM
        response.headers["WWW-Authenticate"] = challenge
    elif isinstance(error, Forbidden) and operation is not None and operation.access in SCOPES:
        response.headers["WWW-Authenticate"] = (
            f'{REALM}, error="insufficient_scope", scope="{operation.access}"'
        )
    return response


def security(server: str) -> dict[str, Any]:
    """How one gets in."""
    flow = {"tokenUrl": f"{server}/token", "scopes": SCOPES}
    return {"type": "oauth2", "flows": {"clientCredentials": flow}}


FACE: Face = Face(
    name="mfa_s2s",
    title="MFA, server to server",
    description="What a backend may ask of, and do with, the MFA of its users.",
    path="/s2s/v1",
    operations=(
        *token.OPERATIONS,
        *users.OPERATIONS,
        *holdings.OPERATIONS,
        *clients.OPERATIONS,
        *about.OPERATIONS,
        *api_docs.operations(lambda: FACE),
    ),
    enabled=lambda: state().settings.mfa_s2s_api,
    admit=admit,
    refuse=refuse,
    security=security,
)


def blueprint(url_prefix: str) -> Blueprint:
    """The blueprint `mfa_s2s`, for one app."""
    return FACE.blueprint(url_prefix)

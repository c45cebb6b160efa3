"""The token endpoint: OAuth 2 client credentials (RFC 6749 §4.4)."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_plus

from flask import current_app, request
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import InvalidRequest, MfaError, Throttled, TokenRefused
from flask_melody_mfa.flows import tokens
from flask_melody_mfa.web.operation import JSON, Call, Operation, Told
from flask_melody_mfa.web.s2s import shapes
from flask_melody_mfa.web.state import context

DESCRIPTIONS = {
    "invalid_request": "The request is malformed, or names its client twice.",
    "invalid_client": "The client is not known, or its secret is wrong.",
    "unauthorized_client": "The client has no scopes.",
    "unsupported_grant_type": "Only client_credentials can be had here.",
    "invalid_scope": "The client does not have this scope.",
}


def issue(call: Call) -> shapes.Token:
    """Sell a token for a secret."""
    asked: shapes.TokenRequest = call.body
    client_id, secret = credentials(asked)
    if not asked.grant_type:
        raise TokenRefused("invalid_request")
    if asked.grant_type != "client_credentials":
        raise TokenRefused("unsupported_grant_type")
    issued = tokens.issue(context(), client_id, secret, asked.scope or "")
    return shapes.Token(
        access_token=issued.token,
        expires_in=issued.expires_in,
        scope=" ".join(issued.scopes),
    )


def credentials(asked: shapes.TokenRequest) -> tuple[str, str]:
    """Id and secret, from the header or from the body. Raises `TokenRefused`."""
    header = request.headers.get("Authorization")
    in_body = asked.client_id is not None or asked.client_secret is not None
    if header is None:
        if not asked.client_id or not asked.client_secret:
            raise TokenRefused("invalid_client")
        return asked.client_id, asked.client_secret
    if in_body:
        raise TokenRefused("invalid_request")
    return from_basic(header)


def from_basic(header: str) -> tuple[str, str]:
    """Id and secret from HTTP Basic, each form-encoded in it (RFC 6749 §2.3.1)."""
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        raise TokenRefused("invalid_client")
    try:
        plain = base64.b64decode(coded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise TokenRefused("invalid_client") from None
    client_id, found, secret = plain.partition(":")
    if not found:
        raise TokenRefused("invalid_client")
    return unquote_plus(client_id), unquote_plus(secret)


def refusal(error: MfaError) -> BaseResponse | None:
    """The answer that RFC 6749 §5.2 has for an error, if it has one."""
    if isinstance(error, TokenRefused):
        name = error.error
    elif isinstance(error, InvalidRequest):
        name = "invalid_request"
    else:
        return None
    body = shapes.TokenError.model_validate(
        {"error": name, "error_description": DESCRIPTIONS[name]}
    )
    status = 401 if name == "invalid_client" else 400
    response = current_app.response_class(body.model_dump_json(), status=status, mimetype=JSON)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="mfa"'
    response.headers["Pragma"] = "no-cache"
    return response


OPERATIONS = (
    Operation(
        name="token",
        method="POST",
        path="/token",
        summary="Get an access token (OAuth 2 client credentials).",
        description=(
            "The client's id and secret come by HTTP Basic or in the form, not both. Ten failures "
            "of a client or an address within 15 minutes are answered 429 for a while."
        ),
        function=issue,
        tag="token",
        body=shapes.TokenRequest,
        form=True,
        answer=shapes.Token,
        errors=(Throttled,),
        told=(
            Told(status=400, description="RFC 6749 §5.2.", shape=shapes.TokenError),
            Told(status=401, description="invalid_client", shape=shapes.TokenError),
        ),
    ),
)

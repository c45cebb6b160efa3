"""The embedded API: for a frontend that draws its own screens (contract section 7)."""

from __future__ import annotations

from typing import Any

from flask import current_app, g, request
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import MfaError, NotAuthenticated, WrongProof
from flask_melody_mfa.web import answers, api_docs
from flask_melody_mfa.web.embedded import factors, manage, origins, passkeys, sessions, view
from flask_melody_mfa.web.operation import Face, Operation
from flask_melody_mfa.web.state import state
from flask_melody_mfa.web.words import mfa_lazy

WRONG_SIGN_IN = mfa_lazy("The login or the password is not right.")


def refuse(error: MfaError, operation: Operation | None) -> BaseResponse:
    """The answer to an error."""
    if isinstance(error, WrongProof) and error.hint == sessions.WRONG_PASSWORD:
        return answers.problem(error, detail=answers.texts().mfa_text(WRONG_SIGN_IN))
    response = answers.problem(error)
    if isinstance(error, NotAuthenticated) and operation is not None and operation.access:
        response.headers["WWW-Authenticate"] = 'Bearer realm="mfa"'
    return response


def means_cookies() -> bool:
    """Whether this request is one whose cookies count: completing, and managing by cookie."""
    here = state()
    if request.path.endswith("/complete"):
        return here.hooks.issue_token is None
    asks_first = request.method == "OPTIONS" and request.path.endswith("/sessions")
    return here.hooks.identify_token is None and (asks_first or bool(g.get("_mfa_by_cookie")))


def preflight() -> BaseResponse:
    """The answer to a browser that asks first (Fetch Standard §3.2.2)."""
    response = current_app.response_class(status=204)
    response.headers["Access-Control-Allow-Methods"] = origins.METHODS
    response.headers["Access-Control-Allow-Headers"] = origins.HEADERS
    response.headers["Access-Control-Max-Age"] = origins.FRESH
    return response


def finish(response: BaseResponse) -> BaseResponse:
    """CORS for every answer."""
    return origins.with_cors(response, credentials=means_cookies())


def security(server: str) -> dict[str, Any]:
    """How one gets in."""
    del server
    return {"type": "http", "scheme": "bearer", "description": "The session's `session_token`."}


FACE: Face = Face(
    name="mfa_embedded",
    title="MFA, embedded",
    description="Sign-in with MFA for a frontend that draws its own screens. Every answer says in "
    "`next_step` what to draw next.",
    path="/embedded/v1",
    operations=(
        *sessions.OPERATIONS,
        *factors.OPERATIONS,
        *passkeys.OPERATIONS,
        *manage.OPERATIONS,
        *api_docs.operations(lambda: FACE),
    ),
    enabled=origins.anybody,
    admit=view.admit,
    refuse=refuse,
    finish=finish,
    preflight=preflight,
    security=security,
)

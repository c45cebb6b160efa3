"""How an error or a debt is answered: a page for people, a problem (RFC 9457) for programs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from flask import Response, current_app, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import (
    InvalidClient,
    InvalidRequest,
    MethodNotAllowed,
    MfaError,
    NobodyCan,
    TooMany,
    Unavailable,
)
from flask_melody_mfa.web import door, words
from flask_melody_mfa.web.state import state
from flask_melody_mfa.web.urls import safe_path, same_origin_path

PAGE = "text/html"


def as_json(data: Any) -> Response:
    """A response of plain data."""
    return current_app.response_class(json.dumps(data), mimetype="application/json")


def texts() -> words.Texts:
    """Texts in the language of this request."""
    return words.Texts(words.current_locale(state().settings.mfa_languages))


def names_html() -> bool:
    """Whether the request's `Accept` names HTML, or there is none."""
    accept = request.headers.get("Accept")
    return accept is None or any(
        value.lower() == PAGE for value, quality in request.accept_mimetypes if quality > 0
    )


def is_navigation() -> bool:
    """Whether a browser would show the answer to a person."""
    destination = request.headers.get("Sec-Fetch-Dest")
    if destination is not None:
        return destination == "document"
    return names_html()


def is_page_request() -> bool:
    """A page request, as the contract defines it."""
    return request.method in ("GET", "HEAD") and is_navigation()


def is_form_post() -> bool:
    """A form that a person submitted."""
    return (
        request.method == "POST"
        and is_navigation()
        and request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data")
    )


def this_path() -> str | None:
    """The path and query of this request, as something to come back to."""
    return safe_path(request.full_path.rstrip("?"))


def referring_path() -> str | None:
    """Where the request came from, if that is a page of this origin."""
    return path_here(request.headers.get("Referer"))


def path_here(url: str | None) -> str | None:
    """A URL of this origin as a path, or None."""
    if url and url[0] == "/":
        return safe_path(url)
    return same_origin_path(url, request.host_url)


def problem(error: MfaError, **extra: Any) -> Response:
    """A problem document; `detail` is in the reader's language."""
    say = texts()
    title = words.ERRORS.get(error.code, words.ERRORS["unavailable"])
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": error.status,
        "code": error.code,
        "detail": say.mfa_text(title),
        **extra,
    }
    if isinstance(error, InvalidRequest):
        body["errors"] = {
            name: say.mfa_text(words.REASONS.get(reason, words.REASONS["invalid"]))
            for name, reason in error.errors.items()
        }
    if isinstance(error, InvalidClient):
        body["errors"] = error.problems
    if isinstance(error, NobodyCan):
        body["reason"] = error.reason
    response = current_app.response_class(
        json.dumps(body), status=error.status, mimetype="application/problem+json"
    )
    retry_after(response, error)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    response.headers["Cache-Control"] = "no-store"
    return response


def go_to(target: str, **more: Any) -> Response:
    """Tell a script of ours where the browser is to go."""
    body = json.dumps({"next": target, **more})
    response = current_app.response_class(body, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def retry_after(response: BaseResponse, error: MfaError) -> None:
    """Say when to come back, where that is known."""
    if isinstance(error, TooMany | Unavailable):
        response.headers["Retry-After"] = str(error.retry_after)


def login_url(next_path: str | None = None) -> str:
    """The host's login view (with `next`), or `/` where Flask-Login knows none."""
    manager = door.login_manager()
    view = getattr(manager, "login_view", None)
    blueprints = getattr(manager, "blueprint_login_views", None) or {}
    if request.blueprint in blueprints:
        view = blueprints[request.blueprint]
    if not view:
        return "/"
    target = url_for(view) if "/" not in view else view
    if next_path and "://" not in target:
        target += ("&" if "?" in target else "?") + "next=" + quote(next_path, safe="/")
    return target


def login_views() -> set[str]:
    """The host's login views, by endpoint or by path, as Flask-Login knows them."""
    manager = door.login_manager()
    views = {getattr(manager, "login_view", None)}
    views.update((getattr(manager, "blueprint_login_views", None) or {}).values())
    return {view for view in views if view}


def is_login_view(endpoint: str) -> bool:
    """Whether this request goes to a login view of the host's."""
    return bool(login_views() & {endpoint, request.path})


def to_login(next_path: str | None = None, message: str | None = None) -> BaseResponse:
    """Send a person to the host's login view, with a message."""
    if message:
        flash(texts().mfa_text(message), "warning")
    return no_store(redirect(login_url(next_path), 303))


def to_challenge(status: int, **query: str | None) -> BaseResponse:
    """Send a person to the challenge. `client`: whose gate is owed, where it is not the app's."""
    values: dict[str, Any] = query
    return no_store(redirect(url_for("mfa.challenge.start", **values), status))


def no_store(response: BaseResponse) -> BaseResponse:
    """Keep an answer out of every cache."""
    response.headers["Cache-Control"] = "no-store"
    return response

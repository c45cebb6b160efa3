"""What all pages share: the wrapper around a view, fields, CSRF, and `web/page.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import current_app, flash, g, redirect, request
from flask_wtf.csrf import validate_csrf
from werkzeug.wrappers import Response as BaseResponse
from wtforms import ValidationError

from flask_melody_mfa.core import limits
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    CsrfFailed,
    InvalidRequest,
    MfaError,
    MfaRequired,
    NotAuthenticated,
    TooLarge,
)
from flask_melody_mfa.core.limits import LARGEST_BODY
from flask_melody_mfa.web import answers, door, guard, words
from flask_melody_mfa.web.lines import is_text
from flask_melody_mfa.web.page import (
    Page,
    cancel_url,
    error_page,
    keeping_next,
    locked_page,
    next_path,
    render,
    secure,
)
from flask_melody_mfa.web.seen import At

__all__ = [
    "Page",
    "cancel_url",
    "check_csrf",
    "error_answer",
    "error_page",
    "field",
    "first_lock_seconds",
    "go",
    "keeping_next",
    "locked_page",
    "next_path",
    "render",
    "secret_field",
    "secure",
    "view",
]

LONGEST_FIELD = 320
LONGEST_SECRET = 1024


def field(name: str, *, required: bool = False) -> str:
    """One text field of the form. Raises `InvalidRequest` for what no text field holds."""
    values = request.form.getlist(name)
    value = values[0].strip() if values else ""
    if len(values) > 1:
        raise InvalidRequest({name: "invalid"})
    if len(value) > LONGEST_FIELD:
        raise InvalidRequest({name: "too_long"})
    if not is_text(value):
        raise InvalidRequest({name: "invalid"})
    if required and not value:
        raise InvalidRequest({name: "required"})
    return value


def secret_field(name: str) -> str:
    """A password as it was typed, blanks and all. Raises `InvalidRequest`."""
    values = request.form.getlist(name)
    value = values[0] if len(values) == 1 else ""
    if not value or len(value) > LONGEST_SECRET or not is_text(value):
        raise InvalidRequest({name: "invalid"})
    return value


def check_csrf() -> None:
    """Every POST of ours carries a token, whether or not the host uses CSRFProtect."""
    config = current_app.config
    if current_app.testing and not config.get("WTF_CSRF_ENABLED", True):
        return
    name = config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    token = request.form.get(name) or request.headers.get("X-CSRFToken")
    try:
        validate_csrf(token)
    except ValidationError:
        raise CsrfFailed from None


def view(function: Callable[..., Any], *, by_script: bool = False) -> Callable[..., Any]:
    """Wrap a page: CSRF, errors as pages, headers. HEAD is answered as GET.

    `by_script`: what is posted to it comes from a script of ours, which reads problems.
    """

    @wraps(function)
    def wrapped(**values: Any) -> BaseResponse:
        try:
            if request.method == "POST":
                if request.content_length is not None and request.content_length > LARGEST_BODY:
                    raise TooLarge
                check_csrf()
            failed: MfaError | None = g.get("_mfa_failed")
            if failed is not None:
                raise failed
            return secure(function(**values))
        except MfaError as error:
            if by_script and request.method == "POST":
                return secure(answers.problem(error))
            return secure(error_answer(error))

    return wrapped


def error_answer(error: MfaError) -> BaseResponse:
    """The answer to an error that no page shows within itself."""
    if not answers.is_navigation():
        return answers.problem(error)
    match error:
        case ChallengeOver():
            door.set_mark(c=None)
            if guard.look().at is At.SATISFIED:  # it was a step-up, or a further set-up
                flash(answers.texts().mfa_text(words.ERRORS["challenge_over"]), "warning")
                return go(next_path() or "/")
            door.clear_remember_cookie()
            return answers.to_login(next_path(), words.ERRORS["challenge_over"])
        case NotAuthenticated() | MfaRequired():
            return answers.to_login(next_path() or answers.this_path())
        case _:
            return error_page(error)


def go(target: str) -> BaseResponse:
    """Redirect after a POST."""
    return redirect(target, 303)


def first_lock_seconds() -> int:
    """How long the first lock lasts."""
    return limits.seconds(limits.FIRST_LOCK)

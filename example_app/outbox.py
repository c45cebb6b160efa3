"""What the app sent while developing. Answers 404 unless the app is in debug mode."""

from __future__ import annotations

from typing import NoReturn

from flask import Blueprint, Response, abort, current_app, make_response, render_template

from example_app.post_room import EXTENSION, Arrived, PostRoom
from flask_melody_mfa import mfa_exempt

blueprint = Blueprint("outbox", __name__, url_prefix="/outbox")

# A mail's own styles may apply, and nothing else: no script, no form, nothing loaded.
MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)


def room() -> PostRoom:
    """The post room. Answers 404 where there is none."""
    found = current_app.extensions.get(EXTENSION)
    if not current_app.debug or not isinstance(found, PostRoom):
        return nothing_here()
    return found


def nothing_here() -> NoReturn:
    """Answer as if there were no such page."""
    abort(404)


@blueprint.get("")
@mfa_exempt  # codes must be readable before the sign-in is finished
def messages() -> Response:
    """All messages, newest first."""
    found = room().messages[::-1]
    response = make_response(render_template("outbox/messages.html", messages=found))
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/<int:number>")
@mfa_exempt
def message(number: int) -> Response:
    """One message."""
    response = make_response(render_template("outbox/message.html", message=one(number)))
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/<int:number>/html")
@mfa_exempt
def html(number: int) -> Response:
    """A mail's HTML part, as a mail program would show it."""
    response = make_response(one(number).html or nothing_here())
    response.headers["Content-Security-Policy"] = MAIL_POLICY
    response.headers["Cache-Control"] = "no-store"
    return response


def one(number: int) -> Arrived:
    """A message by its number. Answers 404 where there is none."""
    for found in room().messages:
        if found.number == number:
            return found
    return nothing_here()

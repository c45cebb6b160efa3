"""The door between a challenge and Flask-Login's session: what is parked, and what is put back.

The browser's session holds one key of ours, `_mfa`: the token of an MFA session (`s`), the token
of a challenge (`c`), one that passkey ceremonies are bound to before anybody is signed in (`p`),
and the language chosen on our pages (`l`). Nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app, g, request, session
from flask.sessions import session_json_serializer

from flask_melody_mfa.core.codes import new_token
from flask_melody_mfa.web.proxies import this_app, this_session

KEY = "_mfa"
FIELDS = ("_user_id", "_fresh", "_remember", "_remember_seconds")
MESSAGES = "_flashes"
LOGIN_VIEW = "login_view"
TOKEN_LENGTH = 128


def mark() -> dict[str, str]:
    """What the browser's session holds of ours; anything malformed counts as nothing."""
    held = this_session().get(KEY)
    if not isinstance(held, dict):
        return {}
    return {
        name: value
        for name, value in held.items()
        if name in ("s", "c", "p", "l") and isinstance(value, str) and len(value) <= TOKEN_LENGTH
    }


def set_mark(**changes: str | None) -> None:
    """Change what the browser's session holds of ours; None removes."""
    held = mark()
    for name, value in changes.items():
        if value is None:
            held.pop(name, None)
        else:
            held[name] = value
    if held:
        session[KEY] = held
    else:
        session.pop(KEY, None)


def browser_token() -> str:
    """A token that only this browser holds, made once."""
    token = mark().get("p")
    if token is None:
        token = new_token()
        set_mark(p=token)
    return token


def login_manager() -> Any:
    """Flask-Login's manager of this app, or None."""
    return getattr(this_app(), "login_manager", None)


def begin_request() -> None:
    """Forget what an earlier request left in `g`.

    `g` lives as long as the app context, and tests that push one make many requests in it.
    """
    this = request._get_current_object()  # type: ignore[attr-defined]
    before = g.get("_mfa_request")
    if before is this:
        return
    if before is not None:
        if "_mfa_hidden" in g:
            g.pop("_login_user", None)
        for name in [name for name in g if name.startswith("_mfa_")]:
            g.pop(name)
        # Flask-WTF's token, too: it belongs to the session of the request that made it.
        g.pop(current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token"), None)
    g._mfa_request = this


def be_anonymous() -> None:
    """Make `current_user` anonymous for the rest of this request."""
    manager = login_manager()
    if manager is not None:
        g._login_user = manager.anonymous_user()
        g._mfa_hidden = True


def park() -> dict[str, Any]:
    """Take Flask-Login's fields out of the browser's session."""
    return {name: session.pop(name) for name in FIELDS if name in session}


def park_messages() -> dict[str, Any]:
    """Take the host's flashed messages out: what a login view says is true once all is proven."""
    messages = session.pop(MESSAGES, None)
    return {MESSAGES: session_json_serializer.dumps(messages)} if messages else {}


def login_view() -> dict[str, Any]:
    """The endpoint of the form that signed a user in, whatever Flask-Login's `login_view` is."""
    return {LOGIN_VIEW: request.endpoint} if request.method == "POST" else {}


def put_back(fields: Mapping[str, Any]) -> None:
    """Put parked fields back. A wish to be remembered makes Flask-Login set its cookie now."""
    for name in FIELDS:
        if name in fields:
            session[name] = fields[name]
    if MESSAGES in fields:
        held = session_json_serializer.loads(fields[MESSAGES])
        session[MESSAGES] = [*held, *session.get(MESSAGES, ())]


def remember_cookie_name() -> str:
    """The name of Flask-Login's remember cookie."""
    return str(current_app.config.get("REMEMBER_COOKIE_NAME", "remember_token"))


def remember_cookie_arrived() -> bool:
    """Whether this request carries a remember cookie that still stands."""
    return remember_cookie_name() in request.cookies and session.get("_remember") != "clear"


def clear_remember_cookie() -> None:
    """Let Flask-Login clear its remember cookie with this answer, if one arrived."""
    if remember_cookie_name() in request.cookies:
        session["_remember"] = "clear"


def sign_out_here() -> None:
    """Forget the user in this browser: Flask-Login's fields, our tokens, the remember cookie."""
    park()
    set_mark(s=None, c=None)
    clear_remember_cookie()
    be_anonymous()


def rotate() -> None:
    """A new id for a server-side session, where the host uses one that can."""
    regenerate = getattr(current_app.session_interface, "regenerate", None)
    if regenerate is not None:
        regenerate(session)

"""The door between a challenge and Flask-Login's session: what is parked, and what is put back.

The browser's session holds one key of ours, `_mfa`: the token of an MFA session (`s`), of a
challenge (`c`), of a visit to a policy (`p`), one that passkey ceremonies are bound to while nobody
is signed in (`b`), the language chosen on our pages (`l`), and whether a fresh sign-in was asked
for (`f`). Nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Request, current_app, g, request, session
from flask.sessions import session_json_serializer
from flask_login import decode_cookie

from flask_melody_mfa.core.codes import new_token
from flask_melody_mfa.web.proxies import this_app, this_request, this_session

KEY = "_mfa"
FIELDS = ("_user_id", "_fresh", "_remember", "_remember_seconds")
MESSAGES = "_flashes"
LOGIN_VIEW = "login_view"
NAMES = frozenset("scpblf")
TOKEN_LENGTH = 128


def mark() -> dict[str, str]:
    """What the browser's session holds of ours; anything malformed counts as nothing."""
    held = this_session().get(KEY)
    if not isinstance(held, dict):
        return {}
    return {
        name: value
        for name, value in held.items()
        if name in NAMES and isinstance(value, str) and len(value) <= TOKEN_LENGTH
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
    token = mark().get("b")
    if token is None:
        token = new_token()
        set_mark(b=token)
    return token


def login_manager() -> Any:
    """Flask-Login's manager of this app, or None."""
    return getattr(this_app(), "login_manager", None)


def request_loader() -> Any:
    """Flask-Login's request loader, or its older one for a header, where the host has set one."""
    manager = login_manager()
    found = getattr(manager, "_request_callback", None)
    return found if found is not None else getattr(manager, "_header_callback", None)


def is_nobody(this: Request) -> bool:
    """Whether nothing in this request could sign anybody in; nothing is loaded to find out."""
    app = this_app()
    return getattr(app, "login_manager", None) is None or (
        app.session_interface.get_cookie_name(app) not in this.cookies and not may_be_another()
    )


def may_be_another() -> bool:
    """Whether Flask-Login could find a user whom the browser's session does not name."""
    cookies = this_request().cookies
    return remember_cookie_name() in cookies or request_loader() is not None


def begin_request(this: Request, found: Any) -> None:
    """Forget what an earlier request left in `found`, which is `g`.

    `g` lives as long as the app context, and tests that push one make many requests in it.
    """
    before = found.get("_mfa_request")
    if before is this:
        return
    if before is not None:
        if "_mfa_hidden" in found:
            found.pop("_login_user", None)
        for name in [name for name in found if name.startswith("_mfa_")]:
            found.pop(name)
        # Flask-WTF's token, too: it belongs to the session of the request that made it.
        found.pop(current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token"), None)
    found._mfa_request = this


def be_anonymous() -> None:
    """Make `current_user` anonymous for the rest of this request."""
    manager = login_manager()
    if manager is not None:
        g._login_user = manager.anonymous_user()
        g._mfa_hidden = True


def park() -> dict[str, Any]:
    """Take Flask-Login's fields out of the browser's session."""
    browser = this_session()
    return {name: browser.pop(name) for name in FIELDS if name in browser}


def park_messages() -> dict[str, Any]:
    """Take the host's flashed messages out: what a login view says is true once all is proven."""
    messages = session.pop(MESSAGES, None)
    return {MESSAGES: session_json_serializer.dumps(messages)} if messages else {}


def remembered_wish(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The wish to be remembered of whoever just signed in with a remember cookie of their own."""
    if "_remember" in fields or not remember_cookie_arrived():
        return {}
    return {"_remember": "set"} if remembered_id() == fields.get("_user_id") else {}


def login_view() -> dict[str, Any]:
    """The endpoint of the form that signed a user in, whatever Flask-Login's `login_view` is."""
    return {LOGIN_VIEW: request.endpoint} if request.method == "POST" else {}


def put_back(fields: Mapping[str, Any]) -> None:
    """Put parked fields back. A wish to be remembered makes Flask-Login set its cookie now."""
    browser = this_session()
    for name in FIELDS:
        if name in fields:
            browser[name] = fields[name]
    if MESSAGES in fields:
        held = session_json_serializer.loads(fields[MESSAGES])
        session[MESSAGES] = [*held, *session.get(MESSAGES, ())]


def remember_cookie_name() -> str:
    """The name of Flask-Login's remember cookie."""
    return str(current_app.config.get("REMEMBER_COOKIE_NAME", "remember_token"))


def remembered_id() -> str | None:
    """The user that this request's remember cookie names; None for none, or a forged one."""
    try:
        found = decode_cookie(request.cookies.get(remember_cookie_name(), ""))
    except (TypeError, ValueError):
        return None  # anything may stand in a cookie
    return None if found is None else str(found)


def remember_cookie_arrived() -> bool:
    """Whether this request carries a remember cookie that still stands."""
    return session.get("_remember") != "clear" and remembered_id() is not None


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

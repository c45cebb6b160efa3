"""The guard: who is at the door of this request, and whether the gate lets them in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from flask import current_app, flash, g, redirect, request, session, url_for
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import ChallengeOver, MfaError, MfaRequired, Unavailable
from flask_melody_mfa.core.types import Account, Method
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import sessions, sign_in
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.web import answers, door, words
from flask_melody_mfa.web.state import Remembered, State, context, state

log = logging.getLogger("flask_melody_mfa")

NOTHING_SAVED = words.mfa_lazy("Please finish signing in first. Nothing was saved.")
PLEASE_SIGN_IN = words.mfa_lazy("Please sign in again.")


class At(Enum):
    """Where the browser stands."""

    ANONYMOUS = auto()
    SATISFIED = auto()
    OWED = auto()
    """Signed in by Flask-Login, and the gate is owed."""
    PENDING = auto()
    """A challenge runs; Flask-Login's fields are parked in it."""
    REFUSED = auto()
    """Signed in by a remember cookie that can yield nothing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the guard found. `standing` is None without an MFA session."""

    at: At
    client: str | None = None
    account: Account | None = None
    standing: Standing | None = None
    by_loader: bool = False


ANONYMOUS = Seen(at=At.ANONYMOUS)


def client_of_view() -> str | None:
    """Whose gate applies: the view's own, its blueprint's, the hook's, or the app's."""
    endpoint = request.endpoint
    view = current_app.view_functions.get(endpoint) if endpoint else None
    asked = getattr(view, "_mfa_requirement", None)
    if asked is not None and asked.client:
        return str(asked.client)
    here = state()
    for name in request.blueprints:
        required = here.required.get(name)
        if required is not None and required.client:
            return str(required.client)
    if here.hooks.client_for is not None:
        client = here.ask(here.hooks.client_for, request, None)
        return None if client is None else str(client)
    return None


def look() -> Seen:
    """Find out, once per request, who is there. While something is owed, nobody is.

    Raises `Unavailable` rather than letting anyone pass.
    """
    seen: Seen | None = g.get("_mfa_seen")
    if seen is None:
        seen = g._mfa_seen = find_out()
        hidden = seen.at is not At.SATISFIED and (seen.at is not At.ANONYMOUS or "_mfa_out" in g)
        if hidden and state().settings.mfa_guard:
            door.be_anonymous()
    return seen


def look_again(seen: Seen) -> None:
    """Set what the rest of this request sees."""
    g._mfa_seen = seen


def find_out() -> Seen:
    """Where the browser stands."""
    manager = door.login_manager()
    if manager is None:
        return ANONYMOUS
    cookies = request.cookies
    config = current_app.config
    loader = getattr(manager, "_request_callback", None)
    if (
        config.get("SESSION_COOKIE_NAME", "session") not in cookies
        and door.remember_cookie_name() not in cookies
        and loader is None
    ):
        return ANONYMOUS
    flask_id = session.get("_user_id")
    if flask_id is None and door.mark().get("c"):
        return Seen(at=At.PENDING)
    if flask_id is None and not door.remember_cookie_arrived():
        return by_loader() if loader is not None else ANONYMOUS
    client = client_of_view()
    token = door.mark().get("s") if flask_id is not None else None
    if token is not None:
        return with_session(token, str(flask_id), client)
    return without_session(client)


def look_as(client: str | None) -> Seen:
    """Who is there, at a client's gate."""
    token, flask_id = door.mark().get("s"), session.get("_user_id")
    if flask_id is None:
        return look()
    return with_session(token, str(flask_id), client) if token else without_session(client)


def with_session(token: str, flask_id: str, client: str | None) -> Seen:
    """A browser with an MFA session: as remembered by this process, or as read anew."""
    here = state()
    known = here.cache.get(token, client)
    now = here.clock()
    window = here.settings.mfa_session_recheck_seconds * 1000
    if known is not None and known.flask_id == flask_id and 0 <= now - known.read_at < window:
        return Seen(at=At.SATISFIED, client=client, standing=known.standing)
    ctx = context(client)
    standing = sessions.read(ctx, token)
    if standing is None:
        # Ended, or unknown: signed out. A new gate is for a new sign-in only.
        door.sign_out_here()
        g._mfa_out = True
        return ANONYMOUS
    account = None
    if known is None or known.flask_id != flask_id:
        account = current_account(here)
        if account is None:
            return ANONYMOUS
        if account.key != standing.row.user_key:
            door.set_mark(s=None)
            return without_session(client)
    if standing.satisfied:
        here.cache.put(token, client, Remembered(now, flask_id, standing))
        return Seen(at=At.SATISFIED, client=client, account=account, standing=standing)
    return Seen(
        at=At.OWED,
        client=client,
        account=account or current_account(here),
        standing=standing,
    )


def without_session(client: str | None) -> Seen:
    """Flask-Login's user, and no MFA session: a remember cookie, or older than the extension."""
    here = state()
    account = current_account(here)
    if account is None:
        return ANONYMOUS
    if "_user_id" not in session:
        return by_loader()
    if door.mark().get("c") and begun_by(account):
        return Seen(at=At.PENDING, client=client, account=account)
    ctx = context(client)
    match sessions.would_owe(ctx, account, method=Method.REMEMBERED):
        case gate.Satisfied():
            outcome = sign_in.begin(ctx, account, method=Method.REMEMBERED, parked={})
            if isinstance(outcome, sign_in.Finished):
                door.set_mark(s=outcome.token)
                standing = sessions.read(ctx, outcome.token or "")
                return Seen(at=At.SATISFIED, client=client, account=account, standing=standing)
            raise Unavailable
        case gate.SignIn():
            if here.settings.mfa_guard:
                door.sign_out_here()
            return Seen(at=At.REFUSED)
        case _:
            return Seen(at=At.OWED, client=client, account=account)


def begun_by(account: Account) -> bool:
    """Whether this browser's challenge is the unfinished sign-in of this user.

    Without the guard, Flask-Login's user stays signed in beside it.
    """
    try:
        running = pending()
    except ChallengeOver:
        door.set_mark(c=None)
        return False
    return running.purpose == challenges.SIGN_IN and running.row.user_key == account.key


def by_loader() -> Seen:
    """A user of Flask-Login's request loader: no browser session, so no proof can be had."""
    here = state()
    account = current_account(here)
    if account is None:
        return ANONYMOUS
    vouches = here.hooks.vouches_for
    client = client_of_view()
    if vouches is not None and here.ask(vouches, request):
        return Seen(at=At.SATISFIED, client=client, account=account, by_loader=True)
    step = sessions.would_owe(context(client), account, method=Method.PASSWORD)
    if isinstance(step, gate.Satisfied):
        return Seen(at=At.SATISFIED, client=client, account=account, by_loader=True)
    return Seen(at=At.OWED, client=client, account=account, by_loader=True)


def current_account(here: State) -> Account | None:
    """The account of Flask-Login's current user; None for nobody."""
    from flask_login import current_user

    try:
        user = current_user._get_current_object()
    except SQLAlchemyError as error:
        log.error("The app's user loader met a database that fails: %s", type(error).__name__)
        raise Unavailable from None
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    return here.describe(user)


def observe(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Before anything of the host's runs: make a user who owes the gate invisible."""
    del values
    if is_ours_without_user(endpoint) or not state().settings.mfa_guard:
        return
    try:
        look()
    except MfaError as error:
        door.be_anonymous()
        g._mfa_failed = error


def guard() -> Any:
    """First of the app's `before_request` functions: lets pass, redirects, or refuses."""
    here = state()
    if not here.settings.mfa_guard:
        return None
    endpoint = request.endpoint
    failed: MfaError | None = g.get("_mfa_failed")
    if endpoint is None or is_static(endpoint):
        return None
    if failed is not None:
        if is_logout(here, endpoint):
            failed = give_up()
        elif is_left_alone(here, endpoint):
            failed = None
        return None if failed is None else fault(failed)
    seen = look()
    if seen.at in (At.ANONYMOUS, At.SATISFIED):
        return None
    if seen.at is At.REFUSED:
        if endpoint in answers.login_endpoints() or is_left_alone(here, endpoint):
            return None
        if answers.is_page_request():
            return answers.to_login(answers.this_path(), PLEASE_SIGN_IN)
        return answers.problem(MfaRequired(), challenge_url=answers.login_url())
    if is_logout(here, endpoint):
        give_up()
        return None
    if is_left_alone(here, endpoint) or endpoint in answers.login_endpoints():
        return None
    return interrupt(seen)


def interrupt(seen: Seen) -> BaseResponse:
    """Answer a request that the gate does not let in."""
    if seen.by_loader:
        return answers.problem(MfaRequired(), challenge_url=url_for("mfa.challenge.start"))
    if seen.at is At.PENDING:
        try:
            pending()
        except ChallengeOver:
            return over()
        except MfaError as error:
            return fault(error)
    client = seen.client if seen.at is At.OWED else None
    if answers.is_page_request():
        return to_challenge(302, next=answers.this_path(), client=client)
    if answers.is_form_post():
        flash(answers.texts().mfa_text(NOTHING_SAVED), "warning")
        return to_challenge(303, next=answers.referring_path() or "/", client=client)
    where = url_for("mfa.challenge.start", client=client)
    return answers.problem(MfaRequired(), challenge_url=where)


def to_challenge(status: int, **query: str | None) -> BaseResponse:
    """Send a person to the challenge. `client`: whose gate is owed, where it is not the app's."""
    values: dict[str, Any] = query
    return answers.no_store(redirect(url_for("mfa.challenge.start", **values), status))


def over() -> BaseResponse:
    """A challenge that is over leads to the login view, once, with a message."""
    door.set_mark(c=None)
    door.clear_remember_cookie()
    if answers.is_navigation():
        back = answers.this_path() if request.method == "GET" else None
        return answers.to_login(back, words.ERRORS["challenge_over"])
    return answers.problem(MfaRequired(), challenge_url=answers.login_url())


def pending() -> Challenge:
    """The challenge of this browser. Raises `ChallengeOver`."""
    found: Challenge | None = g.get("_mfa_challenge")
    if found is None:
        token = door.mark().get("c")
        if token is None:
            raise ChallengeOver
        door.clear_remember_cookie()
        found = g._mfa_challenge = challenges.load(context(), token)
    return found


def give_up() -> MfaError | None:
    """A logout view was called while the gate is owed: what was begun ends here.

    This browser is signed out in any case; what could not be written is returned.
    """
    held = door.mark()
    failed: MfaError | None = None
    try:
        if held.get("c"):
            sign_in.cancel(context(), held["c"])
        if held.get("s"):
            sign_in.sign_out(context(), held["s"])
    except MfaError as error:
        log.error("A logout could not be written: %s", type(error).__name__)
        failed = error
    door.sign_out_here()
    look_again(ANONYMOUS)
    return failed


def fault(error: MfaError) -> BaseResponse:
    """Answer what went wrong before anybody was let in."""
    if answers.is_navigation():
        from flask_melody_mfa.web.pages import common

        return common.error_page(error)
    return answers.problem(error)


def is_static(endpoint: str) -> bool:
    """Static files, of the app or of a blueprint."""
    return endpoint == "static" or endpoint.endswith(".static")


def is_ours_without_user(endpoint: str | None) -> bool:
    """Our faces that ignore Flask-Login's user."""
    return endpoint is not None and endpoint.startswith(("mfa_s2s.", "mfa_embedded."))


def is_logout(here: State, endpoint: str) -> bool:
    """The host's logout views."""
    views = here.settings.mfa_logout_views
    if views is not None:
        return endpoint in views
    return endpoint == "logout" or endpoint.endswith(".logout")


def is_left_alone(here: State, endpoint: str) -> bool:
    """Exempt views, and pages of ours: they check for themselves."""
    if endpoint.startswith("mfa.") or is_ours_without_user(endpoint):
        return True
    view = current_app.view_functions.get(endpoint)
    if getattr(view, "_mfa_exempt", False) or view in here.exempt_views:
        return True
    return endpoint in here.exempt or any(name in here.exempt for name in request.blueprints)

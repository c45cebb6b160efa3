"""The guard: who is at the door of this request, and whether the gate lets them in."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from flask import flash, g, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    ConfigError,
    MfaError,
    MfaRequired,
    NotAuthenticated,
    Unavailable,
)
from flask_melody_mfa.core.types import Account, Instant, Method
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import sessions, sign_in
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.web import answers, deletions, door, words
from flask_melody_mfa.web.endpoints import is_left_alone, is_logout, is_ours_without_user, is_static
from flask_melody_mfa.web.page import error_page
from flask_melody_mfa.web.proxies import kept, this_request, this_session
from flask_melody_mfa.web.seen import ANONYMOUS, At, Seen
from flask_melody_mfa.web.session_cache import Remembered
from flask_melody_mfa.web.state import State, context, state
from flask_melody_mfa.web.view_client import client_of_view, gate_named

log = logging.getLogger("flask_melody_mfa")

NOTHING_SAVED = words.mfa_lazy("Please finish signing in first. Nothing was saved.")
PLEASE_SIGN_IN = words.mfa_lazy("Please sign in again.")


def look() -> Seen:
    """Find out, once per request, who is there. While something is owed, nobody is.

    Raises `Unavailable` rather than letting anyone pass.
    """
    seen: Seen | None = kept().get("_mfa_seen")
    if seen is None:
        here = state()
        seen = ANONYMOUS if door.is_nobody(this_request()) else first_look(here)
    return seen


def first_look(here: State) -> Seen:
    """Find out who is there, where somebody may be. While something is owed, nobody is."""
    found = kept()
    seen: Seen = find_out(here)
    found._mfa_seen = seen
    if seen.at is not At.SATISFIED:
        hidden = seen.at is not At.ANONYMOUS or "_mfa_out" in found
        if hidden and here.settings.mfa_guard:
            door.be_anonymous()
    return seen


def look_again(seen: Seen) -> None:
    """Set what the rest of this request sees."""
    g._mfa_seen = seen


def find_out(here: State) -> Seen:
    """Where the browser stands."""
    flask_id = this_session().get("_user_id")
    held = door.mark()
    if flask_id is None and held.get("c"):
        return Seen(at=At.PENDING)
    if flask_id is None and not door.remember_cookie_arrived():
        return by_loader() if door.request_loader() is not None else ANONYMOUS
    client = client_of_view(here, partial(current_account, here))
    token = held.get("s") if flask_id is not None else None
    if token is not None:
        return with_session(here, token, str(flask_id), client)
    return without_session(client)


def look_as(client: str | None) -> Seen:
    """Who is there, at a client's gate; who owes another gate is hidden, and still there."""
    token, flask_id = door.mark().get("s"), session.get("_user_id")
    seen = look()
    if flask_id is None:
        return by_loader(client) if seen.by_loader else seen
    if token is None:
        return without_session(client)
    return with_session(state(), token, str(flask_id), client, account=seen.account)


def with_session(
    here: State, token: str, flask_id: str, client: str | None, *, account: Account | None = None
) -> Seen:
    """A browser with an MFA session: as remembered by this process, or as read anew."""
    known = here.cache.get(token, client)
    now = here.clock()
    window = here.settings.mfa_session_recheck_seconds * 1000
    if known is not None and known.flask_id == flask_id and 0 <= now - known.read_at < window:
        seen: Seen = known.seen
        # Where Flask-Login's id is of no use any more, another user may be found in this request.
        if not door.may_be_another() or is_of(known.standing, current_account(here)):
            return seen
    since = here.cache.since()
    standing = read_session(client, token)
    if standing is None:
        # Ended, or unknown: signed out. A new gate is for a new sign-in only.
        door.sign_out_here()
        g._mfa_out = True
        return ANONYMOUS
    account = account or current_account(here)
    if account is None or not account.active:
        # Flask-Login's `UserMixin` takes who is inactive for nobody, too.
        deletions.put_out(here, standing.row.user_key, account)
        return ANONYMOUS
    if not is_of(standing, account):
        door.set_mark(s=None)
        return without_session(client)
    if standing.satisfied:
        remember((token, client), now, flask_id, standing, since)
        return Seen(at=At.SATISFIED, client=client, account=account, standing=standing)
    return Seen(
        at=At.OWED,
        client=client,
        account=account,
        standing=standing,
    )


def is_of(standing: Standing, account: Account | None) -> bool:
    """Whether a session is that of the account that Flask-Login found."""
    return account is not None and account.active and account.key == standing.row.user_key


def read_session(client: str | None, token: str) -> Standing | None:
    """A live session at a client's gate, both as they are now: one statement.

    Raises `ClientDisabled`, `UnknownClient`.
    """
    ctx = context(client, however_old=True)
    standing = sessions.read(ctx, token)
    if standing is None or client is None or not sessions.is_stored(ctx):
        return standing
    settings = state().clients.note(client, standing.client).settings
    if settings is ctx.settings:
        return standing
    return sessions.stand(context(client), standing.row, standing.holding)


def remember(
    key: tuple[str, str | None], now: Instant, flask_id: str, standing: Standing, since: int
) -> None:
    """Let this process take a satisfied session as read, until it is time to read it again.

    `key`: the session's token and the client at whose gate it stands. `now`: from before it was
    read. `flask_id`: Flask-Login's id of its user. `since`: of the session cache.
    """
    if standing.satisfied:
        seen = Seen(at=At.SATISFIED, client=key[1], standing=standing)
        state().cache.put(*key, Remembered(now, flask_id, standing, seen), since)


def remember_new(ctx: Context, finished: sign_in.Finished, since: int) -> None:
    """The same for a session that has just begun, and whose user is signed in again."""
    flask_id = session.get("_user_id")
    if finished.token is not None and finished.standing is not None and flask_id is not None:
        key = (finished.token, ctx.client)
        remember(key, ctx.now, str(flask_id), finished.standing, since)


def without_session(client: str | None) -> Seen:
    """Flask-Login's user, and no MFA session: a remember cookie, or older than the extension."""
    here = state()
    account = current_account(here)
    if account is None:
        return ANONYMOUS
    if "_user_id" not in session:
        return by_loader(client)
    if not account.active:
        deletions.put_out(here, account.key, account)
        return ANONYMOUS
    if door.mark().get("c") and begun_by(account):
        return Seen(at=At.PENDING, client=client, account=account)
    ctx = context(client)
    match sessions.would_owe(ctx, account, method=Method.REMEMBERED):
        case gate.Satisfied():
            outcome = sign_in.begin(ctx, account, method=Method.REMEMBERED, parked={})
            if isinstance(outcome, sign_in.Finished):
                door.set_mark(s=outcome.token)
                standing = outcome.standing
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


def by_loader(client: str | None = None) -> Seen:
    """A user of Flask-Login's request loader: no browser session, so no proof can be had."""
    here = state()
    account = current_account(here)
    if account is None:
        return ANONYMOUS
    vouches = here.hooks.vouches_for
    client = client or client_of_view(here, lambda: account)
    if vouches is not None and here.ask("vouches_for", vouches, request):
        return Seen(at=At.SATISFIED, client=client, account=account, by_loader=True)
    step = sessions.would_owe(context(client), account, method=Method.PASSWORD)
    if isinstance(step, gate.Satisfied):
        return Seen(at=At.SATISFIED, client=client, account=account, by_loader=True)
    return Seen(at=At.OWED, client=client, account=account, by_loader=True)


def current_account(here: State) -> Account | None:
    """The account of Flask-Login's current user, hidden already or not; None for nobody."""
    seen: Seen | None = kept().get("_mfa_seen")
    if seen is not None and seen.account is not None:
        return seen.account
    user = here.current_user()
    return None if user is None else here.describe(user)


def observe(here: State, endpoint: str | None) -> bool:
    """Before anything of the host's runs: make a user who owes the gate invisible.

    False where nobody can be there, as far as this request goes.
    """
    this, found = this_request(), kept()
    door.begin_request(this, found)
    if door.is_nobody(this):
        found._mfa_seen = ANONYMOUS
        return False
    if is_ours_without_user(endpoint) or not here.settings.mfa_guard:
        return True
    try:
        first_look(here)
    except MfaError as error:
        door.be_anonymous()
        found._mfa_failed = error
    return True


def guard(here: State) -> Any:
    """First of the app's `before_request` functions: lets pass, redirects, or refuses."""
    found = kept()
    seen: Seen | None = found.get("_mfa_seen")
    if seen is not None and (seen.at is At.SATISFIED or seen.at is At.ANONYMOUS):
        return None
    if not here.settings.mfa_guard:
        return None
    endpoint = this_request().endpoint
    failed: MfaError | None = found.get("_mfa_failed")
    if endpoint is None or is_static(endpoint):
        return None
    if failed is not None:
        if is_logout(here, endpoint):
            failed = give_up()
        elif is_left_alone(here, endpoint):
            failed = None
        return None if failed is None else fault(failed)
    seen = look()
    if seen.at is At.SATISFIED or seen.at is At.ANONYMOUS:
        return None
    if seen.at is At.REFUSED:
        if answers.is_login_view(endpoint) or is_left_alone(here, endpoint):
            return None
        if answers.is_page_request():
            return answers.to_login(answers.this_path(), PLEASE_SIGN_IN)
        return answers.problem(MfaRequired(), challenge_url=answers.login_url())
    if is_logout(here, endpoint):
        give_up()
        return None
    if is_left_alone(here, endpoint) or answers.is_login_view(endpoint):
        return None
    if seen.at is At.PENDING and request.method == "POST" and began_here(endpoint):
        return None
    return interrupt(seen)


def began_here(endpoint: str) -> bool:
    """Whether this form began the sign-in that is pending: it may begin another in its place."""
    try:
        return pending().parked.get(door.LOGIN_VIEW) == endpoint
    except MfaError:
        return False


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
    client = gate_named(seen)
    if answers.is_page_request():
        return answers.to_challenge(302, next=answers.this_path(), client=client)
    if answers.is_form_post():
        flash(answers.texts().mfa_text(NOTHING_SAVED), "warning")
        return answers.to_challenge(303, next=answers.referring_path() or "/", client=client)
    where = url_for("mfa.challenge.start", client=client)
    return answers.problem(MfaRequired(), challenge_url=where)


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
        found = g._mfa_challenge = challenges.load(context(), token)
        if found.purpose == challenges.SIGN_IN:
            door.clear_remember_cookie()
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
    if not answers.is_navigation():
        return answers.problem(error)
    if isinstance(error, NotAuthenticated):
        return answers.to_login(answers.this_path() if answers.is_page_request() else None)
    return error_page(error)


def answer(error: Exception) -> BaseResponse:
    """The answer to an error of ours that a view of the host's did not catch."""
    if not isinstance(error, MfaError) or isinstance(error, ConfigError):
        raise error  # the developer must see it
    return fault(error)

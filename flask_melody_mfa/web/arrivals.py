"""What happens when the host calls `login_user` or `logout_user`, wherever it does."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from flask import after_this_request, g, redirect, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import MfaError, MfaRequired
from flask_melody_mfa.core.types import Account, FactorKind, Method
from flask_melody_mfa.flows import prove, sign_in
from flask_melody_mfa.web import answers, door, guard, words
from flask_melody_mfa.web.guard import At, Seen
from flask_melody_mfa.web.state import context, state
from flask_melody_mfa.web.urls import same_origin_path

log = logging.getLogger("flask_melody_mfa")


@dataclass(slots=True, kw_only=True)
class Arrival:
    """A `login_user` in this request, to be answered after the view has returned."""

    account: Account
    parked: dict[str, Any] = field(repr=False)
    method: str
    client: str | None = None
    next_url: str | None = None


def arrived(_app: Any, *, user: Any, **_: Any) -> None:
    """Flask-Login's `user_logged_in`: hold its fields back. Writes nothing.

    Raises `Unavailable` for a user that cannot be known; then nobody is signed in.
    """
    here = state()
    try:
        account = here.describe(user)
        client = g.pop("_mfa_client", None) or guard.client_of_view()
    except MfaError:
        door.sign_out_here()
        raise
    seen: Seen | None = g.get("_mfa_seen")
    standing = seen.standing if seen is not None else None
    if (
        seen is not None
        and seen.at is At.SATISFIED
        and standing is not None
        and standing.row.user_key == account.key
        and standing.holding.enrolled
    ):
        return  # the same user again, in a session that proved something: nothing changes
    first = "_mfa_arrival" not in g
    method = g.pop("_mfa_method", Method.PASSWORD)
    g._mfa_arrival = Arrival(
        account=account,
        parked=door.park() if here.settings.mfa_guard else {},
        method=method,
        client=client,
        next_url=g.pop("_mfa_next", None),
    )
    if first:
        after_this_request(conclude)


def conclude(response: BaseResponse) -> Any:
    """After the view: open the challenge, or let in. Its answer is replaced while owed."""
    arrival: Arrival | None = g.pop("_mfa_arrival", None)
    if arrival is None:
        return response  # the same view logged the user out again
    here = state()
    location = response.headers.get("Location")
    if arrival.next_url is None and 300 <= response.status_code < 400:
        arrival.next_url = same_origin_path(location, request.host_url)
    held = door.mark()
    try:
        if held.get("s"):
            sign_in.sign_out(context(), held["s"])
        outcome = sign_in.begin(
            context(arrival.client),
            arrival.account,
            method=arrival.method,
            parked=arrival.parked,
            next_url=arrival.next_url,
            replaces=held.get("c"),
        )
    except MfaError as error:
        door.sign_out_here()
        return guard.fault(error)
    door.rotate()
    match outcome:
        case sign_in.Finished():
            door.put_back(arrival.parked)
            door.set_mark(s=outcome.token, c=None)
            guard.look_again(Seen(at=At.SATISFIED, client=arrival.client, account=arrival.account))
            return response
        case sign_in.Refused():
            door.sign_out_here()
            return answers.to_login(None, guard.PLEASE_SIGN_IN)
        case sign_in.Begun():
            return hold_back(response, arrival, outcome, guarded=here.settings.mfa_guard)


def hold_back(
    response: BaseResponse, arrival: Arrival, begun: sign_in.Begun, *, guarded: bool
) -> BaseResponse:
    """Keep the user out until the challenge is done, and send the first code."""
    door.set_mark(s=None, c=begun.token)
    door.clear_remember_cookie()
    if guarded:
        door.be_anonymous()
        guard.look_again(Seen(at=At.PENDING, client=arrival.client))
    if request.method == "POST" and response.status_code < 400:
        send_first(arrival, begun)
    if not guarded:
        return response
    if 300 <= response.status_code < 400 or response.mimetype == answers.PAGE:
        target = url_for("mfa.challenge.start", next=arrival.next_url)
        return answers.no_store(redirect(target, 303 if request.method != "GET" else 302))
    return answers.problem(MfaRequired(), challenge_url=url_for("mfa.challenge.start"))


def send_first(arrival: Arrival, begun: sign_in.Begun) -> None:
    """Send the first message, where a code is the first thing owed. A failure shows on the page."""
    match begun.step:
        case gate.Prove(factors=(FactorKind.EMAIL | FactorKind.SMS as kind, *_)):
            ctx = context(
                arrival.client, locale=words.current_locale(state().settings.mfa_languages)
            )
            try:
                prove.send(ctx, arrival.account, begun.challenge, kind)
            except MfaError as error:
                log.info("The first code was not sent: %s", error.code)


def departed(_app: Any, **_: Any) -> None:
    """Flask-Login's `user_logged_out`: the session ends in the database, too."""
    g.pop("_mfa_arrival", None)
    held = door.mark()
    door.set_mark(s=None, c=None)
    guard.look_again(guard.ANONYMOUS)
    if held.get("s") or held.get("c"):
        g._mfa_departed = held
        after_this_request(close)


def close(response: BaseResponse) -> Any:
    """After the view: end what the browser held."""
    held: dict[str, str] = g.pop("_mfa_departed", {})
    try:
        if held.get("s"):
            sign_in.sign_out(context(), held["s"])
        if held.get("c"):
            sign_in.cancel(context(), held["c"])
    except MfaError as error:
        return guard.fault(error)
    return response


def sign_in_now(
    user: Any,
    *,
    remember: bool,
    next_url: str | None,
    client: str | None,
    method: str,
) -> BaseResponse:
    """What `mfa.sign_in` does: `login_user`, with a method, a client and a target."""
    from flask_login import login_user

    target = same_origin_path(next_url, request.host_url)
    g._mfa_method = Method(method)
    g._mfa_client = client
    g._mfa_next = target
    if not login_user(user, remember=remember):
        for name in ("_mfa_method", "_mfa_client", "_mfa_next"):
            g.pop(name, None)
        return answers.to_login(target, words.ERRORS["forbidden"])
    return redirect(target or "/", 303)


def forget_session() -> None:
    """Drop our key from the browser's session."""
    session.pop(door.KEY, None)

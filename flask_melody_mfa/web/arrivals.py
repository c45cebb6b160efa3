"""What happens when the host calls `login_user` or `logout_user`, wherever it does."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from flask import after_this_request, g, redirect, request, url_for
from flask_login import login_user
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import Forbidden, MfaError, MfaRequired
from flask_melody_mfa.core.types import Account, FactorKind, Method, Proof
from flask_melody_mfa.flows import prove, sign_in
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.web import answers, device_cookie, door, guard, offers, words
from flask_melody_mfa.web.proxies import kept
from flask_melody_mfa.web.seen import ANONYMOUS, At, Seen
from flask_melody_mfa.web.state import context, state
from flask_melody_mfa.web.view_client import client_of_view

log = logging.getLogger("flask_melody_mfa")


@dataclass(slots=True, kw_only=True)
class Arrival:
    """A `login_user` in this request, to be answered after the view has returned.

    `account`: or what kept it from being known. `is_call`: a script of ours asked, and wants to
    know where to go.
    """

    account: Account | MfaError
    parked: dict[str, Any] = field(repr=False)
    method: str
    client: str | None = None
    next_url: str | None = None
    is_call: bool = False


def arrived(_app: Any, *, user: Any, **_: Any) -> None:
    """Flask-Login's `user_logged_in`: hold its fields back. Writes nothing."""
    if g.pop("_mfa_satisfied", False):
        return  # `arrive_satisfied` brings the session with it
    here = state()
    try:
        account: Account | MfaError = here.describe(user)
    except MfaError as error:
        account = error  # it is told after the view, as if the database had failed there
    if isinstance(account, Account) and proved_already(account):
        return
    found = kept()
    first = "_mfa_arrival" not in found
    method = found.pop("_mfa_method", Method.PASSWORD)
    found._mfa_arrival = Arrival(
        account=account,
        parked=door.park() if here.settings.mfa_guard else {},
        method=method,
        client=found.pop("_mfa_client", None),
        next_url=found.pop("_mfa_next", None),
        is_call=found.pop("_mfa_is_call", False),
    )
    if first:
        after_this_request(conclude)


def proved_already(account: Account) -> bool:
    """Whether this is the user of a session that proved something: then nothing changes."""
    seen: Seen | None = g.get("_mfa_seen")
    standing = seen.standing if seen is not None and seen.at is At.SATISFIED else None
    return (
        standing is not None
        and standing.row.user_key == account.key
        and bool(standing.holding.enrolled or standing.holding.passkeys)
    )


def conclude(response: BaseResponse) -> Any:
    """After the view: open the challenge, or let in. Its answer is replaced while owed."""
    arrival: Arrival | None = g.pop("_mfa_arrival", None)
    if arrival is None:
        return response  # the same view logged the user out again
    here = state()
    location = response.headers.get("Location")
    if arrival.next_url is None and 300 <= response.status_code < 400:
        arrival.next_url = answers.path_here(location)
    held = door.mark()
    door.set_mark(f=None)
    if here.settings.mfa_guard:
        arrival.parked.update(door.park_messages() | door.login_view())
    account = arrival.account
    try:
        if isinstance(account, MfaError):
            raise account
        arrival.client = arrival.client or client_of_view(here, lambda: account)
        if held.get("s"):
            sign_in.sign_out(context(), held["s"])
        ctx, since = context(arrival.client), here.cache.since()
        outcome = sign_in.begin(
            ctx,
            account,
            method=arrival.method,
            parked=arrival.parked | door.remembered_wish(arrival.parked),
            next_url=arrival.next_url,
            replaces=held.get("c"),
            device_token=device_cookie.read(account.key),
            proofs=proofs_of(ctx, arrival.method),
        )
    except MfaError as error:
        door.sign_out_here()
        return guard.fault(error)
    door.rotate()
    match outcome:
        case sign_in.Finished():
            door.put_back(arrival.parked)
            door.set_mark(s=outcome.token, c=None)
            guard.remember_new(ctx, outcome, since)
            guard.look_again(Seen(at=At.SATISFIED, client=arrival.client, account=account))
            response = offered_first(ctx, response, arrival, account, outcome)
            device_cookie.write(response, account.key, outcome.device)
            return response
        case sign_in.Refused():
            door.sign_out_here()
            return answers.to_login(None, guard.PLEASE_SIGN_IN)
        case sign_in.Begun():
            guarded = here.settings.mfa_guard
            answer = hold_back(response, arrival, account, outcome, guarded=guarded)
            device_cookie.write(answer, account.key, outcome.device)
            return answer


def proofs_of(ctx: Context, method: str) -> tuple[Proof, ...]:
    """What the way of signing in has proven by itself: a passkey is a fresh proof of a passkey."""
    if method != Method.PASSKEY:
        return ()
    return (Proof(kind=FactorKind.PASSKEY, at=ctx.now),)


def offered_first(
    ctx: Context,
    response: BaseResponse,
    arrival: Arrival,
    account: Account,
    finished: sign_in.Finished,
) -> BaseResponse:
    """The view's answer, or what is offered before its target.

    Only a redirect of a person's browser within this origin is led elsewhere: whoever signs in by
    a script of the host's gets the view's own answer.
    """
    redirects = 300 <= response.status_code < 400 and answers.is_navigation()
    target = arrival.next_url or ("/" if arrival.is_call else None)
    if finished.standing is None or not target or not (redirects or arrival.is_call):
        return response
    elsewhere = offers.offer(ctx, account, finished.standing, target)
    if elsewhere is None:
        return response
    if arrival.is_call:
        return answers.go_to(elsewhere)
    response.close()
    return answers.no_store(redirect(elsewhere, 303 if request.method != "GET" else 302))


def hold_back(
    response: BaseResponse,
    arrival: Arrival,
    account: Account,
    begun: sign_in.Begun,
    *,
    guarded: bool,
) -> BaseResponse:
    """Keep the user out until the challenge is done, and send the first code."""
    door.set_mark(s=None, c=begun.token)
    door.clear_remember_cookie()
    if guarded:
        door.be_anonymous()
        guard.look_again(Seen(at=At.PENDING, client=arrival.client))
    if request.method == "POST" and response.status_code < 400:
        send_first(arrival.client, account, begun)
    if not guarded:
        return response
    response.close()
    if arrival.is_call:
        return answers.go_to(url_for("mfa.challenge.start", next=arrival.next_url))
    if 300 <= response.status_code < 400 or response.mimetype == answers.PAGE:
        target = url_for("mfa.challenge.start", next=arrival.next_url)
        return answers.no_store(redirect(target, 303 if request.method != "GET" else 302))
    return answers.problem(MfaRequired(), challenge_url=url_for("mfa.challenge.start"))


def send_first(client: str | None, account: Account, begun: sign_in.Begun) -> None:
    """Send the first message, where a code is the first thing owed. A failure shows on the page."""
    if not isinstance(begun.step, gate.Prove):
        return
    ctx = context(client, locale=words.current_locale(state().settings.mfa_languages))
    try:
        prove.send_preferred(ctx, account, begun.challenge, begun.step)
    except MfaError as error:
        log.info("The first code was not sent: %s", error.code)


def departed(_app: Any, **_: Any) -> None:
    """Flask-Login's `user_logged_out`: the session ends in the database, too."""
    g.pop("_mfa_arrival", None)
    held = door.mark()
    door.set_mark(s=None, c=None)
    guard.look_again(ANONYMOUS)
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


def session_token() -> str | None:
    """The token of this browser's MFA session."""
    return door.mark().get("s")


def arrive_satisfied(user: Any, token: str) -> None:
    """Sign a user in who finished a sign-in elsewhere: `token` is of the satisfied session.

    A new session of the browser's: whoever was signed in here before is signed out.
    """
    held = door.mark()
    if held.get("s"):
        sign_in.sign_out(context(), held["s"])
    if held.get("c"):
        sign_in.cancel(context(), held["c"])
    door.park()
    door.rotate()
    g._mfa_satisfied = True
    login_user(user)
    door.set_mark(s=token, c=None)


def sign_in_now(
    user: Any,
    *,
    remember: bool,
    next_url: str | None,
    client: str | None,
    method: str,
    is_call: bool = False,
) -> BaseResponse:
    """What `mfa.sign_in` does: `login_user`, with a method, a client and a target.

    `is_call`: a script of ours asks, and is told where to go. Raises `Forbidden` then for a user
    whom Flask-Login does not let in.
    """
    target = answers.path_here(next_url)
    wishes = {
        "_mfa_method": Method(method),
        "_mfa_client": client,
        "_mfa_next": target,
        "_mfa_is_call": is_call,
    }
    for name, value in wishes.items():
        setattr(g, name, value)
    if not login_user(user, remember=remember):
        for name in wishes:
            g.pop(name, None)
        if is_call:
            raise Forbidden
        return answers.to_login(target, words.ERRORS["forbidden"])
    return answers.go_to(target or "/") if is_call else redirect(target or "/", 303)

"""What a host's views ask for: MFA, a step-up, or to be left alone."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar, overload

from flask import Flask, redirect, request, url_for
from flask_login import current_user

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    MfaError,
    MfaRequired,
    NobodyCan,
    NotAuthenticated,
    StepUpRequired,
)
from flask_melody_mfa.core.types import FactorKind, Instant
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import sessions, sign_in
from flask_melody_mfa.flows.challenge import Goal
from flask_melody_mfa.flows.sessions import Requirement
from flask_melody_mfa.web import answers, door, faces, fresh_sign_in, guard, page
from flask_melody_mfa.web.seen import At, Seen
from flask_melody_mfa.web.state import State, context, state

F = TypeVar("F", bound=Callable[..., Any])

_bare: weakref.WeakSet[Any] = weakref.WeakSet()


def requirement(
    factors: Iterable[str] | None = None,
    max_age: int | None = None,
    client: str | None = None,
    phishing_resistant: bool = False,
) -> Requirement:
    """Check a view's arguments when the app is written, not when it is attacked."""
    kinds = None if factors is None else frozenset(FactorKind(kind) for kind in factors)
    if kinds is not None and (not kinds or FactorKind.RECOVERY_CODE in kinds):
        raise ValueError("factors: name some of otp, email, sms, passkey")
    if max_age is not None and (isinstance(max_age, bool) or max_age < 1):
        raise ValueError("max_age: seconds, at least 1")
    return Requirement(
        factors=kinds, max_age=max_age, client=client, phishing_resistant=phishing_resistant
    )


@overload
def mfa_required(function: F, /) -> F: ...
@overload
def mfa_required(
    *,
    factors: Iterable[str] | None = None,
    max_age: int | None = None,
    client: str | None = None,
    phishing_resistant: bool = False,
) -> Callable[[F], F]: ...
def mfa_required(
    function: Callable[..., Any] | None = None,
    /,
    *,
    factors: Iterable[str] | None = None,
    max_age: int | None = None,
    client: str | None = None,
    phishing_resistant: bool = False,
) -> Any:
    """Only who is signed in and satisfies the gate; with arguments, a step-up.

    `factors`: any one of them must have been proven (within `max_age` seconds, where given).
    Goes below the `route` decorator; above it, it would protect nothing and is refused.
    """
    asked = requirement(factors, max_age, client, phishing_resistant)

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(view):
            raise TypeError("mfa_required decorates a view")
        _bare.add(view)
        if inspect.iscoroutinefunction(view):

            @wraps(view)
            async def guarded_async(*args: Any, **kwargs: Any) -> Any:
                refusal = enforce(asked)
                return refusal if refusal is not None else await view(*args, **kwargs)

            guarded: Any = guarded_async
        else:

            @wraps(view)
            def guarded_sync(*args: Any, **kwargs: Any) -> Any:
                refusal = enforce(asked)
                return refusal if refusal is not None else view(*args, **kwargs)

            guarded = guarded_sync
        guarded._mfa_requirement = asked
        return guarded  # type: ignore[no-any-return]

    return decorate(function) if function is not None else decorate


def mfa_exempt(view: F) -> F:
    """The guard leaves this view alone. While the gate is owed, it sees nobody signed in."""
    view._mfa_exempt = True  # type: ignore[attr-defined]
    return view


def check_order(app: Flask) -> None:
    """Raises `RuntimeError` for a view registered before `mfa_required` could wrap it."""
    for endpoint, view in app.view_functions.items():
        if view in _bare:
            raise RuntimeError(
                f"@mfa_required stands above the route of {endpoint!r} and protects nothing. "
                "Put it below: first @app.route(...), then @mfa_required."
            )


def at_the_door(here: State) -> Any:
    """The guard; the first request of all finds it looking at the app as it has become."""
    if not here.views_checked:
        look_at_the_app(here)
    return guard.guard(here)


def look_at_the_app(here: State) -> None:
    """What can be known only when all views, extensions and settings are there."""
    check_order(here.app)
    faces.exempt_from_csrf(here.app)
    if not page.has_own_layout(here):
        here.app.after_request_funcs.setdefault(None, []).insert(0, page.policy_at_last)
    here.views_checked = True


def enforce(asked: Requirement) -> Any:
    """None when the request may go on, else the answer that stands in its way."""
    try:
        return refuse(asked)
    except MfaError as error:
        return guard.fault(error)


def refuse(asked: Requirement) -> Any:
    """The answer to a request that does not meet a requirement, or None."""
    seen = guard.look()
    if asked.client not in (None, seen.client) and seen.at in (At.SATISFIED, At.OWED):
        seen = guard.look_as(asked.client)
        if seen.at is not At.SATISFIED:
            guard.look_again(seen)
            door.be_anonymous()
    if seen.at is At.ANONYMOUS or (seen.at is At.SATISFIED and not current_user.is_authenticated):
        # Satisfied, as this process remembers it; but Flask-Login finds nobody any more.
        if answers.is_page_request():
            return answers.to_login(answers.this_path())
        return answers.problem(NotAuthenticated())
    if seen.at is At.REFUSED:
        door.sign_out_here()
        if answers.is_navigation():
            return answers.to_login(come_back(), guard.PLEASE_SIGN_IN)
        return answers.problem(MfaRequired(), challenge_url=answers.login_url())
    if seen.at is not At.SATISFIED:
        return guard.interrupt(seen)
    if asked.is_step_up:
        return step_up(seen, asked)
    return None


def step_up(seen: Seen, asked: Requirement) -> Any:
    """Ask for a fresh proof. The session is read anew: nothing is taken from memory here."""
    if seen.by_loader:
        return answers.problem(StepUpRequired())
    ctx = context(asked.client or seen.client)
    token = door.mark().get("s")
    standing = guard.read_session(ctx.client, token) if token else None
    if standing is None:
        door.sign_out_here()
        raise NotAuthenticated
    account = seen.account or guard.current_account(state())
    if account is None or not guard.is_of(standing, account):
        raise NotAuthenticated
    step = sessions.meets(ctx, account, standing, asked)
    match step:
        case gate.Satisfied():
            return None
        case gate.Stuck(reason=reason):
            raise NobodyCan(reason)
        case gate.NeedPassword():
            return fresh_sign_in.lead(come_back())
        case _:
            open_step_up(seen, asked, standing)
            target = url_for("mfa.challenge.start", next=come_back())
            if answers.is_navigation():
                return answers.no_store(redirect(target, 303))
            return answers.problem(StepUpRequired(), challenge_url=url_for("mfa.challenge.start"))


def come_back() -> str:
    """Where to go on after a step-up. A form of ours stands at the address that it is sent to."""
    rule = request.url_rule
    ours = rule is not None and rule.endpoint.startswith("mfa.") and "GET" in (rule.methods or ())
    if answers.is_page_request() or (ours and answers.is_navigation()):
        return answers.this_path() or "/"
    return answers.referring_path() or "/"


def open_step_up(seen: Seen, asked: Requirement, standing: sessions.Standing) -> None:
    """Open a step-up for this session, or find the one that is open already."""
    goal = Goal(factors=asked.factors or frozenset(), phishing_resistant=asked.phishing_resistant)
    ctx = context(asked.client or seen.client)
    if door.mark().get("c"):
        try:
            running = guard.pending()
            if (
                running.purpose == challenges.STEP_UP
                and running.goal == goal
                and running.row.session_id == standing.row.id
            ):
                return
        except ChallengeOver:
            pass
    account = seen.account or guard.current_account(state())
    if account is None:
        raise NotAuthenticated
    begun = sign_in.begin_on_session(
        ctx,
        account,
        standing.row,
        purpose=challenges.STEP_UP,
        method=standing.method,
        goal=goal,
        next_url=come_back(),
    )
    if not isinstance(begun, sign_in.Begun):
        raise NotAuthenticated
    door.set_mark(c=begun.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of the current request's sign-in.

    `factors`: factor → when it was proven (milliseconds since 1970-01-01 UTC).
    `level`: 2 after an authenticator, SMS or passkey, 1 after email, else 0.
    """

    satisfied: bool = False
    method: str | None = None
    factors: dict[str, Instant] = field(default_factory=dict)
    client: str | None = None
    level: int = 0


def mfa_status() -> Status:
    """Method, factors proven and when, client, level, and whether the gate is satisfied."""
    seen = guard.look()
    standing = seen.standing
    if standing is None:
        return Status(satisfied=seen.at is At.SATISFIED, client=seen.client)
    proven = {p.kind.value: p.at for p in standing.proofs if p.is_own}
    return Status(
        satisfied=seen.at is At.SATISFIED,
        method=standing.row.method,
        factors=proven,
        client=seen.client,
        level=gate.level_of(standing.levels),
    )

"""Making a session, signing in with it, and completing it."""

from __future__ import annotations

import logging
from typing import Any

from flask import g, request

from flask_melody_mfa.core import gate, recovery_codes
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    Forbidden,
    InvalidRequest,
    MfaError,
    NotAuthenticated,
    NotConfigured,
    NotFound,
    StepUpRequired,
    Throttled,
    WrongProof,
)
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.flows import embedded as flow
from flask_melody_mfa.flows import embedded_steps as steps
from flask_melody_mfa.flows import prove
from flask_melody_mfa.web import arrivals, guard, passwords
from flask_melody_mfa.web.embedded import origins, shapes, view
from flask_melody_mfa.web.embedded.view import Here
from flask_melody_mfa.web.operation import Call, Operation
from flask_melody_mfa.web.seen import At
from flask_melody_mfa.web.state import context, state

log = logging.getLogger("flask_melody_mfa")

SESSION = "session"
"""What nearly every operation asks of its caller: the session's own token."""

WRONG_PASSWORD = "password"  # noqa: S105
"""The hint of `WrongProof` that words the answer to login and password."""


def create(call: Call) -> shapes.Where:
    """A new session, bound to the origin that asks for it."""
    body: shapes.Create = call.body
    view.speak(body.locale)
    client = None
    if body.client_id is not None:
        found = state().clients.find(body.client_id)
        if found is None:
            raise InvalidRequest({"client_id": "unknown"})
        client = found.client
    origin = origins.check_new(client)
    ctx = context(body.client_id, locale=view.language())
    if body.purpose == flow.MANAGE:
        identify = state().hooks.identify_token
        if identify is not None:
            user = state().ask("identify_token", identify, request)
            if user is None:
                raise NotAuthenticated
            account = state().describe(user)
            secret, embedded = flow.open_lent(ctx, account, origin=origin, locale=body.locale)
        else:
            account, token = signed_in(body.client_id)
            secret, embedded = flow.open_managing(
                ctx, account, token, origin=origin, locale=body.locale
            )
        here = Here(ctx=ctx, embedded=embedded, account=account)
    else:
        secret, embedded = flow.open_session(
            ctx,
            origin=origin,
            locale=body.locale,
            device_token=view.opened_device(body.device_token),
        )
        here = Here(ctx=ctx, embedded=embedded, account=None)
        here.device_before = embedded.kept.get("device")
    return view.where(here, shapes.Created, session_token=secret)


def signed_in(client: str | None) -> tuple[Account, str]:
    """Who calls, by Flask-Login's cookie, and their session's token. Raises `NotAuthenticated`."""
    g._mfa_by_cookie = True
    guard.look()
    seen = guard.look_as(client)
    token = arrivals.session_token()
    if seen.at is not At.SATISFIED or seen.by_loader or token is None or seen.standing is None:
        raise NotAuthenticated
    account_now = state().account_of(seen.standing.row.user_key)
    if account_now is None:
        raise NotAuthenticated
    return account_now, token


def show(call: Call) -> shapes.Where:
    """Where it stands."""
    return view.where(call.caller)


def sign_in(call: Call) -> shapes.Where:
    """Login and password."""
    here: Here = call.caller
    body: shapes.PasswordSignIn = call.body
    app = state()
    if not passwords.can_check(app):
        raise NotConfigured
    try:
        embedded = steps.sign_in_by_password(
            here.ctx,
            here.embedded,
            body.login,
            lambda: passwords.account_for(app, body.login, body.password),
        )
    except WrongProof:
        raise WrongProof(WRONG_PASSWORD) from None
    here.go_on(embedded)
    send_first(here)
    return view.where(here)


def recover(call: Call) -> shapes.Where:
    """Login and recovery code."""
    here: Here = call.caller
    body: shapes.RecoverySignIn = call.body
    app = state()
    if app.hooks.find_user is None and app.users.model is None:
        raise NotConfigured

    def find(login: str) -> Account | None:
        user = app.find_user(login)
        return None if user is None else app.describe(user)

    code = recovery_codes.checked_text(body.recovery_code)
    here.go_on(steps.sign_in_by_recovery_code(here.ctx, here.embedded, body.login, code, find))
    send_first(here)
    return view.where(here)


def send_first(here: Here) -> None:
    """Send the code that is asked for first, as the pages do. A failure shows on the next call."""
    at = here.place()
    if at.challenge is None or at.account is None:
        return
    if not isinstance(at.step, gate.Prove):
        return
    try:
        prove.send_preferred(here.ctx, at.account, at.challenge, at.step)
    except MfaError as error:
        log.info("The first code was not sent: %s", error.code)


def complete(call: Call) -> shapes.Completed:
    """The end: the host's token, or Flask-Login's session."""
    here: Here = call.caller
    app = state()
    at = here.place()
    token, standing = steps.complete(here.ctx, here.embedded, at)
    user = app.load_user(standing.row.user_key)
    if user is None:
        raise NotAuthenticated
    issue = app.hooks.issue_token
    issued: Any = None
    if issue is not None:
        proven = {proof.kind.value: proof.at for proof in standing.proofs if proof.is_own}
        issued = app.ask("issue_token", issue, user, here.ctx.client, proven)
        flow.close_session(here.ctx, token)
    else:
        arrivals.arrive_satisfied(user, token)
    return shapes.Completed(session_id=here.embedded.row.id, token=issued)


def give_up(call: Call) -> None:
    """Give the session up."""
    here: Here = call.caller
    flow.end(here.ctx, here.embedded)


OPERATIONS = (
    Operation(
        name="create_session",
        method="POST",
        path="/sessions",
        summary="Begin: a session to sign in with, or to manage what a signed-in user holds.",
        description="Bound to the origin and the client that ask for it.",
        function=create,
        body=shapes.Create,
        body_optional=True,
        answer=shapes.Created,
        status=201,
        tag="session",
        errors=(Forbidden, NotAuthenticated, StepUpRequired),
    ),
    Operation(
        name="show_session",
        method="GET",
        path="/sessions/{id}",
        summary="Where the session stands.",
        function=show,
        access=SESSION,
        answer=shapes.Where,
        tag="session",
        errors=(ChallengeOver, Forbidden),
    ),
    Operation(
        name="sign_in",
        method="POST",
        path="/sessions/{id}/sign-in",
        summary="Sign in with login and password.",
        description="Unknown logins and wrong passwords are answered alike, in the same time.",
        function=sign_in,
        access=SESSION,
        body=shapes.PasswordSignIn,
        answer=shapes.Where,
        tag="sign in",
        errors=(WrongProof, Conflict, Throttled, NotConfigured, Forbidden, ChallengeOver),
    ),
    Operation(
        name="recovery_sign_in",
        method="POST",
        path="/sessions/{id}/recovery-sign-in",
        summary="Sign in with login and a recovery code, in place of the password.",
        function=recover,
        access=SESSION,
        body=shapes.RecoverySignIn,
        answer=shapes.Where,
        tag="sign in",
        errors=(WrongProof, Conflict, Throttled, NotConfigured, Forbidden, ChallengeOver),
    ),
    Operation(
        name="complete_session",
        method="POST",
        path="/sessions/{id}/complete",
        summary="Complete the sign-in, once: get the host's token, or Flask-Login's session.",
        function=complete,
        access=SESSION,
        answer=shapes.Completed,
        tag="session",
        errors=(Conflict, Forbidden, ChallengeOver),
    ),
    Operation(
        name="delete_session",
        method="DELETE",
        path="/sessions/{id}",
        summary="Give the session up.",
        function=give_up,
        access=SESSION,
        status=204,
        tag="session",
        errors=(NotFound,),
    ),
)

"""The challenge: prove a factor, send a code, try another way, give up."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import codes, gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    InvalidRequest,
    MfaError,
    NotAuthenticated,
    NotDelivered,
    Throttled,
    WrongProof,
)
from flask_melody_mfa.core.types import FactorKind, Method
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import prove, sign_in, tries
from flask_melody_mfa.web import answers, door, guard, words
from flask_melody_mfa.web.guard import At
from flask_melody_mfa.web.pages import common, steps
from flask_melody_mfa.web.state import context, state

SENT = words.mfa_lazy("We have sent you a code.")


def start() -> BaseResponse:
    """Where the sign-in stands: redirects to the step that is owed."""
    target = common.next_path()
    try:
        seen = guard.look()
        if door.mark().get("c"):
            return redirect(steps.page_of(steps.Here()), 302)
    except ChallengeOver:
        if seen.at is At.PENDING:
            raise
        door.set_mark(c=None)
    client = request.args.get("client")
    if seen.at is At.SATISFIED and not seen.by_loader and client in state().settings.mfa_clients:
        seen = guard.look_as(client)
    if seen.at is At.OWED and not seen.by_loader:
        open_challenge(seen, target)
        return redirect(steps.page_of(steps.Here()), 302)
    if seen.at is At.SATISFIED:
        return redirect(target or "/", 302)
    raise NotAuthenticated


def open_challenge(seen: guard.Seen, target: str | None) -> None:
    """Open the challenge of a signed-in browser that owes something."""
    ctx = context(seen.client)
    account, standing = seen.account, seen.standing
    if account is None:
        raise NotAuthenticated
    outcome: Any
    if standing is not None:
        outcome = sign_in.begin_on_session(
            ctx,
            account,
            standing.row,
            purpose=challenges.RAISE,
            method=standing.method,
            proofs=standing.proofs,
            next_url=target,
        )
    else:
        fields = {name: session[name] for name in door.FIELDS if name in session}
        if door.remember_cookie_arrived():
            fields["_remember"] = "set"
        outcome = sign_in.begin(
            ctx, account, method=Method.REMEMBERED, parked=fields, next_url=target
        )
    match outcome:
        case sign_in.Begun():
            if standing is None:
                door.park()
                door.clear_remember_cookie()
                door.rotate()
            door.set_mark(c=outcome.token)
        case sign_in.Finished():
            door.set_mark(s=outcome.token)
            raise Conflict
        case _:
            door.sign_out_here()
            raise NotAuthenticated


def prove_page(kind: FactorKind) -> BaseResponse:
    """GET shows the page of one factor; POST judges a code."""
    here = steps.Here()
    here.check_lock()
    step = here.step()
    if not isinstance(step, gate.Prove) or not prove.allowed(step, kind):
        return redirect(steps.page_of(here), 302 if request.method == "GET" else 303)
    if request.method != "POST":
        return show(here, step, kind)
    try:
        code = codes.clean_code(common.field("code", required=True))
        finished = prove.prove(here.ctx, here.account, here.challenge, kind, {"code": code})
    except InvalidRequest as error:
        return show(here, step, kind, error=reason(error, "code"), status=400)
    except tries.LastTry as error:
        door.set_mark(c=None)
        if error.locked:
            return common.locked_page(common.first_lock_seconds(), error.status)
        return expired(error.status)
    except WrongProof as error:
        return show(here, step, kind, error=words.ERRORS["invalid_code"], status=error.status)
    return steps.after(here, finished)


def expired(status: int) -> BaseResponse:
    """The challenge ended with this try."""
    return common.render(
        "mfa/expired.html", status, sign_in_url=answers.login_url(common.next_path())
    )


def reason(error: InvalidRequest, name: str) -> str:
    """The sentence for one field of a malformed form."""
    code = error.errors.get(name) or next(iter(error.errors.values()), "invalid")
    return words.REASONS.get(code, words.REASONS["invalid"])


def show(
    here: steps.Here,
    step: gate.Prove,
    kind: FactorKind,
    *,
    error: str = "",
    notice: str = "",
    status: int = 200,
) -> BaseResponse:
    """The page of one factor."""
    say = answers.texts()
    row = here.challenge.row
    sends = kind is not FactorKind.OTP
    goes_to = prove.destination(here.ctx, here.account, here.challenge, kind) if sends else ""
    settings = here.ctx.settings
    return common.render(
        "mfa/challenge/prove.html",
        status,
        kind=kind.value,
        purpose=steps.shown_purpose(here),
        backup=prove.is_backup(step, kind),
        destination=codes.mask_destination(goes_to) if goes_to else "",
        sent=sends and row.code_kind == kind.value,
        just_sent=request.args.get("sent") == "1",
        resend_in=wait(here) if sends else 0,
        minutes=settings.mfa_code_seconds // 60 or 1,
        others=steps.ways(here, step, kind),
        action=url_for(f"mfa.challenge.{kind.value}"),
        send_url=url_for(f"mfa.challenge.{kind.value}_send") if sends else "",
        cancel_url=url_for("mfa.challenge.cancel"),
        remember_device_allowed=False,
        remember_days=settings.mfa_remember_device_days,
        code_error=say.mfa_text(error),
        notice=say.mfa_text(notice),
        account_label=here.account.login,
        code_length=6,
    )


def wait(here: steps.Here) -> int:
    """Seconds until another message may be asked for."""
    sent_at = here.challenge.row.sent_at
    if sent_at is None:
        return 0
    left = here.ctx.settings.mfa_resend_seconds - (here.ctx.now - sent_at) // 1000
    return max(0, min(left, here.ctx.settings.mfa_resend_seconds))


def send_page(kind: FactorKind) -> BaseResponse:
    """Send a code, or send it again."""
    here = steps.Here()
    here.check_lock()
    step = here.step()
    if not isinstance(step, gate.Prove) or not prove.allowed(step, kind):
        return common.go(steps.page_of(here))
    try:
        prove.send(here.ctx, here.account, here.challenge, kind)
    except Throttled as error:
        response = show(here, step, kind, notice=words.ERRORS["throttled"], status=429)
        answers.retry_after(response, error)
        return response
    except NotDelivered as error:
        response = show(here, step, kind, error=words.REASONS["not_delivered"], status=503)
        answers.retry_after(response, error)
        return response
    return common.go(url_for(f"mfa.challenge.{kind.value}", sent=1, **common.keeping_next()))


def cancel() -> BaseResponse:
    """Give up. A sign-in leads to the login view; a step-up leads back."""
    seen = guard.look()
    token = door.mark().get("c")
    target = common.next_path()
    if token is not None:
        try:
            running = challenges.load(context(), token)
            sign_in.cancel(context(), token)
        except ChallengeOver:
            running = None
        door.set_mark(c=None)
        if running is not None and running.purpose == challenges.STEP_UP:
            return common.go("/")
    if seen.at is At.OWED:
        guard.give_up()
    door.clear_remember_cookie()
    flash(answers.texts().mfa_text(CANCELLED), "info")
    return answers.to_login(target)


CANCELLED = words.mfa_lazy("The sign-in was cancelled.")


def blueprint() -> Blueprint:
    """The blueprint `mfa.challenge`."""
    pages = Blueprint("challenge", __name__, url_prefix="/challenge")
    pages.add_url_rule("", "start", common.view(start), methods=["GET"])
    pages.add_url_rule("/cancel", "cancel", common.view(cancel), methods=["POST"])
    for kind in (FactorKind.OTP, FactorKind.EMAIL, FactorKind.SMS):
        pages.add_url_rule(
            f"/{kind.value}",
            kind.value,
            common.view(lambda kind=kind: prove_page(kind)),
            methods=["GET", "POST"],
        )
        if kind is not FactorKind.OTP:
            pages.add_url_rule(
                f"/{kind.value}/send",
                f"{kind.value}_send",
                common.view(lambda kind=kind: send_page(kind)),
                methods=["POST"],
            )
    return pages


__all__ = ["MfaError", "blueprint", "state"]

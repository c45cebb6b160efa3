"""The challenge: prove a factor, send a code, try another way, give up."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, g, redirect, request, session, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import codes, gate, recovery_codes
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    InvalidRequest,
    NotAuthenticated,
    NotDelivered,
    Throttled,
    WrongProof,
)
from flask_melody_mfa.core.types import FactorKind, Method
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import devices, prove, recovery, sign_in, tries
from flask_melody_mfa.web import answers, device_cookie, door, guard, words
from flask_melody_mfa.web.pages import common, leaving, password, steps
from flask_melody_mfa.web.seen import At, Seen
from flask_melody_mfa.web.state import context, state


def start() -> BaseResponse:
    """Where the sign-in stands: redirects to the step that is owed.

    `client` in the query: at whose gate, as the guard says it; empty for the app's.
    """
    target = common.next_path()
    wanted = request.args.get("client")
    seen = guard.look()
    if wanted is not None and seen.at in (At.SATISFIED, At.OWED) and not seen.by_loader:
        seen = at_gate(seen, wanted)
    try:
        if door.mark().get("c") and not (wanted is not None and put_aside(seen)):
            return redirect(steps.page_of(steps.Here()), 302)
    except ChallengeOver:
        if seen.at is At.PENDING:
            raise
        door.set_mark(c=None)
    if seen.at is At.OWED and not seen.by_loader:
        if not open_challenge(seen, target):
            return redirect(target or "/", 302)
        return redirect(steps.page_of(steps.Here()), 302)
    if seen.at is At.SATISFIED:
        return redirect(target or "/", 302)
    raise NotAuthenticated


def at_gate(seen: Seen, wanted: str) -> Seen:
    """Who is there at the gate that is asked about; one that there is not changes nothing."""
    client = wanted or None
    if client == seen.client or (client and state().clients.find(client) is None):
        return seen
    return guard.look_as(client)


def put_aside(seen: Seen) -> bool:
    """Give up a challenge that is for another gate than the one that is owed here.

    A running challenge governs its own pages only; a sign-in is never put aside.
    """
    running = guard.pending()
    if seen.at is not At.OWED or running.purpose not in (challenges.RAISE, challenges.STEP_UP):
        return False
    if running.purpose == challenges.RAISE and running.row.client == seen.client:
        return False
    sign_in.cancel(context(), door.mark()["c"])
    door.set_mark(c=None)
    g.pop("_mfa_challenge", None)
    return True


def open_challenge(seen: Seen, target: str | None) -> bool:
    """Open the challenge of a signed-in browser that owed something; False if it no longer does."""
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
            goal=challenges.Goal(device=device_cookie.device_id(ctx, account.key)),
            next_url=target,
        )
    else:
        fields = {name: session[name] for name in door.FIELDS if name in session}
        if door.remember_cookie_arrived():
            fields["_remember"] = "set"
        outcome = sign_in.begin(
            ctx,
            account,
            method=Method.REMEMBERED,
            parked=fields,
            next_url=target,
            device_token=device_cookie.read(account.key),
        )
        device_cookie.keep(account.key, getattr(outcome, "device", None))
    match outcome:
        case sign_in.Begun():
            if standing is None:
                door.park()
                door.clear_remember_cookie()
                door.rotate()
            door.set_mark(c=outcome.token)
            return True
        case sign_in.Finished():
            door.set_mark(s=outcome.token)
            return False
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
        answer = {"code": typed_code(kind), "remember_device": common.field("remember_device")}
        finished = prove.prove(here.ctx, here.account, here.challenge, kind, answer)
    except InvalidRequest as error:
        return show(here, step, kind, error=reason(error, "code"), status=400)
    except tries.LastTry as error:
        door.set_mark(c=None)
        if error.locked:
            return common.locked_page(common.first_lock_seconds(), error.status)
        return expired(error.status)
    except WrongProof as error:
        return show(here, step, kind, error=words.ERRORS["invalid_code"], status=error.status)
    if kind is FactorKind.RECOVERY_CODE:
        left = finished.standing.holding.recovery_codes if finished and finished.standing else None
        steps.tell_left(recovery.left(here.ctx, here.account.key) if left is None else left)
    return steps.after(here, finished)


def typed_code(kind: FactorKind) -> str:
    """The code of the form. Raises `InvalidRequest` for what cannot be one."""
    text = common.field("code", required=True)
    if kind is FactorKind.RECOVERY_CODE:
        return recovery_codes.checked_text(text)
    return codes.clean_code(text)


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
    """The page of one factor. `error` belongs to the code that was typed, `notice` to no field."""
    say = answers.texts()
    row = here.challenge.row
    has_code = row.code_kind == kind.value
    sends = kind in prove.SENT
    goes_to = prove.destination(here.ctx, here.account, here.challenge, kind) if sends else ""
    settings = here.ctx.settings
    return common.render(
        "mfa/challenge/prove.html",
        status,
        kind=kind.value,
        purpose=steps.shown_purpose(here),
        backup=prove.is_backup(step, kind),
        destination=codes.mask_destination(goes_to) if goes_to else "",
        sent=sends and has_code and row.sent_at is not None,
        undelivered=sends and has_code and row.sent_at is None,
        just_sent=request.args.get("sent") == "1",
        resend_in=wait(here) if sends else 0,
        minutes=settings.mfa_code_seconds // 60 or 1,
        others=steps.ways(here, step, kind),
        action=url_for(f"mfa.challenge.{kind.value}"),
        send_url=url_for(f"mfa.challenge.{kind.value}_send") if sends else "",
        cancel_url=url_for("mfa.challenge.cancel"),
        remember_device_allowed=prove.may_wish(step, kind)
        and devices.may_remember(
            settings, purpose=row.purpose, method=row.method, proofs=here.challenge.proofs
        ),
        remember_device=here.challenge.goal.remember,
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
        response = show(here, step, kind, notice=words.REASONS["not_delivered"], status=503)
        answers.retry_after(response, error)
        return response
    return common.go(url_for(f"mfa.challenge.{kind.value}", sent=1, **common.keeping_next()))


def cancel() -> BaseResponse:
    """Give up. A sign-in leads to the login view; what a session began leads back."""
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
        left = leaving.after_cancel(running, seen)
        if left is not None:
            return left
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
    pages.add_url_rule("/password", "password", common.view(password.page), methods=["GET", "POST"])
    pages.add_url_rule("/cancel", "cancel", common.view(cancel), methods=["POST"])
    for kind in (FactorKind.OTP, *prove.SENT, FactorKind.RECOVERY_CODE):
        pages.add_url_rule(
            f"/{kind.value.replace('_', '-')}",
            kind.value,
            common.view(lambda kind=kind: prove_page(kind)),
            methods=["GET", "POST"],
        )
        if kind in prove.SENT:
            pages.add_url_rule(
                f"/{kind.value}/send",
                f"{kind.value}_send",
                common.view(lambda kind=kind: send_page(kind)),
                methods=["POST"],
            )
    return pages

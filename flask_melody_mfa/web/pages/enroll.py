"""Enrollment: choose a factor, show its key or send its code, confirm it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flask import Blueprint, redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import codes, gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    InvalidRequest,
    MfaRequired,
    NobodyCan,
    NotAuthenticated,
    NotDelivered,
    Throttled,
    WrongProof,
)
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import enroll, sessions, sign_in, tries
from flask_melody_mfa.web import answers, door, guard, qr, words
from flask_melody_mfa.web.pages import code_sheet, common, replace, steps
from flask_melody_mfa.web.pages.challenge import expired, reason, wait
from flask_melody_mfa.web.seen import At, Seen
from flask_melody_mfa.web.state import context, state


def here_to_enroll() -> steps.Here:
    """The challenge in which something is to be set up.

    A signed-in user may come to add a factor: then a fresh proof is asked for first, and an
    `enroll` challenge of the session is opened by the POST that chooses.
    """
    try:
        return steps.Here()
    except ChallengeOver:
        seen = guard.look()
        if seen.at is At.PENDING:
            raise
        if seen.at is not At.SATISFIED or seen.standing is None:
            raise NotAuthenticated from None
        return open_enrollment(seen)


def open_enrollment(seen: Seen) -> steps.Here:
    """Open an enrollment for a satisfied session, behind a step-up."""
    ctx = context(seen.client)
    standing = sessions.read(ctx, door.mark().get("s") or "")
    account = seen.account or guard.current_account(state())
    if standing is None or account is None:
        raise NotAuthenticated
    asked = sessions.Requirement(max_age=ctx.settings.mfa_fresh_seconds)
    target = url_for("mfa.enroll.choose")
    step = sessions.meets(ctx, account, standing, asked)
    if isinstance(step, gate.NeedPassword):
        raise MfaRequired
    if isinstance(step, gate.Stuck):
        raise NobodyCan(step.reason)
    purpose = challenges.ENROLL if isinstance(step, gate.Satisfied) else challenges.STEP_UP
    begun = sign_in.begin_on_session(
        ctx,
        account,
        standing.row,
        purpose=purpose,
        method=standing.method,
        next_url=target if purpose == challenges.STEP_UP else common.next_path(),
    )
    if not isinstance(begun, sign_in.Begun):
        raise NotAuthenticated
    door.set_mark(c=begun.token)
    return steps.Here()


def elsewhere(here: steps.Here, step: gate.StepUp) -> BaseResponse:
    """To what is owed first; after the proof of a step-up, back to this page with its `next`."""
    if request.method != "GET":
        return redirect(steps.page_of(here), 303)
    if here.challenge.purpose == challenges.STEP_UP and isinstance(step, gate.Prove):
        return redirect(url_for("mfa.challenge.start", next=answers.this_path()), 302)
    return redirect(steps.page_of(here), 302)


def choose() -> BaseResponse:
    """GET shows the factors on offer; POST takes one, or puts it off."""
    here = here_to_enroll()
    step = here.step()
    if not isinstance(step, gate.SetUp):
        return elsewhere(here, step)
    if request.method != "POST":
        return show_choice(here, step)
    if common.field("later"):
        if here.challenge.purpose == challenges.ENROLL:
            sign_in.cancel(here.ctx, here.token)
            door.set_mark(c=None)
            return common.go(common.next_path() or "/")
        if not step.may_skip:
            return show_choice(here, step, error=words.REASONS["choose"], status=400)
        return steps.after(here, sign_in.put_off(here.ctx, here.account, here.challenge))
    wanted = common.field("factor")
    if wanted not in {kind.value for kind in step.factors}:
        return show_choice(here, step, error=words.REASONS["choose"], status=400)
    enroll.choose(here.ctx, here.account, here.challenge, FactorKind(wanted))
    return common.go(url_for(f"mfa.enroll.{wanted}", **common.keeping_next()))


def show_choice(
    here: steps.Here, step: gate.SetUp, *, error: str = "", status: int = 200
) -> BaseResponse:
    """The choice among the factors on offer."""
    say = answers.texts()
    options = [
        {
            "kind": kind.value,
            "label": say.mfa_text(steps.LABELS[kind]),
            "description": say.mfa_text(steps.DESCRIPTIONS[kind]),
            "recommended": kind is FactorKind.OTP and len(step.factors) > 1,
        }
        for kind in step.factors
        if kind in steps.LABELS
    ]
    return common.render(
        "mfa/enroll/choose.html",
        status,
        options=options,
        may_skip=step.may_skip,
        action=url_for("mfa.enroll.choose"),
        error=say.mfa_text(error),
        cancel_url=url_for("mfa.challenge.cancel"),
        purpose=steps.shown_purpose(here),
    )


def set_up_page(kind: FactorKind) -> BaseResponse:
    """GET shows what is needed to set a factor up; POST confirms it, or names the destination."""
    here = here_to_enroll()
    step = here.step()
    if not isinstance(step, gate.SetUp) or kind not in step.factors:
        return elsewhere(here, step)
    if request.method != "POST":
        return show(here, step, kind)
    if kind is FactorKind.SMS and "phone_number" in request.form and "code" not in request.form:
        return send(here, step, kind, {"phone_number": common.field("phone_number")})
    try:
        code = codes.clean_code(common.field("code", required=True))
        answer = {"code": code, "name": common.field("name")}
        finished = enroll.finish(here.ctx, here.account, here.challenge, kind, answer)
    except InvalidRequest as error:
        if "name" in error.errors:
            return show(here, step, kind, name_error=reason(error, "name"), status=400)
        return show(here, step, kind, error=reason(error, "code"), status=400)
    except tries.LastTry as error:
        door.set_mark(c=None)
        return expired(error.status)
    except WrongProof as error:
        sentence = words.REASONS["clock"] if error.hint == "clock" else words.ERRORS["invalid_code"]
        return show(here, step, kind, error=sentence, status=error.status)
    return steps.after(here, finished)


def send_page(kind: FactorKind) -> BaseResponse:
    """Send the code that confirms a destination, or send it again."""
    here = here_to_enroll()
    step = here.step()
    if not isinstance(step, gate.SetUp) or kind not in step.factors:
        return common.go(steps.page_of(here))
    return send(here, step, kind, {})


def send(
    here: steps.Here, step: gate.SetUp, kind: FactorKind, answer: dict[str, str]
) -> BaseResponse:
    """Send a code, and show what came of it."""
    try:
        enroll.send(here.ctx, here.account, here.challenge, kind, answer)
    except Throttled as error:
        response = show(here, step, kind, notice=words.ERRORS["throttled"], status=429)
        answers.retry_after(response, error)
        return response
    except NotDelivered as error:
        response = show(here, step, kind, notice=words.REASONS["not_delivered"], status=503)
        answers.retry_after(response, error)
        return response
    except InvalidRequest as error:
        sentence = reason(error, "phone_number")
        return show(here, step, kind, destination_error=sentence, status=400)
    return common.go(url_for(f"mfa.enroll.{kind.value}", sent=1, **common.keeping_next()))


def show(
    here: steps.Here,
    step: gate.SetUp,
    kind: FactorKind,
    *,
    error: str = "",
    name_error: str = "",
    destination_error: str = "",
    notice: str = "",
    status: int = 200,
) -> BaseResponse:
    """The set-up page of one factor. Each error belongs to a field, `notice` to none."""
    say = answers.texts()
    row = here.challenge.row
    kept = here.ctx.vault.open_kept(row) if row.code_kind == kind.value else {}
    values: dict[str, Any] = {
        "action": url_for(f"mfa.enroll.{kind.value}"),
        "code_error": say.mfa_text(error),
        "name_error": say.mfa_text(name_error),
        "notice": say.mfa_text(notice),
        "others": steps.set_ups(step, kind),
        "cancel_url": url_for("mfa.challenge.cancel"),
        "resend_in": wait(here),
        "minutes": here.ctx.settings.mfa_code_seconds // 60 or 1,
        "sent": bool(kept) and row.sent_at is not None,
        "undelivered": bool(kept) and row.sent_at is None,
        "just_sent": request.args.get("sent") == "1",
        "purpose": steps.shown_purpose(here),
    }
    if kind is FactorKind.OTP:
        values.update(authenticator(here))
    elif kind is FactorKind.EMAIL:
        values["destination"] = here.account.email or ""
        values["send_url"] = url_for("mfa.enroll.email_send")
        values["notice"] = say.mfa_text(notice or destination_error)
    else:
        values["phase"] = "code" if values["sent"] else "number"
        values["destination"] = readable_number(kept.get("destination", ""))
        typed = request.form.get("phone_number", "")[:40]
        known = kept.get("destination") or here.account.phone or ""
        values["phone_value"] = typed or readable_number(known)
        values["phone_error"] = say.mfa_text(destination_error)
        values["countries"] = words.country_names(here.ctx.settings.mfa_sms_countries, say.locale)
    return common.render(f"mfa/enroll/{kind.value}.html", status, **values)


def readable_number(number: str) -> str:
    """A number in groups. What knows numbers is loaded only where SMS are sent."""
    return str(import_module("flask_melody_mfa.factors.sms").readable(number))


def authenticator(here: steps.Here) -> dict[str, Any]:
    """What the authenticator's page shows."""
    prompt = enroll.show(here.ctx, here.account, here.challenge, FactorKind.OTP)
    return {
        # Made by us from our own URI: there is nothing in it that a user typed unescaped.
        "qr_svg": Markup(qr.svg(prompt.shown["uri"])),  # noqa: S704
        "secret": prompt.shown["secret"],
        "uri": prompt.shown["uri"],
        "name_value": request.form.get("name", "")[:64],
        "account_label": here.account.login,
    }


def blueprint() -> Blueprint:
    """The blueprint `mfa.enroll`."""
    pages = Blueprint("enroll", __name__, url_prefix="/enroll")
    pages.add_url_rule("", "choose", common.view(choose), methods=["GET", "POST"])
    for kind in (FactorKind.OTP, FactorKind.EMAIL, FactorKind.SMS):
        pages.add_url_rule(
            f"/{kind.value}",
            kind.value,
            common.view(lambda kind=kind: set_up_page(kind)),
            methods=["GET", "POST"],
        )
    pages.add_url_rule(
        "/email/send",
        "email_send",
        common.view(lambda: send_page(FactorKind.EMAIL)),
        methods=["POST"],
    )
    code_sheet.add_to(pages)
    replace.add_to(pages)
    return pages

"""Sign in with login and recovery code, and what a forgotten password asks for afterwards."""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import recovery_codes
from flask_melody_mfa.core.errors import (
    InvalidRequest,
    NotConfigured,
    NotFound,
    Throttled,
    WrongProof,
)
from flask_melody_mfa.core.types import Account, Method
from flask_melody_mfa.flows import recover as flow
from flask_melody_mfa.flows import recovery
from flask_melody_mfa.web import answers, arrivals, guard, words
from flask_melody_mfa.web.pages import common, own, steps
from flask_melody_mfa.web.pages.challenge import reason
from flask_melody_mfa.web.pages.own import Own
from flask_melody_mfa.web.seen import At
from flask_melody_mfa.web.state import context, state
from flask_melody_mfa.web.view_client import client_of_view

log = logging.getLogger("flask_melody_mfa")

WRONG = words.mfa_lazy(
    "That did not work. Check what you typed: each recovery code works once, and only for its own "
    "account."
)


def recover() -> BaseResponse:
    """GET shows the form; POST spends a code in place of the password, and begins the sign-in."""
    here = state()
    client = client_of_view(here, lambda: None)
    ctx = context(client, locale=words.current_locale(here.settings.mfa_languages))
    if not ctx.settings.enable_recovery_code:
        raise NotFound
    if here.hooks.find_user is None and here.users.model is None:
        raise NotConfigured
    if guard.look().at is At.SATISFIED:
        return redirect(common.next_path() or "/", 303 if request.method == "POST" else 302)
    if request.method != "POST":
        return show()
    found: list[Any] = []

    def find(login: str) -> Account | None:
        user = here.find_user(login)
        found.append(user)
        return None if user is None else here.describe(user)

    try:
        login = common.field("login", required=True)
        code = recovery_codes.checked_text(common.field("code", required=True))
        flow.recover(ctx, login, code, find)
    except InvalidRequest as error:
        return show(errors=error.errors, status=400)
    except WrongProof as error:
        return show(error=WRONG, status=error.status)
    except Throttled as error:
        response = show(error=words.ERRORS["throttled"], status=error.status)
        answers.retry_after(response, error)
        return response
    return arrivals.sign_in_now(
        found[0],
        remember=False,
        next_url=url_for("mfa.recovery_code.recovered", **common.keeping_next()),
        client=client,
        method=Method.RECOVERY_CODE,
    )


def show(
    *, error: str = "", errors: dict[str, str] | None = None, status: int = 200
) -> BaseResponse:
    """The form."""
    say = answers.texts()
    wrong = errors or {}
    login_reason = words.REASONS["login"]

    def told(name: str) -> str:
        return say.mfa_text(reason(InvalidRequest(wrong), name)) if name in wrong else ""

    return common.render(
        "mfa/recovery/recover.html",
        status,
        notice=say.mfa_text(error),
        login_error=say.mfa_text(login_reason) if "login" in wrong else "",
        code_error=told("code"),
        login_value=request.form.get("login", "")[:320],
        action=url_for("mfa.recovery_code.recover"),
        sign_in_url=answers.login_url(common.next_path()),
    )


def recovered() -> BaseResponse:
    """After a sign-in by recovery code: to the host's page for a new password, or what to know."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    target = common.next_path() or "/"
    if mine.standing.row.method != Method.RECOVERY_CODE:
        return redirect(target, 302)
    left = recovery.left(mine.ctx, mine.account.key)
    url = set_password_url(mine.account.key)
    if url is not None:
        steps.tell_left(left)
        return redirect(url, 302)
    return common.render(
        "mfa/recovery/recovered.html",
        left=left,
        few=recovery.FEW,
        # A fresh proof is asked for there; after the sign-in by code alone there is none.
        new_codes_url=url_for("mfa.enroll.recovery_codes", next=target)
        if mine.standing.levels
        else "",
        target=target,
    )


def set_password_url(user_key: str) -> str | None:
    """Where the host lets this user set a new password; None where it has no such page."""
    hook = state().hooks.set_password_url
    if hook is None:
        return None
    try:
        return hook(state().load_user(user_key)) or None
    except Exception:
        log.exception("set_password_url failed")
        return None


def blueprint() -> Blueprint:
    """The blueprint `mfa.recovery_code`."""
    pages = Blueprint("recovery_code", __name__, url_prefix="/recover")
    pages.add_url_rule("", "recover", common.view(recover), methods=["GET", "POST"])
    pages.add_url_rule("/done", "recovered", common.view(recovered), methods=["GET"])
    return pages

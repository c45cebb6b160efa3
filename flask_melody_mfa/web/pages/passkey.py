"""Passkeys: the prompt and set-up, the proof in a challenge, the sign-in by passkey alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Conflict,
    InvalidPasskey,
    NotConfigured,
    NotFound,
    StepUpRequired,
    WrongProof,
)
from flask_melody_mfa.core.types import Account, Answer, FactorKind, Method
from flask_melody_mfa.flows import devices, passkey_sign_in, passkeys, prove, sessions
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.web import answers, arrivals, door, guard, offers, words
from flask_melody_mfa.web.pages import common, enroll, own, steps
from flask_melody_mfa.web.pages.own import Own
from flask_melody_mfa.web.passkey_names import usual_name
from flask_melody_mfa.web.seen import At
from flask_melody_mfa.web.state import context, state
from flask_melody_mfa.web.view_client import client_of_view

PASSKEY = FactorKind.PASSKEY


def credential(found: dict[str, Any], **more: str) -> Answer:
    """A browser's answer, as the factor reads it."""
    return {"credential": json.dumps(found), **more}


def sent_as(shape: str) -> Any:
    """What a script of ours sent. `shape`: its name in `calls`, which is slow to import."""
    calls = import_module("flask_melody_mfa.web.pages.calls")
    return calls.read(getattr(calls, shape))


def target() -> str:
    """Where it goes on afterwards."""
    return common.next_path() or "/"


# Making one


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """Who may make a passkey now. `here`: the challenge that asks for it, if one does."""

    ctx: Context
    account: Account
    right: passkeys.Right
    here: steps.Here | None = None


def enter() -> Making | BaseResponse:
    """Who may make a passkey, or what comes first."""
    if door.mark().get("c"):
        try:
            return in_challenge(steps.Here())
        except ChallengeOver:
            if guard.look().at is At.PENDING:
                raise
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    try:
        right = passkeys.by_session(mine.ctx, mine.account, mine.standing)
    except StepUpRequired:
        elsewhere = own.step_up(mine)
        if elsewhere is None:
            raise
        return elsewhere
    return Making(ctx=mine.ctx, account=mine.account, right=right)


def in_challenge(here: steps.Here) -> Making | BaseResponse:
    """Where a challenge runs, it says what comes first."""
    step = here.step()
    if not isinstance(step, gate.SetUp) or PASSKEY not in step.factors:
        if request.method == "POST":
            raise Conflict
        return enroll.elsewhere(here, step)
    right = passkeys.by_challenge(here.ctx, here.account, here.challenge)
    return Making(ctx=here.ctx, account=here.account, right=right, here=here)


def making_page() -> BaseResponse:
    """GET shows what a passkey is good for, and the button that makes one; POST is its script's."""
    making = enter()
    if not isinstance(making, Making):
        return making
    if request.method == "POST":
        return made(making)
    here = making.here
    return common.render(
        "mfa/enroll/passkey.html",
        options_url=url_for("mfa.enroll.passkey_options"),
        finish_url=url_for("mfa.enroll.passkey", **common.keeping_next()),
        automatic=passkeys.may_be_automatic(making.right),
        skip_url="" if here else url_for("mfa.enroll.passkey_skip"),
        prompted=making.right.prompted,
        others=other_set_ups(here) if here else [],
        cancel_url=url_for("mfa.challenge.cancel") if here else "",
        purpose=steps.shown_purpose(here) if here else "enroll",
    )


def other_set_ups(here: steps.Here) -> list[dict[str, Any]]:
    """What could be set up instead."""
    step = here.step()
    return steps.set_ups(step, PASSKEY) if isinstance(step, gate.SetUp) else []


def making_options() -> BaseResponse:
    """Options for `navigator.credentials.create()`."""
    making = enter()
    if not isinstance(making, Making):
        return making
    asked = sent_as("Making")
    options = passkeys.start_enrollment(
        making.ctx, making.account, making.right, automatic=asked.automatic
    )
    return answers.as_json(options)


def made(making: Making) -> BaseResponse:
    """Keep a new passkey, and say where to go on."""
    sent = sent_as("Made")
    added = passkeys.finish_enrollment(
        making.ctx,
        making.account,
        making.right,
        credential(sent.credential, name=sent.name),
        usual_name=usual_name(),
    )
    signals = passkeys.signals(making.ctx, making.account)
    if making.here is not None:
        response = steps.after(making.here, added.finished)
        return answers.go_to(response.headers["Location"], signals=signals)
    ctx = making.ctx
    standing = sessions.read(ctx, door.mark().get("s") or "")
    elsewhere = offers.offer(ctx, making.account, standing, target()) if standing else None
    return answers.go_to(elsewhere or target(), signals=signals)


def skip() -> BaseResponse:
    """Not now, or never again."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    if common.field("dont_ask_again"):
        passkeys.decline(mine.ctx, mine.account)
    elsewhere = offers.offer(mine.ctx, mine.account, mine.standing, target(), but=(PASSKEY,))
    return common.go(elsewhere or target())


# Proving one


def prove_page() -> BaseResponse:
    """GET asks for a passkey; POST judges what the script sends."""
    here = steps.Here()
    here.check_lock()
    if request.method == "POST":
        return proved(here)
    step = here.step()
    if not isinstance(step, gate.Prove) or not prove.allowed(step, PASSKEY):
        return redirect(steps.page_of(here), 302)
    row = here.challenge.row
    return common.render(
        "mfa/challenge/passkey.html",
        purpose=steps.shown_purpose(here),
        options_url=url_for("mfa.challenge.passkey_options"),
        finish_url=url_for("mfa.challenge.passkey", **common.keeping_next()),
        others=steps.ways(here, step, PASSKEY),
        cancel_url=url_for("mfa.challenge.cancel"),
        account_label=here.account.login,
        remember_device_allowed=prove.may_wish(step, PASSKEY)
        and devices.may_remember(
            here.ctx.settings, purpose=row.purpose, method=row.method, proofs=here.challenge.proofs
        ),
        remember_device=here.challenge.goal.remember,
        remember_days=here.ctx.settings.mfa_remember_device_days,
    )


def prove_options() -> BaseResponse:
    """Options for `navigator.credentials.get()`, for this account's passkeys."""
    here = steps.Here()
    sent_as("Nothing")
    return answers.as_json(prove.start_passkey(here.ctx, here.account, here.challenge))


def proved(here: steps.Here) -> BaseResponse:
    """Judge an assertion, and say where to go on."""
    sent = sent_as("Used")
    wish = "1" if sent.remember_device else ""
    answer = credential(sent.credential, remember_device=wish)
    try:
        finished = prove.prove(here.ctx, here.account, here.challenge, PASSKEY, answer)
    except WrongProof:
        raise InvalidPasskey from None
    response = steps.after(here, finished)
    return answers.go_to(response.headers["Location"])


# Signing in by one


def means() -> Context:
    """The means of somebody who is not signed in. Raises `NotConfigured`."""
    here = state()
    client = client_of_view(here, lambda: None)
    ctx = context(client, locale=words.current_locale(here.settings.mfa_languages))
    if not ctx.settings.mfa_rp_id or not ctx.origins:
        raise NotConfigured
    return ctx


def sign_in_page() -> BaseResponse:
    """The page for those who come without the host's login form."""
    means()
    if guard.look().at is At.SATISFIED:
        return redirect(target(), 302)
    return common.render(
        "mfa/passkey/sign_in.html", sign_in_url=answers.login_url(common.next_path())
    )


def sign_in_options() -> BaseResponse:
    """Options for `navigator.credentials.get()`, for whoever comes."""
    sent_as("Nothing")
    return answers.as_json(passkey_sign_in.start(means(), door.browser_token()))


def verify() -> BaseResponse:
    """Judge an assertion, and sign its owner in by Flask-Login; the gate follows."""
    sent = sent_as("Used")
    here, ctx = state(), means()
    users: dict[str, Any] = {}

    def find(user_key: str) -> Account | None:
        users[user_key] = user = here.load_user(user_key)
        return None if user is None else here.describe(user)

    token = door.mark().get("b", "")
    account = passkey_sign_in.finish(ctx, token, credential(sent.credential), find)
    door.set_mark(b=None)
    return arrivals.sign_in_now(
        users[account.key],
        remember=sent.remember,
        next_url=target(),
        client=ctx.client,
        method=Method.PASSKEY,
        is_call=True,
    )


def known() -> BaseResponse:
    """Whether a passkey that was refused is of use at all, so that the browser may forget it."""
    asked = sent_as("Asked")
    return answers.as_json(
        {"known": passkey_sign_in.is_known(means(), asked.id, asked.user_handle)}
    )


def related_origins() -> BaseResponse:
    """The origins that share our relying party from other domains (Level 3 §5.11)."""
    listed = state().settings.related_origins
    if not listed:
        raise NotFound
    response = answers.as_json({"origins": list(listed)})
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def add_to_enroll(pages: Blueprint) -> None:
    """Add the set-up to the blueprint `mfa.enroll`."""
    page = common.view(making_page, by_script=True)
    options = common.view(making_options, by_script=True)
    pages.add_url_rule("/passkey", "passkey", page, methods=["GET", "POST"])
    pages.add_url_rule("/passkey/options", "passkey_options", options, methods=["POST"])
    pages.add_url_rule("/passkey/skip", "passkey_skip", common.view(skip), methods=["POST"])


def add_to_challenge(pages: Blueprint) -> None:
    """Add the proof to the blueprint `mfa.challenge`."""
    page = common.view(prove_page, by_script=True)
    options = common.view(prove_options, by_script=True)
    pages.add_url_rule("/passkey", "passkey", page, methods=["GET", "POST"])
    pages.add_url_rule("/passkey/options", "passkey_options", options, methods=["POST"])


def blueprint() -> Blueprint:
    """The blueprint `mfa.passkey`."""
    pages = Blueprint("passkey", __name__, url_prefix="/passkey")
    pages.add_url_rule("/sign-in", "sign_in", common.view(sign_in_page), methods=["GET"])
    for name, view in (("options", sign_in_options), ("verify", verify), ("known", known)):
        pages.add_url_rule(f"/{name}", name, common.view(view, by_script=True), methods=["POST"])
    return pages

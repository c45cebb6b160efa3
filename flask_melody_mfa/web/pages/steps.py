"""Which page a step leads to, and what happens when a challenge is finished."""

from __future__ import annotations

import logging
from typing import Any

from flask import flash, g, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    Forbidden,
    MfaError,
    NobodyCan,
    NotAuthenticated,
)
from flask_melody_mfa.core.types import Account, FactorKind
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import prove, recovery, sign_in, tries
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.web import answers, device_cookie, door, guard, offers, words
from flask_melody_mfa.web.pages import common
from flask_melody_mfa.web.state import context, state

log = logging.getLogger("flask_melody_mfa")

LABELS = {
    FactorKind.OTP: words.mfa_lazy("Authenticator app"),
    FactorKind.EMAIL: words.mfa_lazy("Email code"),
    FactorKind.SMS: words.mfa_lazy("Text message"),
    FactorKind.PASSKEY: words.mfa_lazy("Passkey"),
    FactorKind.RECOVERY_CODE: words.mfa_lazy("Recovery code"),
}
DESCRIPTIONS = {
    FactorKind.OTP: words.mfa_lazy("Codes from an app on your phone or computer. Works offline."),
    FactorKind.EMAIL: words.mfa_lazy("A code sent to your email address each time."),
    FactorKind.SMS: words.mfa_lazy("A code sent to your phone each time. Less secure than an app."),
    FactorKind.PASSKEY: words.mfa_lazy("Your fingerprint, face or screen lock. Nothing to type."),
}


class Here:
    """The running challenge of this browser, for one request."""

    def __init__(self) -> None:
        self.since = state().cache.since()
        seen = guard.look()
        token = door.mark().get("c")
        if token is None:
            raise ChallengeOver
        self.token = token
        self.challenge: Challenge = guard.pending()
        self.ctx: Context = context(
            self.challenge.row.client,
            locale=words.current_locale(state().settings.mfa_languages),
        )
        account = state().account_of(self.challenge.row.user_key)
        if account is None:
            sign_in.cancel(self.ctx, token)
            raise ChallengeOver
        if self.challenge.purpose != challenges.SIGN_IN:
            standing = seen.standing
            if standing is None or standing.row.id != self.challenge.row.session_id:
                raise ChallengeOver  # it belongs to another session than this browser's
        self.account: Account = account

    def step(self) -> gate.StepUp:
        """What is owed now."""
        if not self.account.active:
            raise Forbidden
        return challenges.owed(self.ctx, self.account, self.challenge)

    def check_lock(self) -> None:
        """Raises `Locked`."""
        tries.check_lock(self.ctx, self.challenge.holding)


def page_of(here: Here) -> str:
    """The address of the page for what is owed now. Raises `NobodyCan`."""
    match here.step():
        case gate.Prove() as step:
            return url_for(f"mfa.challenge.{preferred(here, step).value}", **common.keeping_next())
        case gate.SetUp(factors=(only,), may_skip=False):
            return url_for(f"mfa.enroll.{only.value}", **common.keeping_next())
        case gate.SetUp():
            return url_for("mfa.enroll.choose", **common.keeping_next())
        case gate.Stuck(reason=reason):
            raise NobodyCan(reason)
        case gate.Satisfied():
            raise ChallengeOver
        case _:
            raise NotAuthenticated


def preferred(here: Here, step: gate.Prove) -> FactorKind:
    """Which page to show first: the factor's used last, else that of the first alternative."""
    kind = challenges.preferred(step, here.challenge.holding)
    if kind is not None:
        return kind
    return next((kind for kind in LABELS if kind in step.alternatives), FactorKind.EMAIL)


def ways(here: Here, step: gate.Prove, current: FactorKind) -> list[dict[str, Any]]:
    """The other ways to prove, for "try another way"."""
    kinds = [kind for kind in LABELS if prove.allowed(step, kind) and kind is not current]
    return links("mfa.challenge", kinds)


def set_ups(step: gate.SetUp, current: FactorKind) -> list[dict[str, Any]]:
    """The other factors on offer."""
    return links("mfa.enroll", [kind for kind in step.factors if kind is not current])


def shown_purpose(here: Here) -> str:
    """What a page is told that it is for; anything but a sign-in is a step-up to it."""
    return "sign_in" if here.challenge.purpose == challenges.SIGN_IN else "step_up"


def links(prefix: str, kinds: list[FactorKind]) -> list[dict[str, Any]]:
    """Factors as links, keeping `next`."""
    say = answers.texts()
    return [
        {
            "kind": kind.value,
            "label": say.mfa_text(LABELS[kind]),
            "url": url_for(f"{prefix}.{kind.value}", **common.keeping_next()),
        }
        for kind in kinds
    ]


def send_next() -> None:
    """A proof was given and another is owed: where that is a code, send it right away."""
    try:
        g.pop("_mfa_challenge", None)
        now = Here()
        step = now.step()
        if isinstance(step, gate.Prove):
            prove.send_preferred(now.ctx, now.account, now.challenge, step)
    except MfaError as error:
        log.info("The next code was not sent: %s", error.code)


def after(here: Here, finished: sign_in.Finished | None) -> BaseResponse:
    """Go on: to the next step, or, when nothing is owed any more, to where the user was going."""
    if finished is None:
        send_next()
        return common.go(url_for("mfa.challenge.start", **common.keeping_next()))
    if finished.purpose == challenges.SIGN_IN:
        door.rotate()
        door.put_back(finished.parked)
        door.set_mark(s=finished.token, c=None)
        guard.remember_new(here.ctx, finished, here.since)
    else:
        door.set_mark(c=None)
        state().cache.drop_user(here.account.key)
    device_cookie.keep(here.account.key, finished.device)
    target = common.next_path() or finished.next_url or "/"
    if finished.purpose in (challenges.SIGN_IN, challenges.RAISE) and finished.standing:
        target = offers.offer(here.ctx, here.account, finished.standing, target) or target
    return common.go(target)


def tell_left(count: int) -> None:
    """Say on the next page how many recovery codes are left, and when that is few."""
    say = answers.texts()
    few = count <= recovery.FEW
    text = say.mfa_ntext(
        "You have used a recovery code. %(num)d is left.",
        "You have used a recovery code. %(num)d are left.",
        count,
    )
    flash(text, "warning" if few else "info")
    if few:
        flash(say.mfa_text(MAKE_NEW), "warning")


MAKE_NEW = words.mfa_lazy(
    "Make new recovery codes soon: sign in the usual way and open your account's security page."
)

"""Where somebody goes who gives up what a signed-in session had begun."""

from __future__ import annotations

from flask import url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import ChallengeOver
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import policies
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.web import door
from flask_melody_mfa.web.pages import common
from flask_melody_mfa.web.seen import At, Seen
from flask_melody_mfa.web.state import context


def after_cancel(given_up: Challenge | None, seen: Seen) -> BaseResponse | None:
    """The answer to a cancelled challenge that leaves the session as it is; None for a sign-in.

    Not to the page that asked for a step-up: it would ask again.
    """
    if given_up is None or given_up.purpose == challenges.SIGN_IN:
        return None
    if given_up.purpose == challenges.RAISE and seen.at is not At.SATISFIED:
        return None
    if given_up.goal.visit is not None:
        target = end_visit(given_up, seen)
        if target is not None:
            return common.go(target)
    asked_by = given_up.row.next_url or "/"
    if given_up.purpose == challenges.ENROLL:
        return common.go(common.next_path() or asked_by)
    overview = url_for("mfa.account.overview")
    return common.go(overview if asked_by.startswith(overview) else "/")


def end_visit(given_up: Challenge, seen: Seen) -> str | None:
    """Cancel the visit that a step-up was for, and say where its user goes back to."""
    token = door.mark().get("p")
    if token is None or seen.standing is None:
        return None
    ctx = context(given_up.row.client)
    visit = policies.find(ctx, seen.standing, token)
    if visit is None or visit.id != given_up.goal.visit:
        return None
    try:
        target = policies.close(ctx, visit, "cancelled")
    except ChallengeOver:
        return None
    door.set_mark(p=None)
    return target

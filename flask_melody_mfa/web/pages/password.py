"""The password anew, for a sensitive act of an account that holds nothing else."""

from __future__ import annotations

from flask import redirect, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import InvalidRequest, NotConfigured, Throttled, WrongProof
from flask_melody_mfa.core.step_up import held_kinds
from flask_melody_mfa.flows import password, sessions
from flask_melody_mfa.web import answers, door, words
from flask_melody_mfa.web.pages import common, own
from flask_melody_mfa.web.pages.own import Own
from flask_melody_mfa.web.state import state

WRONG = words.mfa_lazy("That password is not right.")


def page() -> BaseResponse:
    """GET asks for it; POST judges it, and goes on to `next` in a session that begins now."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    target = common.next_path() or "/"
    facts = sessions.facts_of(mine.ctx, mine.account, mine.standing)
    if held_kinds(facts):
        return redirect(target, 303)  # the step-up there asks for what is held
    check = state().password_check(current_user)
    if check is None:
        raise NotConfigured
    if request.method != "POST":
        return show(mine)
    try:
        typed = common.secret_field("password")
        token = password.confirm(mine.ctx, mine.account, mine.standing, lambda: check(typed))
    except InvalidRequest:
        return show(mine, error=words.REASONS["password"], status=400)
    except WrongProof as error:
        return show(mine, error=WRONG, status=error.status)
    except Throttled as error:
        response = show(mine, error=words.ERRORS["throttled"], status=error.status)
        answers.retry_after(response, error)
        return response
    door.rotate()
    door.set_mark(s=token)
    state().cache.drop_user(mine.account.key)
    return common.go(target)


def show(mine: Own, *, error: str = "", status: int = 200) -> BaseResponse:
    """The form."""
    return common.render(
        "mfa/challenge/password.html",
        status,
        action=url_for("mfa.challenge.password"),
        error=answers.texts().mfa_text(error),
        account_label=mine.account.login,
        back_url="/",
    )

"""A fresh sign-in, for who holds nothing else: the password anew, or the host's login view."""

from __future__ import annotations

from typing import Any

from flask import redirect, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import StepUpRequired
from flask_melody_mfa.core.types import Method
from flask_melody_mfa.web import answers, door, guard
from flask_melody_mfa.web.seen import ANONYMOUS
from flask_melody_mfa.web.state import State, state


def lead(back: str) -> BaseResponse:
    """To our page for the password, where the host can check one; else to its login view.

    Also to the login view goes who came by another sign-in service, and may have no password.
    `back`: the path to go on to afterwards.
    """
    standing = guard.look().standing
    by_password = standing is None or standing.row.method not in (Method.EXTERNAL, Method.TRUSTED)
    ours = by_password and state().password_check(current_user) is not None
    if not answers.is_navigation():
        where = url_for("mfa.challenge.password") if ours else answers.login_url()
        return answers.problem(StepUpRequired(), challenge_url=where)
    if ours:
        return answers.no_store(redirect(url_for("mfa.challenge.password", next=back), 303))
    door.set_mark(f="1")
    return answers.to_login(back, guard.PLEASE_SIGN_IN)


def observe(here: State, endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Before anything of the host's runs: who is there, and who is not to be seen.

    The login view sees nobody while a fresh sign-in is asked for: many a login view leads whoever
    is signed in away, and that would lead back here for ever.
    """
    del values
    somebody = guard.observe(here, endpoint)
    if somebody and "f" in door.mark() and endpoint and answers.is_login_view(endpoint):
        door.be_anonymous()
        guard.look_again(ANONYMOUS)

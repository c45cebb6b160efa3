"""“This was not me”: from a security mail, by whoever reads the user's mail, without a sign-in."""

from __future__ import annotations

from flask import request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.flows import not_me
from flask_melody_mfa.web import answers
from flask_melody_mfa.web.pages import common
from flask_melody_mfa.web.state import context, state


def page(token: str) -> BaseResponse:
    """GET shows what can be done and changes nothing; POST ends what was begun and remembered."""
    ctx = context()
    claim = not_me.read(ctx, token)
    account = state().account_of(claim.user_key) if claim is not None else None
    if claim is None or account is None:
        return common.render("mfa/not_me/over.html", 404, sign_in_url=answers.login_url())
    if request.method != "POST":
        return common.render("mfa/not_me/ask.html")
    not_me.end_all(ctx, account, claim)
    state().cache.drop_user(account.key)
    return common.render(
        "mfa/not_me/done.html", sign_in_url=answers.login_url(url_for("mfa.account.overview"))
    )

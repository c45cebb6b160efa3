"""Recovery codes on one sheet: made, shown once, and handed over as a text file."""

from __future__ import annotations

from flask import Blueprint, current_app, make_response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import recovery_codes
from flask_melody_mfa.core.errors import Conflict, InvalidRequest, NotFound
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows import after_gate, recovery
from flask_melody_mfa.web import answers
from flask_melody_mfa.web.pages import common, own
from flask_melody_mfa.web.pages.own import Own
from flask_melody_mfa.web.state import state

FILE = "recovery-codes.txt"
MOST = 1000


def sheet() -> BaseResponse:
    """GET tells what the codes are for; POST makes a new set and shows it; `saved` goes on."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    if not mine.ctx.settings.enable_recovery_code:
        raise NotFound
    if request.method == "POST" and common.field("saved"):
        return common.go(common.next_path() or "/")
    if FactorKind.RECOVERY_CODE not in after_gate.prompts(mine.ctx, mine.standing):
        elsewhere = own.step_up(mine)
        if elsewhere is not None:
            return elsewhere
    if not recovery.may_have(mine.ctx, mine.standing.holding):
        raise Conflict
    if request.method != "POST":
        return common.render(
            "mfa/recovery/intro.html",
            left=mine.standing.holding.recovery_codes,
            count=mine.ctx.settings.mfa_recovery_code_count,
            action=url_for("mfa.enroll.recovery_codes"),
            skip_url=common.next_path() or "/",
        )
    codes = recovery.make(mine.ctx, mine.account)
    return common.render(
        "mfa/recovery/codes.html",
        codes=codes,
        account_label=mine.account.login,
        action=url_for("mfa.enroll.recovery_codes"),
        file_url=url_for("mfa.enroll.recovery_codes_file"),
    )


def as_file() -> BaseResponse:
    """The codes that are on the sheet, as a text file.

    We do not have them any more, so the form brings them. Only codes of this account that still
    work are handed back: nobody can make this address serve a file of their own words.
    """
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    typed = request.form.getlist("code")
    if not typed or len(typed) > MOST:
        raise InvalidRequest({"code": "invalid"})
    checked = [recovery_codes.checked_text(text) for text in typed]
    if not recovery.are_unspent(mine.ctx, mine.account, checked):
        raise NotFound
    say = answers.texts()
    issuer = state().settings.mfa_issuer or current_app.name
    lines = [
        say.mfa_text("Recovery codes for %(issuer)s", issuer=issuer),
        mine.account.login,
        "",
        *(recovery_codes.grouped(recovery_codes.canonical(text) or "") for text in checked),
        "",
        say.mfa_text("Each code works once. Keep them where only you can find them."),
        "",
    ]
    response = make_response("\r\n".join(lines))
    response.mimetype = "text/plain"
    response.headers["Content-Disposition"] = f'attachment; filename="{FILE}"'
    return response


def add_to(pages: Blueprint) -> None:
    """Add these pages to the blueprint `mfa.enroll`."""
    pages.add_url_rule(
        "/recovery-codes", "recovery_codes", common.view(sheet), methods=["GET", "POST"]
    )
    pages.add_url_rule(
        "/recovery-codes/file", "recovery_codes_file", common.view(as_file), methods=["POST"]
    )

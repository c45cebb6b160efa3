"""Replace what you lost: offered once a recovery code or an email code has stood in for it."""

from __future__ import annotations

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows import replacing
from flask_melody_mfa.web import answers, door, notices, words
from flask_melody_mfa.web.pages import common, own
from flask_melody_mfa.web.pages.own import Own


def choose() -> BaseResponse:
    """GET shows what may be lost; POST opens the set-up in its place, or goes on."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    target = common.next_path() or "/"
    lost = replacing.offered(mine.ctx, mine.account, mine.standing)
    if request.method != "POST":
        return show(lost, target) if lost else redirect(target, 302)
    if common.field("later") or not lost:
        return common.go(target)
    wanted = common.field("credential")
    if wanted not in {one.id for one in lost}:
        return show(lost, target, error=words.REASONS["choose"], status=400)
    begun = replacing.begin(
        mine.ctx,
        mine.account,
        mine.standing,
        wanted,
        next_url=url_for("mfa.enroll.replace", next=target),
    )
    door.set_mark(c=begun.token)
    kind = next(one.kind for one in lost if one.id == wanted)
    page = "choose" if kind is FactorKind.PASSKEY else kind.value
    return common.go(url_for(f"mfa.enroll.{page}"))


def show(
    lost: tuple[replacing.Lost, ...], target: str, *, error: str = "", status: int = 200
) -> BaseResponse:
    """The page."""
    say = answers.texts()
    return common.render(
        "mfa/recovery/replace.html",
        status,
        lost=[
            {
                "id": one.id,
                "kind": one.kind.value,
                "label": say.mfa_text(notices.FACTOR_LABELS[one.kind.value]),
                "name": one.name or "",
            }
            for one in lost
        ],
        error=say.mfa_text(error),
        action=url_for("mfa.enroll.replace"),
    )


def add_to(pages: Blueprint) -> None:
    """Add this page to the blueprint `mfa.enroll`."""
    pages.add_url_rule("/replace", "replace", common.view(choose), methods=["GET", "POST"])

"""Remembered devices: the list, and how one or all of them are forgotten."""

from __future__ import annotations

from flask import Blueprint, flash, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.flows import devices
from flask_melody_mfa.web import answers, device_cookie, words
from flask_melody_mfa.web.lines import browser, one_line
from flask_melody_mfa.web.moments import Moments
from flask_melody_mfa.web.pages import common, own
from flask_melody_mfa.web.pages.own import Own

FORGOTTEN = words.mfa_lazy("The device is forgotten.")
ALL_FORGOTTEN = words.mfa_lazy("All devices are forgotten.")


def show_list() -> BaseResponse:
    """The user's devices, this one marked."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    here = this_one(mine)
    found = devices.listed(mine.ctx, mine.account.key)
    return common.render(
        "mfa/device/list.html",
        devices=[row(view, is_here=view.id == here) for view in found],
        revoke_all_url=url_for("mfa.device.revoke_all"),
        back_url=common.next_path() or "/",
    )


def this_one(mine: Own) -> str | None:
    """The id of the device that this browser is, or None."""
    return device_cookie.device_id(mine.ctx, mine.account.key)


def row(view: devices.DeviceView, *, is_here: bool) -> dict[str, object]:
    """One device, in words."""
    say = answers.texts()
    times = Moments(say.locale)
    name, system = browser(view.user_agent)
    name = name or say.mfa_text("Unknown browser")
    if system:
        name = say.mfa_text("%(browser)s on %(system)s", browser=name, system=system)
    return {
        "id": view.id,
        "name": name,
        "address": one_line(view.address or "", 64),
        "first_used": times.day(view.created_at),
        "last_used": times.at(view.last_used_at or view.created_at),
        "expires": times.day(view.expires_at),
        "is_here": is_here,
        "revoke_url": url_for("mfa.device.revoke", device_id=view.id),
    }


def revoke(device_id: str) -> BaseResponse:
    """Forget one device. To trust less asks for no fresh proof: whoever may look may forget."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    is_here = this_one(mine) == device_id
    devices.revoke(mine.ctx, mine.account, device_id)
    return forgotten(mine, FORGOTTEN, here_too=is_here)


def revoke_all() -> BaseResponse:
    """Forget all devices, this one included."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    devices.revoke_all(mine.ctx, mine.account)
    return forgotten(mine, ALL_FORGOTTEN, here_too=True)


def forgotten(mine: Own, message: str, *, here_too: bool) -> BaseResponse:
    """Back to the list, or to where this was asked for."""
    flash(answers.texts().mfa_text(message), "success")
    response = common.go(common.next_path() or url_for("mfa.device.list"))
    if here_too:
        device_cookie.clear(response, mine.account.key)
    return response


def blueprint() -> Blueprint:
    """The blueprint `mfa.device`."""
    pages = Blueprint("device", __name__, url_prefix="/devices")
    pages.add_url_rule("", "list", common.view(show_list), methods=["GET"])
    pages.add_url_rule("/revoke-all", "revoke_all", common.view(revoke_all), methods=["POST"])
    pages.add_url_rule("/<device_id>/revoke", "revoke", common.view(revoke), methods=["POST"])
    return pages

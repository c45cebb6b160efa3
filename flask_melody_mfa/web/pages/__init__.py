"""The hosted pages, as one blueprint `mfa`."""

from __future__ import annotations

from flask import Blueprint
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.web import door
from flask_melody_mfa.web.pages import (
    account,
    challenge,
    common,
    device,
    enroll,
    not_me,
    passkey,
    policy,
    recovery_code,
)
from flask_melody_mfa.web.state import state


def set_locale() -> BaseResponse:
    """Choose the language of our pages."""
    wanted = common.field("locale")
    if wanted in state().settings.mfa_languages:
        door.set_mark(l=wanted)
    return common.go(common.next_path() or "/")


def blueprint(url_prefix: str) -> Blueprint:
    """A new blueprint, for one app."""
    pages = Blueprint(
        "mfa",
        "flask_melody_mfa",
        url_prefix=url_prefix,
        template_folder="templates",
        static_folder="static/mfa",
        static_url_path="/static",
    )
    pages.add_url_rule("/locale", "locale", common.view(set_locale), methods=["POST"])
    proving, setting_up = challenge.blueprint(), enroll.blueprint()
    passkey.add_to_challenge(proving)
    passkey.add_to_enroll(setting_up)
    pages.register_blueprint(proving)
    pages.register_blueprint(setting_up)
    pages.register_blueprint(passkey.blueprint())
    pages.register_blueprint(recovery_code.blueprint())
    pages.register_blueprint(device.blueprint())
    pages.register_blueprint(account.blueprint())
    pages.register_blueprint(policy.blueprint())
    pages.add_url_rule(
        "/not-me/<token>", "not_me", common.view(not_me.page), methods=["GET", "POST"]
    )
    return pages

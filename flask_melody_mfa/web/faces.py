"""The JSON faces of an app: imported only where switched on, since pydantic comes along."""

from __future__ import annotations

from importlib import import_module

from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.settings import Settings

S2S = "flask_melody_mfa.web.s2s"
EMBEDDED = "flask_melody_mfa.web.embedded"
ADMIN = "flask_melody_mfa.web.admin"
EMBEDDED_PATH = "/embedded/v1"
NAMES = ("mfa_s2s", "mfa_embedded")


def register(app: Flask, settings: Settings) -> None:
    """Register the faces that the settings ask for."""
    if settings.mfa_s2s_api:
        app.register_blueprint(import_module(S2S).blueprint(settings.mfa_url_prefix))
    app.register_blueprint(
        waiting("mfa_embedded", EMBEDDED, settings.mfa_url_prefix + EMBEDDED_PATH)
    )
    if settings.mfa_admin_panel:
        app.register_blueprint(import_module(ADMIN).blueprint(settings.mfa_url_prefix))


def waiting(name: str, module: str, prefix: str) -> Blueprint:
    """A blueprint for a face that any client may switch on later: loaded when it is called."""
    found = Blueprint(name, __name__, url_prefix=prefix)

    def answer(rest: str = "") -> BaseResponse:
        response: BaseResponse = import_module(module).FACE.answer(rest)
        return response

    def add_rules(setup: BlueprintSetupState) -> None:
        for below in ("", "/", "/<path:rest>"):
            rule = setup.app.url_rule_class(
                prefix + below, endpoint=f"{name}.answer", strict_slashes=True
            )
            rule.merge_slashes = False
            rule.provide_automatic_options = False  # type: ignore[attr-defined]
            setup.app.url_map.add(rule)
        setup.app.view_functions[f"{name}.answer"] = answer

    found.record_once(add_rules)
    return found


def exempt_from_csrf(app: Flask) -> None:
    """Tell the host's CSRFProtect, whenever it came, that the faces use no cookie of the browser.

    Called before the first request is answered, so the order of `init_app` does not matter.
    """
    protection = app.extensions.get("csrf")
    if protection is None:
        return
    for name in NAMES:
        if name in app.blueprints:
            protection.exempt(app.blueprints[name])

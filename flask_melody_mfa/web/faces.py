"""The JSON faces of an app: imported only where switched on, since pydantic comes along."""

from __future__ import annotations

from importlib import import_module

from flask import Flask

from flask_melody_mfa.core.settings import Settings

S2S = "flask_melody_mfa.web.s2s"
NAMES = ("mfa_s2s", "mfa_embedded")


def register(app: Flask, settings: Settings) -> None:
    """Register the faces that the settings ask for."""
    if settings.mfa_s2s_api:
        app.register_blueprint(import_module(S2S).blueprint(settings.mfa_url_prefix))


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

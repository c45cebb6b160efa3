"""What an endpoint is to the guard: static, ours, a logout view, or left alone."""

from __future__ import annotations

from flask import current_app, request

from flask_melody_mfa.web.state import State


def is_static(endpoint: str) -> bool:
    """Static files, of the app or of a blueprint."""
    return endpoint == "static" or endpoint.endswith(".static")


def is_ours_without_user(endpoint: str | None) -> bool:
    """Our faces that ignore Flask-Login's user."""
    return endpoint is not None and endpoint.startswith(("mfa_s2s.", "mfa_embedded."))


def is_logout(here: State, endpoint: str) -> bool:
    """The host's logout views."""
    views = here.settings.mfa_logout_views
    if views is not None:
        return endpoint in views
    return endpoint == "logout" or endpoint.endswith(".logout")


def is_left_alone(here: State, endpoint: str) -> bool:
    """Exempt views, and pages of ours: they check for themselves."""
    if endpoint.startswith("mfa.") or is_ours_without_user(endpoint):
        return True
    view = current_app.view_functions.get(endpoint)
    if getattr(view, "_mfa_exempt", False) or view in here.exempt_views:
        return True
    return endpoint in here.exempt or any(name in here.exempt for name in request.blueprints)

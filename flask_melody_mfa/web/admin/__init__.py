"""The admin panel, for the people who run an app: those whom `is_admin` accepts."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.web.admin import clients, door, events, overview, settings, users
from flask_melody_mfa.web.admin.door import Admin


def blueprint(url_prefix: str) -> Blueprint:
    """The blueprint `mfa_admin`, for one app."""
    pages = Blueprint("mfa_admin", __name__, url_prefix=f"{url_prefix}/admin")
    add = pages.add_url_rule
    add("", "overview", door.page(overview.show), methods=["GET"])
    add("/users", "users", door.page(users.search), methods=["GET"])
    add("/users/<path:key>", "user", door.page(users.show), methods=["GET"])
    for action in users.ACTIONS:
        add(
            f"/users/<path:key>/{action}",
            action.replace("-", "_"),
            door.page(acting(action)),
            methods=["POST"],
        )
    add("/clients", "clients", door.page(clients.listed), methods=["GET"])
    add("/clients/<client_id>", "client", door.page(clients.edit), methods=["GET", "POST"])
    add("/events", "events", door.page(events.show), methods=["GET"])
    add("/events/export.<form>", "export", door.page(events.export), methods=["GET"])
    add("/settings", "settings", door.page(settings.show), methods=["GET"])
    return pages


def acting(action: str) -> Callable[[Admin, str], BaseResponse]:
    """The view of one action."""

    def act(admin: Admin, key: str) -> BaseResponse:
        return users.act(admin, key, action)

    return act

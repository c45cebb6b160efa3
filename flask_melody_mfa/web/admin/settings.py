"""The settings as they are in force, and what the doctor says of them."""

from __future__ import annotations

from flask import current_app, request
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.declared import DECLARED
from flask_melody_mfa.flows import clients
from flask_melody_mfa.web import doctor
from flask_melody_mfa.web.admin.door import Admin
from flask_melody_mfa.web.pages import common
from flask_melody_mfa.web.state import state


def show(admin: Admin) -> BaseResponse:
    """Every setting with its source, of the app or of a client. Read-only."""
    here = state()
    wanted = request.args.get("client", "")[:64] or None
    found = here.clients.find(wanted) if wanted else None
    settings = found.settings if found is not None else here.settings
    public = settings.as_public_dict()
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    return common.render(
        "mfa/admin/settings.html",
        here="settings",
        client=wanted if found is not None else "",
        clients=[view.client.id for view in clients.listed(admin.ctx, limit=100)[0]],
        settings=[
            {
                "name": setting.name,
                "value": "•••" if setting.secret else plain(public.get(setting.attribute)),
                "source": settings.source_of(setting.name),
                "doc": setting.doc,
            }
            for setting in DECLARED
        ],
        findings=doctor.examine(app, here, connect=False),
    )


def plain(value: object) -> str:
    """A value as text."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, dict):
        return ", ".join(map(str, value)) or "–"
    return str(value)

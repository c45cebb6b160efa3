"""Clients: list, create, edit with a preview, secrets shown once."""

from __future__ import annotations

from typing import Any

from flask import flash, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import clients as rules
from flask_melody_mfa.core.clients import OPERATOR, Client
from flask_melody_mfa.core.declared import BY_NAME, SCOPES, SYSTEM
from flask_melody_mfa.core.errors import Conflict, Forbidden, InvalidClient, InvalidRequest
from flask_melody_mfa.flows import client_preview
from flask_melody_mfa.flows import clients as flow
from flask_melody_mfa.web import answers, cursors, words
from flask_melody_mfa.web.admin.door import Admin
from flask_melody_mfa.web.moments import Moments
from flask_melody_mfa.web.pages import common
from flask_melody_mfa.web.state import state

PAGE = 50
NEW = "new"

SAVED = words.mfa_lazy("Saved. It takes effect everywhere within %(num)d seconds.")
DELETED = words.mfa_lazy("The client was deleted.")
IN_CODE = words.mfa_lazy("This client is declared in the app's code and cannot be changed here.")
NOT_SAVED = words.mfa_lazy("Not saved. See what is wrong below.")
CHANGED_MEANWHILE = words.mfa_lazy("This was changed elsewhere in the meantime. Please try again.")

FLAGS = tuple(name for name in rules.OVERRIDES if isinstance(BY_NAME[name.upper()].default, bool))
"""Overrides that are on, off, or as the app has them."""
TEXTS = tuple(name for name in rules.OVERRIDES if name not in FLAGS)
"""Overrides that are written as text; blank: as the app has them."""


def listed(admin: Admin) -> BaseResponse:
    """A page of clients."""
    which = cursors.fingerprint("admin-clients")
    at = cursors.read(which, request.args.get("cursor"))
    found, following = flow.listed(admin.ctx, after=tuple(at) if at else None, limit=PAGE)
    times = Moments(answers.texts().locale)
    return common.render(
        "mfa/admin/clients.html",
        here="clients",
        clients=[
            {
                "id": view.client.id,
                "name": view.client.name,
                "enabled": view.client.enabled,
                "in_code": view.client.source == "client code",
                "scopes": rules.in_order(view.client.scopes),
                "overrides": sorted(name.upper() for name in view.client.overrides),
                "problems": list(view.problems.values()),
                "changed": times.at(view.client.changed_at),
                "url": url_for("mfa_admin.client", client_id=view.client.id),
            }
            for view in found
        ],
        next_page_url=url_for("mfa_admin.clients", cursor=cursors.write(which, list(following)))
        if following
        else "",
        new_url=url_for("mfa_admin.client", client_id=NEW),
    )


def edit(admin: Admin, client_id: str) -> BaseResponse:
    """GET shows a client's form; POST previews it, saves it, makes a secret, or deletes it."""
    if client_id == NEW:
        client = Client(id="", name="", source="client database")
        secrets: tuple[flow.Secret, ...] = ()
    else:
        view = flow.show(admin.ctx, client_id)
        client, secrets = view.client, view.secrets
    if request.method != "POST":
        return form(admin, client, secrets)
    if client.source == "client code":
        return form(admin, client, secrets, error=IN_CODE, status=Forbidden.status)
    if "delete" in request.form and client.id:
        flow.remove(admin.ctx, OPERATOR, client.id)
        return done(client.id, DELETED, url_for("mfa_admin.clients"))
    if "secret" in request.form and client.id:
        made = flow.make_secret(
            admin.ctx, OPERATOR, client.id, revoke_old="revoke_old" in request.form
        )
        view = flow.show(admin.ctx, client.id)
        return form(admin, view.client, view.secrets, secret=made.secret)
    typed = said()
    try:
        if "preview" in request.form:
            seen = client_preview.preview(admin.ctx, client, typed)
            return form(admin, client, secrets, typed=typed, preview=seen)
        if client.id:
            saved = flow.change(admin.ctx, OPERATOR, client.id, typed)
        else:
            wanted = common.field("client_id") or None
            saved = flow.create(admin.ctx, OPERATOR, typed, client_id=wanted)
    except InvalidClient as error:
        return form(
            admin, client, secrets, typed=typed, errors=error.problems, error=NOT_SAVED,
            status=error.status,
        )  # fmt: skip
    except Conflict as error:
        return form(
            admin, client, secrets, typed=typed, error=CHANGED_MEANWHILE, status=error.status
        )
    return done(saved.id, SAVED, url_for("mfa_admin.client", client_id=saved.id))


def done(client_id: str, message: str, target: str) -> BaseResponse:
    """Say what was done. This process obeys at once."""
    here = state()
    here.clients.drop(client_id)
    here.cache.drop_client(client_id)
    seconds = here.settings.mfa_session_recheck_seconds
    flash(answers.texts().mfa_text(message, num=seconds), "success")
    return common.go(target)


def said() -> dict[str, Any]:
    """What the form says of a client. Raises `InvalidRequest`."""
    found: dict[str, Any] = {
        "name": common.field("name"),
        "redirect_uris": lines("redirect_uris"),
        "origins": lines("origins"),
        "allow_native": bool(request.form.get("allow_native")),
        "enabled": bool(request.form.get("enabled")),
        "scopes": [scope for scope in SCOPES if scope in request.form.getlist("scopes")],
    }
    if request.form.get("root"):
        found["scopes"].append(rules.ROOT)
    for name in FLAGS:
        found[name] = {"on": True, "off": False}.get(request.form.get(name, ""))
    for name in TEXTS:
        written = common.field(name)
        found[name] = None if not written else [] if written == "-" else written
    own = any(found[name.lower()] is not None for name in SYSTEM)
    system = request.form.get(rules.USE_SYSTEM)
    found[rules.USE_SYSTEM] = (system == "yes") if system in ("yes", "no") and not own else None
    return found


def lines(name: str) -> list[str]:
    """The lines of a text field. Raises `InvalidRequest`."""
    text = request.form.get(name, "")
    if len(text) > 60_000 or "\x00" in text:
        raise InvalidRequest({name: "too_long"})
    return [line.strip() for line in text.splitlines() if line.strip()]


def form(
    admin: Admin,
    client: Client,
    secrets: tuple[flow.Secret, ...],
    *,
    typed: dict[str, Any] | None = None,
    preview: client_preview.Preview | None = None,
    errors: dict[str, str] | Any = None,
    error: str = "",
    secret: str = "",
    status: int = 200,
) -> BaseResponse:
    """The form of one client, with what was typed in it."""
    say = answers.texts()
    times = Moments(say.locale)
    settings = admin.ctx.settings
    shown: dict[str, Any] = {
        "name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "origins": list(client.origins),
        "allow_native": client.allow_native,
        "enabled": client.enabled,
        "scopes": list(rules.in_order(client.scopes)),
        **{name: client.overrides.get(name) for name in (*rules.OVERRIDES, rules.USE_SYSTEM)},
        **(typed or {}),
    }
    return common.render(
        "mfa/admin/client.html",
        status,
        here="clients",
        is_new=not client.id,
        in_code=client.source == "client code",
        client_id=client.id or request.form.get("client_id", "")[:64],
        shown=shown,
        scopes=SCOPES,
        flags=[
            {
                "name": name,
                "label": name.upper(),
                "doc": BY_NAME[name.upper()].doc,
                "value": {True: "on", False: "off"}.get(shown[name], ""),
                "app": getattr(settings, name),
                "system": name.upper() in SYSTEM,
                "error": (errors or {}).get(name, ""),
            }
            for name in FLAGS
        ],
        texts=[
            {
                "name": name,
                "label": name.upper(),
                "doc": BY_NAME[name.upper()].doc,
                "value": as_text(shown[name]),
                "app": as_text(getattr(settings, name)),
                "system": name.upper() in SYSTEM,
                "error": (errors or {}).get(name, ""),
            }
            for name in TEXTS
        ],
        use_system={True: "yes", False: "no"}.get(shown[rules.USE_SYSTEM], ""),
        errors=errors or {},
        error=say.mfa_text(error),
        preview=preview,
        secret=secret,
        secrets=[
            {"made": times.at(one.created_at), "ends": times.at(one.expires_at)} for one in secrets
        ],
    )


def as_text(value: Any) -> str:
    """A value of a setting as the form writes it."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)

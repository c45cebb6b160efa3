"""Users: search, and one page for each, with what an admin may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import Conflict, Forbidden, InvalidRequest, NotConfigured
from flask_melody_mfa.core.types import FACTOR_ORDER, FactorKind, Method
from flask_melody_mfa.flows import account as accounts
from flask_melody_mfa.flows import admin as flow
from flask_melody_mfa.flows import clients, devices, directory, events, explain, passkeys
from flask_melody_mfa.flows.admin import Target
from flask_melody_mfa.web import answers, cursors, words
from flask_melody_mfa.web.admin import door, rows
from flask_melody_mfa.web.admin.door import Admin
from flask_melody_mfa.web.moments import Moments
from flask_melody_mfa.web.notices import FACTOR_LABELS
from flask_melody_mfa.web.pages import common
from flask_melody_mfa.web.pages.challenge import reason
from flask_melody_mfa.web.state import context, state

PAGE = 25
EVENTS = 20

DONE = words.mfa_lazy("Done. The change is recorded in your name.")
CHANGED_MEANWHILE = words.mfa_lazy("This was changed elsewhere in the meantime. Please try again.")
PROTECTED = words.mfa_lazy(
    "Your own account, and those of other administrators, cannot be changed here."
)
NEEDS_REASON = words.mfa_lazy("Say why, in a few words.")


def search(admin: Admin) -> BaseResponse:
    """A page of users. GET only: it changes nothing."""
    query = " ".join(request.args.get("query", "")[:200].split())
    which = cursors.fingerprint("admin-users", query=query)
    at = cursors.read(which, request.args.get("cursor"))
    here = state()
    try:
        page = here.list_users(query if query.isprintable() else "", at or "", PAGE)
    except NotConfigured:
        return common.render("mfa/admin/users.html", here="users", unlisted=True, query=query)
    found = directory.described(admin.ctx, [here.describe(user) for user in page.users])
    times = Moments(answers.texts().locale)
    following = page.next_cursor
    return common.render(
        "mfa/admin/users.html",
        here="users",
        query=query,
        users=[rows.user(one, times) for one in found],
        next_page_url=url_for(
            "mfa_admin.users", query=query or None, cursor=cursors.write(which, following)
        )
        if following
        else "",
        first_url=url_for("mfa_admin.users", query=query or None) if at else "",
    )


def show(admin: Admin, key: str) -> BaseResponse:
    """One user."""
    target = door.target(admin, key)
    if request.method != "HEAD":
        flow.note_view(admin.ctx, target)
    return page(admin, target)


def page(admin: Admin, target: Target, *, error: str = "", status: int = 200) -> BaseResponse:
    """The page of one user."""
    ctx, account = admin.ctx, target.account
    say = answers.texts()
    times = Moments(say.locale)
    found = flow.described(ctx, account)
    overview = accounts.overview(ctx, account)
    recorded, _ = events.listed(ctx, user_key=account.key, limit=EVENTS)
    names = [client.client.id for client in clients.listed(ctx, limit=100)[0]]
    return common.render(
        "mfa/admin/user.html",
        status,
        here="users",
        key=account.key,
        user=rows.user(found, times),
        protected=target.protected,
        protected_text=say.mfa_text(PROTECTED),
        factors=[rows.factor(one, say, times) for one in found.factors],
        demandable=[
            {"kind": kind.value, "label": say.mfa_text(FACTOR_LABELS[kind.value])}
            for kind in FACTOR_ORDER
            if kind not in {one.kind for one in found.factors} and kind not in found.must_set_up
        ],
        demanded=[
            {"kind": kind.value, "label": say.mfa_text(FACTOR_LABELS[kind.value])}
            for kind in found.must_set_up
        ],
        passkeys=[rows.passkey(one, times) for one in passkeys.listed(ctx, account.key)],
        devices=[rows.device(one, say, times) for one in devices.listed(ctx, account.key)],
        sessions=[rows.session(one, say, times) for one in overview.sessions],
        codes_left=found.recovery_codes,
        failures=found.failures,
        locked_until=times.at(found.locked_until),
        resettable=[
            {"kind": kind.value, "label": say.mfa_text(FACTOR_LABELS[kind.value])}
            for kind in FactorKind
        ],
        events=[rows.event(one, say, times) for one in recorded],
        events_url=url_for("mfa_admin.events", user=account.key),
        why=why(admin, target),
        clients=names,
        chosen_client=request.args.get("client", "")[:64],
        error=say.mfa_text(error),
        reason_value=request.form.get("reason", "")[:200],
    )


def why(admin: Admin, target: Target) -> dict[str, Any]:
    """Why is this user asked? The gate's answer, for the client that the query names."""
    client = request.args.get("client", "")[:64] or None
    if client is not None and state().clients.find(client) is None:
        client = None
    found = explain.explain(context(client), target.account, method=Method.PASSWORD)
    data = found.as_dict()
    return {
        "client": client or "",
        "step": data["step"]["type"],
        "factors": data["step"].get("factors", []),
        "alternatives": data["step"].get("alternatives", []),
        "reason": data["step"].get("reason", ""),
        "lines": data["reasons"],
        "settings": [
            {"name": name.upper(), "value": str(entry["value"]), "source": entry["source"]}
            for name, entry in data["settings"].items()
        ],
    }


def kind_of(name: str) -> FactorKind:
    """A factor that a form names. Raises `InvalidRequest`."""
    try:
        return FactorKind(common.field(name, required=True))
    except ValueError:
        raise InvalidRequest({name: "choose"}) from None


def chosen_kinds() -> list[FactorKind]:
    """The factors that are ticked; none: everything. Raises `InvalidRequest`."""
    given = request.form.getlist("factors")
    if request.form.get("what") == "all":
        return []
    try:
        kinds = [FactorKind(one) for one in given[:10]]
    except ValueError:
        kinds = []
    if not kinds:
        raise InvalidRequest({"factors": "choose"})
    return kinds


ACTIONS: dict[str, Callable[[Admin, Target], None]] = {
    "demand": lambda admin, target: flow.demand(admin.ctx, target, kind_of("factor")),
    "withdraw": lambda admin, target: flow.withdraw(admin.ctx, target, kind_of("factor")),
    "remove": lambda admin, target: flow.remove(
        admin.ctx, target, [kind_of("factor")], common.field("reason")
    ),
    "reset": lambda admin, target: flow.remove(
        admin.ctx, target, chosen_kinds(), common.field("reason")
    ),
    "remove-passkey": lambda admin, target: flow.remove_passkey(
        admin.ctx, target, common.field("passkey", required=True), common.field("reason")
    ),
    "void-codes": lambda admin, target: flow.void_codes(admin.ctx, target),
    "forget-device": lambda admin, target: flow.forget_device(
        admin.ctx, target, common.field("device", required=True)
    ),
    "forget-devices": lambda admin, target: flow.forget_devices(admin.ctx, target),
    "end-session": lambda admin, target: flow.end_session(
        admin.ctx, target, common.field("session", required=True)
    ),
    "end-sessions": lambda admin, target: flow.end_sessions(admin.ctx, target),
    "unlock": lambda admin, target: flow.unlock(admin.ctx, target),
}
"""What can be done with a user, by the last part of its address."""


def act(admin: Admin, key: str, action: str) -> BaseResponse:
    """Do one of `ACTIONS`."""
    target = door.target(admin, key)
    try:
        ACTIONS[action](admin, target)
    except Forbidden as error:
        return page(admin, target, error=PROTECTED, status=error.status)
    except InvalidRequest as error:
        missing = "reason" in error.errors
        text = NEEDS_REASON if missing else reason(error, "factor")
        return page(admin, target, error=text, status=error.status)
    except Conflict as error:
        return page(admin, target, error=CHANGED_MEANWHILE, status=error.status)
    state().cache.drop_user(target.account.key)
    flash(answers.texts().mfa_text(DONE), "success")
    return common.go(url_for("mfa_admin.user", key=key))

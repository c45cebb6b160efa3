"""The account page: everything of one's own security in one place, and how it is changed.

Every change stands on a page of its own that asks for a fresh proof first, so that nothing that was
typed or pressed is lost by it. Each keeps `next`, so the policy pages lead here, too.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import Conflict, InvalidRequest, NotFound
from flask_melody_mfa.flows import account as flow
from flask_melody_mfa.flows import passkeys
from flask_melody_mfa.web import answers, door, words
from flask_melody_mfa.web.pages import account_view, common, own
from flask_melody_mfa.web.pages.challenge import reason
from flask_melody_mfa.web.pages.own import Own
from flask_melody_mfa.web.pages.recovery_code import set_password_url

NOTHING_CHANGED = words.mfa_lazy("Please confirm that it is you first. Nothing was changed yet.")
REMOVED = words.mfa_lazy("Removed: %(factor)s.")
RENAMED = words.mfa_lazy("The name was saved.")
SESSION_ENDED = words.mfa_lazy("The session was ended.")
OTHERS_ENDED = words.mfa_lazy("You are signed out everywhere else.")
LAST_ONE = words.mfa_lazy(
    "This cannot be removed: your sign-in needs it. Set up another way first, or replace it."
)
NAME_TAKEN = words.mfa_lazy("You have given this name already.")


def overview() -> BaseResponse:
    """Everything at a glance. Changes nothing."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    found = flow.overview(mine.ctx, mine.account, session_id=mine.standing.row.id)
    view = account_view.View(mine, back=url_for("mfa.account.overview"))
    settings = mine.ctx.settings
    return common.render(
        "mfa/account/overview.html",
        next_url=url_for("mfa.account.overview"),
        account_label=mine.account.login,
        credentials=[view.credential(one) for one in found.credentials],
        add_url=url_for("mfa.enroll.choose", next=url_for("mfa.account.overview")),
        passkeys=view.passkeys(),
        add_passkey_url=view.add_passkey_url(),
        signals=view.signals(),
        codes=view.recovery_codes(found) if settings.enable_recovery_code else None,
        devices=view.devices() if settings.enable_mfa_remember_device else None,
        sessions=[view.session(one) for one in found.sessions],
        more_sessions=found.more_sessions,
        end_others_url=url_for("mfa.account.end_other_sessions"),
        events=view.events(found.events),
        password_url=set_password_url(mine.account.key),
    )


def enter_to_change() -> Own | BaseResponse:
    """Who may change something now: the gate is satisfied, and a proof is fresh."""
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    elsewhere = own.step_up(mine)
    if elsewhere is not None and request.method == "POST":
        flash(say(NOTHING_CHANGED), "warning")
    return elsewhere or mine


def change(function: Callable[..., BaseResponse]) -> Callable[..., BaseResponse]:
    """A page on which something is changed: `function` gets who may, and what the address names."""

    def page(**values: str) -> BaseResponse:
        mine = enter_to_change()
        return function(mine, **values) if isinstance(mine, Own) else mine

    return page


def back() -> str:
    """Where a change leads: to the page that it was asked for on."""
    return common.next_path() or url_for("mfa.account.overview")


def done(message: str, **values: str) -> BaseResponse:
    """Say what was done, on the page that it was asked for on."""
    flash(answers.texts().mfa_text(message, **values), "success")
    return common.go(back())


def remove_factor(mine: Own, credential_id: str) -> BaseResponse:
    """GET asks whether it is meant; POST removes the factor."""
    found = flow.credential(mine.ctx, mine.account, credential_id)
    return removal(
        account_view.View(mine, back=back()).credential(found),
        lambda: flow.remove(mine.ctx, mine.account, credential_id, session_id=mine.standing.row.id),
    )


def removal(shown: account_view.Row, remove: Callable[[], object]) -> BaseResponse:
    """Ask whether it is meant, or remove what is shown."""
    error, status = "" if shown["removable"] else say(LAST_ONE), 200
    if request.method == "POST":
        try:
            remove()
            return done(REMOVED, factor=shown["label"])
        except Conflict as conflict:
            error, status = say(LAST_ONE), conflict.status
    return common.render(
        "mfa/account/remove_factor.html", status, item=shown, error=error, back_url=back()
    )


def rename_factor(mine: Own, credential_id: str) -> BaseResponse:
    """GET asks for a name; POST keeps it."""
    found = flow.credential(mine.ctx, mine.account, credential_id)
    shown = account_view.View(mine, back=back()).credential(found)
    if request.method != "POST":
        return name_form(shown, shown["name"])
    return named(shown, lambda name: flow.rename(mine.ctx, mine.account, credential_id, name))


def named(shown: account_view.Row, rename: Callable[[str], None]) -> BaseResponse:
    """Keep the name that was typed, or say what is wrong with it."""
    typed = request.form.get("name", "")[:64]
    try:
        rename(common.field("name"))
    except InvalidRequest as error:
        return name_form(shown, typed, error=say(reason(error, "name")), status=400)
    except Conflict as conflict:
        return name_form(shown, typed, error=say(NAME_TAKEN), status=conflict.status)
    return done(RENAMED)


def name_form(
    item: account_view.Row, value: str, *, error: str = "", status: int = 200
) -> BaseResponse:
    """The form for a name."""
    return common.render(
        "mfa/account/rename.html",
        status,
        item=item,
        name_value=value,
        name_error=error,
        back_url=back(),
    )


def own_passkey(mine: Own, passkey_id: str) -> account_view.Row:
    """A passkey of this account, to be shown. Raises `NotFound`, for another user's, too."""
    for one in passkeys.listed(mine.ctx, mine.account.key):
        if one.id == passkey_id:
            removable = passkeys.is_removable(mine.ctx, mine.account, mine.standing.holding)
            return account_view.View(mine, back=back()).passkey(one, removable=removable)
    raise NotFound


def rename_passkey(mine: Own, passkey_id: str) -> BaseResponse:
    """GET asks for a name; POST keeps it."""
    shown = own_passkey(mine, passkey_id)
    if request.method != "POST":
        return name_form(shown, shown["name"])
    return named(shown, lambda name: passkeys.rename(mine.ctx, mine.account, passkey_id, name))


def remove_passkey(mine: Own, passkey_id: str) -> BaseResponse:
    """GET asks whether it is meant; POST removes the passkey."""
    return removal(
        own_passkey(mine, passkey_id),
        lambda: passkeys.remove(
            mine.ctx, mine.account, passkey_id, session_id=mine.standing.row.id
        ),
    )


def replace_factor(mine: Own, credential_id: str) -> BaseResponse:
    """GET tells what will happen; POST opens the set-up of what takes its place."""
    found = flow.credential(mine.ctx, mine.account, credential_id)
    if request.method != "POST":
        shown = account_view.View(mine, back=back()).credential(found)
        return common.render("mfa/account/replace_factor.html", item=shown, back_url=back())
    begun, kind = flow.replace(
        mine.ctx, mine.account, mine.standing, credential_id, next_url=back()
    )
    door.set_mark(c=begun.token)
    return common.go(url_for(f"mfa.enroll.{kind.value}", next=back()))


def end_session(mine: Own, session_id: str) -> BaseResponse:
    """GET asks whether it is meant; POST ends one session."""
    if request.method != "POST":
        return confirm_end(say(END_ONE), say(END_ONE_LEAD))
    flow.end_session(mine.ctx, mine.account, session_id)
    return done(SESSION_ENDED)


def end_other_sessions(mine: Own) -> BaseResponse:
    """GET asks whether it is meant; POST ends every session but this one."""
    if request.method != "POST":
        return confirm_end(say(END_OTHERS), say(END_OTHERS_LEAD))
    flow.end_other_sessions(mine.ctx, mine.account, but=mine.standing.row.id)
    return done(OTHERS_ENDED)


END_ONE = words.mfa_lazy("End this session?")
END_ONE_LEAD = words.mfa_lazy("That browser is signed out at once and has to sign in again.")
END_OTHERS = words.mfa_lazy("Sign out everywhere else?")
END_OTHERS_LEAD = words.mfa_lazy(
    "Every other browser is signed out, and no device is remembered any more. You stay signed in "
    "here."
)


def confirm_end(heading: str, lead: str) -> BaseResponse:
    """Ask whether it is meant."""
    return common.render(
        "mfa/account/end_session.html", heading=heading, lead=lead, back_url=back()
    )


def say(text: str) -> str:
    """A text in the reader's language."""
    return answers.texts().mfa_text(text)


def blueprint() -> Blueprint:
    """The blueprint `mfa.account`."""
    pages = Blueprint("account", __name__, url_prefix="/account")
    pages.add_url_rule("", "overview", common.view(overview), methods=["GET"])
    for rule, function in (
        ("/factors/<credential_id>/remove", remove_factor),
        ("/factors/<credential_id>/rename", rename_factor),
        ("/factors/<credential_id>/replace", replace_factor),
        ("/passkeys/<passkey_id>/rename", rename_passkey),
        ("/passkeys/<passkey_id>/remove", remove_passkey),
        ("/sessions/end-others", end_other_sessions),
        ("/sessions/<session_id>/end", end_session),
    ):
        pages.add_url_rule(
            rule, function.__name__, common.view(change(function)), methods=["GET", "POST"]
        )
    return pages

"""Policies: an application sends its user here for one thing, and gets the user back."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.errors import (
    ChallengeOver,
    InvalidRequest,
    NobodyCan,
    NotAuthenticated,
)
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.flows import account as accounts
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import policies, recovery, resetting
from flask_melody_mfa.flows.policies import Asked, Visit
from flask_melody_mfa.flows.resetting import Choice
from flask_melody_mfa.web import answers, door, fresh_sign_in, guard, policy_links, words
from flask_melody_mfa.web.pages import account_view, common, own
from flask_melody_mfa.web.pages.own import Own
from flask_melody_mfa.web.state import context, state

OVER = words.mfa_lazy("This page was open for too long, or is open elsewhere. Nothing was changed.")
BAD_ADDRESS = words.mfa_lazy(
    "The link that brought you here is not right. Go back to where you came from, and tell the "
    "people who run it."
)
NOTHING_CHOSEN = words.mfa_lazy("Choose what to reset.")


def show(name: str) -> BaseResponse:
    """The page of one policy. Its address says everything that was asked, on GET and POST."""
    try:
        asked = asked_for(name)
    except InvalidRequest as error:
        return bad_address(error)
    choose_locale()
    mine = own.enter(asked.client)
    if not isinstance(mine, Own):
        return mine
    policies.check_open(mine.ctx, name, passkeys=mine.standing.holding.passkeys)
    try:
        return visit_page(mine, open_visit(mine, asked))
    except ChallengeOver:
        if not answers.is_navigation():
            raise
        return common.go(here())  # where the same stands as it is now


def visit_page(mine: Own, visit: Visit) -> BaseResponse:
    """The page of a visit, what its form does, or the way back. Raises `ChallengeOver`."""
    if visit.done and visit.asked.policy == policies.RESET_MFA:
        return leave(mine, visit, "done")
    if request.method == "POST":
        if common.field("visit") != visit.id:
            flash(answers.texts().mfa_text(OVER), "warning")
            raise ChallengeOver
        outcome = outcome_of(visit)
        if outcome is not None:
            return leave(mine, visit, outcome)
    elsewhere = step_up(mine, visit)
    return PAGES[visit.asked.policy](mine, visit) if elsewhere is None else elsewhere


def asked_for(name: str) -> Asked:
    """What the address asks for. Raises `NotFound` for the policy, else `InvalidRequest`."""
    client_id = one_argument("client_id")
    known = client_id is None or policy_links.find_client(client_id) is not None
    policies.check_open(context(client_id if known else None), name)
    return policy_links.checked(
        name,
        redirect_uri=one_argument("redirect_uri") or "",
        client_id=client_id,
        state=one_argument("state"),
    )


def one_argument(name: str) -> str | None:
    """An argument of the address. Raises `InvalidRequest` where it is given twice."""
    values = request.args.getlist(name)
    if len(values) > 1:
        raise InvalidRequest({name: "invalid"})
    return values[0] if values else None


def bad_address(error: InvalidRequest) -> BaseResponse:
    """Nobody is sent anywhere: the page says that the link is wrong."""
    if not answers.is_navigation():
        raise error
    say = answers.texts()
    return common.render(
        "mfa/error.html",
        error.status,
        heading=say.mfa_text(words.mfa_lazy("That did not work")),
        detail=say.mfa_text(BAD_ADDRESS),
    )


def choose_locale() -> None:
    """The language that the application asks for, where we have it."""
    wanted = request.args.get("locale")
    if wanted:
        offered = state().settings.mfa_languages
        found = wanted if wanted in offered else words.match([wanted], offered)
        if found:
            door.set_mark(l=found)


def here() -> str:
    """This page's own address, with all that was asked."""
    return answers.this_path() or "/"


def open_visit(mine: Own, asked: Asked) -> Visit:
    """This browser's visit."""
    visit, token = policies.open_visit(
        mine.ctx, mine.standing, asked, path=here(), held=door.mark().get("p")
    )
    door.set_mark(p=token)
    return visit


def step_up(mine: Own, visit: Visit) -> BaseResponse | None:
    """The way to the fresh proof that the page asks for; None where there is one."""
    step = policies.step_up(mine.ctx, mine.account, mine.standing, visit)
    match step:
        case gate.Satisfied():
            return None
        case gate.Stuck(reason=reason):
            raise NobodyCan(reason)
        case gate.NeedPassword():
            return fresh_sign_in.lead(here())
    if not runs_already(mine, visit):
        begun = policies.begin_step_up(mine.ctx, mine.account, mine.standing, visit)
        if begun is None:
            raise NotAuthenticated
        door.set_mark(c=begun.token)
    return redirect(url_for("mfa.challenge.start", next=here()), 303)


def runs_already(mine: Own, visit: Visit) -> bool:
    """Whether the step-up of this visit is open in this browser."""
    if not door.mark().get("c"):
        return False
    try:
        running = guard.pending()
    except ChallengeOver:
        return False
    return (
        running.purpose == challenges.STEP_UP
        and running.goal.visit == visit.id
        and running.row.session_id == mine.standing.row.id
    )


def outcome_of(visit: Visit) -> policies.Outcome | None:
    """How the visit ends with this form; None where the form is for something else."""
    if common.field("cancel"):
        return "cancelled"
    if not (common.field("done") or common.field("saved")):
        return None
    may_be_idle = visit.asked.policy in (policies.MANAGE_PASSKEY, policies.MANAGE_DEVICE)
    return "done" if visit.done or may_be_idle else "cancelled"


def leave(mine: Own, visit: Visit, outcome: policies.Outcome) -> BaseResponse:
    """Back to the application."""
    target = policies.close(mine.ctx, visit, outcome)
    door.set_mark(p=None)
    return common.go(target)


def render(
    template: str, mine: Own, visit: Visit, status: int = 200, **values: object
) -> BaseResponse:
    """A page of a policy. All its forms carry the visit that they were made for."""
    client_id = visit.asked.client
    client = policy_links.find_client(client_id) if client_id is not None else None
    return common.render(
        template,
        status,
        next_url=here(),
        hidden_fields={"visit": visit.id},
        action=here(),
        application=client.name if client is not None else "",
        account_label=mine.account.login,
        **values,
    )


def reset_mfa(mine: Own, visit: Visit) -> BaseResponse:
    """Choose what to reset; then what the gate demands is set up at once, in the same session."""
    if request.method != "POST":
        return reset_form(mine, visit)
    try:
        resetting.reset(mine.ctx, mine.account, mine.standing, visit, choice())
    except InvalidRequest:
        return reset_form(mine, visit, error=NOTHING_CHOSEN, status=400)
    state().cache.drop_user(mine.account.key)
    token = door.mark().get("s") or ""
    standing = guard.read_session(mine.ctx.client, token)
    if standing is None:
        raise NotAuthenticated
    begun = resetting.begin_set_up(mine.ctx, mine.account, standing, visit)
    if begun is None:
        return leave(mine, visit, "done")
    door.set_mark(c=begun.token)
    return common.go(url_for("mfa.challenge.start"))


def choice() -> Choice:
    """What was ticked. Raises `InvalidRequest` for a factor that cannot be reset."""
    named = request.form.getlist("factor")
    everything = "all" in named
    kinds = [kind for kind in named if kind != "all"]
    if any(kind not in resetting.ENROLLABLE for kind in kinds):
        raise InvalidRequest({"factor": "choose"})
    return Choice(
        factors=frozenset(FactorKind(kind) for kind in kinds),
        everything=everything,
        passkeys=bool(common.field("passkeys")),
        recovery_codes=bool(common.field("recovery_codes")),
    )


def reset_form(mine: Own, visit: Visit, *, error: str = "", status: int = 200) -> BaseResponse:
    """What can be reset."""
    found = accounts.overview(mine.ctx, mine.account, session_id=mine.standing.row.id)
    view = account_view.View(mine, back=here())
    kinds: dict[str, list[account_view.Row]] = {}
    for one in found.credentials:
        kinds.setdefault(one.kind.value, []).append(view.credential(one))
    return render(
        "mfa/policy/reset.html",
        mine,
        visit,
        status,
        factors=list(kinds.values()),
        passkeys=found.passkeys,
        recovery_codes=found.recovery_codes,
        error=answers.texts().mfa_text(error),
    )


def manage_recovery_code(mine: Own, visit: Visit) -> BaseResponse:
    """Make new codes, shown once; once they are saved, the visit ends."""
    if request.method == "POST":
        codes = policies.make_codes(mine.ctx, mine.account, visit)
        return render(
            "mfa/recovery/codes.html",
            mine,
            visit,
            codes=codes,
            file_url=url_for("mfa.enroll.recovery_codes_file"),
        )
    return render(
        "mfa/policy/recovery_codes.html",
        mine,
        visit,
        left=mine.standing.holding.recovery_codes,
        count=mine.ctx.settings.mfa_recovery_code_count,
        possible=recovery.may_have(mine.ctx, mine.standing.holding),
        made=visit.done,
    )


def manage_passkey(mine: Own, visit: Visit) -> BaseResponse:
    """The passkeys, to be added, named and removed: the account page's part of them."""
    view = account_view.View(mine, back=here())
    return render(
        "mfa/policy/passkeys.html",
        mine,
        visit,
        passkeys=view.passkeys(),
        add_passkey_url=view.add_passkey_url(),
        signals=view.signals(),
    )


def manage_device(mine: Own, visit: Visit) -> BaseResponse:
    """The remembered devices, to be forgotten."""
    devices = account_view.View(mine, back=here()).devices()
    return render("mfa/policy/devices.html", mine, visit, devices=devices)


PAGES: dict[str, Callable[[Own, Visit], BaseResponse]] = {
    policies.RESET_MFA: reset_mfa,
    policies.MANAGE_RECOVERY_CODE: manage_recovery_code,
    policies.MANAGE_PASSKEY: manage_passkey,
    policies.MANAGE_DEVICE: manage_device,
}


def blueprint() -> Blueprint:
    """The blueprint `mfa.policy`."""
    pages = Blueprint("policy", __name__, url_prefix="/policy")
    pages.add_url_rule("/<name>", "show", common.view(show), methods=["GET", "POST"])
    return pages

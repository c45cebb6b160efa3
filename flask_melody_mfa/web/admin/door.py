"""Who may see the admin panel: whom `is_admin` accepts, with a fresh strong proof."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import flash, request
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import NotFound
from flask_melody_mfa.core.types import Account, FactorKind
from flask_melody_mfa.flows import admin as flow
from flask_melody_mfa.flows.admin import Target
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Requirement
from flask_melody_mfa.web import answers, decorators, words
from flask_melody_mfa.web.pages import common, own
from flask_melody_mfa.web.pages.own import Own
from flask_melody_mfa.web.state import state

STRONG = frozenset({FactorKind.OTP, FactorKind.SMS, FactorKind.PASSKEY})
LOOK_SECONDS = 900
"""How fresh the proof must be to look; to change something, `MFA_FRESH_SECONDS`."""

NOTHING_CHANGED = words.mfa_lazy("Please confirm that it is you first. Nothing was changed yet.")


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin of this request. What is done with `ctx` is recorded in the admin's name."""

    ctx: Context
    account: Account


def enter() -> Admin | BaseResponse:
    """The admin, or the answer that stands in the way. Raises `NotFound` for anybody else."""
    here = state()
    if not here.settings.mfa_admin_panel or here.hooks.is_admin is None:
        raise NotFound
    mine = own.enter()
    if not isinstance(mine, Own):
        return mine
    if not is_admin(mine.account.key):
        raise NotFound
    changes = request.method == "POST"
    longest = mine.ctx.settings.mfa_fresh_seconds if changes else LOOK_SECONDS
    refusal: BaseResponse | None = decorators.refuse(Requirement(factors=STRONG, max_age=longest))
    if refusal is not None:
        if changes:
            flash(answers.texts().mfa_text(NOTHING_CHANGED), "warning")
        return refusal
    return Admin(flow.acting(mine.ctx, mine.account.key), mine.account)


def is_admin(key: str) -> bool:
    """Whether the user of a key is an admin. A hook that fails says no."""
    here = state()
    hook = here.hooks.is_admin
    user = here.load_user(key)
    return hook is not None and user is not None and here.ask("is_admin", hook, user) is True


def target(admin: Admin, key: str) -> Target:
    """The account that an address names. Raises `NotFound`."""
    account = state().account_of(key)
    if account is None:
        raise NotFound
    return Target(
        account=account, protected=account.key == admin.account.key or is_admin(account.key)
    )


def page(function: Callable[..., BaseResponse]) -> Callable[..., BaseResponse]:
    """A page of the panel: `function` gets the admin, and what the address names."""

    @wraps(function)
    def entered(**values: Any) -> BaseResponse:
        admin = enter()
        return function(admin, **values) if isinstance(admin, Admin) else admin

    view: Callable[..., BaseResponse] = common.view(entered)
    return view

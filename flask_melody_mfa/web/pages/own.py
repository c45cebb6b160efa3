"""A signed-in user's own pages: the session is read anew, nothing is taken from memory."""

from __future__ import annotations

from dataclasses import dataclass

from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import NotAuthenticated
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.flows import sessions
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.web import answers, decorators, door, guard, words
from flask_melody_mfa.web.seen import At
from flask_melody_mfa.web.state import context, state


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Whose page it is, and in which session. Its gate is satisfied."""

    ctx: Context
    account: Account
    standing: Standing


def enter(client: str | None = None) -> Own | BaseResponse:
    """Who may see a page of their own, or the answer that sends them elsewhere first.

    `client`: whose gate the page stands behind, where it is not that of the request.
    """
    if guard.look().at is At.ANONYMOUS and answers.is_navigation():
        return answers.to_login(decorators.come_back())
    refusal: BaseResponse | None = decorators.refuse(sessions.Requirement(client=client))
    if refusal is not None:
        return refusal
    seen = guard.look() if client is None else guard.look_as(client)
    ctx = context(seen.client, locale=words.current_locale(state().settings.mfa_languages))
    token = door.mark().get("s")
    standing = guard.read_session(seen.client, token) if token and not seen.by_loader else None
    account = seen.account or guard.current_account(state())
    if standing is None or account is None or not guard.is_of(standing, account):
        raise NotAuthenticated
    if not standing.satisfied:
        state().cache.drop_user(account.key)
        return guard.interrupt(guard.look_as(seen.client))
    return Own(ctx=ctx, account=account, standing=standing)


def step_up(own: Own) -> BaseResponse | None:
    """The way to a fresh proof, where the session holds none. Raises `NobodyCan`."""
    asked = sessions.Requirement(max_age=own.ctx.settings.mfa_fresh_seconds)
    answer: BaseResponse | None = decorators.refuse(asked)
    return answer

"""Policies: an application sends its user here for one thing, and gets the user back.

A visit is a row, bound to the session that it was opened in; the browser holds its token. It proves
nothing: every change asks for a fresh proof besides. Only a recovery code, where one was spent for
a reset, is noted in the visit itself, so that it is good for nothing else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import unquote_plus, urlencode

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.codes import new_id, new_token
from flask_melody_mfa.core.errors import ChallengeOver, NotFound
from flask_melody_mfa.core.limits import POLICY_VISIT
from flask_melody_mfa.core.signed import Purpose, Signer
from flask_melody_mfa.core.types import Account, FactorKind, Instant
from flask_melody_mfa.flows import recovery, sessions
from flask_melody_mfa.flows.challenge import STEP_UP, Goal, is_recent, proofs_from_text
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Requirement, Standing
from flask_melody_mfa.flows.sign_in import Begun, begin_on_session
from flask_melody_mfa.store import challenges
from flask_melody_mfa.store.tables import ChallengeRow

RESET_MFA = "reset_mfa"
MANAGE_RECOVERY_CODE = "manage_recovery_code"
MANAGE_PASSKEY = "manage_passkey"
MANAGE_DEVICE = "manage_device"

Outcome = Literal["done", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an application asked for; its redirect address was checked by whoever made this."""

    policy: str
    redirect_uri: str
    client: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit to a policy page. `done`: what it is about was done."""

    row: ChallengeRow
    asked: Asked
    done: bool = False

    @property
    def id(self) -> str:
        return self.row.id

    def to_text(self) -> str:
        """The visit as its row keeps it."""
        asked = self.asked
        return json.dumps(
            {
                "policy": asked.policy,
                "redirect_uri": asked.redirect_uri,
                "state": asked.state,
                "done": self.done,
            }
        )


def visit_of(row: ChallengeRow) -> Visit:
    """The visit that a row keeps."""
    kept = json.loads(row.goal)
    return Visit(
        row=row,
        asked=Asked(
            policy=kept["policy"],
            redirect_uri=kept["redirect_uri"],
            client=row.client,
            state=kept["state"],
        ),
        done=kept["done"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """How a visit ended, as the application may rely on it; `at`: when.

    The application compares `state` and `user_key` with its own session's.
    """

    user_key: str
    client: str | None
    policy: str
    state: str | None
    result: Outcome
    at: Instant


def check_open(ctx: Context, policy: str, *, passkeys: int | None = None) -> None:
    """Raises `NotFound` for a policy that is unknown, blocked, or switched off.

    `passkeys`: how many the account holds, where it is known: they can be managed in any case.
    """
    settings = ctx.settings
    switched_on = {
        RESET_MFA: True,
        MANAGE_RECOVERY_CODE: settings.enable_recovery_code,
        MANAGE_PASSKEY: settings.allow_passkey_enrollment or passkeys is None or passkeys > 0,
        MANAGE_DEVICE: settings.enable_mfa_remember_device,
    }
    if not switched_on.get(policy, False) or policy in settings.blocked_policies:
        raise NotFound


def open_visit(
    ctx: Context, standing: Standing, asked: Asked, *, path: str, held: str | None = None
) -> tuple[Visit, str]:
    """The visit of this session for what was asked, and its token: the one at hand, or a new one.

    `path`: the page's own address, with all that was asked. `held`: the token that the browser has.
    """
    if held is not None:
        visit = find(ctx, standing, held)
        if visit is not None and visit.asked == asked:
            return visit, held
    token = new_token()
    row = ChallengeRow(
        id=new_id(ctx.now),
        token_hash=ctx.vault.token_hash(token),
        user_key=standing.row.user_key,
        purpose=challenges.POLICY,
        client=asked.client,
        method=standing.row.method,
        session_id=standing.row.id,
        parked="{}",
        goal="",
        proofs="[]",
        next_url=path,
        tries=0,
        created_at=ctx.now,
        expires_at=ctx.now + POLICY_VISIT,
    )
    row.goal = Visit(row=row, asked=asked).to_text()

    def work(session: Session) -> None:
        session.add(row)
        session.flush()

    ctx.store.run(work)
    return visit_of(row), token


def find(ctx: Context, standing: Standing, token: str) -> Visit | None:
    """The open visit of a token, if it is this session's."""

    def work(session: Session) -> ChallengeRow | None:
        return challenges.find(session, ctx.vault.token_hash(token))

    row = ctx.store.run(work)
    if (
        row is None
        or row.purpose != challenges.POLICY
        or row.session_id != standing.row.id
        or row.user_key != standing.row.user_key
        or not challenges.is_open(row, ctx.now)
    ):
        return None
    return visit_of(row)


def redirect_of(ctx: Context, token: str) -> str | None:
    """Where the open visit of a token goes back to."""

    def work(session: Session) -> str | None:
        row = challenges.find(session, ctx.vault.token_hash(token))
        if row is None or row.purpose != challenges.POLICY or not challenges.is_open(row, ctx.now):
            return None
        return visit_of(row).asked.redirect_uri

    return ctx.store.run(work)


def step_up(ctx: Context, account: Account, standing: Standing, visit: Visit) -> gate.StepUp:
    """What the page still asks: a fresh proof, or for a reset a recovery code spent for it."""
    step = sessions.meets(
        ctx, account, standing, Requirement(max_age=ctx.settings.mfa_fresh_seconds)
    )
    if isinstance(step, gate.Satisfied) or visit.asked.policy != RESET_MFA:
        return step
    fresh = {FactorKind.RECOVERY_CODE} if has_fresh_code(ctx, visit) else set()
    return gate.step_up(
        ctx.settings,
        sessions.facts_of(ctx, account, standing),
        fresh=frozenset(fresh),
        or_recovery_code=True,
        password_fresh=not isinstance(step, gate.NeedPassword),
    )


def has_fresh_code(ctx: Context, visit: Visit) -> bool:
    """Whether a recovery code was spent for this visit a moment ago."""
    return any(
        proof.kind is FactorKind.RECOVERY_CODE
        and is_recent(ctx, proof.at, ctx.settings.mfa_fresh_seconds)
        for proof in proofs_from_text(visit.row.proofs)
    )


def begin_step_up(ctx: Context, account: Account, standing: Standing, visit: Visit) -> Begun | None:
    """Open the step-up that a visit asks for; None where the session is over."""
    facts = sessions.facts_of(ctx, account, standing)
    code: Literal["too", "only"] | None = None
    if visit.asked.policy == RESET_MFA:
        code = "only" if gate.is_recovery_session(facts) else "too"
    begun = begin_on_session(
        ctx,
        account,
        standing.row,
        purpose=STEP_UP,
        method=standing.method,
        goal=Goal(visit=visit.id, recovery_code=code),
        next_url=visit.row.next_url,
    )
    return begun if isinstance(begun, Begun) else None


def make_codes(ctx: Context, account: Account, visit: Visit) -> tuple[str, ...]:
    """New recovery codes, to be shown once. Raises as `recovery.make` does."""
    codes = recovery.make(ctx, account)
    ctx.store.run(lambda session: mark_done(ctx, session, visit))
    return codes


def mark_done(ctx: Context, session: Session, visit: Visit) -> bool:
    """Note in the visit that it was done; one caller wins. False when it was, or is over."""
    goal = replace(visit, done=True).to_text()
    as_read = ChallengeRow.goal == visit.row.goal
    return challenges.change(session, visit.row, ctx.now, as_read, goal=goal)


def close(ctx: Context, visit: Visit, outcome: Outcome) -> str:
    """End a visit, once, and say where its user goes back to. Raises `ChallengeOver`."""
    if not ctx.store.run(lambda session: challenges.end(session, visit.row, ctx.now)):
        raise ChallengeOver
    asked = visit.asked
    result = PolicyResult(
        user_key=visit.row.user_key,
        client=asked.client,
        policy=asked.policy,
        state=asked.state,
        result=outcome,
        at=ctx.now,
    )
    fields = {"result": outcome, "result_token": sign(ctx, result)}
    if asked.state is not None:
        fields = {"state": asked.state, **fields}
    return with_fields(asked.redirect_uri, fields)


def with_fields(address: str, fields: dict[str, str]) -> str:
    """An address with fields added to its query; one of the same name gives way."""
    before, _, query = address.partition("?")
    kept = [
        part
        for part in query.split("&")
        if part and unquote_plus(part.partition("=")[0]) not in fields
    ]
    return f"{before}?{'&'.join([*kept, urlencode(fields)])}"


def signer(ctx: Context) -> Signer:
    """Signs results."""
    return Signer(ctx.settings.mfa_secret_keys, Purpose.POLICY_RESULT)


def sign(ctx: Context, result: PolicyResult) -> str:
    """A result as the application gets it."""
    return signer(ctx).dumps(
        [
            result.user_key,
            result.client,
            result.policy,
            result.state,
            result.result,
            result.at,
        ]
    )


def read_result(ctx: Context, token: str, *, max_age: int) -> PolicyResult | None:
    """What a result token says; None for one that is not ours, or older than `max_age` seconds."""
    said = signer(ctx).loads(token, max_age=max_age)
    if not isinstance(said, list) or len(said) != 6:
        return None
    user_key, client, policy, state, result, at = said
    if not is_recent(ctx, at, max_age):
        return None
    return PolicyResult(
        user_key=user_key, client=client, policy=policy, state=state, result=result, at=at
    )

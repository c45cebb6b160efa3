"""The policy `reset_mfa`: users take their own factors away, and set up what is then demanded.

To drop below what the gate requires is refused elsewhere; here it is what happens.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from flask_melody_mfa.core.errors import ChallengeOver, InvalidRequest, NotAuthenticated
from flask_melody_mfa.core.types import Account, Event, FactorKind, Method
from flask_melody_mfa.flows import changes, people, policies, sign_in
from flask_melody_mfa.flows.challenge import RAISE, Goal
from flask_melody_mfa.flows.changes import forget_proofs
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.policies import Visit
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.store import accounts, challenges, sessions
from flask_melody_mfa.store.log import record

ENROLLABLE = frozenset({FactorKind.OTP, FactorKind.EMAIL, FactorKind.SMS})

ALLOWS_A_SET_UP = frozenset({Method.PASSWORD, Method.EXTERNAL, Method.TRUSTED, Method.PASSKEY})
"""Methods by which a session may set up its first factor; others count as a password here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is to be reset. `everything`: all factors, and devices and other sessions besides.

    Passkeys and recovery codes are taken only where they are ticked, also with everything.
    """

    factors: frozenset[FactorKind] = frozenset()
    everything: bool = False
    passkeys: bool = False
    recovery_codes: bool = False

    @property
    def kinds(self) -> frozenset[FactorKind]:
        """Everything that is taken away."""
        kinds = set(ENROLLABLE if self.everything else self.factors & ENROLLABLE)
        if self.passkeys:
            kinds.add(FactorKind.PASSKEY)
        if self.recovery_codes:
            kinds.add(FactorKind.RECOVERY_CODE)
        return frozenset(kinds)


def reset(ctx: Context, account: Account, standing: Standing, visit: Visit, choice: Choice) -> None:
    """Take away what was chosen. The session itself stays, with what it can still prove.

    Whether the visit may is asked before. Raises `InvalidRequest` for a choice of nothing that is
    held, `ChallengeOver` where the visit is over.
    """
    mine = standing.row.id

    def work(session: Session) -> tuple[Event, ...]:
        accounts.change_version(session, account.key)
        holding = accounts.read_holding(session, account.key)
        kinds = sorted(kind for kind in choice.kinds if is_held(holding, kind))
        if not kinds and not choice.everything:
            raise InvalidRequest({"factor": "choose"})
        if not policies.mark_done(ctx, session, visit):
            raise ChallengeOver
        people.take_away(ctx, session, account.key, kinds)
        events = [
            ctx.event("factor_reset", account.key, factors=kinds, reason=policies.RESET_MFA),
            *changes.follow(ctx, session, account.key, reason="factor_reset"),
        ]
        challenges.end_all(session, account.key, ctx.now)
        if choice.everything:
            ended = sessions.end_all(session, account.key, ctx.now, but=mine)
            if ended:
                events.append(
                    ctx.event("sessions_ended", account.key, count=ended, reason="factor_reset")
                )
        forget_proofs(session, account.key, choice.kinds - {FactorKind.RECOVERY_CODE})
        record(session, events)
        return tuple(events)

    ctx.tell(account, ctx.store.run(work))


def is_held(holding: accounts.Holding, kind: FactorKind) -> bool:
    """Whether there is anything of a kind."""
    if kind is FactorKind.PASSKEY:
        return holding.passkeys > 0
    if kind is FactorKind.RECOVERY_CODE:
        return holding.recovery_codes > 0
    return kind in holding.enrolled


def begin_set_up(
    ctx: Context, account: Account, standing: Standing, visit: Visit
) -> sign_in.Begun | None:
    """Open the set-up of what the gate demands after a reset; None where it demands nothing.

    On the proof that opened the page: no other is asked for first.
    """
    if standing.satisfied:
        return None
    method = standing.row.method
    if method not in ALLOWS_A_SET_UP or (
        method == Method.PASSKEY and not standing.holding.passkeys
    ):
        method = Method.PASSWORD
    begun = sign_in.begin_on_session(
        ctx,
        account,
        standing.row,
        purpose=RAISE,
        method=method,
        proofs=standing.proofs,
        goal=Goal(at_once=True),
        next_url=visit.row.next_url,
    )
    if not isinstance(begun, sign_in.Begun):
        raise NotAuthenticated
    return begun

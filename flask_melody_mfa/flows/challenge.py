"""A challenge as the flows see it: its row, what its account holds, and what is owed next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate, limits
from flask_melody_mfa.core.errors import ChallengeOver
from flask_melody_mfa.core.types import Account, FactorKind, Instant, Method, Proof
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import accounts, challenges
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.tables import ChallengeRow

SIGN_IN = "sign_in"
"""A sign-in whose Flask-Login fields are parked in the row."""
RAISE = "raise"
"""A signed-in session that owes something (again)."""
STEP_UP = "step_up"
"""A fresh proof for a sensitive act."""
ENROLL = "enroll"
"""A further factor for a satisfied session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a challenge is for, beyond its purpose.

    `factors`, `phishing_resistant`: what a step-up was asked for. `put_off`: the set-up was left
    for later. `remember`: this device is to be remembered, `device`: it was before, under that
    id. `replaces`: the id of the credential in whose place another is set up.
    `visit`: the id of the policy visit that a step-up opens; `recovery_code`: whether a recovery
    code will do for it `too`, or `only` that. `at_once`: a proof that was given for it allows what
    is to be set up, before anything else is asked.
    """

    factors: frozenset[FactorKind] = frozenset()
    phishing_resistant: bool = False
    put_off: bool = False
    remember: bool = False
    device: str | None = None
    replaces: str | None = None
    visit: str | None = None
    recovery_code: Literal["too", "only"] | None = None
    at_once: bool = False

    def to_text(self) -> str:
        return json.dumps(
            {
                "factors": sorted(kind.value for kind in self.factors),
                "phishing_resistant": self.phishing_resistant,
                "put_off": self.put_off,
                "remember": self.remember,
                "device": self.device,
                "replaces": self.replaces,
                "visit": self.visit,
                "recovery_code": self.recovery_code,
                "at_once": self.at_once,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Goal:
        data = json.loads(text or "{}")
        return cls(
            factors=frozenset(FactorKind(kind) for kind in data.get("factors", ())),
            phishing_resistant=bool(data.get("phishing_resistant")),
            put_off=bool(data.get("put_off")),
            remember=bool(data.get("remember")),
            device=data.get("device"),
            replaces=data.get("replaces"),
            visit=data.get("visit"),
            recovery_code=data.get("recovery_code"),
            at_once=bool(data.get("at_once")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One open challenge, read in one transaction."""

    row: ChallengeRow
    holding: Holding
    proofs: tuple[Proof, ...] = ()
    goal: Goal = field(default_factory=Goal)

    @property
    def purpose(self) -> str:
        return self.row.purpose

    @property
    def parked(self) -> dict[str, Any]:
        """Flask-Login's session fields, and what else `web/door.py` holds until all is proven."""
        fields: dict[str, Any] = json.loads(self.row.parked)
        return fields


def proofs_to_text(proofs: Iterable[Proof]) -> str:
    """Proofs as they are stored. `store/devices.py` looks for the id of a device in this text."""
    return json.dumps(
        [
            [proof.kind.value, proof.at, int(proof.setup), int(proof.backup), proof.device]
            for proof in proofs
        ]
    )


def proofs_from_text(text: str) -> tuple[Proof, ...]:
    """Stored proofs."""
    return tuple(
        Proof(
            kind=FactorKind(kind),
            at=at,
            setup=bool(setup),
            backup=bool(backup),
            device=device[0] if device else None,
        )
        for kind, at, setup, backup, *device in json.loads(text)
    )


def with_proof(proofs: tuple[Proof, ...], new: Proof) -> tuple[Proof, ...]:
    """Proofs with one more; of the same kind and sort only the newest is kept."""
    rest = tuple(
        old
        for old in proofs
        if (old.kind, old.setup, old.backup, old.device)
        != (new.kind, new.setup, new.backup, new.device)
    )
    return (*rest, new)


def gate_facts(
    ctx: Context,
    account: Account | None,
    holding: Holding,
    *,
    method: str,
    proofs: Iterable[Proof] = (),
) -> gate.Facts:
    """What the gate may know. Without an account nothing counts as unavailable.

    The guard's re-read relies on this: `Satisfied` never depends on what is available.
    """
    proofs = tuple(proofs)
    available = {FactorKind.OTP}
    enrolled = holding.enrolled
    if ctx.can_mail and (FactorKind.EMAIL in enrolled or account is None or account.email):
        available.add(FactorKind.EMAIL)
    if ctx.can_sms:
        available.add(FactorKind.SMS)
    required_from = ctx.settings.mfa_required_from
    return gate.Facts(
        method=method,
        enrolled=enrolled,
        disabled=holding.disabled & enrolled,
        must_set_up=holding.must_set_up,
        passkeys=holding.passkeys,
        recovery_codes=holding.recovery_codes,
        available=frozenset(available),
        email_verified=bool(
            ctx.can_mail and account is not None and account.email and account.email_verified
        ),
        proven=frozenset(proof.kind for proof in proofs if proof.is_own),
        backed_up=frozenset(proof.kind for proof in proofs if proof.backup),
        device=frozenset(proof.kind for proof in proofs if proof.device is not None),
        grace=required_from is not None and ctx.now < required_from,
    )


def is_recent(ctx: Context, at: Instant, seconds: int) -> bool:
    """Whether something happened within the last `seconds`; a clock set back extends nothing."""
    return -limits.SKEW <= ctx.now - at <= seconds * 1000


def owed(ctx: Context, account: Account, challenge: Challenge) -> gate.StepUp:
    """What this challenge still owes."""
    match challenge.purpose:
        case "step_up":
            return owed_to_step_up(ctx, account, challenge)
        case "enroll":
            return owed_to_enroll(ctx, account, challenge)
    facts = gate_facts(
        ctx, account, challenge.holding, method=challenge.row.method, proofs=challenge.proofs
    )
    if challenge.goal.at_once:
        held = facts.enrolled | ({FactorKind.PASSKEY} if facts.passkeys else set())
        step = gate.next_step(ctx.settings, replace(facts, proven=facts.proven | held))
        if isinstance(step, gate.SetUp):
            return step
    step = gate.next_step(ctx.settings, facts)
    if challenge.goal.put_off and isinstance(step, gate.SetUp) and step.may_skip:
        return gate.Satisfied()
    return step


def owed_to_step_up(ctx: Context, account: Account, challenge: Challenge) -> gate.StepUp:
    """What a step-up still owes. Whether its session may have one was asked when it was opened."""
    goal = challenge.goal
    facts = gate_facts(ctx, account, challenge.holding, method=Method.PASSWORD)
    if goal.recovery_code == "only":
        facts = replace(facts, proven=frozenset({FactorKind.RECOVERY_CODE}))
    return gate.step_up(
        ctx.settings,
        facts,
        factors=goal.factors or None,
        phishing_resistant=goal.phishing_resistant,
        fresh=frozenset(
            proof.kind for proof in challenge.proofs if proof.is_own and not proof.setup
        ),
        password_fresh=True,  # it was, when the step-up was opened
        or_recovery_code=goal.recovery_code is not None,
    )


def owed_to_enroll(ctx: Context, account: Account, challenge: Challenge) -> gate.StepUp:
    """What can be set up in an enrollment: one thing, which ends it."""
    if challenge.proofs:
        return gate.Satisfied()
    goal, holding = challenge.goal, challenge.holding
    available = set(gate_facts(ctx, account, holding, method=challenge.row.method).available)
    if ctx.settings.allow_passkey_enrollment:
        available.add(FactorKind.PASSKEY)
    # A code or number that is lost is replaced by one of its kind; a passkey by any of these.
    lost = {row.kind for row in holding.credentials if row.id == goal.replaces}
    kinds = tuple(kind for kind in FactorKind if kind in available and (not lost or kind in lost))
    return gate.SetUp(factors=kinds, may_skip=True)


def preferred(step: gate.Prove, holding: Holding) -> FactorKind | None:
    """Of several factors the one used last, else the first in order; None where none is asked."""
    used = {FactorKind(row.kind): row.last_used_at or 0 for row in holding.credentials}
    return max(step.factors, key=lambda kind: used.get(kind, 0), default=None)


def read_challenge(session: Session, row: ChallengeRow) -> Challenge:
    """A challenge with what its account holds right now."""
    return Challenge(
        row=row,
        holding=accounts.read_holding(session, row.user_key),
        proofs=proofs_from_text(row.proofs),
        goal=Goal.from_text(row.goal),
    )


def load(ctx: Context, token: str) -> Challenge:
    """The open challenge of a token. Raises `ChallengeOver`."""

    def work(session: Session) -> Challenge:
        row = challenges.find(session, ctx.vault.token_hash(token))
        if row is None or not challenges.is_open(row, ctx.now):
            raise ChallengeOver
        return read_challenge(session, row)

    return ctx.store.read(work)


def earned(session: Session, challenge: Challenge, now: Instant) -> tuple[Proof, ...]:
    """What a challenge proved for its session.

    A recovery code that was spent for a policy opens that visit, and is no proof of anything else.
    Raises `ChallengeOver` where the visit is over.
    """
    if challenge.purpose != STEP_UP:
        return challenge.proofs
    codes = tuple(p for p in challenge.proofs if p.kind is FactorKind.RECOVERY_CODE)
    if codes:
        visit = session.get(ChallengeRow, challenge.goal.visit or "")
        if visit is None or not challenges.change(
            session, visit, now, proofs=proofs_to_text(codes)
        ):
            raise ChallengeOver
    return tuple(p for p in challenge.proofs if p.kind is not FactorKind.RECOVERY_CODE)


def effective_method(ctx: Context, method: str, began_at: Instant) -> str:
    """A password counts for a first set-up only while the sign-in is young (section 3)."""
    if method == Method.PASSWORD and not is_recent(
        ctx, began_at, ctx.settings.mfa_challenge_seconds
    ):
        return Method.REMEMBERED
    return method


def parked_from(fields: Mapping[str, Any]) -> str:
    """Flask-Login's fields as stored."""
    return json.dumps(dict(fields))

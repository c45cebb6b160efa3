"""A challenge as the flows see it: its row, what its account holds, and what is owed next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
    """What a step-up was asked for; `put_off`: the set-up was left for later."""

    factors: frozenset[FactorKind] = frozenset()
    phishing_resistant: bool = False
    put_off: bool = False

    def to_text(self) -> str:
        return json.dumps(
            {
                "factors": sorted(kind.value for kind in self.factors),
                "phishing_resistant": self.phishing_resistant,
                "put_off": self.put_off,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Goal:
        data = json.loads(text or "{}")
        return cls(
            factors=frozenset(FactorKind(kind) for kind in data.get("factors", ())),
            phishing_resistant=bool(data.get("phishing_resistant")),
            put_off=bool(data.get("put_off")),
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
        """Flask-Login's session fields, held until the gate is satisfied."""
        fields: dict[str, Any] = json.loads(self.row.parked)
        return fields


def proofs_to_text(proofs: Iterable[Proof]) -> str:
    """Proofs as they are stored."""
    return json.dumps(
        [[proof.kind.value, proof.at, int(proof.setup), int(proof.backup)] for proof in proofs]
    )


def proofs_from_text(text: str) -> tuple[Proof, ...]:
    """Stored proofs."""
    return tuple(
        Proof(kind=FactorKind(kind), at=at, setup=bool(setup), backup=bool(backup))
        for kind, at, setup, backup in json.loads(text)
    )


def with_proof(proofs: tuple[Proof, ...], new: Proof) -> tuple[Proof, ...]:
    """Proofs with one more; of the same kind and sort only the newest is kept."""
    rest = tuple(
        old
        for old in proofs
        if (old.kind, old.setup, old.backup) != (new.kind, new.setup, new.backup)
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
        available=frozenset(available),
        email_verified=bool(
            ctx.can_mail and account is not None and account.email and account.email_verified
        ),
        proven=frozenset(proof.kind for proof in proofs if not proof.backup),
        backed_up=frozenset(proof.kind for proof in proofs if proof.backup),
        grace=required_from is not None and ctx.now < required_from,
    )


def is_recent(ctx: Context, at: Instant, seconds: int) -> bool:
    """Whether something happened within the last `seconds`; a clock set back extends nothing."""
    return -limits.SKEW <= ctx.now - at <= seconds * 1000


def owed(ctx: Context, account: Account, challenge: Challenge) -> gate.StepUp:
    """What this challenge still owes."""
    row = challenge.row
    if challenge.purpose == STEP_UP:
        return gate.step_up(
            ctx.settings,
            gate_facts(ctx, account, challenge.holding, method=row.method),
            factors=challenge.goal.factors or None,
            phishing_resistant=challenge.goal.phishing_resistant,
            fresh=frozenset(
                proof.kind for proof in challenge.proofs if not proof.backup and not proof.setup
            ),
            password_fresh=True,  # it was, when the step-up was opened
        )
    if challenge.purpose == ENROLL:
        kinds = tuple(
            kind
            for kind in FactorKind
            if kind in gate_facts(ctx, account, challenge.holding, method=row.method).available
        )
        return gate.Satisfied() if challenge.proofs else gate.SetUp(factors=kinds, may_skip=True)
    facts = gate_facts(ctx, account, challenge.holding, method=row.method, proofs=challenge.proofs)
    step = gate.next_step(ctx.settings, facts)
    if challenge.goal.put_off and isinstance(step, gate.SetUp) and step.may_skip:
        return gate.Satisfied()
    return step


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

    return ctx.store.run(work)


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

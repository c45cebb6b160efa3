"""MFA sessions: what the guard and the decorators ask of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from flask_melody_mfa.core import gate
from flask_melody_mfa.core.clients import Client
from flask_melody_mfa.core.types import SECOND, Account, FactorKind, Method, Proof
from flask_melody_mfa.flows.challenge import (
    effective_method,
    gate_facts,
    is_recent,
    proofs_from_text,
)
from flask_melody_mfa.flows.clients import opened
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import accounts, sessions
from flask_melody_mfa.store.accounts import Holding
from flask_melody_mfa.store.tables import SessionRow

IDLE_WRITE = 30 * SECOND
"""How often at most the time of last use is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a session stands with a gate, as read once.

    `step`: what the gate says of it, with every factor taken as available.
    `method`: how it began, or `remembered` when that is too long ago for a first set-up.
    `proofs`: those that still count. `client`: the stored client of the gate, as read with it.
    """

    row: SessionRow
    holding: Holding
    proofs: tuple[Proof, ...]
    method: str
    step: gate.Step
    client: Client | None = None

    @property
    def satisfied(self) -> bool:
        return isinstance(self.step, gate.Satisfied)

    @property
    def levels(self) -> frozenset[FactorKind]:
        """The factors that count as proven."""
        return frozenset(proof.kind for proof in self.proofs if proof.is_own)


def has_aged(ctx: Context, row: SessionRow) -> bool:
    """Whether MFA must be asked again: too old over all, or idle for too long."""
    settings = ctx.settings
    longest, idle = settings.mfa_session_max_seconds, settings.mfa_session_idle_seconds
    return bool(
        (longest and not is_recent(ctx, newest_proof(row), longest))
        or (idle and not is_recent(ctx, row.used_at, idle))
    )


def newest_proof(row: SessionRow) -> int:
    """When this session was last proven: its newest proof, or its beginning."""
    return max([row.created_at, *(proof.at for proof in proofs_from_text(row.proofs))])


def stand(ctx: Context, row: SessionRow, holding: Holding) -> Standing:
    """Evaluate the gate anew for a session."""
    proofs = proofs_from_text(row.proofs)
    method = row.method
    if has_aged(ctx, row):
        proofs = ()
        if method in (Method.PASSKEY, Method.RECOVERY_CODE):
            method = Method.REMEMBERED
    if method == Method.PASSKEY and not holding.passkeys:
        method = Method.REMEMBERED  # the passkey that it began with was removed
    method = effective_method(ctx, method, row.created_at)
    step = gate.next_step(
        ctx.settings, gate_facts(ctx, None, holding, method=method, proofs=proofs)
    )
    if isinstance(step, gate.SetUp) and step.may_skip:
        step = gate.Satisfied()  # put off at sign-in; before the date it stays optional
    return Standing(row=row, holding=holding, proofs=proofs, method=method, step=step)


def is_stored(ctx: Context) -> bool:
    """Whether the gate is that of a client from the database."""
    return ctx.client is not None and ctx.client not in ctx.settings.mfa_clients


def read(ctx: Context, token: str) -> Standing | None:
    """A live session and its standing; None for an unknown or ended token. One statement.

    A client from the database is read with it: see `Standing.client`.
    """
    beside = ctx.client if is_stored(ctx) else None
    idle = ctx.settings.mfa_session_idle_seconds

    def work(session: Session) -> Standing | None:
        found = sessions.find_with_holding(session, ctx.vault.token_hash(token), beside)
        if found is None or found[0].ended_at is not None:
            return None
        row, holding, client_row = found
        standing = replace(stand(ctx, row, holding), client=opened(client_row))
        if idle and standing.satisfied and abs(ctx.now - row.used_at) > IDLE_WRITE:
            sessions.change(session, row, used_at=ctx.now)
        return standing

    return ctx.store.run(work) if idle else ctx.store.read(work)


def would_owe(ctx: Context, account: Account, *, method: str = Method.PASSWORD) -> gate.Step:
    """What a sign-in of this account would owe after `method` alone."""

    def work(session: Session) -> Holding:
        return accounts.read_holding(session, account.key)

    holding = ctx.store.read(work)
    return gate.next_step(ctx.settings, gate_facts(ctx, account, holding, method=method))


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a view asks for beyond the gate. `max_age`: seconds."""

    factors: frozenset[FactorKind] | None = None
    max_age: int | None = None
    client: str | None = None
    phishing_resistant: bool = False

    @property
    def is_step_up(self) -> bool:
        return bool(self.factors or self.max_age is not None or self.phishing_resistant)


def fresh_kinds(ctx: Context, standing: Standing, max_age: int | None) -> frozenset[FactorKind]:
    """The factors proven recently enough. Never what stood in, never the code of a set-up."""
    return frozenset(
        proof.kind
        for proof in standing.proofs
        if proof.is_own
        and not proof.setup
        and (max_age is None or is_recent(ctx, proof.at, max_age))
    )


def meets(ctx: Context, account: Account, standing: Standing, asked: Requirement) -> gate.StepUp:
    """What a view's requirement still asks of a satisfied session."""
    return gate.step_up(
        ctx.settings,
        facts_of(ctx, account, standing),
        factors=asked.factors,
        phishing_resistant=asked.phishing_resistant,
        fresh=fresh_kinds(ctx, standing, asked.max_age),
        password_fresh=is_password_fresh(ctx, standing.row, asked),
    )


def facts_of(ctx: Context, account: Account, standing: Standing) -> gate.Facts:
    """What the gate may know of a session, as it began."""
    return gate_facts(
        ctx, account, standing.holding, method=standing.row.method, proofs=standing.proofs
    )


def is_password_fresh(ctx: Context, row: SessionRow, asked: Requirement) -> bool:
    """Whether the sign-in of an account that holds nothing is recent enough.

    A remember cookie signs in without a password, however lately it did. Where factors are named,
    a first set-up may follow, which needs a young sign-in whatever the view's `max_age`.
    """
    ages = [] if asked.max_age is None else [asked.max_age]
    if asked.factors or asked.phishing_resistant:
        ages.append(ctx.settings.mfa_challenge_seconds)
    return row.method != Method.REMEMBERED and all(
        is_recent(ctx, row.created_at, seconds) for seconds in ages
    )

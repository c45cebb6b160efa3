"""To replace what was lost: offered where something stood in for it a moment ago.

What was lost stays, and stays of use to its owner, until another is set up in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from flask_melody_mfa.core.errors import Conflict, NotAuthenticated
from flask_melody_mfa.core.types import Account, FactorKind, Method
from flask_melody_mfa.flows import sign_in
from flask_melody_mfa.flows.challenge import ENROLL, Goal, is_recent
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.sessions import Standing
from flask_melody_mfa.store import credentials
from flask_melody_mfa.store.tables import CredentialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A credential, or passkey, that can be replaced now."""

    id: str
    kind: FactorKind
    name: str | None


def kinds_lost(ctx: Context, standing: Standing) -> frozenset[FactorKind]:
    """The factors for which something stood in a moment ago: a recovery code, or an email code.

    A code that opened the sign-in stood for the password. A passkey needs none of this: it is a
    proof fresh enough for the account's own page.
    """
    if not standing.satisfied or standing.row.method == Method.RECOVERY_CODE:
        return frozenset()
    recent = [
        proof
        for proof in standing.proofs
        if is_recent(ctx, proof.at, ctx.settings.mfa_fresh_seconds)
    ]
    proven = {proof.kind for proof in standing.proofs if proof.is_own}
    if any(proof.kind is FactorKind.RECOVERY_CODE for proof in recent):
        passkey = {FactorKind.PASSKEY} if standing.holding.passkeys else frozenset()
        return standing.holding.enrolled - proven | passkey
    return frozenset(proof.kind for proof in recent if proof.backup) - proven


def may_have_lost(ctx: Context, account: Account, standing: Standing) -> frozenset[FactorKind]:
    """The factors among which something can be replaced now. Reads nothing."""
    kinds = kinds_lost(ctx, standing)
    if not ctx.can_sms:
        kinds -= {FactorKind.SMS}
    if not (ctx.can_mail and account.email):
        kinds -= {FactorKind.EMAIL}
    return kinds


def offered(ctx: Context, account: Account, standing: Standing) -> tuple[Lost, ...]:
    """What can be replaced now."""
    kinds = may_have_lost(ctx, account, standing)
    if not kinds:
        return ()

    def work(session: Session) -> tuple[Lost, ...]:
        rows = credentials.of_user(session, account.key)
        found = [
            Lost(id=row.id, kind=FactorKind(row.kind), name=row.name)
            for row in rows
            if row.kind in kinds and not is_the_same(ctx, account, row)
        ]
        if FactorKind.PASSKEY in kinds:
            found += [
                Lost(id=row.id, kind=FactorKind.PASSKEY, name=row.name)
                for row in credentials.passkeys_of_user(session, account.key)
            ]
        return tuple(found)

    return ctx.store.read(work)


def is_the_same(ctx: Context, account: Account, row: CredentialRow) -> bool:
    """Whether it is an address in whose place nothing but itself could be set up."""
    return (
        row.kind == FactorKind.EMAIL and ctx.vault.open_credential(row).destination == account.email
    )


def begin(
    ctx: Context,
    account: Account,
    standing: Standing,
    credential_id: str,
    *,
    next_url: str | None = None,
) -> sign_in.Begun:
    """Open the set-up of what takes the place of a lost credential.

    Raises `Conflict` where it is not (or no more) among what is offered.
    """
    if credential_id not in {lost.id for lost in offered(ctx, account, standing)}:
        raise Conflict
    begun = sign_in.begin_on_session(
        ctx,
        account,
        standing.row,
        purpose=ENROLL,
        method=standing.method,
        goal=Goal(replaces=credential_id),
        next_url=next_url,
    )
    if not isinstance(begun, sign_in.Begun):
        raise NotAuthenticated
    return begun

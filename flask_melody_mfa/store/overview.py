"""What several accounts hold, read in one go: for lists that operators look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from flask_melody_mfa.core.facts import Facts
from flask_melody_mfa.core.types import FactorKind, Instant
from flask_melody_mfa.store.accounts import kinds_of, usable_beside
from flask_melody_mfa.store.tables import (
    CredentialRow,
    Device,
    FactorState,
    SessionRow,
    User,
)


@dataclass(slots=True, kw_only=True)
class Overview:
    """One account's rows; credentials still sealed."""

    user_key: str
    failures: int = 0
    locked_until: Instant | None = None
    must_set_up: frozenset[FactorKind] = frozenset()
    disabled: set[FactorKind] = field(default_factory=set)
    credentials: list[CredentialRow] = field(default_factory=list, repr=False)
    passkeys: int = 0
    recovery_codes: int = 0
    devices: int = 0
    last_used_at: Instant | None = None


def read(session: Session, user_keys: Sequence[str], now: Instant) -> Mapping[str, Overview]:
    """The overview of each key, in three statements for however many."""
    found = {key: Overview(user_key=key) for key in user_keys}
    for user, *beside in session.execute(
        select(User, *usable_beside(User.user_key), *used_by(User.user_key, now)).where(
            User.user_key.in_(user_keys)
        )
    ):
        one = found.get(user.user_key)  # a database may take another spelling for the same
        if one is not None:
            one.failures, one.locked_until = user.failures, user.locked_until
            one.must_set_up = kinds_of(user.must_set_up)
            one.passkeys, one.recovery_codes, one.devices, one.last_used_at = beside
    for row in session.scalars(
        select(CredentialRow)
        .where(CredentialRow.user_key.in_(user_keys))
        .order_by(CredentialRow.id)
    ):
        if row.user_key in found:
            found[row.user_key].credentials.append(row)
    for key, kind in session.execute(
        select(FactorState.user_key, FactorState.kind).where(
            FactorState.user_key.in_(user_keys), FactorState.disabled_at.is_not(None)
        )
    ):
        if key in found:
            found[key].disabled.add(FactorKind(kind))
    return found


def used_by(user_key: Any, now: Instant) -> tuple[Any, Any]:
    """How many living devices an account has, and when a session was last used, as columns."""
    return (
        select(func.count())
        .select_from(Device)
        .where(Device.user_key == user_key, Device.revoked_at.is_(None), Device.expires_at > now)
        .scalar_subquery(),
        select(func.max(SessionRow.used_at))
        .where(SessionRow.user_key == user_key)
        .scalar_subquery(),
    )


def sample(session: Session, most: int) -> list[Facts]:
    """What the gate knows of some accounts, those that came last. For previews, not for decisions:
    everything counts as available."""
    keys = list(session.scalars(select(User.user_key).order_by(User.created_at.desc()).limit(most)))
    found: list[Facts] = []
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        for one in read(session, part, 0).values():
            enrolled = frozenset(FactorKind(row.kind) for row in one.credentials)
            found.append(
                Facts(
                    enrolled=enrolled,
                    disabled=frozenset(one.disabled) & enrolled,
                    must_set_up=one.must_set_up,
                    passkeys=one.passkeys,
                    recovery_codes=one.recovery_codes,
                )
            )
    return found

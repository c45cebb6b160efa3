"""MFA sessions: finished sign-ins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import FactorKind, Instant
from flask_melody_mfa.store import accounts
from flask_melody_mfa.store.accounts import Holding, kinds_of
from flask_melody_mfa.store.statements import rows_changed
from flask_melody_mfa.store.tables import (
    ClientRow,
    CredentialRow,
    FactorState,
    SessionRow,
    User,
)

FIND = select(SessionRow).where(SessionRow.token_hash == bindparam("token"))


def find(session: Session, token_hash: str) -> SessionRow | None:
    """The session of a token, ended or not."""
    return session.scalars(FIND, {"token": token_hash}).one_or_none()


FIND_WITH_HOLDING = (
    select(
        SessionRow,
        User,
        CredentialRow.kind,
        FactorState.kind,
        *accounts.usable_beside(SessionRow.user_key),
    )
    .outerjoin(User, User.user_key == SessionRow.user_key)
    .outerjoin(CredentialRow, CredentialRow.user_key == SessionRow.user_key)
    .outerjoin(
        FactorState,
        and_(FactorState.user_key == SessionRow.user_key, FactorState.disabled_at.is_not(None)),
    )
    .where(SessionRow.token_hash == bindparam("token"))
)


FIND_WITH_CLIENT = FIND_WITH_HOLDING.add_columns(ClientRow).outerjoin(
    ClientRow, ClientRow.id == bindparam("client")
)


def find_with_holding(
    session: Session, token_hash: str, client: str | None = None
) -> tuple[SessionRow, Holding, ClientRow | None] | None:
    """A session, what its account holds, and a stored client: in one statement, for the guard."""
    if client is None:
        rows = session.execute(FIND_WITH_HOLDING, {"token": token_hash}).all()
    else:
        rows = session.execute(FIND_WITH_CLIENT, {"token": token_hash, "client": client}).all()
    if not rows:
        return None
    row: SessionRow = rows[0][0]
    user: User | None = rows[0][1]
    # Only the kinds matter to the gate; the sealed credentials are not fetched here.
    kinds = {found[2] for found in rows if found[2]}
    client_row: ClientRow | None = rows[0][6] if client is not None else None
    holding = Holding(
        user_key=row.user_key,
        known=user is not None,
        version=user.version if user else 0,
        must_set_up=kinds_of(user.must_set_up) if user else frozenset(),
        disabled=frozenset(FactorKind(found[3]) for found in rows if found[3]),
        passkeys=rows[0][4],
        recovery_codes=rows[0][5],
        credentials=tuple(CredentialRow(kind=kind) for kind in sorted(kinds)),
    )
    return row, holding, client_row


def end(session: Session, token_hash: str, now: Instant) -> bool:
    """End one session; one caller wins."""
    return bool(
        rows_changed(
            session,
            update(SessionRow)
            .where(SessionRow.token_hash == token_hash, SessionRow.ended_at.is_(None))
            .values(ended_at=now),
        )
    )


def end_one(session: Session, user_key: str, session_id: str, now: Instant) -> bool:
    """End one session of this account, by its id; one caller wins."""
    return bool(
        rows_changed(
            session,
            update(SessionRow)
            .where(
                SessionRow.id == session_id,
                SessionRow.user_key == user_key,
                SessionRow.ended_at.is_(None),
            )
            .values(ended_at=now),
        )
    )


def of_user(session: Session, user_key: str, limit: int) -> Sequence[SessionRow]:
    """The live sessions of an account, those used last first."""
    return session.scalars(
        select(SessionRow)
        .where(SessionRow.user_key == user_key, SessionRow.ended_at.is_(None))
        .order_by(SessionRow.used_at.desc(), SessionRow.id.desc())
        .limit(limit)
    ).all()


def lock_of_user(session: Session, user_key: str) -> Sequence[SessionRow]:
    """The live sessions of an account, as they are now, locked until this is committed."""
    return session.scalars(
        select(SessionRow)
        .where(SessionRow.user_key == user_key, SessionRow.ended_at.is_(None))
        .order_by(SessionRow.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def end_begun_by(
    session: Session, user_key: str, method: str, now: Instant, *, but: str | None = None
) -> int:
    """End the sessions of an account that began in one way, but one (its id) where given."""
    statement = update(SessionRow).where(
        SessionRow.user_key == user_key,
        SessionRow.method == method,
        SessionRow.ended_at.is_(None),
    )
    if but is not None:
        statement = statement.where(SessionRow.id != but)
    return rows_changed(session, statement.values(ended_at=now))


def end_all(session: Session, user_key: str, now: Instant, *, but: str | None = None) -> int:
    """End all sessions of an account, but one (its id) where given."""
    statement = update(SessionRow).where(
        SessionRow.user_key == user_key, SessionRow.ended_at.is_(None)
    )
    if but is not None:
        statement = statement.where(SessionRow.id != but)
    return rows_changed(session, statement.values(ended_at=now))


def change(session: Session, row: SessionRow, *also: Any, **values: Any) -> bool:
    """Change a session that has not ended."""
    return bool(
        rows_changed(
            session,
            update(SessionRow)
            .where(SessionRow.id == row.id, SessionRow.ended_at.is_(None), *also)
            .values(**values),
        )
    )

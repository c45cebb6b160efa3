"""What databases make of our values: compared byte by byte, kept by migrations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.orm import Session

from flask_melody_mfa.store import accounts, challenges, schema, sessions
from flask_melody_mfa.store.steps import STEPS
from flask_melody_mfa.store.tables import ChallengeRow, CredentialRow, SessionRow, User
from tests.databases import Kind

NOW = 1_800_000_000_000
LIKE = ["abc", "ABC", " abc", "abc\t", "äbc", "a\u0308bc", "ａｂｃ", "abc\u200b"]
"""Texts that a collation which is kind to people takes for the same, in part.

None ends in a blank: MariaDB pads with blanks before it compares, whatever the collation of ours.
Tokens are hashed before they get here, and a user key that ends in one is refused above.
"""


@pytest.mark.check("F13")
def test_values_that_differ_only_in_case_blanks_or_accents_are_different(
    any_database_url: str,
) -> None:
    engine = create_engine(any_database_url)
    try:
        with engine.begin() as connection:
            schema.upgrade(connection)
        with Session(engine) as session:
            for number, text in enumerate(LIKE):
                accounts.ensure_user(session, text, NOW)
                session.add(credential(number, text))
                session.add(challenge(number, text))
                session.add(mfa_session(number, text))
            session.commit()
            for number, text in enumerate(LIKE):
                holding = accounts.read_holding(session, text)
                assert [row.id for row in holding.credentials] == [f"{number:032d}"]
                assert challenges.find(session, f"token {text}").user_key == text  # type: ignore[union-attr]
                assert sessions.find(session, f"token {text}").user_key == text  # type: ignore[union-attr]
            assert sessions.find(session, "TOKEN ABC") is None
            assert challenges.end_all(session, "abc", NOW) == 1
            assert sessions.end_all(session, "ABC", NOW) == 1
            accounts.erase(session, "ABC")
            session.commit()
            left = session.scalars(select(User.user_key)).all()
            assert sorted(left) == sorted(text for text in LIKE if text != "ABC")
    finally:
        engine.dispose()


def credential(number: int, user_key: str) -> CredentialRow:
    return CredentialRow(
        id=f"{number:032d}",
        user_key=user_key,
        kind="otp",
        sealed=b"x",
        key_id="k",
        created_at=NOW,
    )


def challenge(number: int, user_key: str) -> ChallengeRow:
    return ChallengeRow(
        id=f"{number:032d}",
        token_hash=f"token {user_key}",
        user_key=user_key,
        purpose="sign_in",
        method="password",
        tries=0,
        created_at=NOW,
        expires_at=NOW + 600_000,
    )


def mfa_session(number: int, user_key: str) -> SessionRow:
    return SessionRow(
        id=f"{number:032d}",
        token_hash=f"token {user_key}",
        user_key=user_key,
        method="password",
        created_at=NOW,
        used_at=NOW,
    )


def rows(connection: Any) -> dict[str, list[Any]]:
    """Every row of the first step's tables, by table."""
    return {
        table.name: [tuple(row) for row in connection.execute(table.select())]
        for table in STEPS[0].sorted_tables
        if table.name != schema.META
    }


@pytest.mark.check("F15")
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_steps_keep_live_rows_and_a_downgrade_loses_no_factor(
    new_database: Callable[[Kind], str], kind: Kind
) -> None:
    engine = create_engine(new_database(kind))
    try:
        with engine.begin() as connection:
            schema.upgrade(connection, through=1)
            assert schema.version(connection) == 1
        with Session(engine) as session:
            accounts.ensure_user(session, "1", NOW)
            session.add_all([credential(1, "1"), challenge(1, "1"), mfa_session(1, "1")])
            session.commit()
        with engine.begin() as connection:
            before = rows(connection)
            assert schema.missing(connection) == list(range(2, schema.VERSION + 1))
            schema.upgrade(connection)
            assert schema.missing(connection) == []
            schema.upgrade(connection)
            assert rows(connection) == before
        with Session(engine) as session:
            holding = accounts.read_holding(session, "1")
            # What the new tables do not know counts for nothing, never as proven.
            assert (holding.passkeys, holding.recovery_codes) == (0, 0)
            assert holding.enrolled == {"otp"}
        with engine.begin() as connection:
            schema.downgrade_in_migration(Operations(connection), to=0)
            assert rows(connection) == before
    finally:
        engine.dispose()


@pytest.mark.check("F15")
def test_every_column_that_a_later_step_adds_may_be_null_or_is_in_a_new_table() -> None:
    """So live rows need no guess, and NULL is read as the strict answer."""
    known: dict[str, set[str]] = {}
    for step in STEPS:
        for table in step.sorted_tables:
            if table.name in known:
                added = [column for column in table.columns if column.name not in known[table.name]]
                assert all(column.nullable for column in added), table.name
            known.setdefault(table.name, set()).update(column.name for column in table.columns)


@pytest.mark.check("F15")
def test_a_session_of_before_is_read_with_nothing_that_it_did_not_prove(sqlite_url: str) -> None:
    engine = create_engine(sqlite_url)
    try:
        with engine.begin() as connection:
            schema.upgrade(connection)
        with Session(engine) as session:
            old = mfa_session(1, "1")
            old.proofs = '[["otp", 5, 0, 0], ["email", 6, 0, 1]]'
            session.add(old)
            session.commit()
            from flask_melody_mfa.flows.challenge import proofs_from_text

            found = session.scalars(select(SessionRow)).one()
            proofs = proofs_from_text(found.proofs)
        assert [(proof.kind, proof.backup, proof.device) for proof in proofs] == [
            ("otp", False, None),
            ("email", True, None),
        ]
        assert inspect(engine).has_table("mfa_session")
    finally:
        engine.dispose()


class Operations:
    """As much of Alembic's operations as a downgrade uses."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def get_bind(self) -> Any:
        return self.connection

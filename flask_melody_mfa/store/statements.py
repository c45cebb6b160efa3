"""Statements, run on the connection of a transaction and not through its unit of work.

What is asked and changed here has no objects to be kept in step with, and going around the unit of
work takes a fraction of the time.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Insert, insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session
from sqlalchemy.sql import Executable

from flask_melody_mfa.store.base import Base


def execute(session: Session, statement: Executable, **values: Any) -> CursorResult[Any]:
    """Run a statement. `values`: of its `bindparam`s, or of an INSERT's columns."""
    return session.connection().execute(statement, values)


def rows_changed(session: Session, statement: Executable, **values: Any) -> int:
    """Run an UPDATE or DELETE; its row count decides who won."""
    return int(execute(session, statement, **values).rowcount)


def add(session: Session, row: Base) -> None:
    """Write a new row now. The session does not follow what becomes of it."""
    statement = _inserts.get(type(row))
    if statement is None:
        statement = _inserts[type(row)] = insert(type(row))
    execute(
        session, statement, **{name: value for name, value in vars(row).items() if name[0] != "_"}
    )


_inserts: dict[type[Base], Insert] = {}

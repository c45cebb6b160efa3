"""The state of our tables in the host's database."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from flask_melody_mfa.core.errors import Unavailable
from flask_melody_mfa.store import schema
from flask_melody_mfa.store.database import Store


def missing_steps(store: Store) -> list[int]:
    """The numbers of the steps that are still to be applied. Raises `Unavailable`."""
    try:
        with store.host_engine.connect() as connection:
            return schema.missing(connection)
    except SQLAlchemyError:
        raise Unavailable from None

"""The host's users: how they are found, loaded and described where no hook says otherwise."""

from __future__ import annotations

import importlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import and_, inspect, or_, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Mapper

from flask_melody_mfa.core.errors import Unavailable
from flask_melody_mfa.core.types import Account

LONGEST_KEY = 255


def unwrap(user: Any) -> Any:
    """The user behind Flask-Login's `current_user`."""
    get = getattr(user, "_get_current_object", None)
    return get() if get is not None else user


def is_key(key: object) -> bool:
    """Whether every database keeps this text whole and tells it from every other.

    MariaDB pads with blanks before it compares, and may cut what is too long.
    """
    return (
        isinstance(key, str)
        and 0 < len(key) <= LONGEST_KEY
        and not key.endswith(" ")
        and not any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in key)
    )


def text_or_none(value: Any) -> str | None:
    """A non-empty text, or None."""
    return str(value) if value not in (None, "") else None


class UserPage(NamedTuple):
    """A page of users, and the cursor of the next page; None on the last."""

    users: Sequence[Any]
    next_cursor: str | None


class Users:
    """Reads the host's user model; never flushes what the host has not flushed."""

    def __init__(self, db: Any, user_model: Any) -> None:
        self._db = db
        self._given = user_model

    @property
    def model(self) -> Any:
        """The host's class, or None. A dotted name or a callable is resolved when first needed."""
        given = self._given
        if isinstance(given, str):
            module, _, name = given.replace(":", ".").rpartition(".")
            self._given = given = getattr(importlib.import_module(module), name)
        elif given is not None and not isinstance(given, type):
            self._given = given = given()
        return given

    @contextmanager
    def quietly(self) -> Iterator[Any]:
        """The host's session, not flushing."""
        with self._db.session.no_autoflush:
            yield self._db.session

    def key_of(self, user: Any) -> str:
        """The primary key as text; a composite one as a JSON list."""
        user = unwrap(user)
        model = self.model
        if model is None or not isinstance(user, model):
            return str(user.get_id())
        mapper: Mapper[Any] = inspect(model)
        with self.quietly():
            parts = mapper.primary_key_from_instance(user)
        if any(part is None for part in parts):
            raise Unavailable
        if len(parts) == 1:
            return str(parts[0])
        return json.dumps([str(part) for part in parts], ensure_ascii=False)

    def describe(self, user: Any) -> Account:
        """Reduce a user to an account."""
        user = unwrap(user)
        with self.quietly():
            email = text_or_none(getattr(user, "email", None))
            name = text_or_none(getattr(user, "name", None))
            username = text_or_none(getattr(user, "username", None))
            phone = getattr(user, "phone", None) or getattr(user, "phone_number", None)
            return Account(
                key=self.key_of(user),
                login=email or username or name or "",
                email=email,
                email_verified=is_verified(user),
                phone=text_or_none(phone),
                name=name or username,
                locale=text_or_none(getattr(user, "locale", None)),
                active=bool(getattr(user, "is_active", True)),
            )

    def identity(self, key: str) -> Any:
        """A key's text as the primary key's own type; None when it cannot be one."""
        columns = inspect(self.model).primary_key
        parts = [key] if len(columns) == 1 else json.loads(key)
        values = []
        for column, part in zip(columns, parts, strict=True):
            try:
                kind = column.type.python_type
            except NotImplementedError:
                kind = str
            value = uuid.UUID(part) if kind is uuid.UUID else kind(part)
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError("no database holds such a number")
            values.append(value)
        return values[0] if len(values) == 1 else tuple(values)

    def load(self, key: str) -> Any:
        """The user of a key, or None. Raises `Unavailable` when the host's database is down."""
        try:
            identity = self.identity(key)
        except (ValueError, TypeError):
            return None
        try:
            with self.quietly() as session:
                return session.get(self.model, identity)
        except SQLAlchemyError:
            raise Unavailable from None

    def find(self, login: str) -> Any:
        """The user of a login text, by email and then user name, as the database compares.

        Both are asked in any case: how long it takes does not tell whether there is one.
        """
        if "\x00" in login or len(login) > 320:
            return None
        try:
            login.encode()
        except UnicodeEncodeError:
            return None
        found = []
        for name in ("email", "username"):
            column = getattr(self.model, name, None)
            if column is None:
                continue
            with self.quietly() as session:
                users = session.scalars(select(self.model).where(column == login).limit(2)).all()
            if len(users) == 1:
                found.append(users[0])
        return found[0] if found else None

    def listed(self, query: str, cursor: str, limit: int) -> UserPage:
        """A page of users in the order of their keys; `query`: in address or name, or the key.

        `cursor`: the key of the last user of the page before. Raises `Unavailable`.
        """
        model = self.model
        columns = inspect(model).primary_key
        statement = select(model).order_by(*columns).limit(limit + 1)
        if query:
            named = [getattr(model, name, None) for name in ("email", "username", "name")]
            matches = [
                column.icontains(query, autoescape=True)
                for column in named
                if isinstance(column, InstrumentedAttribute)
            ]
            statement = statement.where(or_(*matches, *self._is_at(columns, query)))
        try:
            if cursor:
                after = self.identity(cursor)
                values = after if isinstance(after, tuple) else (after,)
                statement = statement.where(tuple_(*columns) > tuple_(*values))
            with self.quietly() as session:
                found = list(session.scalars(statement).unique())
        except (ValueError, TypeError):
            return UserPage((), None)
        except SQLAlchemyError:
            raise Unavailable from None
        more = len(found) > limit
        return UserPage(found[:limit], self.key_of(found[limit - 1]) if more else None)

    def _is_at(self, columns: Any, key: str) -> list[Any]:
        """A condition that finds the user of a key, if the text can be one."""
        try:
            identity = self.identity(key)
        except (ValueError, TypeError):
            return []
        values = identity if isinstance(identity, tuple) else (identity,)
        return [and_(*(column == value for column, value in zip(columns, values, strict=True)))]


VERIFIED = ("email_verified", "email_verified_at", "email_confirmed_at", "confirmed")


def is_verified(user: Any) -> bool:
    """Whether the host's model says that it verified the address."""
    for name in VERIFIED:
        if hasattr(user, name):
            return bool(getattr(user, name))
    return False


def password_checker(user: Any) -> Callable[[str], Any] | None:
    """The model's own password check, or None."""
    for name in ("check_password", "verify_password"):
        check = getattr(user, name, None)
        if callable(check):
            return check  # type: ignore[no-any-return]
    return None

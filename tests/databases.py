"""Databases for tests: an empty one of each kind, made and dropped on demand.

Servers are looked for at `MFA_TEST_POSTGRESQL_URL` and `MFA_TEST_MARIADB_URL` (SQLAlchemy URLs of
any database on them whose user may create databases), else on their usual ports of 127.0.0.1.
A test that needs a server which is not there is skipped, and fails where `CI` is `true`.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

Kind = Literal["sqlite", "postgresql", "mariadb"]

KINDS: tuple[Kind, ...] = get_args(Kind)

SERVERS: dict[str, tuple[str, str]] = {
    "postgresql": (
        "MFA_TEST_POSTGRESQL_URL",
        "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    ),
    "mariadb": ("MFA_TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/mysql"),
}


def server_url(kind: Kind) -> URL:
    """The URL under which databases of this kind are made."""
    variable, usual = SERVERS[kind]
    return make_url(os.environ.get(variable) or usual)


def absent(reason: str) -> None:
    """Skip the running test, or fail it where `CI` is `true`: there, everything must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def _server(kind: Kind) -> Iterator[Connection]:
    """A connection outside of any transaction, as `CREATE DATABASE` needs it."""
    engine = create_engine(server_url(kind), poolclass=NullPool, connect_args=_patience(kind))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


def _patience(kind: Kind) -> dict[str, int]:
    return {} if kind == "sqlite" else {"connect_timeout": 5}


@cache
def why_missing(kind: Kind) -> str | None:
    """Why no database of this kind can be had here, or None. Asked once per process."""
    if kind == "sqlite":
        return None
    try:
        with _server(kind):
            return None
    except (SQLAlchemyError, ImportError) as error:
        where = server_url(kind).render_as_string(hide_password=True)
        return f"no {kind} at {where} ({type(error).__name__}); set {SERVERS[kind][0]}"


def own_name(name: str) -> str:
    """A database name that no other process and no other pytest worker uses."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:30]
    return f"mfa_{plain}_{worker}_{os.getpid()}"


def database_url(kind: Kind, name: str, *, folder: Path | None = None) -> str:
    """Make an empty database (one of that name is dropped first) and return its URL.

    `folder`: where a SQLite file goes; the temporary folder by default. Skips, or fails, the
    running test where there is no such server.
    """
    reason = why_missing(kind)
    if reason is not None:
        absent(reason)
    if kind == "sqlite":
        path = (folder or Path(tempfile.gettempdir())) / f"{name}.sqlite"
        url = f"sqlite:///{path}"
        drop_database(url)
        return url
    url = server_url(kind).set(database=name).render_as_string(hide_password=False)
    drop_database(url)
    with _server(kind) as connection:
        quoted = connection.dialect.identifier_preparer.quote(name)
        # template0 has no guests, so that parallel runs do not refuse each other
        template = " TEMPLATE template0" if kind == "postgresql" else ""
        connection.exec_driver_sql(f"CREATE DATABASE {quoted}{template}")
    return url


def drop_database(url: str) -> None:
    """Drop the database of a URL that `database_url` returned, if it is there."""
    parsed = make_url(url)
    name = parsed.database or ""
    if parsed.get_backend_name() == "sqlite":
        for suffix in ("", "-journal", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(name + suffix).unlink()
        return
    kind: Kind = "postgresql" if parsed.get_backend_name() == "postgresql" else "mariadb"
    with _server(kind) as connection:
        quoted = connection.dialect.identifier_preparer.quote(name)
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted}{force}")


@contextmanager
def database(kind: Kind, name: str, *, folder: Path | None = None) -> Iterator[str]:
    """An empty database for the length of a `with` block, under a name of this process's own."""
    url = database_url(kind, own_name(name), folder=folder)
    try:
        yield url
    finally:
        drop_database(url)

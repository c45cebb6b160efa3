"""Our own transactions: whole or not at all, run again when lost, never the host's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, insert, select, text, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from flask_melody_mfa.core.errors import HostBlocks, Unavailable, WrongProof
from flask_melody_mfa.store import database
from flask_melody_mfa.store.database import Store
from flask_melody_mfa.store.tables import Base, Counter


def add(name: str) -> Callable[[Session], None]:
    """Work that writes one row."""

    def work(session: Session) -> None:
        session.execute(insert(Counter).values(name=name, count=1, expires_at=0))

    return work


def names(store: Store) -> list[str]:
    """The rows that are there."""
    with store.host_engine.connect() as connection:
        return sorted(connection.scalars(select(Counter.name)))


@pytest.fixture
def engine(any_database_url: str) -> Iterator[Engine]:
    """An engine on each database, with our tables."""
    made = create_engine(any_database_url)
    Base.metadata.create_all(made)
    yield made
    made.dispose()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[tuple[Store, Path]]:
    """A store on a SQLite file that is not patient, and the file."""
    path = tmp_path / "a.sqlite"
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 0.05})
    Base.metadata.create_all(engine)
    yield Store(engine), path
    engine.dispose()


def test_work_is_committed(engine: Engine) -> None:
    store = Store(engine)
    store.run(add("one"))
    assert names(store) == ["one"]


def test_what_work_raises_undoes_it_and_is_raised(engine: Engine) -> None:
    store = Store(engine)

    def work(session: Session) -> None:
        add("one")(session)
        raise WrongProof

    with pytest.raises(WrongProof):
        store.run(work)
    assert names(store) == []


@pytest.mark.check("F02")
def test_work_that_met_another_row_first_is_run_again(engine: Engine) -> None:
    store = Store(engine)
    runs: list[int] = []

    def work(session: Session) -> str:
        runs.append(len(runs))
        if len(runs) == 1:
            with engine.begin() as other:  # somebody else is faster, once
                other.execute(insert(Counter).values(name="one", count=7, expires_at=0))
            add("one")(session)
        return f"run {len(runs)}"

    assert store.run(work) == "run 2"
    assert names(store) == ["one"]


@pytest.mark.check("F02")
def test_a_row_that_is_always_there_ends_in_unavailable_after_a_few_runs(engine: Engine) -> None:
    store = Store(engine)
    store.run(add("one"))
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        add("two")(session)
        add("one")(session)

    with pytest.raises(Unavailable):
        store.run(work)
    assert len(runs) == database.TRIES
    assert names(store) == ["one"]


@pytest.mark.check("F02", "F01")
def test_a_commit_that_found_the_file_locked_leaves_nothing_behind(
    file: tuple[Store, Path],
) -> None:
    store, path = file
    for name in ("one", "two"):
        store.run(add(name))
    reader = sqlite3.connect(path)
    unfinished = reader.execute("SELECT * FROM mfa_counter")
    unfinished.fetchone()  # holds a shared lock: others may write, and cannot commit
    runs: list[int] = []

    def count(session: Session) -> None:
        runs.append(1)
        session.execute(update(Counter).values(count=Counter.count + 1))

    with pytest.raises(Unavailable):
        store.run(count)
    assert len(runs) == database.TRIES
    unfinished.close()
    reader.close()
    store.run(add("three"))
    with store.host_engine.connect() as connection:
        assert set(connection.scalars(select(Counter.count))) == {1}, "what failed is not kept"


@pytest.mark.check("F02")
def test_a_file_that_is_locked_for_a_moment_is_waited_for(file: tuple[Store, Path]) -> None:
    store, path = file
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    runs: list[int] = []

    def work(session: Session) -> None:
        runs.append(1)
        if len(runs) == 2:
            writer.execute("ROLLBACK")
        add("one")(session)

    store.run(work)
    writer.close()
    assert (len(runs), names(store)) == (2, ["one"])


@pytest.mark.check("F02")
def test_a_deadlock_or_a_serialization_failure_is_run_again(
    new_database: Callable[[Any], str],
) -> None:
    """The driver's own errors, from servers that really refuse: 40001, 1213 come from them."""
    engine = create_engine(new_database("postgresql"), isolation_level="SERIALIZABLE")
    try:
        Base.metadata.create_all(engine)
        store = Store(engine)
        store.run(add("one"))
        runs: list[int] = []

        def work(session: Session) -> None:
            runs.append(1)
            session.scalar(select(Counter.count).where(Counter.name == "one"))
            if len(runs) == 1:
                with engine.begin() as other:
                    other.execute(update(Counter).values(count=Counter.count + 1))
            session.execute(update(Counter).values(count=Counter.count + 1))

        store.run(work)
        with engine.connect() as connection:
            assert connection.scalar(select(Counter.count)) == 3
        assert len(runs) == 2
    finally:
        engine.dispose()


@pytest.mark.check("F02")
def test_a_lock_that_mariadb_waited_for_in_vain_is_run_again(
    new_database: Callable[[Any], str],
) -> None:
    engine = create_engine(
        new_database("mariadb"),
        connect_args={"init_command": "SET SESSION innodb_lock_wait_timeout = 1"},
    )
    try:
        Base.metadata.create_all(engine)
        store = Store(engine)
        store.run(add("one"))
        runs: list[int] = []
        with engine.connect() as other:
            other.execute(update(Counter).values(count=10))

            def work(session: Session) -> None:
                runs.append(1)
                if len(runs) == 2:
                    other.rollback()
                session.execute(update(Counter).values(count=Counter.count + 1))

            store.run(work)
        with engine.connect() as connection:
            assert (len(runs), connection.scalar(select(Counter.count))) == (2, 2)
    finally:
        engine.dispose()


class Code(Exception):
    """An error as psycopg has it, or (with a number) as PyMySQL has it."""

    def __init__(self, code: str | int) -> None:
        super().__init__(code, "text")
        self.sqlstate = code if isinstance(code, str) else None


@pytest.mark.check("F02")
@pytest.mark.parametrize(
    ("error", "again"),
    [
        (sqlite3.OperationalError("database is locked"), True),
        (sqlite3.OperationalError("database table is locked: mfa_user"), True),
        (sqlite3.OperationalError("disk I/O error"), False),
        (Code("40001"), True),
        (Code("40P01"), True),
        (Code("55P03"), True),
        (Code("57014"), False),
        (Code(1213), True),
        (Code(1205), True),
        (Code(1020), True),
        (Code(2006), False),
    ],
)
def test_which_errors_are_conflicts(error: Exception, again: bool) -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    runs: list[int] = []

    def work(session: Session) -> str:
        runs.append(1)
        if len(runs) == 1:
            raise DBAPIError("UPDATE", None, error)
        return "done"

    store = Store(engine)
    if again:
        assert store.run(work) == "done"
        assert len(runs) == 2
    else:
        with pytest.raises(Unavailable):
            store.run(work)
        assert len(runs) == 1
    engine.dispose()


def test_a_conflict_that_has_waited_long_is_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.0)
    engine = create_engine("sqlite://", poolclass=StaticPool)
    runs: list[int] = []

    def work(session: Session) -> str:
        runs.append(1)
        if len(runs) == 1:
            raise DBAPIError("UPDATE", None, Code(1205))
        return "done"

    store = Store(engine)
    with pytest.raises(Unavailable):
        store.run(work)
    runs.clear()

    def insert_first(session: Session) -> str:
        runs.append(1)
        if len(runs) == 1:
            raise IntegrityError("INSERT", None, Code("23505"))
        return "done"

    assert store.run(insert_first) == "done", "that row is there now, however long it took"
    engine.dispose()


@pytest.mark.check("F03")
def test_the_only_connection_is_lent_and_given_back_as_it_was() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    store = Store(engine)
    assert store.shared
    with Session(engine) as host:
        host.execute(text("CREATE TABLE host (id INTEGER)"))
        host.commit()
        host.execute(text("INSERT INTO host VALUES (1)"))
        store.run(add("ours"))
        with pytest.raises(WrongProof):
            store.run(raising)
        host.rollback()
        assert host.execute(text("SELECT count(*) FROM host")).scalar() == 0
        host.execute(text("INSERT INTO host VALUES (2)"))
        store.run(add("more"))
        host.commit()
        assert host.execute(text("SELECT count(*) FROM host")).scalar() == 1
    assert names(store) == ["more"], "on one connection the host's rollback takes ours along"
    engine.dispose()


def raising(session: Session) -> None:
    """Work that fails after it wrote."""
    add("gone")(session)
    raise WrongProof


def test_on_a_file_the_hosts_open_writes_are_told_and_not_waited_for(
    file: tuple[Store, Path], caplog: pytest.LogCaptureFixture
) -> None:
    store, _ = file
    blocked = Store(store.host_engine, host_writes=lambda: True)
    with pytest.raises(HostBlocks):
        blocked.run(add("one"))
    assert "db.session.commit()" in caplog.text
    assert names(store) == []


def test_without_tables_the_log_names_the_command(
    any_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_engine(any_database_url)
    with pytest.raises(Unavailable):
        Store(engine).run(add("one"))
    assert "flask mfa db revision" in caplog.text
    engine.dispose()


@pytest.mark.check("C07")
def test_no_error_of_the_database_is_logged_with_its_values(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    @event.listens_for(engine, "do_execute")
    def fail(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        raise engine.dialect.loaded_dbapi.OperationalError("a canary in the message")

    with pytest.raises(Unavailable) as caught:
        Store(engine).run(add("canary"))
    assert "canary" not in caplog.text
    assert "canary" not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__

"""The rig's fixtures: one pair of processes and one database of each kind for all races."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.databases import KINDS, Kind, database
from tests.races.hosts import plain
from tests.races.rig import Factory, Race, Rig, close_hosts, running


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The two processes."""
    with running() as started:
        yield started


@pytest.fixture(scope="session")
def race_url(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Kind], str]]:
    """`race_url(kind)`: the database of that kind that all races share."""
    folder: Path = tmp_path_factory.mktemp("races")
    with ExitStack() as stack:
        urls: dict[Kind, str] = {}

        def url_of(kind: Kind) -> str:
            if kind not in urls:
                urls[kind] = stack.enter_context(database(kind, "races", folder=folder))
            return urls[kind]

        yield url_of
        rig.stop()  # before its databases are dropped
        close_hosts()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """SQLite, PostgreSQL, MariaDB."""
    found: Kind = request.param
    return found


@pytest.fixture
def race_on(rig: Rig, race_url: Callable[[Kind], str], kind: Kind) -> Callable[..., Race]:
    """`race_on(factory)`: races of that host, on each database in turn. Use emails of your own."""

    def make(factory: Factory = plain) -> Race:
        race = Race(rig, factory, race_url(kind))
        race.host  # makes the tables
        return race

    return make

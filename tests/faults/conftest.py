"""Hosts that are made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.databases import Kind as Database
from tests.databases import database
from tests.faults.rig import KINDS, Faults, Kind
from tests.host import Host

Broken = tuple[Host, Faults]

HASTY: dict[str, dict[str, object]] = {
    "sqlite": {},
    "postgresql": {"connect_args": {"options": "-c synchronous_commit=off"}},
}
"""Engine options that wait for no disk."""

FAULTS: list[tuple[Database, Kind]] = [
    (database, kind)
    for database in ("sqlite", "postgresql")
    for kind in KINDS
    # A file does not hang up; where a server does, every statement fails in that way.
    if kind != ("drop" if database == "sqlite" else "statement")
]


@pytest.fixture(params=FAULTS, ids="-".join)
def fault(request: pytest.FixtureRequest) -> tuple[Database, Kind]:
    """A database, and what fails there."""
    found: tuple[Database, Kind] = request.param
    return found


@pytest.fixture
def kind(fault: tuple[Database, Kind]) -> Kind:
    """What fails."""
    return fault[1]


@pytest.fixture(scope="session")
def shared_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Database], str]]:
    """`shared_url(kind)`: one database of that kind for all faults. Every user is a new one."""
    folder = tmp_path_factory.mktemp("faults")
    with ExitStack() as stack:
        urls: dict[Database, str] = {}

        def url_of(kind: Database) -> str:
            if kind not in urls:
                urls[kind] = stack.enter_context(database(kind, "faults", folder=folder))
            return urls[kind]

        yield url_of


@pytest.fixture
def breakable(
    fault: tuple[Database, Kind],
    shared_url: Callable[[Database], str],
    make_host: Callable[..., Host],
) -> Callable[..., Broken]:
    """`breakable(**config)`: a host, and what makes its database fail."""

    def make(**config: object) -> Broken:
        url = shared_url(fault[0])
        host = make_host(url, SQLALCHEMY_ENGINE_OPTIONS=HASTY[fault[0]], **config)
        return host, Faults(host)

    return make


@pytest.fixture
def broken(breakable: Callable[..., Broken]) -> Broken:
    """A plain host, and what makes its database fail."""
    return breakable()

"""Fixtures that every folder of tests shares, and the rules for our own markers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.databases import KINDS, Kind, absent, database

CHECK = re.compile(r"[A-Z]\d\d")
LAST_REFERENCE = 374
MISSING = range(221, 233)

CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--check T05` runs the tests that hold a check."""
    parser.addoption("--check", action="append", metavar="ID", help="run the tests of a check")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a marker that names no check and no reference case; pick what was asked for."""
    wrong: list[str] = []
    for item in items:
        for mark in item.iter_markers("check"):
            ids = mark.args
            if not ids or not all(isinstance(one, str) and CHECK.fullmatch(one) for one in ids):
                wrong.append(f"{item.nodeid}: check{ids} (ids look like 'T05')")
        for mark in item.iter_markers("reference"):
            numbers = mark.args
            if not numbers or not all(_is_reference(one) for one in numbers):
                wrong.append(f"{item.nodeid}: reference{numbers} (1 to {LAST_REFERENCE})")
    if wrong:
        raise pytest.UsageError("\n".join(wrong))
    asked = set(config.getoption("check") or ())
    if asked:
        held = {
            item: {one for mark in item.iter_markers("check") for one in mark.args}
            for item in items
        }
        config.hook.pytest_deselected(items=[item for item in items if not asked & held[item]])
        items[:] = [item for item in items if asked & held[item]]


def _is_reference(number: object) -> bool:
    return type(number) is int and 1 <= number <= LAST_REFERENCE and number not in MISSING


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Kind], str]]:
    """`new_database(kind)` makes an empty database and returns its URL; dropped afterwards."""
    with ExitStack() as stack:
        made = 0

        def make(kind: Kind) -> str:
            nonlocal made
            made += 1
            name = f"{request.node.originalname[-24:]}_{made}"
            return stack.enter_context(database(kind, name, folder=tmp_path))

        yield make


@pytest.fixture(params=KINDS)
def any_database_url(request: pytest.FixtureRequest, new_database: Callable[[Kind], str]) -> str:
    """The URL of an empty database: a SQLite file, then PostgreSQL, then MariaDB."""
    return new_database(request.param)


@pytest.fixture
def sqlite_url(new_database: Callable[[Kind], str]) -> str:
    """The URL of an empty SQLite file."""
    return new_database("sqlite")


@pytest.fixture
def postgresql_url(new_database: Callable[[Kind], str]) -> str:
    """The URL of an empty PostgreSQL database."""
    return new_database("postgresql")


@pytest.fixture
def mariadb_url(new_database: Callable[[Kind], str]) -> str:
    """The URL of an empty MariaDB database."""
    return new_database("mariadb")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running Chromium, a Playwright `Browser`. Make a context of your own in it.

    For one module: while Playwright runs, `asyncio.run` (async views) is refused in its thread.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        absent("no chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield browser
        browser.close()


@pytest.fixture
def make_host() -> Iterator[Callable[..., Any]]:
    """`make_host(url="sqlite://", **config)` makes a `tests.host.Host`; closed afterwards."""
    from tests.host import Host

    made: list[Host] = []

    def make(url: str = "sqlite://", **config: Any) -> Host:
        made.append(Host(url, **config))
        return made[-1]

    yield make
    for host in made:
        with host.app.app_context():
            host.db.session.remove()
            host.db.engine.dispose()

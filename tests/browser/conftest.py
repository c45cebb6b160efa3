"""Fixtures of the browser tests: running hosts, visitors, and whatever holds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.browser.looking import axe_source
from tests.browser.site import BrowserHost, Site, Visitor

Visit = Callable[..., Visitor]


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core."""
    pytest.importorskip("axe_playwright_python")
    return axe_source()


@pytest.fixture(scope="module")
def site_for(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """`site_for(**config)`: a running host; one for all tests of a module with that config."""
    with ExitStack() as stack:
        running: dict[str, Site] = {}

        def give(**config: Any) -> Site:
            key = json.dumps(config, sort_keys=True, default=str)
            if key not in running:
                file = tmp_path_factory.mktemp("site") / "host.db"
                site = Site(BrowserHost(f"sqlite:///{file}", **config))
                stack.callback(site.close)
                running[key] = site
            return running[key]

        yield give


@pytest.fixture
def visit(chromium: Any, site_for: Callable[..., Site]) -> Iterator[Visit]:
    """`visit(holds=(), config={}, user={}, **browser)`: a new user with a browser."""
    with ExitStack() as stack:

        def give(
            *,
            holds: tuple[str, ...] = (),
            config: dict[str, Any] | None = None,
            user: dict[str, Any] | None = None,
            **browser: Any,
        ) -> Visitor:
            site = site_for(**(config or {}))
            visitor = Visitor(chromium, site, holds=holds, user=user, **browser)
            stack.callback(visitor.close)
            return visitor

        yield give

"""pytest fixtures, found by pytest through the entry point of the package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask_melody_mfa.testing import Frozen


@pytest.fixture
def mfa_outbox(app: Any) -> Iterator[Any]:
    """What the app sent, empty at the start. Needs a fixture `app`."""
    from flask_melody_mfa import testing

    with app.app_context():
        testing.outbox.clear()
        yield testing.outbox


@pytest.fixture
def mfa_clock(app: Any) -> Iterator[Frozen]:
    """The extension's clock, standing still. Needs a fixture `app`."""
    from flask_melody_mfa import testing

    with testing.freeze(app) as frozen:
        yield frozen

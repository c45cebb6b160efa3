"""Every host's own suite runs twice: as the host was, and with the extension added."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[False, True], ids=["without-mfa", "with-mfa"])
def with_mfa(request: pytest.FixtureRequest) -> bool:
    """Whether the host has the extension."""
    return bool(request.param)

"""Where a list goes on: signed, so that nobody writes one, and bound to the list it belongs to."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask_melody_mfa.core.errors import NotFound
from flask_melody_mfa.core.signed import Purpose, Signer
from flask_melody_mfa.web.state import state

LIFETIME = 86_400
"""Seconds."""


def fingerprint(which: str, **filters: Any) -> str:
    """What tells a list with its filters from every other."""
    return hashlib.sha256(json.dumps([which, filters], sort_keys=True).encode()).hexdigest()[:16]


def signer() -> Signer:
    """The signer of cursors."""
    return Signer(state().settings.mfa_secret_keys, Purpose.CURSOR)


def write(which: str, at: Any) -> str:
    """A cursor. `which`: the list's fingerprint; `at`: the last item, as JSON can say it."""
    return signer().dumps([which, at])


def read(which: str, cursor: str | None) -> Any:
    """Where a cursor points; None without one. Raises `NotFound` for one of another list."""
    if cursor is None:
        return None
    found = signer().loads(cursor, max_age=LIFETIME)
    if not isinstance(found, list) or len(found) != 2 or found[0] != which:
        raise NotFound
    return found[1]

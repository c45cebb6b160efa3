"""What the guard found: where a browser stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from flask_melody_mfa.core.types import Account
from flask_melody_mfa.flows.sessions import Standing


class At(Enum):
    """Where the browser stands."""

    ANONYMOUS = auto()
    SATISFIED = auto()
    OWED = auto()
    """Signed in by Flask-Login, and the gate is owed."""
    PENDING = auto()
    """A challenge runs; Flask-Login's fields are parked in it."""
    REFUSED = auto()
    """Signed in by a remember cookie that can yield nothing here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the guard found. `standing` is None without an MFA session."""

    at: At
    client: str | None = None
    account: Account | None = None
    standing: Standing | None = None
    by_loader: bool = False


ANONYMOUS = Seen(at=At.ANONYMOUS)

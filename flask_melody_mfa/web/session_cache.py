"""Satisfied sessions, as one process remembers them for a moment."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.flows.sessions import Standing

CACHED_SESSIONS = 10_000


@dataclass(frozen=True, slots=True)
class Remembered:
    """A satisfied session as this process knows it.

    `flask_id`: Flask-Login's `_user_id`. `seen`: what the guard sees in it.
    """

    read_at: Instant
    flask_id: str
    standing: Standing
    seen: Any


class SessionCache:
    """Satisfied sessions that were read a moment ago, by token and client."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, str | None], Remembered] = OrderedDict()
        self._forgotten = 0

    def get(self, token: str, client: str | None) -> Remembered | None:
        """What is known of a session, however old."""
        return self._held.get((token, client))

    def since(self) -> int:
        """A point in time for `put`: to be taken before what is put is read or written."""
        return self._forgotten

    def put(self, token: str, client: str | None, entry: Remembered, since: int) -> None:
        """Remember a satisfied session, unless anything was forgotten meanwhile."""
        with self._lock:
            if since != self._forgotten:
                return  # it may have been read before the very change that was to be seen at once
            self._held[token, client] = entry
            while len(self._held) > CACHED_SESSIONS:
                self._held.popitem(last=False)

    def drop_user(self, user_key: str) -> None:
        """Forget an account's sessions, so that they are read again at once."""
        with self._lock:
            self._forgotten += 1
            for key, entry in list(self._held.items()):
                if entry.standing.row.user_key == user_key:
                    del self._held[key]

    def drop_client(self, client: str | None) -> None:
        """Forget what was found at a client's gate."""
        with self._lock:
            self._forgotten += 1
            for key in [key for key in self._held if key[1] == client]:
                del self._held[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._forgotten += 1
            self._held.clear()

"""Signed values that leave us and need no row: one serializer per purpose, by itsdangerous.

Never for what must work once: that is a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

LONGEST = 4096


class Purpose(StrEnum):
    """What a value was signed for; a value of one purpose is garbage to every other."""

    POLICY_RESULT = "mfa.policy-result"
    NOT_ME = "mfa.not-me"
    CURSOR = "mfa.cursor"
    DEVICE = "mfa.device"


class Signer:
    """Signs with the newest key, reads what any of them signed."""

    def __init__(self, keys: Sequence[str], purpose: Purpose) -> None:
        # itsdangerous wants the newest key last; ours come newest first.
        self._serializer = URLSafeTimedSerializer(list(reversed(keys)), salt=purpose.value)

    def __repr__(self) -> str:
        return f"<Signer {self._serializer.salt!r}>"

    def dumps(self, value: Any) -> str:
        """Sign a JSON-able value, with the time."""
        return str(self._serializer.dumps(value))

    def loads(self, text: str, *, max_age: int) -> Any:
        """The value, or None when it is not ours or older than `max_age` seconds."""
        if len(text) > LONGEST:
            return None
        try:
            return self._serializer.loads(text, max_age=max_age)
        except (BadData, ValueError):
            return None

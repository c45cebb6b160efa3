"""Sealing (AES-256-GCM, keys by HKDF-SHA256, RFC 5869) and keyed hashing (HMAC-SHA256)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from flask_melody_mfa.core.errors import CannotOpen

_NONCE = 12


def _pack(*parts: bytes) -> bytes:
    """Parts with their lengths, so that no two lists of parts look alike."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


class Sealer:
    """Seals with the newest key, opens with any of them.

    The associated data binds what is sealed to its table, column, row and user: moved anywhere
    else, it does not open.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one key")
        self._ciphers: dict[str, AESGCM] = {}
        for key in keys:
            derived = HKDF(SHA256(), 32, None, b"flask-melody-mfa seal v1").derive(key.encode())
            key_id = hashlib.sha256(b"key id" + derived).hexdigest()[:16]
            self._ciphers.setdefault(key_id, AESGCM(derived))
        self.key_ids = tuple(self._ciphers)
        self.key_id = self.key_ids[0]

    def __repr__(self) -> str:
        return f"<Sealer {self.key_id}>"

    def seal(self, plain: bytes, *, table: str, column: str, row: str, user: str) -> bytes:
        """Seal `plain` for one place, under a nonce of its own."""
        nonce = secrets.token_bytes(_NONCE)
        bound = _pack(table.encode(), column.encode(), row.encode(), user.encode())
        return nonce + self._ciphers[self.key_id].encrypt(nonce, plain, bound)

    def open(
        self, sealed: bytes, *, key_id: str, table: str, column: str, row: str, user: str
    ) -> bytes:
        """Open what was sealed for this very place. Raises `CannotOpen`."""
        cipher = self._ciphers.get(key_id)
        if cipher is None or len(sealed) <= _NONCE:
            raise CannotOpen
        bound = _pack(table.encode(), column.encode(), row.encode(), user.encode())
        try:
            return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except InvalidTag:
            raise CannotOpen from None


class Hasher:
    """Keyed hashes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "<Hasher>"

    def digest(self, purpose: str, *parts: str | bytes | int) -> bytes:
        """HMAC-SHA256 over a purpose and its parts; 32 bytes."""
        raw = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
        return hmac.digest(self._key, _pack(purpose.encode(), *raw), "sha256")

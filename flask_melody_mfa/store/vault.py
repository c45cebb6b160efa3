"""Sealing and keyed hashing of what the rows hold."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from flask_melody_mfa.core.codes import new_id
from flask_melody_mfa.core.errors import CannotOpen
from flask_melody_mfa.core.seal import Hasher, Sealer
from flask_melody_mfa.core.types import Credential, FactorKind, Instant, NewCredential
from flask_melody_mfa.store.database import Store
from flask_melody_mfa.store.tables import Address, ChallengeRow, CredentialRow, Key

HASH_KEY = "hash"


class Vault:
    """Opens and seals rows. The associated data binds each secret to its row and user."""

    def __init__(self, sealer: Sealer, hasher: Hasher) -> None:
        self.sealer = sealer
        self.hasher = hasher

    def token_hash(self, token: str) -> str:
        """What stands in the database for a token."""
        return self.hasher.digest("token", token).hex()

    def name(self, *parts: str | int) -> str:
        """A counter's name: tells nothing about what it counts."""
        return self.hasher.digest("counter", *parts).hex()

    def recovery_code_hash(self, user_key: str, code: str) -> str:
        """What stands in the database for an account's recovery code, in its canonical form."""
        return self.hasher.digest("recovery-code", user_key, code).hex()

    def destination_hash(self, destination: str) -> str:
        """What limits know a destination by."""
        return self.hasher.digest("destination", destination).hex()

    def open_credential(self, row: CredentialRow) -> Credential:
        """Open one credential; raises `CannotOpen`, never "not enrolled"."""
        kind = FactorKind(row.kind)
        plain = self._open("mfa_credential", "sealed", row.id, row.user_key, row)
        is_secret = kind is FactorKind.OTP
        return Credential(
            id=row.id,
            kind=kind,
            name=row.name,
            secret=plain if is_secret else None,
            destination=None if is_secret else plain.decode(),
            last_step=row.last_step,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
        )

    def seal_credential(self, new: NewCredential, user_key: str, now: Instant) -> CredentialRow:
        """A new row for a new credential."""
        row_id = new_id(now)
        plain = new.secret if new.secret is not None else (new.destination or "").encode()
        return CredentialRow(
            id=row_id,
            user_key=user_key,
            kind=new.kind.value,
            name=new.name,
            sealed=self._seal("mfa_credential", "sealed", row_id, user_key, plain),
            key_id=self.sealer.key_id,
            destination_hash=self.destination_hash(new.destination) if new.destination else None,
            last_step=new.last_step,
            created_at=now,
        )

    def seal_address(self, destination: str, user_key: str, now: Instant) -> Address:
        """A row for an address that was replaced."""
        row_id = new_id(now)
        return Address(
            id=row_id,
            user_key=user_key,
            sealed=self._seal("mfa_address", "sealed", row_id, user_key, destination.encode()),
            key_id=self.sealer.key_id,
            replaced_at=now,
        )

    def open_address(self, row: Address) -> str:
        """The address itself."""
        return self._open("mfa_address", "sealed", row.id, row.user_key, row).decode()

    def seal_kept(self, row: ChallengeRow, kept: Mapping[str, Any]) -> tuple[bytes, str]:
        """What a challenge keeps of a code, and the id of the key."""
        return self.seal_json("mfa_challenge", row.id, row.user_key, kept)

    def open_kept(self, row: ChallengeRow) -> dict[str, Any]:
        """What a challenge keeps of its current code; empty without one."""
        if row.sealed is None or row.key_id is None:
            return {}
        return self.open_json("mfa_challenge", row)

    def seal_json(
        self, table: str, row_id: str, user_key: str, kept: Mapping[str, Any]
    ) -> tuple[bytes, str]:
        """A mapping for the column `sealed` of a row, and the id of the key."""
        plain = json.dumps(dict(kept)).encode()
        return self._seal(table, "sealed", row_id, user_key, plain), self.sealer.key_id

    def open_json(self, table: str, row: Any) -> dict[str, Any]:
        """The mapping that a row's column `sealed` holds. Raises `CannotOpen`."""
        user = row.user_key or ""
        kept: dict[str, Any] = json.loads(self._open(table, "sealed", row.id, user, row))
        return kept

    def _seal(self, table: str, column: str, row: str, user: str, plain: bytes) -> bytes:
        return self.sealer.seal(plain, table=table, column=column, row=row, user=user)

    def _open(self, table: str, column: str, row_id: str, user: str, row: Any) -> bytes:
        return self.sealer.open(
            row.sealed, key_id=row.key_id, table=table, column=column, row=row_id, user=user
        )


def load_vault(store: Store, sealer: Sealer, now: Instant) -> Vault:
    """Open the hash key, or make it once. Raises `CannotOpen` or `Unavailable`."""

    def work(session: Session) -> bytes:
        row = session.scalars(select(Key).where(Key.id == HASH_KEY)).one_or_none()
        if row is not None:
            return sealer.open(
                row.sealed,
                key_id=row.key_id,
                table="mfa_key",
                column="sealed",
                row=HASH_KEY,
                user="",
            )
        key = secrets.token_bytes(32)
        session.execute(
            insert(Key).values(
                id=HASH_KEY,
                sealed=sealer.seal(key, table="mfa_key", column="sealed", row=HASH_KEY, user=""),
                key_id=sealer.key_id,
                created_at=now,
            )
        )
        return key

    return Vault(sealer, Hasher(store.run(work)))


__all__ = ["CannotOpen", "Vault", "load_vault"]

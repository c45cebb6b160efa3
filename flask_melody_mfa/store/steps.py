"""The frozen steps of our schema, in plain types. A step that was released is never edited.

`tables.py` says what the code works with; a test holds that all steps together amount to it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

EXACT: dict[str, Any] = {
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}

STEP_1 = MetaData()
"""Accounts, credentials, challenges, sessions, counters, events."""

Table(
    "mfa_meta",
    STEP_1,
    Column("name", String(64), primary_key=True),
    Column("value", String(255), nullable=False),
    **EXACT,
)

Table(
    "mfa_key",
    STEP_1,
    Column("id", String(32), primary_key=True),
    Column("sealed", LargeBinary(), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    **EXACT,
)

Table(
    "mfa_user",
    STEP_1,
    Column("user_key", String(255), primary_key=True),
    Column("version", Integer(), nullable=False),
    Column("failures", Integer(), nullable=False),
    Column("lock_level", Integer(), nullable=False),
    Column("locked_until", BigInteger()),
    Column("failing_told_at", BigInteger()),
    Column("locked_told_at", BigInteger()),
    Column("must_set_up", String(255), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    **EXACT,
)

Table(
    "mfa_factor",
    STEP_1,
    Column("user_key", String(255), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("failures", Integer(), nullable=False),
    Column("disabled_at", BigInteger()),
    **EXACT,
)

Table(
    "mfa_credential",
    STEP_1,
    Column("id", String(32), primary_key=True),
    Column("user_key", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("name", String(64)),
    Column("sealed", LargeBinary(), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("destination_hash", String(64)),
    Column("last_step", BigInteger()),
    Column("created_at", BigInteger(), nullable=False),
    Column("last_used_at", BigInteger()),
    Index("ix_mfa_credential_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_address",
    STEP_1,
    Column("id", String(32), primary_key=True),
    Column("user_key", String(255), nullable=False),
    Column("sealed", LargeBinary(), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("replaced_at", BigInteger(), nullable=False),
    Index("ix_mfa_address_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_challenge",
    STEP_1,
    Column("id", String(32), primary_key=True),
    Column("token_hash", String(64), nullable=False),
    Column("user_key", String(255), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("client", String(64)),
    Column("method", String(16), nullable=False),
    Column("session_id", String(32)),
    Column("parked", Text(), nullable=False),
    Column("next_url", Text()),
    Column("goal", Text(), nullable=False),
    Column("proofs", Text(), nullable=False),
    Column("tries", Integer(), nullable=False),
    Column("setting_up", String(16)),
    Column("code_id", String(32)),
    Column("code_kind", String(16)),
    Column("sealed", LargeBinary()),
    Column("key_id", String(32)),
    Column("sent_at", BigInteger()),
    Column("created_at", BigInteger(), nullable=False),
    Column("expires_at", BigInteger(), nullable=False),
    Column("ended_at", BigInteger()),
    Index("ix_mfa_challenge_expires_at", "expires_at"),
    Index("ix_mfa_challenge_token_hash", "token_hash", unique=True),
    Index("ix_mfa_challenge_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_session",
    STEP_1,
    Column("id", String(32), primary_key=True),
    Column("token_hash", String(64), nullable=False),
    Column("user_key", String(255), nullable=False),
    Column("client", String(64)),
    Column("method", String(16), nullable=False),
    Column("proofs", Text(), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    Column("used_at", BigInteger(), nullable=False),
    Column("ended_at", BigInteger()),
    Column("address", String(64)),
    Column("user_agent", String(255)),
    Index("ix_mfa_session_token_hash", "token_hash", unique=True),
    Index("ix_mfa_session_used_at", "used_at"),
    Index("ix_mfa_session_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_counter",
    STEP_1,
    Column("name", String(64), primary_key=True),
    Column("count", Integer(), nullable=False),
    Column("expires_at", BigInteger(), nullable=False),
    Index("ix_mfa_counter_expires_at", "expires_at"),
    **EXACT,
)

Table(
    "mfa_event",
    STEP_1,
    Column("id", String(32), primary_key=True),
    Column("at", BigInteger(), nullable=False),
    Column("type", String(32), nullable=False),
    Column("user_key", String(255)),
    Column("actor", String(255), nullable=False),
    Column("client", String(64)),
    Column("address", String(64)),
    Column("user_agent", String(255)),
    Column("outcome", String(16), nullable=False),
    Column("detail", Text(), nullable=False),
    Index("ix_mfa_event_type_id", "type", "id"),
    Index("ix_mfa_event_user_key_id", "user_key", "id"),
    **EXACT,
)

STEP_2 = MetaData()
"""Passkeys, recovery codes, remembered devices, clients, embedded sessions, notices."""


Table(
    "mfa_passkey",
    STEP_2,
    Column("id", String(32), primary_key=True),
    Column("user_key", String(255), nullable=False),
    Column("credential_hash", String(64), nullable=False),
    Column("credential_id", Text(), nullable=False),
    Column("public_key", LargeBinary(), nullable=False),
    Column("sign_count", BigInteger(), nullable=False),
    Column("transports", String(255), nullable=False),
    Column("aaguid", String(64)),
    Column("name", String(64)),
    Column("backup_eligible", Integer(), nullable=False),
    Column("backed_up", Integer(), nullable=False),
    Column("uv_initialized", Integer(), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    Column("last_used_at", BigInteger()),
    Index("ix_mfa_passkey_credential_hash", "credential_hash", unique=True),
    Index("ix_mfa_passkey_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_passkey_user",
    STEP_2,
    Column("user_key", String(255), primary_key=True),
    Column("handle", String(88), nullable=False),
    Column("declined_at", BigInteger()),
    Index("ix_mfa_passkey_user_handle", "handle", unique=True),
    **EXACT,
)

Table(
    "mfa_ceremony",
    STEP_2,
    Column("id", String(32), primary_key=True),
    Column("challenge_hash", String(64), nullable=False),
    Column("bound_to", String(64), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("user_key", String(255)),
    Column("created_at", BigInteger(), nullable=False),
    Column("expires_at", BigInteger(), nullable=False),
    Index("ix_mfa_ceremony_bound_to", "bound_to"),
    Index("ix_mfa_ceremony_challenge_hash", "challenge_hash", unique=True),
    Index("ix_mfa_ceremony_expires_at", "expires_at"),
    Index("ix_mfa_ceremony_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_recovery_code",
    STEP_2,
    Column("id", String(32), primary_key=True),
    Column("user_key", String(255), nullable=False),
    Column("code_hash", String(64), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    Column("used_at", BigInteger()),
    Index("ix_mfa_recovery_code_code_hash", "code_hash", unique=True),
    Index("ix_mfa_recovery_code_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_device",
    STEP_2,
    Column("id", String(32), primary_key=True),
    Column("user_key", String(255), nullable=False),
    Column("token_hash", String(64), nullable=False),
    Column("factors", String(255), nullable=False),
    Column("client", String(64)),
    Column("address", String(64)),
    Column("user_agent", String(255)),
    Column("created_at", BigInteger(), nullable=False),
    Column("last_used_at", BigInteger()),
    Column("expires_at", BigInteger(), nullable=False),
    Column("revoked_at", BigInteger()),
    Index("ix_mfa_device_expires_at", "expires_at"),
    Index("ix_mfa_device_token_hash", "token_hash", unique=True),
    Index("ix_mfa_device_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_device_token",
    STEP_2,
    Column("token_hash", String(64), primary_key=True),
    Column("device_id", String(32), nullable=False),
    Column("replaced_at", BigInteger(), nullable=False),
    Index("ix_mfa_device_token_device_id", "device_id"),
    **EXACT,
)

Table(
    "mfa_client",
    STEP_2,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("overrides", Text(), nullable=False),
    Column("redirect_uris", Text(), nullable=False),
    Column("origins", Text(), nullable=False),
    Column("allow_native", Integer(), nullable=False),
    Column("scopes", String(255), nullable=False),
    Column("enabled", Integer(), nullable=False),
    Column("version", Integer(), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    Column("changed_at", BigInteger(), nullable=False),
    **EXACT,
)

Table(
    "mfa_client_secret",
    STEP_2,
    Column("id", String(32), primary_key=True),
    Column("client_id", String(64), nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    Column("expires_at", BigInteger()),
    Index("ix_mfa_client_secret_client_id", "client_id"),
    Index("ix_mfa_client_secret_secret_hash", "secret_hash", unique=True),
    **EXACT,
)

Table(
    "mfa_access_token",
    STEP_2,
    Column("token_hash", String(64), primary_key=True),
    Column("client_id", String(64), nullable=False),
    Column("secret_id", String(32), nullable=False),
    Column("scopes", String(255), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    Column("expires_at", BigInteger(), nullable=False),
    Index("ix_mfa_access_token_client_id", "client_id"),
    Index("ix_mfa_access_token_expires_at", "expires_at"),
    Index("ix_mfa_access_token_secret_id", "secret_id"),
    **EXACT,
)

Table(
    "mfa_embedded_session",
    STEP_2,
    Column("id", String(32), primary_key=True),
    Column("token_hash", String(64), nullable=False),
    Column("client", String(64)),
    Column("origin", String(255)),
    Column("purpose", String(16), nullable=False),
    Column("locale", String(16)),
    Column("user_key", String(255)),
    Column("method", String(16)),
    Column("challenge_id", String(32)),
    Column("session_id", String(32)),
    Column("state", Text(), nullable=False),
    Column("sealed", LargeBinary()),
    Column("key_id", String(32)),
    Column("created_at", BigInteger(), nullable=False),
    Column("expires_at", BigInteger(), nullable=False),
    Column("completed_at", BigInteger()),
    Column("ended_at", BigInteger()),
    Index("ix_mfa_embedded_session_expires_at", "expires_at"),
    Index("ix_mfa_embedded_session_token_hash", "token_hash", unique=True),
    Index("ix_mfa_embedded_session_user_key", "user_key"),
    **EXACT,
)

Table(
    "mfa_notice",
    STEP_2,
    Column("id", String(32), primary_key=True),
    Column("user_key", String(255), nullable=False),
    Column("sealed", LargeBinary(), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("tries", Integer(), nullable=False),
    Column("next_at", BigInteger(), nullable=False),
    Column("created_at", BigInteger(), nullable=False),
    Index("ix_mfa_notice_next_at", "next_at"),
    Index("ix_mfa_notice_user_key", "user_key"),
    **EXACT,
)

# A table of an earlier step stands here again for an index that this step adds to it.
_events = STEP_1.tables["mfa_event"].to_metadata(STEP_2)
Index("ix_mfa_event_client_id", _events.c.client, _events.c.id)

STEPS: tuple[MetaData, ...] = (STEP_1, STEP_2)
"""Step n is `STEPS[n - 1]`: the tables that it brings, and the indexes that it adds."""

"""Tables of passkeys, recovery codes, remembered devices, clients, embedded sessions, notices."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from flask_melody_mfa.store.base import EXACT, ID, KEY, KIND, NAME, Base


class Passkey(Base):
    """A WebAuthn credential. `credential_hash`: SHA-256 of its id, which may be too long to index.

    `public_key`: COSE. `transports`: a list with commas. Flags are 0 or 1: `backup_eligible` (BE),
    `backed_up` (BS), `uv_initialized` (WebAuthn Level 3 §4, credential record).
    """

    __tablename__ = "mfa_passkey"
    __table_args__ = (
        Index("ix_mfa_passkey_credential_hash", "credential_hash", unique=True),
        Index("ix_mfa_passkey_user_key", "user_key"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    user_key: Mapped[str] = mapped_column(KEY)
    credential_hash: Mapped[str] = mapped_column(NAME)
    credential_id: Mapped[str] = mapped_column(Text)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[str] = mapped_column(KEY, default="")
    aaguid: Mapped[str | None] = mapped_column(NAME)
    name: Mapped[str | None] = mapped_column(NAME)
    backup_eligible: Mapped[int] = mapped_column(Integer, default=0)
    backed_up: Mapped[int] = mapped_column(Integer, default=0)
    uv_initialized: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[int | None] = mapped_column(BigInteger)


class PasskeyUser(Base):
    """The account's random user handle (base64url), and whether the prompt was declined."""

    __tablename__ = "mfa_passkey_user"
    __table_args__ = (Index("ix_mfa_passkey_user_handle", "handle", unique=True), EXACT)

    user_key: Mapped[str] = mapped_column(KEY, primary_key=True)
    handle: Mapped[str] = mapped_column(String(88))
    declined_at: Mapped[int | None] = mapped_column(BigInteger)


class Ceremony(Base):
    """A WebAuthn ceremony that has begun; deleting its row spends it.

    `challenge_hash`: SHA-256 of the challenge. `bound_to`: keyed hash of what it belongs to (a
    browser's token, a challenge, a session). `purpose`: `create` or `get`.
    """

    __tablename__ = "mfa_ceremony"
    __table_args__ = (
        Index("ix_mfa_ceremony_challenge_hash", "challenge_hash", unique=True),
        Index("ix_mfa_ceremony_bound_to", "bound_to"),
        Index("ix_mfa_ceremony_expires_at", "expires_at"),
        Index("ix_mfa_ceremony_user_key", "user_key"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    challenge_hash: Mapped[str] = mapped_column(NAME)
    bound_to: Mapped[str] = mapped_column(NAME)
    purpose: Mapped[str] = mapped_column(KIND)
    user_key: Mapped[str | None] = mapped_column(KEY)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class RecoveryCode(Base):
    """One recovery code, as a keyed hash; `used_at` spends it."""

    __tablename__ = "mfa_recovery_code"
    __table_args__ = (
        Index("ix_mfa_recovery_code_code_hash", "code_hash", unique=True),
        Index("ix_mfa_recovery_code_user_key", "user_key"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    user_key: Mapped[str] = mapped_column(KEY)
    code_hash: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[int | None] = mapped_column(BigInteger)


class Device(Base):
    """A remembered browser: its current token, and the factors that were proven in it."""

    __tablename__ = "mfa_device"
    __table_args__ = (
        Index("ix_mfa_device_token_hash", "token_hash", unique=True),
        Index("ix_mfa_device_user_key", "user_key"),
        Index("ix_mfa_device_expires_at", "expires_at"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    user_key: Mapped[str] = mapped_column(KEY)
    token_hash: Mapped[str] = mapped_column(NAME)
    factors: Mapped[str] = mapped_column(KEY)
    client: Mapped[str | None] = mapped_column(NAME)
    address: Mapped[str | None] = mapped_column(NAME)
    user_agent: Mapped[str | None] = mapped_column(KEY)
    created_at: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[int | None] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


class DeviceToken(Base):
    """A token that a remembered device had before: shown again, it was copied."""

    __tablename__ = "mfa_device_token"
    __table_args__ = (Index("ix_mfa_device_token_device_id", "device_id"), EXACT)

    token_hash: Mapped[str] = mapped_column(NAME, primary_key=True)
    device_id: Mapped[str] = mapped_column(ID)
    replaced_at: Mapped[int] = mapped_column(BigInteger)


class ClientRow(Base):
    """A client that is kept here. Overrides, URIs and origins are JSON; scopes have commas."""

    __tablename__ = "mfa_client"

    id: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(KEY)
    overrides: Mapped[str] = mapped_column(Text, default="{}")
    redirect_uris: Mapped[str] = mapped_column(Text, default="[]")
    origins: Mapped[str] = mapped_column(Text, default="[]")
    allow_native: Mapped[int] = mapped_column(Integer, default=0)
    scopes: Mapped[str] = mapped_column(KEY, default="")
    enabled: Mapped[int] = mapped_column(Integer, default=1)
    version: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[int] = mapped_column(BigInteger)


class ClientSecret(Base):
    """A client's secret, as a keyed hash. Two may overlap while one is rotated."""

    __tablename__ = "mfa_client_secret"
    __table_args__ = (
        Index("ix_mfa_client_secret_secret_hash", "secret_hash", unique=True),
        Index("ix_mfa_client_secret_client_id", "client_id"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    client_id: Mapped[str] = mapped_column(NAME)
    secret_hash: Mapped[str] = mapped_column(NAME)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int | None] = mapped_column(BigInteger)


class AccessToken(Base):
    """An access token of a client, as a keyed hash; dies with its secret, client or scope."""

    __tablename__ = "mfa_access_token"
    __table_args__ = (
        Index("ix_mfa_access_token_secret_id", "secret_id"),
        Index("ix_mfa_access_token_client_id", "client_id"),
        Index("ix_mfa_access_token_expires_at", "expires_at"),
        EXACT,
    )

    token_hash: Mapped[str] = mapped_column(NAME, primary_key=True)
    client_id: Mapped[str] = mapped_column(NAME)
    secret_id: Mapped[str] = mapped_column(ID)
    scopes: Mapped[str] = mapped_column(KEY)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class EmbeddedSession(Base):
    """A session of the embedded API: one browser, one client and, once signed in, one user.

    `sealed`: what must be kept between steps and is nobody else's to see (JSON).
    """

    __tablename__ = "mfa_embedded_session"
    __table_args__ = (
        Index("ix_mfa_embedded_session_token_hash", "token_hash", unique=True),
        Index("ix_mfa_embedded_session_user_key", "user_key"),
        Index("ix_mfa_embedded_session_expires_at", "expires_at"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    token_hash: Mapped[str] = mapped_column(NAME)
    client: Mapped[str | None] = mapped_column(NAME)
    origin: Mapped[str | None] = mapped_column(KEY)
    purpose: Mapped[str] = mapped_column(KIND)
    locale: Mapped[str | None] = mapped_column(KIND)
    user_key: Mapped[str | None] = mapped_column(KEY)
    method: Mapped[str | None] = mapped_column(KIND)
    challenge_id: Mapped[str | None] = mapped_column(ID)
    session_id: Mapped[str | None] = mapped_column(ID)
    state: Mapped[str] = mapped_column(Text, default="{}")
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    key_id: Mapped[str | None] = mapped_column(ID)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    completed_at: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)


class NoticeRow(Base):
    """A notice that is still to be sent to one address (sealed, with its event); tried again."""

    __tablename__ = "mfa_notice"
    __table_args__ = (
        Index("ix_mfa_notice_user_key", "user_key"),
        Index("ix_mfa_notice_next_at", "next_at"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    user_key: Mapped[str] = mapped_column(KEY)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(ID)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)

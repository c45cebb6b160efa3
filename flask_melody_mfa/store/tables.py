"""Our tables, on our own Base: keyed by a user key, with no foreign key to the host's tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, MetaData, Text
from sqlalchemy.orm import Mapped, mapped_column

from flask_melody_mfa.store.base import EXACT, ID, KEY, KIND, NAME, Base
from flask_melody_mfa.store.tables_further import (
    AccessToken,
    Ceremony,
    ClientRow,
    ClientSecret,
    Device,
    DeviceToken,
    EmbeddedSession,
    NoticeRow,
    Passkey,
    PasskeyUser,
    RecoveryCode,
)

__all__ = [
    "AccessToken", "Address", "Base", "Ceremony", "ChallengeRow", "ClientRow", "ClientSecret",
    "Counter", "CredentialRow", "Device", "DeviceToken", "EmbeddedSession", "EventRow",
    "FactorState", "Key", "Meta", "NoticeRow", "Passkey", "PasskeyUser", "RecoveryCode",
    "SessionRow", "User", "attach",
]  # fmt: skip


class Meta(Base):
    """Facts about the schema itself; `version` is the number of the last step applied."""

    __tablename__ = "mfa_meta"

    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    value: Mapped[str] = mapped_column(KEY)


class Key(Base):
    """The key of our keyed hashes, sealed; made once."""

    __tablename__ = "mfa_key"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(ID)
    created_at: Mapped[int] = mapped_column(BigInteger)


class User(Base):
    """What holds for the whole account: its tries, its lock, and what it must set up.

    `version` goes up whenever what the account holds changes; an enrollment claims it.
    """

    __tablename__ = "mfa_user"

    user_key: Mapped[str] = mapped_column(KEY, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, default=0)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    lock_level: Mapped[int] = mapped_column(Integer, default=0)
    locked_until: Mapped[int | None] = mapped_column(BigInteger)
    failing_told_at: Mapped[int | None] = mapped_column(BigInteger)
    locked_told_at: Mapped[int | None] = mapped_column(BigInteger)
    must_set_up: Mapped[str] = mapped_column(KEY, default="")
    created_at: Mapped[int] = mapped_column(BigInteger)


class FactorState(Base):
    """Failures in a row of one factor of one account, and whether they disabled it."""

    __tablename__ = "mfa_factor"

    user_key: Mapped[str] = mapped_column(KEY, primary_key=True)
    kind: Mapped[str] = mapped_column(KIND, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    disabled_at: Mapped[int | None] = mapped_column(BigInteger)


class CredentialRow(Base):
    """One enrolled instance of otp, email or sms; secret or destination sealed."""

    __tablename__ = "mfa_credential"
    __table_args__ = (Index("ix_mfa_credential_user_key", "user_key"), EXACT)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    user_key: Mapped[str] = mapped_column(KEY)
    kind: Mapped[str] = mapped_column(KIND)
    name: Mapped[str | None] = mapped_column(NAME)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(ID)
    destination_hash: Mapped[str | None] = mapped_column(NAME)
    last_step: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[int | None] = mapped_column(BigInteger)


class Address(Base):
    """An address of the account's that was replaced; it still gets notices for 30 days."""

    __tablename__ = "mfa_address"
    __table_args__ = (Index("ix_mfa_address_user_key", "user_key"), EXACT)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    user_key: Mapped[str] = mapped_column(KEY)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(ID)
    replaced_at: Mapped[int] = mapped_column(BigInteger)


class ChallengeRow(Base):
    """An unfinished sign-in, step-up or set-up. The browser holds only its token.

    `parked`: Flask-Login's own session fields, held until the gate is satisfied (JSON).
    `goal`: what a step-up was asked for (JSON). `proofs`: what was proven in it so far (JSON).
    `sealed`: what the current code is judged by; `code_id` names it, and clearing it spends it.
    """

    __tablename__ = "mfa_challenge"
    __table_args__ = (
        Index("ix_mfa_challenge_token_hash", "token_hash", unique=True),
        Index("ix_mfa_challenge_user_key", "user_key"),
        Index("ix_mfa_challenge_expires_at", "expires_at"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    token_hash: Mapped[str] = mapped_column(NAME)
    user_key: Mapped[str] = mapped_column(KEY)
    purpose: Mapped[str] = mapped_column(KIND)
    client: Mapped[str | None] = mapped_column(NAME)
    method: Mapped[str] = mapped_column(KIND)
    session_id: Mapped[str | None] = mapped_column(ID)
    parked: Mapped[str] = mapped_column(Text, default="{}")
    next_url: Mapped[str | None] = mapped_column(Text)
    goal: Mapped[str] = mapped_column(Text, default="{}")
    proofs: Mapped[str] = mapped_column(Text, default="[]")
    tries: Mapped[int] = mapped_column(Integer, default=0)
    setting_up: Mapped[str | None] = mapped_column(KIND)
    code_id: Mapped[str | None] = mapped_column(ID)
    code_kind: Mapped[str | None] = mapped_column(KIND)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    key_id: Mapped[str | None] = mapped_column(ID)
    sent_at: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)


class SessionRow(Base):
    """A finished sign-in. It counts only for the user key and method for which it was made."""

    __tablename__ = "mfa_session"
    __table_args__ = (
        Index("ix_mfa_session_token_hash", "token_hash", unique=True),
        Index("ix_mfa_session_user_key", "user_key"),
        Index("ix_mfa_session_used_at", "used_at"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    token_hash: Mapped[str] = mapped_column(NAME)
    user_key: Mapped[str] = mapped_column(KEY)
    client: Mapped[str | None] = mapped_column(NAME)
    method: Mapped[str] = mapped_column(KIND)
    proofs: Mapped[str] = mapped_column(Text, default="[]")
    created_at: Mapped[int] = mapped_column(BigInteger)
    used_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)
    address: Mapped[str | None] = mapped_column(NAME)
    user_agent: Mapped[str | None] = mapped_column(KEY)


class Counter(Base):
    """How often something happened in the running window; `name` is a keyed hash."""

    __tablename__ = "mfa_counter"
    __table_args__ = (Index("ix_mfa_counter_expires_at", "expires_at"), EXACT)

    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class EventRow(Base):
    """Something that happened; the id sorts by time."""

    __tablename__ = "mfa_event"
    __table_args__ = (
        Index("ix_mfa_event_user_key_id", "user_key", "id"),
        Index("ix_mfa_event_type_id", "type", "id"),
        Index("ix_mfa_event_client_id", "client", "id"),
        EXACT,
    )

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)
    type: Mapped[str] = mapped_column(ID)
    user_key: Mapped[str | None] = mapped_column(KEY)
    actor: Mapped[str] = mapped_column(KEY)
    client: Mapped[str | None] = mapped_column(NAME)
    address: Mapped[str | None] = mapped_column(NAME)
    user_agent: Mapped[str | None] = mapped_column(KEY)
    outcome: Mapped[str] = mapped_column(KIND)
    detail: Mapped[str] = mapped_column(Text, default="{}")


def attach(metadata: MetaData) -> None:
    """Copy our tables into the host's metadata, once, so that its migrations see them."""
    for table in Base.metadata.sorted_tables:
        if table.name not in metadata.tables:
            table.to_metadata(metadata)

"""The vocabulary: values that every floor speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

Instant = int
"""A point in time: milliseconds since 1970-01-01 UTC. Every stored time is one."""

SECOND: Instant = 1000
MINUTE: Instant = 60 * SECOND
HOUR: Instant = 60 * MINUTE
DAY: Instant = 24 * HOUR

Answer = Mapping[str, str]
"""What a person or a caller submitted: the fields of section 4 of the contract, as text."""

Kept = Mapping[str, Any]
"""What the server keeps (sealed) between the start and the finish of a flow; JSON-able."""


def in_utc(at: Instant) -> str:
    """A point in time as RFC 3339 has it, to the millisecond."""
    moment = datetime.fromtimestamp(at / SECOND, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FactorKind(StrEnum):
    """A way to prove who one is; the members equal their text."""

    OTP = "otp"
    EMAIL = "email"
    SMS = "sms"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"


FACTOR_ORDER = (FactorKind.OTP, FactorKind.SMS, FactorKind.EMAIL)
"""The order in which enrolled factors are asked for."""


class Method(StrEnum):
    """How a sign-in began."""

    PASSWORD = "password"  # noqa: S105
    REMEMBERED = "remembered"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"
    EXTERNAL = "external"
    TRUSTED = "trusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The host's user, reduced to what MFA needs to know."""

    key: str
    login: str = ""
    email: str | None = None
    email_verified: bool = False
    phone: str | None = None
    name: str | None = None
    locale: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One enrolled instance of a factor, opened for use; never logged (`repr` hides secrets)."""

    id: str
    kind: FactorKind
    name: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    destination: str | None = field(default=None, repr=False)
    last_step: int | None = None
    created_at: Instant = 0
    last_used_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """What an enrollment yields, to be sealed and stored by the flow."""

    kind: FactorKind
    name: str | None = None
    secret: bytes | None = field(default=None, repr=False)
    destination: str | None = field(default=None, repr=False)
    last_step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something to be sent. `template` names the texts; `data` fills them.

    `purpose` tells a code (sent at once, its failure is told) from a notice (sent later).
    """

    channel: Literal["email", "sms"]
    to: str = field(repr=False)
    template: str
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    locale: str | None = None
    purpose: Literal["code", "notice"] = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The start of an enrollment or a proof.

    `shown` is for the face, `kept` for the finish (stored sealed), `message` is sent after commit.
    """

    shown: Mapping[str, Any] = field(default_factory=dict, repr=False)
    kept: Kept = field(default_factory=dict, repr=False)
    message: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A proof that holds. It counts once the flow has made its claim in the database.

    `last_step`: claim the authenticator's time step (RFC 6238 §5.2). `recovery_code`: claim this
    one, in its canonical form. Neither: claim the kept code.
    """

    kind: FactorKind
    credential_id: str | None = None
    last_step: int | None = None
    recovery_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof that was accepted in a sign-in or step-up.

    `setup`: by the code that confirmed an enrollment (never a later proof, T07).
    `backup`: by an email code that stood in for another factor.
    `device`: the id of the remembered device that stood in for the factor; else None.
    """

    kind: FactorKind
    at: Instant
    setup: bool = False
    backup: bool = False
    device: str | None = None

    @property
    def is_own(self) -> bool:
        """A proof of the factor itself: nothing stood in for it."""
        return not self.backup and self.device is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened and is recorded; `detail` never holds a secret.

    `id`: of the row that records it.
    """

    type: str
    user_key: str | None
    at: Instant
    actor: str = "user"
    client: str | None = None
    address: str | None = None
    user_agent: str | None = None
    outcome: str = "ok"
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""

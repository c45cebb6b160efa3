"""What the server-to-server API reads and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from flask_melody_mfa.core.declared import SCOPES
from flask_melody_mfa.core.types import FactorKind
from flask_melody_mfa.signals import BY_NAME
from flask_melody_mfa.web.shapes import (
    PLAIN,
    Cursor,
    Id,
    Limit,
    Line,
    Moment,
    PhoneNumber,
    Query,
    Shape,
    encodable,
)

Factor = Literal["otp", "email", "sms"]
Digits = Annotated[
    str, Field(pattern=r"^[0-9]([ -]?[0-9]){5,9}$", max_length=30, examples=["123456"])
]
Scope = Literal["read_user", "write_user", "read_app", "write_app", "read_log", "root"]
Policy = Literal["reset_mfa", "manage_recovery_code", "manage_passkey", "manage_device"]
ClientName = Annotated[
    str,
    Field(min_length=1, max_length=100, pattern=r"^[^\s\x00-\x1f\x7f-\x9f](.*[^\s])?$"),
    AfterValidator(encodable),
]
Reason = Annotated[
    str, Field(min_length=1, max_length=500, pattern=PLAIN), AfterValidator(encodable)
]
Address = Annotated[str, Field(min_length=1, max_length=2000)]
Addresses = Annotated[list[Address], Field(max_length=50)]

assert tuple(SCOPES) == Scope.__args__  # type: ignore[attr-defined]  # noqa: S101


def factor(kind: FactorKind) -> Factor:
    """One of the three factors that have codes, by its name."""
    return cast(Factor, kind.value)


class Page(BaseModel):
    """A page of a list; `next_cursor` is null on the last."""

    model_config = ConfigDict(extra="forbid")

    items: list[Any]
    next_cursor: str | None


# Tokens


class TokenRequest(BaseModel):
    """A form of RFC 6749 §4.4.2. Parameters that are not known here are ignored (§3.2)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    grant_type: str | None = Field(default=None, examples=["client_credentials"])
    client_id: str | None = None
    client_secret: str | None = None
    scope: str | None = Field(default=None, description="Scopes with blanks between them.")


class Token(Shape):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: int
    scope: str


class TokenError(Shape):
    """RFC 6749 §5.2."""

    error: Literal[
        "invalid_request",
        "invalid_client",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ]
    error_description: str


# Users


class EnrolledFactor(Shape):
    id: str
    kind: Factor
    name: str | None
    destination: str | None = Field(description="Masked; null for an authenticator app.")
    enrolled_at: Moment
    last_used_at: Moment | None
    disabled: bool = Field(description="After a hundred wrong codes in a row.")


class Lock(Shape):
    locked: bool
    locked_until: Moment | None


class User(Shape):
    key: str
    login: str
    name: str | None
    email: str | None
    email_verified: bool
    active: bool
    factors: list[EnrolledFactor]
    must_set_up: list[Factor] = Field(description="Asked for at the next sign-in.")
    passkeys: int
    recovery_codes_left: int
    devices: int
    lock: Lock
    last_used_at: Moment | None


class UserPage(Page):
    items: list[User]


class UserQuery(Query):
    query: Line | None = Field(default=None, description="In address or name, or the key.")
    cursor: Cursor | None = None
    limit: Limit = 50


class SetUpOtp(Shape):
    secret: str
    otpauth_uri: str


class SetUpSent(Shape):
    destination: str = Field(description="Masked.")
    expires_at: Moment


class SetUpSms(Shape):
    phone_number: PhoneNumber


class Confirm(Shape):
    code: Digits


class Ask(Shape):
    factor: Factor


class Asked(Shape):
    verification_id: str
    expires_at: Moment


class Verify(Shape):
    factor: Factor
    code: Digits
    verification_id: Id | None = Field(default=None, description="Needed for email and sms.")


class Verified(Shape):
    verified: Literal[True] = True


class Reset(Shape):
    factors: Annotated[list[Factor], Field(min_length=1, max_length=3)] | None = Field(
        default=None, description="Without them, everything is taken away."
    )
    reason: Reason


# What else users hold


class CodesLeft(Shape):
    left: int


class RecoveryCodes(Shape):
    """New codes, shown this once."""

    recovery_codes: list[str]


class Device(Shape):
    id: str
    user_agent: str | None
    address: str | None
    factors: list[Factor] = Field(description="Those that it stands for.")
    created_at: Moment
    last_used_at: Moment | None
    expires_at: Moment


class Devices(Page):
    items: list[Device]


# Clients


class Overrides(Shape):
    """Settings that a client may override; null, or left out: not overridden."""

    otp_mfa_is_required: bool | None = None
    email_mfa_is_required: bool | None = None
    sms_mfa_is_required: bool | None = None
    enforce_one_mfa_enrollment: list[Factor] | None = None
    allow_email_mfa_as_backup: bool | None = None
    allow_passkey_enrollment: bool | None = None
    enable_recovery_code: bool | None = None
    enable_mfa_remember_device: bool | None = None
    mfa_remember_device_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    mfa_ask_every_enrolled: bool | None = None
    mfa_passkey_is_enough: bool | None = None
    mfa_recovery_code_is_enough: bool | None = None
    mfa_external_sign_in_is_enough: bool | None = None
    mfa_required_from: Annotated[str, Field(max_length=40)] | None = None
    blocked_policies: list[Policy] | None = None
    use_system_mfa_config: bool | None = None


class ClientChange(Overrides):
    """What is left out stays; an override of null is taken back."""

    name: ClientName | None = None
    redirect_uris: Addresses | None = None
    origins: Addresses | None = None
    allow_native: bool | None = None
    scopes: list[Scope] | None = None
    enabled: bool | None = None


class NewClient(ClientChange):
    name: ClientName


class SecretInfo(Shape):
    id: str
    created_at: Moment
    expires_at: Moment | None


class Effective(Shape):
    value: Any
    source: Literal["default", "app", "client code", "client database"]


class ClientOut(Overrides):
    """A client. The overrides are those that it states; `effective` is what holds."""

    id: str
    name: str
    source: Literal["client code", "client database"]
    enabled: bool
    redirect_uris: list[str]
    origins: list[str]
    allow_native: bool
    scopes: list[Scope]
    secrets: list[SecretInfo]
    effective: dict[str, Effective] | None
    problems: dict[str, str] = Field(description="Why it cannot take effect; usually empty.")
    created_at: Moment | None
    changed_at: Moment | None


class ClientPage(Page):
    items: list[ClientOut]


class ClientQuery(Query):
    cursor: Cursor | None = None
    limit: Limit = 50


class SecretRequest(Shape):
    revoke_old: bool = Field(
        default=False, description="True: older secrets, and their tokens, die at once."
    )


class NewSecret(Shape):
    """A secret, shown this once."""

    client_id: str
    client_secret: str
    secret_id: str
    created_at: Moment


# Log and info


def known_event(name: str) -> str:
    """Refuse an event that there is not."""
    if name not in BY_NAME:
        raise PydanticCustomError("enum", "event")
    return name


EventType = Annotated[
    str, AfterValidator(known_event), WithJsonSchema({"type": "string", "enum": sorted(BY_NAME)})
]


class Event(Shape):
    id: str
    at: Moment
    type: str
    user: str | None
    actor: str
    client: str | None
    address: str | None
    user_agent: str | None
    outcome: str
    detail: dict[str, Any]


class EventPage(Page):
    items: list[Event]


class EventQuery(Query):
    user: Line | None = None
    type: EventType | None = None
    client: Id | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


class Info(Shape):
    version: str
    settings: dict[str, Effective]

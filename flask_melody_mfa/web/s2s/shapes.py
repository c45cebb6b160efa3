"""What the server-to-server API reads and answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

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

# Named types, so that programs made from the document have one type for each.
Factor = TypeAliasType("Factor", Literal["otp", "email", "sms"])
Digits = Annotated[
    str, Field(pattern=r"^[0-9]([ -]?[0-9]){5,9}$", max_length=30, examples=["123456"])
]
Scope = TypeAliasType(
    "Scope", Literal["read_user", "write_user", "read_app", "write_app", "read_log", "root"]
)
AnyFactor = TypeAliasType("AnyFactor", Literal["otp", "email", "sms", "passkey", "recovery_code"])
Source = TypeAliasType("Source", Literal["default", "app", "client code", "client database"])
Reason = Annotated[
    str, Field(min_length=1, max_length=500, pattern=PLAIN), AfterValidator(encodable)
]


def factor(kind: FactorKind) -> Factor:
    """One of the three factors that have codes, by its name."""
    return cast(Factor, kind.value)


def any_factor(kind: FactorKind) -> AnyFactor:
    """Any factor by its name."""
    return kind.value


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


def otp_or_id(schema: dict[str, Any]) -> None:
    """Say that a code which was sent is judged by the verification that sent it."""
    schema["if"] = {"properties": {"factor": {"enum": ["email", "sms"]}}, "required": ["factor"]}
    schema["then"] = {
        "properties": {"verification_id": {"type": "string"}},
        "required": ["verification_id"],
    }


class Verify(Shape):
    model_config = ConfigDict(json_schema_extra=otp_or_id)

    factor: Factor
    code: Digits
    verification_id: Id | None = Field(default=None, description="Needed for email and sms.")


class Verified(Shape):
    verified: Literal[True] = True


class Reset(Shape):
    factors: Annotated[list[AnyFactor], Field(min_length=1, max_length=5)] | None = Field(
        default=None, description="Without them, everything is taken away."
    )
    reason: Reason


# What else users hold


class Passkey(Shape):
    id: str
    name: str
    created_at: Moment
    last_used_at: Moment | None
    synced: bool = Field(description="Also on other devices of the user.")


class Passkeys(Page):
    items: list[Passkey]


class Session(Shape):
    id: str
    method: str
    factors: list[AnyFactor] = Field(description="Those that were proven in it.")
    created_at: Moment
    used_at: Moment
    address: str | None
    user_agent: str | None


class Sessions(Page):
    items: list[Session]


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


# Log and info


class Effective(Shape):
    value: Any
    source: Source


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


class ResultToken(Shape):
    result_token: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[A-Za-z0-9._-]+$")]


class PolicyResult(Shape):
    """How a visit of a policy page ended. Compare `state` and `user` with your own session's."""

    user: str
    client: str | None
    policy: str
    state: str | None
    result: Literal["done", "cancelled"]
    at: Moment


class Info(Shape):
    version: str
    settings: dict[str, Effective]

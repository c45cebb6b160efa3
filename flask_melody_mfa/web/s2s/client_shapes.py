"""What the server-to-server API reads and answers of clients."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from flask_melody_mfa.core.clients import USE_SYSTEM
from flask_melody_mfa.core.declared import SYSTEM
from flask_melody_mfa.web.s2s.addresses import (
    LONGEST_ORIGIN,
    LONGEST_REDIRECT_URI,
    NAME,
    ORIGIN,
    REDIRECT_URI,
)
from flask_melody_mfa.web.s2s.shapes import Effective, Factor, Page, Scope
from flask_melody_mfa.web.shapes import Cursor, Limit, Moment, Query, Shape, encodable, integral

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
Policy = TypeAliasType(
    "Policy", Literal["reset_mfa", "manage_recovery_code", "manage_passkey", "manage_device"]
)
ClientName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=NAME), AfterValidator(encodable)
]
RedirectUri = Annotated[str, Field(max_length=LONGEST_REDIRECT_URI, pattern=REDIRECT_URI)]
Origin = Annotated[str, Field(max_length=LONGEST_ORIGIN, pattern=ORIGIN)]


def each_once(items: list[Any]) -> list[Any]:
    """Refuse a list that names something twice."""
    if len(set(items)) != len(items):
        raise PydanticCustomError("unique", "twice")
    return items


def a_date(text: str) -> str:
    """Refuse what is no day of the calendar, as ISO 8601 writes it."""
    if not _DATE.fullmatch(text):
        raise ValueError("date")
    date.fromisoformat(text)
    return text


T = TypeVar("T")
Set = Annotated[
    list[T],
    AfterValidator(each_once),
    Field(max_length=50, json_schema_extra={"uniqueItems": True}),
]
Days = Annotated[int, Field(ge=1, le=3660), BeforeValidator(integral)]
Day = Annotated[str, AfterValidator(a_date), Field(json_schema_extra={"format": "date"})]


class Overrides(Shape):
    """Settings that a client may override; null, or left out: not overridden."""

    otp_mfa_is_required: bool | None = None
    email_mfa_is_required: bool | None = None
    sms_mfa_is_required: bool | None = None
    enforce_one_mfa_enrollment: Set[Factor] | None = None
    allow_email_mfa_as_backup: bool | None = None
    allow_passkey_enrollment: bool | None = None
    enable_recovery_code: bool | None = None
    enable_mfa_remember_device: bool | None = None
    mfa_remember_device_days: Days | None = None
    mfa_ask_every_enrolled: bool | None = None
    mfa_passkey_is_enough: bool | None = None
    mfa_recovery_code_is_enough: bool | None = None
    mfa_external_sign_in_is_enough: bool | None = None
    mfa_required_from: Day | None = None
    blocked_policies: Set[Policy] | None = None
    use_system_mfa_config: bool | None = None


def own_or_system(schema: dict[str, Any]) -> None:
    """Say that none of the five can stand beside `use_system_mfa_config: true`."""
    schema["if"] = {"properties": {USE_SYSTEM: {"const": True}}, "required": [USE_SYSTEM]}
    schema["then"] = {"properties": {name.lower(): {"type": "null"} for name in SYSTEM}}


class ClientChange(Overrides):
    """What is left out stays; an override of null is taken back."""

    model_config = ConfigDict(json_schema_extra=own_or_system)

    name: ClientName | None = None
    redirect_uris: Set[RedirectUri] | None = None
    origins: Set[Origin] | None = None
    allow_native: bool | None = None
    scopes: Set[Scope] | None = None
    enabled: bool | None = None


class NewClient(ClientChange):
    name: ClientName


class SecretInfo(Shape):
    id: str
    created_at: Moment
    expires_at: Moment | None


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

"""What JSON endpoints read and answer, as pydantic models: what all faces share.

Strict: a number is no text, an unknown field is an error, and text holds neither NUL nor lone
surrogates, which no database and no log takes.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from flask_melody_mfa.core.types import Instant, in_utc

PLAIN = r"^[^\x00-\x1f\x7f]+$"
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)


class Shape(BaseModel):
    """A JSON object in a request or an answer."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """The parameters of a query string: each at most once, all of them known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def encodable(text: str) -> str:
    """Refuse what UTF-8 cannot say."""
    text.encode()
    return text


def whole(value: Any) -> Any:
    """ASCII digits and nothing else: no sign, blank, fraction or underscore."""
    if isinstance(value, str):
        if not _WHOLE.fullmatch(value):
            raise ValueError("digits")
        return int(value)
    return value


def integral(value: Any) -> Any:
    """A number without a fraction is an integer, however JSON spelled it (JSON Schema §6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Moment = Annotated[
    Instant,
    PlainSerializer(in_utc, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""A point in time: ours are milliseconds, theirs RFC 3339 in UTC."""

Line = Annotated[str, Field(min_length=1, max_length=255, pattern=PLAIN), AfterValidator(encodable)]
"""One line of text."""

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=PLAIN), AfterValidator(encodable)]
"""What a person calls something."""

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
"""An opaque id of ours."""

Code = Annotated[str, Field(min_length=6, max_length=64, pattern=PLAIN, examples=["123456"])]
"""A code as a person typed it."""

PhoneNumber = Annotated[
    str, Field(min_length=1, max_length=40, pattern=PLAIN, examples=["+447400123456"])
]

Cursor = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[A-Za-z0-9._-]+$")]
"""Where a list goes on: `next_cursor` of the page before."""

Limit = Annotated[int, Field(ge=1, le=100), BeforeValidator(whole)]
"""How many items a page of a list may have."""


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` is stable; `detail` is for people, in their language."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: dict[str, str] | None = Field(default=None, description="Per field, what is wrong.")

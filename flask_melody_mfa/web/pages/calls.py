"""What scripts of our pages send: small JSON bodies, read strictly."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import Field, ValidationError

from flask_melody_mfa.core.errors import InvalidRequest
from flask_melody_mfa.web import operation
from flask_melody_mfa.web.shapes import Shape

S = TypeVar("S", bound=Shape)

BASE64URL = r"^[A-Za-z0-9_-]*$"


class Nothing(Shape):
    """No wishes."""


class Making(Shape):
    """Options for a new passkey. `automatic`: to be made without asking."""

    automatic: bool = False


class Made(Shape):
    """A `RegistrationResponseJSON`, and the name that a person gave."""

    credential: dict[str, Any]
    name: str = Field(default="", max_length=256)


class Used(Shape):
    """An `AuthenticationResponseJSON`, and what was ticked beside it.

    `remember`: the host's "remember me", of its own login form. `remember_device`: ours.
    """

    credential: dict[str, Any]
    remember: bool = False
    remember_device: bool = False


class Asked(Shape):
    """Which passkey is asked about, and whose: ids as base64url."""

    id: str = Field(min_length=1, max_length=1364, pattern=BASE64URL)
    user_handle: str = Field(min_length=1, max_length=86, pattern=BASE64URL)


def read(shape: type[S]) -> S:
    """The body of this request. Raises `InvalidRequest`, `TooLarge`, `UnsupportedType`."""
    raw = operation.read_bytes()
    operation.check_type(operation.JSON)
    try:
        return shape.model_validate_json(raw)
    except ValidationError as error:
        raise InvalidRequest(operation.reasons(error)) from None

"""Ids, tokens and codes: made from the system's randomness, read strictly."""

from __future__ import annotations

import re
import secrets

from flask_melody_mfa.core.errors import InvalidRequest
from flask_melody_mfa.core.types import Instant

LONGEST_CODE_TEXT = 64
_CODE = re.compile(r"[0-9]{6,10}", re.ASCII)
_SEPARATORS = re.compile(r"(?<=[0-9])[ \-\u00a0]+(?=[0-9])", re.ASCII)


def new_id(now: Instant) -> str:
    """An id of 32 hex digits: 12 of time, so that ids sort by it, and 80 random bits."""
    return f"{max(0, now) & 0xFFFFFFFFFFFF:012x}{secrets.token_hex(10)}"


def new_token() -> str:
    """256 random bits as text for cookies and headers."""
    return secrets.token_urlsafe(32)


def new_code(digits: int = 6) -> str:
    """A code of decimal digits, each value equally likely, leading zeros included."""
    return f"{secrets.randbelow(10**digits):0{digits}d}"


def clean_code(text: object) -> str:
    """A typed code as ASCII digits, blanks and dashes between them forgiven.

    Raises `InvalidRequest` for anything that is not 6 to 10 ASCII digits.
    """
    if not isinstance(text, str) or len(text) > LONGEST_CODE_TEXT:
        raise InvalidRequest({"code": "malformed"})
    plain = text.strip(" \t\r\n\u00a0")
    if not plain:
        raise InvalidRequest({"code": "required"})
    plain = _SEPARATORS.sub("", plain)
    if not _CODE.fullmatch(plain):
        raise InvalidRequest({"code": "malformed"})
    return plain


def mask_destination(text: str) -> str:
    """An address or number as others may see it."""
    if "@" in text:
        local, _, domain = text.rpartition("@")
        return f"{local[:1]}•••@{domain}"
    return f"{text[:3]} •••• {text[-2:]}" if len(text) > 6 else "••••"

"""Ids, tokens, codes and names: made from the system's randomness, read strictly."""

from __future__ import annotations

import itertools
import re
import secrets
import unicodedata

from flask_melody_mfa.core.errors import InvalidRequest
from flask_melody_mfa.core.types import Instant

LONGEST_CODE_TEXT = 64
LONGEST_NAME = 64
CODE_DIGITS = 6

_CODE = re.compile(r"[0-9]{6,10}", re.ASCII)
_SEPARATORS = re.compile(r"(?<=[0-9])[ \-\u00a0]+(?=[0-9])", re.ASCII)
_JOINERS = "\u200c\u200d"


_made = itertools.count()


def new_id(now: Instant) -> str:
    """An id of 32 hex digits that sorts by time, and within a process by the order of making.

    48 bits of time, 16 of a running number, 64 random ones.
    """
    number = next(_made) & 0xFFFF
    return f"{max(0, now) & 0xFFFFFFFFFFFF:012x}{number:04x}{secrets.token_hex(8)}"


def new_token() -> str:
    """256 random bits as text, for cookies and headers."""
    return secrets.token_urlsafe(32)


def new_code(digits: int = CODE_DIGITS) -> str:
    """A code of decimal digits, each value equally likely, leading zeros included."""
    return f"{secrets.randbelow(10**digits):0{digits}d}"


def clean_code(text: object) -> str:
    """A typed code as ASCII digits; blanks and dashes between digits are forgiven.

    Raises `InvalidRequest` for anything that is not 6 to 10 ASCII digits: digits of other
    scripts are another spelling of the same code, and there is to be only one.
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


def clean_name(text: object) -> str | None:
    """A name that a person gave to a credential; None for a blank one.

    Composed (NFC), without invisible characters that reorder or hide text. Raises
    `InvalidRequest` for control characters, lone surrogates, and more than 64 characters.
    """
    if not isinstance(text, str):
        raise InvalidRequest({"name": "invalid"})
    if len(text) > 4 * LONGEST_NAME:
        raise InvalidRequest({"name": "too_long"})
    kinds = {unicodedata.category(char) for char in text}
    if kinds & {"Cc", "Cs", "Zl", "Zp"}:
        raise InvalidRequest({"name": "invalid"})
    visible = "".join(
        char for char in text if unicodedata.category(char) != "Cf" or char in _JOINERS
    )
    plain = " ".join(unicodedata.normalize("NFC", visible).split())
    if len(plain) > LONGEST_NAME:
        raise InvalidRequest({"name": "too_long"})
    return plain if plain.strip(_JOINERS) else None


def mask_destination(text: str) -> str:
    """An address or number as others may see it: enough to know it again, not to use it."""
    if "@" in text:
        local, _, domain = text.rpartition("@")
        return f"{local[:1]}•••@{domain}"
    return f"{text[:3]} •••• {text[-2:]}" if len(text) > 6 else "••••"

"""Recovery codes: 120 random bits in Crockford's base 32, read forgivingly, with one true form."""

from __future__ import annotations

import re
import secrets
import unicodedata

from flask_melody_mfa.core.errors import InvalidRequest

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no I, L, O, which are read as digits, and no U."""

BITS = 120
LENGTH = 24
GROUP = 4
LONGEST_TEXT = 64
FEW = 3
"""So many left, and the user is warned."""

_SEPARATORS = re.compile(r"[\s._\-\u2010-\u2015\u2212]+")
_LOOK_ALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})


def new_code() -> str:
    """A new code in its canonical form."""
    number = secrets.randbits(BITS)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(BITS - 5, -1, -5))


def grouped(code: str) -> str:
    """A canonical code as people are shown it: groups of four, joined by dashes."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def checked_text(text: object) -> str:
    """A typed code as it is. Raises `InvalidRequest` for what nobody types into one line.

    Anything else that is no code is answered like a wrong one.
    """
    if not isinstance(text, str):
        raise InvalidRequest({"code": "invalid"})
    if len(text) > LONGEST_TEXT:
        raise InvalidRequest({"code": "too_long"})
    if any(unicodedata.category(char) in ("Cc", "Cs") and char not in "\t\r\n" for char in text):
        raise InvalidRequest({"code": "invalid"})
    if not text.strip():
        raise InvalidRequest({"code": "required"})
    return text


def canonical(text: str) -> str | None:
    """The one true form of a typed code; None for what is no code.

    Case and separators are forgiven, and O is read as 0, I and L as 1. Letters and digits of
    other scripts are not: each code has one form, and it is spent with it.
    """
    plain = _SEPARATORS.sub("", text)
    if len(plain) != LENGTH or not plain.isascii():
        return None
    code = plain.upper().translate(_LOOK_ALIKES)
    return code if set(code) <= set(ALPHABET) else None

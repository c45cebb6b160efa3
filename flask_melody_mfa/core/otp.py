"""Authenticator codes: HOTP (RFC 4226) over time (RFC 6238), by pyotp.

SHA-1, six digits and 30 seconds, because authenticator apps ignore anything else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any
from urllib.parse import quote

import pyotp

from flask_melody_mfa.core.errors import InvalidRequest
from flask_melody_mfa.core.types import Instant

SECRET_BYTES = 20
"""160 bits, as RFC 4226 §4 R6 recommends."""

LEAST_BYTES = 10
MOST_BYTES = 128
"""What is adopted from a host."""

PERIOD: Instant = 30_000
DRIFT = 1
"""Steps before and after the current one that are accepted (RFC 6238 §5.2)."""

CLOCK_DRIFT = 10
"""Steps within which a code tells that a clock is off."""


def new_secret() -> bytes:
    """A secret of 160 random bits."""
    return secrets.token_bytes(SECRET_BYTES)


def encode(secret: bytes) -> str:
    """Base 32 without padding (RFC 4648 §6)."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def grouped(secret: bytes) -> str:
    """Base 32 in groups of four, to be typed by hand."""
    text = encode(secret)
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def decode_secret(text: str) -> bytes:
    """A base 32 secret as people write it. Raises `InvalidRequest`."""
    plain = text.replace(" ", "").replace("-", "").rstrip("=").upper()
    try:
        secret = base64.b32decode(plain.encode("ascii") + b"=" * (-len(plain) % 8))
    except (ValueError, UnicodeEncodeError):
        raise InvalidRequest({"secret": "invalid"}) from None
    return checked_secret(secret)


def checked_secret(secret: bytes) -> bytes:
    """A secret of a length that makes sense. Raises `InvalidRequest`."""
    if not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise InvalidRequest({"secret": "invalid"})
    return secret


def step_of(now: Instant) -> int:
    """The time step of an instant (RFC 6238 §4.2)."""
    return now // PERIOD


def code_at(secret: bytes, step: int, *, digits: int = 6, digest: Any = hashlib.sha1) -> str:
    """The code of a time step (RFC 4226 §5.3)."""
    key = base64.b32encode(secret).decode("ascii")
    return str(pyotp.HOTP(key, digits=digits, digest=digest).at(step))


def matching_step(secret: bytes, code: str, now: Instant, *, drift: int = DRIFT) -> int | None:
    """The time step that a code belongs to, within `drift` steps of now; None for a wrong code.

    Looks at every step, whichever matches, so that the time taken tells nothing. `code`: ASCII
    digits, as `codes.clean_code` leaves them.
    """
    current = step_of(now)
    found = None
    for step in range(current + drift, current - drift - 1, -1):
        if step >= 0 and hmac.compare_digest(code_at(secret, step), code):
            found = step
    return found


def provisioning_uri(secret: bytes, issuer: str, account_label: str) -> str:
    """The `otpauth` URI that authenticator apps scan; issuer and label are percent-encoded.

    A colon separates issuer and label, so it stands in neither of them.
    """
    plain_issuer, label = issuer.replace(":", " "), account_label.replace(":", " ")
    return (
        f"otpauth://totp/{quote(plain_issuer, safe='')}:{quote(label, safe='@')}"
        f"?secret={encode(secret)}&issuer={quote(plain_issuer, safe='')}"
        "&algorithm=SHA1&digits=6&period=30"
    )

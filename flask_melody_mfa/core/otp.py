"""Authenticator codes: RFC 4226 and RFC 6238, by pyotp."""

from __future__ import annotations

import base64
import hmac
import secrets
from urllib.parse import quote

import pyotp

from flask_melody_mfa.core.errors import InvalidRequest
from flask_melody_mfa.core.types import Instant

SECRET_BYTES = 20
PERIOD: Instant = 30_000


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def encode(secret: bytes) -> str:
    return base64.b32encode(secret).decode().rstrip("=")


def grouped(secret: bytes) -> str:
    text = encode(secret)
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def code_at(secret: bytes, step: int) -> str:
    return str(pyotp.HOTP(base64.b32encode(secret).decode()).at(step))


def matching_step(secret: bytes, code: str, now: Instant, drift: int = 1) -> int | None:
    current = now // PERIOD
    found = None
    for step in range(current - drift, current + drift + 1):
        if step >= 0 and hmac.compare_digest(code_at(secret, step), code):
            found = step
    return found


def provisioning_uri(secret: bytes, issuer: str, account_label: str) -> str:
    label = quote(issuer.replace(":", " "), safe="") + ":" + quote(account_label, safe="@")
    return (
        f"otpauth://totp/{label}?secret={encode(secret)}&issuer={quote(issuer, safe='')}"
        "&algorithm=SHA1&digits=6&period=30"
    )


def decode_secret(text: str) -> bytes:
    plain = text.replace(" ", "").replace("-", "").rstrip("=").upper()
    try:
        secret = base64.b32decode(plain + "=" * (-len(plain) % 8))
    except ValueError:
        raise InvalidRequest({"secret": "invalid"}) from None
    if len(secret) < 10:
        raise InvalidRequest({"secret": "invalid"})
    return secret

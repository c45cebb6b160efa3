"""Passkeys: their values, and what a browser hands over, read strictly (WebAuthn Level 3).

What needs no cryptography of WebAuthn's is decided here; the rest stands in `factors/passkey.py`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_melody_mfa.core.errors import InvalidPasskey, InvalidRequest
from flask_melody_mfa.core.types import Accepted, Credential, NewCredential

CHALLENGE_BYTES = 32
HANDLE_BYTES = 64
LONGEST_ID = 1023
"""Bytes of a credential id (Level 3 §7.1 step 25)."""
LONGEST_TEXT = 60_000

ALGORITHMS = (-8, -7, -257)
"""COSE algorithms on offer, the best first: EdDSA, ES256, RS256."""

CREATE, AUTOMATIC, GET = "create", "create_auto", "get"
"""The ceremonies: make a passkey; make one without asking (conditional create); use one."""
TYPES = {CREATE: "webauthn.create", AUTOMATIC: "webauthn.create", GET: "webauthn.get"}

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_TRANSPORT = re.compile(r"[a-z][a-z0-9-]{0,15}", re.ASCII)
MOST_TRANSPORTS = 8

ANY_KEY = bytes.fromhex(
    "a50102032620012158206b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "2258204fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
"""An ES256 key as COSE, for where any will do: the base point of P-256 (SEC 2 §2.4.2)."""

NO_AAGUID = "00000000-0000-0000-0000-000000000000"
AAGUIDS: Mapping[str, str] = {
    "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
    "fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "Apple Passwords",
    "dd4ec289-e01d-41c9-bb89-70fa845d4bf2": "iCloud Keychain",
    "08987058-cadc-4b81-b6e1-30de50dcbe96": "Windows Hello",
    "9ddd1817-af5a-4672-a2b9-3e3dd95000a9": "Windows Hello",
    "6028b017-b1d4-4c02-b4b3-afcdafc96bb2": "Windows Hello",
    "adce0002-35bc-c60a-648b-0b25f1f05503": "Chrome on Mac",
    "771b48fd-d3d4-4f74-9232-fc157ab0507a": "Edge on Mac",
    "b5397666-4885-aa6b-cebf-e52262a439a2": "Chromium",
    "53414d53-554e-4700-0000-000000000000": "Samsung Pass",
    "bada5566-a7aa-401f-bd96-45619a55120d": "1Password",
    "d548826e-79b4-db40-a3d8-11116f7e8349": "Bitwarden",
    "531126d6-e717-415c-9320-3d9aa6981239": "Dashlane",
    "0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6": "Keeper",
    "b84e4048-15dc-4dd0-8640-f4f60813c8af": "NordPass",
    "50726f74-6f6e-5061-7373-50726f746f6e": "Proton Pass",
    "f3809540-7f14-49c1-a8b3-8f813b225541": "Enpass",
    "fdb141b2-5d84-443e-8a35-4698c205a502": "KeePassXC",
    "cb69481e-8ff7-4039-93ec-0a2729a154a8": "YubiKey 5",
    "ee882879-721c-4913-9775-3dfcce97072a": "YubiKey 5",
    "fa2b99dc-9e39-4257-8f92-4a30d23c4118": "YubiKey 5 NFC",
    "2fc0579f-8113-47ea-b116-bb5a8db9202a": "YubiKey 5 NFC",
}
"""Well-known makers of passkeys, by the AAGUID that they sign with. For names only: a passkey
without attestation may claim any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPasskey(Credential):
    """A passkey of an account. `handle`: the account's user handle.

    `uv_initialized`: its user verification may be relied upon (Level 3 §4, credential record).
    """

    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    transports: tuple[str, ...] = ()
    backup_eligible: bool = False
    backed_up: bool = False
    uv_initialized: bool = False
    handle: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey(NewCredential):
    """What a registration yields. `public_key`: COSE."""

    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    transports: tuple[str, ...] = ()
    aaguid: str | None = None
    backup_eligible: bool = False
    backed_up: bool = False
    uv_initialized: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedPasskey(Accepted):
    """An assertion whose signature holds, with user verification. Its counter is still to be
    claimed; `regressed`: it did not go up, so there may be a copy of the key."""

    sign_count: int
    backed_up: bool
    uv_initialized: bool
    regressed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A browser's answer to `navigator.credentials.create()`, taken apart."""

    credential_id: bytes
    client_data: bytes = field(repr=False)
    attestation: bytes = field(repr=False)
    transports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """A browser's answer to `navigator.credentials.get()`, taken apart."""

    credential_id: bytes
    client_data: bytes = field(repr=False)
    authenticator_data: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    user_handle: bytes | None = field(default=None, repr=False)


def to_text(data: bytes) -> str:
    """Bytes as base64url without padding, as WebAuthn's JSON has them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def to_bytes(text: str) -> bytes:
    """Base64url without padding as bytes. Raises `ValueError` for any other spelling."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if to_text(data) != text:
        raise ValueError("bits to spare")
    return data


def hash_of(data: bytes) -> str:
    """What a challenge, or a credential id, is found by."""
    return hashlib.sha256(data).hexdigest()


def name_of(aaguid: str | None) -> str | None:
    """The maker's name, where it is well known."""
    return AAGUIDS.get(aaguid or "")


def read_created(text: str) -> Created:
    """Take a `RegistrationResponseJSON` apart. Raises `InvalidRequest`."""
    whole, response = _envelope(text)
    listed = response.get("transports")
    transports = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    known = dict.fromkeys(one for one in transports if _TRANSPORT.fullmatch(one))
    return Created(
        credential_id=_id_of(whole),
        client_data=_bytes_of(response, "clientDataJSON"),
        attestation=_bytes_of(response, "attestationObject"),
        transports=tuple(list(known)[:MOST_TRANSPORTS]),
    )


def read_asserted(text: str) -> Asserted:
    """Take an `AuthenticationResponseJSON` apart. Raises `InvalidRequest`."""
    whole, response = _envelope(text)
    handle = response.get("userHandle")
    return Asserted(
        credential_id=_id_of(whole),
        client_data=_bytes_of(response, "clientDataJSON"),
        authenticator_data=_bytes_of(response, "authenticatorData"),
        signature=_bytes_of(response, "signature"),
        user_handle=None if handle is None else _bytes_of(response, "userHandle", most=64),
    )


def _envelope(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The whole object and its `response`."""
    if len(text) > LONGEST_TEXT:
        raise InvalidRequest({"credential": "too_long"})
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        raise _malformed() from None
    response = whole.get("response") if isinstance(whole, dict) else None
    if not isinstance(response, dict) or whole.get("type") != "public-key":
        raise _malformed()
    return whole, response


def _id_of(whole: dict[str, Any]) -> bytes:
    """The credential's id, given twice and the same."""
    data = _bytes_of(whole, "rawId", most=LONGEST_ID)
    if whole.get("id") != whole["rawId"] or not data:
        raise _malformed()
    return data


def _bytes_of(found: dict[str, Any], name: str, *, most: int = LONGEST_TEXT) -> bytes:
    text = found.get(name)
    try:
        data = to_bytes(text) if isinstance(text, str) else None
    except ValueError:
        data = None
    if data is None:
        raise _malformed()
    if len(data) > most:
        raise InvalidRequest({"credential": "too_long"})
    return data


def _malformed() -> InvalidRequest:
    return InvalidRequest({"credential": "passkey"})


def challenge_of(client_data: bytes, ceremony: str, origins: tuple[str, ...]) -> bytes:
    """The challenge in a `clientDataJSON` (Level 3 §7.1 steps 5 to 11, §7.2 steps 8 to 14).

    Type and origin must be exactly the expected ones. A ceremony in a frame of another origin is
    refused: `crossOrigin` true, or any `topOrigin`. Raises `InvalidPasskey`.
    """
    try:
        found = json.loads(client_data.decode("utf-8-sig"))
        if (
            not isinstance(found, dict)
            or found.get("type") != TYPES[ceremony]
            or found.get("origin") not in origins
            or found.get("crossOrigin", False) is not False
            or "topOrigin" in found
            or not isinstance(found.get("challenge"), str)
        ):
            raise InvalidPasskey
        return to_bytes(found["challenge"])
    except (ValueError, RecursionError):
        raise InvalidPasskey from None


def is_regression(stored: int, shown: int) -> bool:
    """Whether a counter did not go up, where the authenticator counts at all (§7.2 step 22)."""
    return (stored > 0 or shown > 0) and shown <= stored

"""An authenticator for tests: keys of three kinds, and every byte that it signs can be set.

It also stands in for the browser: it writes `clientDataJSON` and the JSON that a page posts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

Algorithm = Literal["ES256", "EdDSA", "RS256"]

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
ORIGIN = "http://localhost"
AAGUID = bytes.fromhex("ea9b8d664d011d213ce4b6b48cb575d4")


def text(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def data(encoded: str) -> bytes:
    """The bytes of base64url without padding."""
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How an answer is made; each field left alone is as an honest browser would have it.

    `client`: changes of `clientDataJSON` (None removes). `client_bytes`: instead of all of it.
    `flags`: of the authenticator data. `signed`: what is signed, from what should be.
    `signature`: what is handed over, from what was signed. `key`, `attestation`: instead of the
    true COSE key, `attStmt`. `outer`: changes of the JSON that is posted.
    """

    origin: str = ORIGIN
    client: Mapping[str, Any] = field(default_factory=dict)
    client_bytes: bytes | None = None
    rp_id: str = "localhost"
    flags: int | None = None
    count: int | None = None
    extra: bytes = b""
    signed: Callable[[bytes], bytes] = lambda plain: plain
    signature: Callable[[bytes], bytes] = lambda made: made
    key: Any = None
    key_bytes: bytes | None = None
    fmt: Any = "none"
    attestation: Any = None
    object_bytes: bytes | None = None
    credential_id: bytes | None = None
    handle: bytes | Literal["kept"] | None = "kept"
    outer: Mapping[str, Any] = field(default_factory=dict)
    inner: Mapping[str, Any] = field(default_factory=dict)


HONEST = Ways()


class Passkey:
    """One key pair with its counter, and the account that it was made for."""

    def __init__(
        self,
        algorithm: Algorithm = "ES256",
        *,
        flags: int = UP | UV,
        count: int = 0,
        seed: bytes | None = None,
    ) -> None:
        # With a seed the same key is made anew in another process.
        self.algorithm = algorithm if seed is None else "EdDSA"
        self.id = secrets.token_bytes(32) if seed is None else hashlib.sha256(seed).digest()
        self.flags = flags
        self.count = count
        self.handle = b""
        self.aaguid = AAGUID
        self.private: Any
        if seed is not None:
            self.private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = rsa.generate_private_key(65537, 2048)

    def cose(self) -> dict[int, Any]:
        """The public key."""
        public = self.private.public_key()
        if self.algorithm == "ES256":
            point = public.public_numbers()
            return {
                1: 2,
                3: -7,
                -1: 1,
                -2: point.x.to_bytes(32, "big"),
                -3: point.y.to_bytes(32, "big"),
            }
        if self.algorithm == "EdDSA":
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        numbers = public.public_numbers()
        return {1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: b"\x01\x00\x01"}

    def sign(self, plain: bytes) -> bytes:
        """A signature."""
        if self.algorithm == "ES256":
            signed: bytes = self.private.sign(plain, ec.ECDSA(hashes.SHA256()))
        elif self.algorithm == "EdDSA":
            signed = self.private.sign(plain)
        else:
            signed = self.private.sign(plain, padding.PKCS1v15(), hashes.SHA256())
        return signed

    def client_data(self, kind: str, challenge: str, ways: Ways) -> bytes:
        """What the browser says of the ceremony."""
        if ways.client_bytes is not None:
            return ways.client_bytes
        said = {"type": kind, "challenge": challenge, "origin": ways.origin, "crossOrigin": False}
        said |= ways.client
        return json.dumps({name: one for name, one in said.items() if one is not None}).encode()

    def authenticator_data(self, ways: Ways, attested: bytes = b"") -> bytes:
        """What the authenticator says of the ceremony."""
        flags = self.flags | (AT if attested else 0) if ways.flags is None else ways.flags
        count = self.count if ways.count is None else ways.count
        return (
            hashlib.sha256(ways.rp_id.encode()).digest()
            + bytes([flags])
            + count.to_bytes(4, "big")
            + attested
            + ways.extra
        )

    def create(self, options: Mapping[str, Any], ways: Ways = HONEST) -> dict[str, Any]:
        """The answer to `navigator.credentials.create()`."""
        self.handle = data(options["user"]["id"])
        said = self.client_data("webauthn.create", options["challenge"], ways)
        inner_id = self.id if ways.credential_id is None else ways.credential_id
        key = ways.key_bytes
        if key is None:
            key = cbor2.dumps(self.cose() if ways.key is None else ways.key)
        attested = self.aaguid + len(inner_id).to_bytes(2, "big") + inner_id + key
        authenticator = self.authenticator_data(ways, attested)
        statement: Any = ways.attestation
        if statement is None:
            statement = {}
            if ways.fmt == "packed":
                plain = ways.signed(authenticator + hashlib.sha256(said).digest())
                statement = {"alg": self.cose()[3], "sig": ways.signature(self.sign(plain))}
        whole = ways.object_bytes
        if whole is None:
            whole = cbor2.dumps({"fmt": ways.fmt, "attStmt": statement, "authData": authenticator})
        response = {
            "clientDataJSON": text(said),
            "attestationObject": text(whole),
            "transports": ["internal", "hybrid"],
        }
        return self.posted(inner_id, response, ways)

    def get(self, options: Mapping[str, Any], ways: Ways = HONEST) -> dict[str, Any]:
        """The answer to `navigator.credentials.get()`."""
        said = self.client_data("webauthn.get", options["challenge"], ways)
        if ways.count is None and self.count:
            self.count += 1
        authenticator = self.authenticator_data(ways)
        plain = ways.signed(authenticator + hashlib.sha256(said).digest())
        response: dict[str, Any] = {
            "clientDataJSON": text(said),
            "authenticatorData": text(authenticator),
            "signature": text(ways.signature(self.sign(plain))),
        }
        handle = self.handle if ways.handle == "kept" else ways.handle
        if handle is not None:
            response["userHandle"] = text(handle)
        return self.posted(
            self.id if ways.credential_id is None else ways.credential_id, response, ways
        )

    def posted(self, own_id: bytes, response: dict[str, Any], ways: Ways) -> dict[str, Any]:
        """The JSON that a page posts."""
        whole: dict[str, Any] = {
            "id": text(own_id),
            "rawId": text(own_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                name: one for name, one in {**response, **ways.inner}.items() if one is not None
            },
        }
        return {name: one for name, one in {**whole, **ways.outer}.items() if one is not None}

    def twin(self) -> Passkey:
        """A copy, as somebody might have made of it."""
        copy = object.__new__(Passkey)
        copy.__dict__.update(self.__dict__)
        return copy


def ways(**changes: Any) -> Ways:
    """An answer that is not as it should be."""
    return replace(HONEST, **changes)

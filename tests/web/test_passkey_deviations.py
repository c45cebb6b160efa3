"""Signed answers that are not as they should be: refused alike, and nothing changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from werkzeug.test import TestResponse

from tests.authenticator import AT, BE, BS, ED, UP, UV, Passkey, Ways, text, ways
from tests.host import Host
from tests.passkeys import CHALLENGE, OPTIONS, PROMPT, VERIFY, Holder, holder

Make = Callable[..., Host]
Deviation = Ways | Callable[[Passkey, dict[str, Any]], Ways]

KEPT = ("mfa_passkey", "mfa_passkey_user", "mfa_credential", "mfa_session", "mfa_recovery_code")

FOREIGN_ORIGINS = (
    "https://localhost",
    "http://localhost:5000",
    "http://localhost:80",
    "http://app.localhost",
    "http://LOCALHOST",
    "http://localhost.",
    "http://localhost/",
    "http://localhost.evil.test",
    "http://evil.test",
    "null",
    "",
    "android:apk-key-hash:abc",
)


def said(**changes: Any) -> Ways:
    """Another `clientDataJSON`."""
    return ways(client=changes)


def raw(change: Callable[[bytes], bytes]) -> Deviation:
    """Other bytes of `clientDataJSON`, signed as they are."""

    def make(_passkey: Passkey, options: dict[str, Any]) -> Ways:
        plain = {
            "type": options["_type"],
            "challenge": options["challenge"],
            "origin": "http://localhost",
            "crossOrigin": False,
        }
        return ways(client_bytes=change(json.dumps(plain).encode()))

    return make


def flipped(data: bytes) -> bytes:
    """The same with its last bit turned."""
    return data[:-1] + bytes([data[-1] ^ 1])


# What can be wrong with both ceremonies.
BOTH: dict[str, Deviation] = {
    **{f"origin {one!r}": ways(origin=one) for one in FOREIGN_ORIGINS},
    "no origin": said(origin=None),
    "a list of origins": said(origin=["http://localhost"]),
    "crossOrigin": said(crossOrigin=True),
    "crossOrigin as text": said(crossOrigin="false"),
    "crossOrigin null": raw(lambda data: data.replace(b"false", b"null")),
    "topOrigin": said(topOrigin="http://localhost"),
    "crossOrigin and topOrigin": said(crossOrigin=True, topOrigin="https://other.test"),
    "type of another ceremony": raw(
        lambda data: data.replace(b".create", b".x").replace(b".get", b".create").replace(
            b".x", b".get"
        )
    ),
    "type of a payment": said(type="payment.get"),
    "no type": said(type=None),
    "type as a list": said(type=["webauthn.get"]),
    "no challenge": said(challenge=None),
    "an empty challenge": said(challenge=""),
    "a challenge of zeros": said(challenge=text(bytes(32))),
    "a challenge that is no text": said(challenge=5),
    "a challenge in other letters": said(challenge="+/=="),
    "client data is a list": ways(client_bytes=b"[]"),
    "client data is empty": ways(client_bytes=b""),
    "client data is no JSON": ways(client_bytes=b"{"),
    "client data is no UTF-8": raw(lambda data: data.replace(b"{", b'{"x":"\xff",', 1)),
    "client data in UTF-16": raw(lambda data: data.decode().encode("utf-16")),
    "client data nested too deep": ways(client_bytes=b"[" * 5000 + b"]" * 5000),
    "another relying party": ways(rp_id="evil.test"),
    "a domain above the relying party": ways(rp_id="host"),
    "no user presence": ways(flags=UV),
    "no user verification": ways(flags=UP),
    "neither": ways(flags=0),
    "backed up but not eligible": ways(flags=UP | UV | BS),
    "bytes left over": ways(extra=b"\x00"),
    "extensions announced and missing": ways(flags=UP | UV | ED),
    "extensions of garbage": ways(flags=UP | UV | ED, extra=b"\xff\xff"),
}  # fmt: skip

GET: dict[str, Deviation] = {
    **BOTH,
    "backup eligibility has changed": ways(flags=UP | UV | BE),
    "attested data announced": ways(flags=UP | UV | AT),
    "no signature": ways(signature=lambda made: b""),
    "half a signature": ways(signature=lambda made: made[:32]),
    "a signature with one bit turned": ways(signature=flipped),
    "a signature of garbage": ways(signature=lambda made: b"\x30\x06\x02\x01\x00\x02\x01\x00"),
    "a signature of zeros": ways(signature=lambda made: bytes(len(made))),
    "signed by another key": ways(signature=lambda made: Passkey().sign(b"")),
    "signed something else": ways(signed=lambda plain: plain + b"x"),
    "signed without client data": ways(signed=lambda plain: plain[:-32]),
    "signed with another counter": ways(signed=lambda plain: flipped(plain[:37]) + plain[37:]),
    "a user handle of another": ways(handle=b"\x01" * 64),
    "a user handle that is empty": ways(handle=b""),
    "a user handle cut short": lambda passkey, _: ways(handle=passkey.handle[:63]),
    "an id that nobody has": ways(credential_id=b"\x01" * 32),
    "an id of one byte": ways(credential_id=b"\x01"),
    "authenticator data cut short": ways(inner={"authenticatorData": text(bytes(36))}),
    "authenticator data is empty": ways(inner={"authenticatorData": ""}),
}  # fmt: skip

P256 = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
X, Y = P256.x.to_bytes(32, "big"), P256.y.to_bytes(32, "big")
N = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n.to_bytes(256, "big")
WEAK = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n.to_bytes(128, "big")


def es256(**changes: Any) -> Ways:
    """Another COSE key."""
    key = {1: 2, 3: -7, -1: 1, -2: X, -3: Y}
    names = {"kty": 1, "alg": 3, "crv": -1, "x": -2, "y": -3}
    for name, value in changes.items():
        key[names[name]] = value
    return ways(key={name: value for name, value in key.items() if value is not None})


KEYS: dict[str, Ways] = {
    "off the curve": es256(y=flipped(Y)),
    "the point at nothing": es256(x=bytes(32), y=bytes(32)),
    "x too long": es256(x=b"\x00" + X),
    "x too short": es256(x=X[:31]),
    "x beyond the field": es256(x=b"\xff" * 32),
    "no y": es256(y=None),
    "y as a sign": es256(y=True),
    "y as a number": es256(y=7),
    "x as text": es256(x="x" * 32),
    "an unknown curve": es256(crv=99),
    "curve P-384": es256(crv=2),
    "the curve is true": es256(crv=True),
    "no curve": es256(crv=None),
    "no key type": es256(kty=None),
    "key type RSA": es256(kty=3),
    "key type zero": es256(kty=0),
    "no algorithm": es256(alg=None),
    "algorithm ES384": es256(alg=-35),
    "algorithm ES512": es256(alg=-36),
    "algorithm RS1": ways(key={1: 3, 3: -65535, -1: N, -2: b"\x01\x00\x01"}),
    "algorithm RS512": ways(key={1: 3, 3: -259, -1: N, -2: b"\x01\x00\x01"}),
    "algorithm PS256": ways(key={1: 3, 3: -37, -1: N, -2: b"\x01\x00\x01"}),
    "algorithm ML-DSA-44": ways(key={1: 7, 3: -48, -1: bytes(1312)}),
    "RSA of 1024 bits": ways(key={1: 3, 3: -257, -1: WEAK, -2: b"\x01\x00\x01"}),
    "RSA with an even modulus": ways(key={1: 3, 3: -257, -1: flipped(N), -2: b"\x01\x00\x01"}),
    "RSA with exponent one": ways(key={1: 3, 3: -257, -1: N, -2: b"\x01"}),
    "RSA with a huge exponent": ways(key={1: 3, 3: -257, -1: N, -2: N}),
    "RSA with a padded modulus": ways(key={1: 3, 3: -257, -1: b"\x00" + N, -2: b"\x01\x00\x01"}),
    "Ed25519 of zeros": ways(key={1: 1, 3: -8, -1: 6, -2: bytes(32)}),
    "Ed25519 neutral": ways(key={1: 1, 3: -8, -1: 6, -2: b"\x01" + bytes(31)}),
    "Ed25519 off the curve": ways(key={1: 1, 3: -8, -1: 6, -2: b"\x02" + bytes(31)}),
    "Ed25519 beyond the field": ways(key={1: 1, 3: -8, -1: 6, -2: b"\xff" * 32}),
    "Ed25519 too short": ways(key={1: 1, 3: -8, -1: 6, -2: bytes(31)}),
    "Ed448": ways(key={1: 1, 3: -8, -1: 7, -2: bytes(57)}),
    "a parameter too many": ways(key={1: 2, 3: -7, -1: 1, -2: X, -3: Y, 4: [2]}),
    "a private key": ways(key={1: 2, 3: -7, -1: 1, -2: X, -3: Y, -4: bytes(32)}),
    "a key that is a list": ways(key=[1, 2]),
    "a key that is a number": ways(key=4),
    "a key that is nothing": ways(key={}),
    "a key with names": ways(key={"kty": 2}),
    "a key of garbage": ways(key_bytes=b"\xff\xff\xff"),
    "a key cut short": ways(key_bytes=cbor2.dumps({1: 2, 3: -7, -1: 1, -2: X, -3: Y})[:40]),
    "a key as U2F had it": ways(key_bytes=b"\x04" + X + Y),
    "a key nested too deep": ways(key_bytes=b"\x81" * 20000 + b"\x00"),
    "no key": ways(key_bytes=b""),
}  # fmt: skip

CREATE: dict[str, Deviation] = {
    **BOTH,
    **KEYS,
    "an unknown format": ways(fmt="made-up"),
    "a format that is a number": ways(fmt=1),
    "none, with a statement": ways(attestation={"sig": b"x"}),
    "none, with an odd statement": ways(attestation={"odd": 1}),
    "a statement that is a list": ways(attestation=[1]),
    "a statement that is text": ways(attestation="sig"),
    "packed without signature": ways(fmt="packed", attestation={"alg": -7}),
    "packed without algorithm": ways(fmt="packed", attestation={"sig": b"x"}),
    "packed with a wrong signature": ways(fmt="packed", signature=flipped),
    "packed over something else": ways(fmt="packed", signed=lambda plain: plain + b"x"),
    "packed by a certificate of garbage": ways(
        fmt="packed", attestation={"alg": -7, "sig": b"x", "x5c": [b"garbage"]}
    ),
    "packed by no certificate": ways(
        fmt="packed", attestation={"alg": -7, "sig": b"x", "x5c": [5]}
    ),
    "fido-u2f of garbage": ways(fmt="fido-u2f", attestation={"sig": b"x", "x5c": [b"x"]}),
    "tpm of garbage": ways(fmt="tpm", attestation={"ver": "2.0", "sig": b"x"}),
    "android-key of garbage": ways(fmt="android-key", attestation={"alg": -7, "x5c": [b"x"]}),
    "android-safetynet of garbage": ways(
        fmt="android-safetynet", attestation={"ver": "1", "response": b"a.b.c"}
    ),
    "apple of garbage": ways(fmt="apple", attestation={"x5c": [b"x"]}),
    "attested data not announced": ways(flags=UP | UV),
    "an object that is a list": ways(object_bytes=b"\x80"),
    "an object that is empty": ways(object_bytes=b""),
    "an object of garbage": ways(object_bytes=b"\xff" * 10),
    "an object nested too deep": ways(object_bytes=b"\x81" * 30000 + b"\x00"),
    "an object without parts": ways(object_bytes=cbor2.dumps({"fmt": "none"})),
    "authenticator data as text": ways(
        object_bytes=cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": "x" * 40})
    ),
    "authenticator data cut short": ways(
        object_bytes=cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": bytes(36)})
    ),
    "another id outside": ways(outer={"id": text(b"\x02" * 32), "rawId": text(b"\x02" * 32)}),
}  # fmt: skip


def kept(host: Host) -> list[Any]:
    """Everything that a refused answer must leave alone."""
    return [host.rows(table) for table in KEPT]


def with_type(options: dict[str, Any], kind: str) -> dict[str, Any]:
    return {**options, "_type": kind}


def ways_of(deviation: Deviation, passkey: Passkey, options: dict[str, Any]) -> Ways:
    return deviation if isinstance(deviation, Ways) else deviation(passkey, options)


def is_the_one_refusal(answer: TestResponse) -> bool:
    """The one wording for whatever is wrong."""
    return answer.status_code == 401 and answer.get_json() == {
        "type": "about:blank",
        "title": "That passkey did not work. Try again, or sign in another way.",
        "status": 401,
        "code": "invalid_passkey",
        "detail": "That passkey did not work. Try again, or sign in another way.",
    }


def test_there_are_enough_of_them() -> None:
    assert len(GET) >= 50 and len(CREATE) >= 90


@pytest.fixture(scope="module")
def world() -> Any:
    """One host for all: refusals leave nothing behind that the next could stumble over."""
    host = Host(
        ALLOW_PASSKEY_ENROLLMENT=True,
        ENFORCE_ONE_MFA_ENROLLMENT=[],
        MFA_CODE_VERIFY_THRESHOLD=10_000,
        MFA_TRIES_PER_CODE=100,
        MFA_SIGN_IN_THRESHOLD=10_000,
    )
    with host.clock() as clock:
        user, passkey = holder(host)
        yield host, clock, user, passkey


@pytest.fixture
def moment(world: Any) -> Any:
    """The same, an hour later: no limit of an address stands in the way."""
    world[1].tick(3600)
    return world


@pytest.mark.check("W25", "W26", "W28", "W22", "W24", "W32")
@pytest.mark.reference(126, 127, 130)
@pytest.mark.parametrize("name", GET)
def test_a_sign_in_is_refused(moment: Any, name: str) -> None:
    host, _, _, passkey = moment
    before = kept(host)
    person = Holder(host)
    options = with_type(person.options(OPTIONS), "webauthn.get")
    sent = passkey.get(options, ways_of(GET[name], passkey, options))
    answer = person.call(VERIFY, {"credential": sent})
    assert is_the_one_refusal(answer), answer.text
    assert kept(host) == before
    assert not person.signed_in()


@pytest.mark.check("W25", "W26", "W28", "W22", "W24")
@pytest.mark.parametrize("name", GET)
def test_a_proof_is_refused(moment: Any, name: str) -> None:
    host, _, _, passkey = moment
    person = Holder(host)
    person.sign_in()
    before = kept(host)
    options = with_type(person.options(f"{CHALLENGE}/options"), "webauthn.get")
    sent = passkey.get(options, ways_of(GET[name], passkey, options))
    answer = person.call(CHALLENGE, {"credential": sent})
    assert is_the_one_refusal(answer), answer.text
    assert kept(host) == before
    assert not person.signed_in()
    assert person.prove(passkey).status_code == 200, "the challenge itself goes on"


@pytest.mark.check("W02", "W03", "W04", "W05", "W06", "W07", "W10", "W11")
@pytest.mark.reference(114, 116)
@pytest.mark.parametrize("name", CREATE)
def test_a_registration_is_refused(moment: Any, name: str) -> None:
    host, clock, _, _ = moment
    email = f"{hashlib.sha256(name.encode()).hexdigest()[:12]}@example.org"
    host.user(email)
    person = Holder(host)
    person.sign_in(email)
    options = with_type(person.options(f"{PROMPT}/options"), "webauthn.create")
    before = kept(host)
    passkey = Passkey()
    sent = passkey.create(options, ways_of(CREATE[name], passkey, options))
    answer = person.call(PROMPT, {"credential": sent})
    assert is_the_one_refusal(answer), answer.text
    assert kept(host) == before
    assert clock.now


@pytest.mark.check("W05")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_packed_self_attestation_is_verified(moment: Any, algorithm: Any) -> None:
    host = moment[0]
    email = f"packed-{algorithm}@example.org"
    host.user(email)
    person = Holder(host)
    person.sign_in(email)
    assert person.make(Passkey(algorithm), ways(fmt="packed")).status_code == 200


# Malformed, before anything is judged

ENVELOPES: dict[str, Any] = {
    "nothing": None,
    "null": {"credential": None},
    "a number": {"credential": 5},
    "text": {"credential": "{}"},
    "a list": {"credential": []},
    "no credential": {"credentialId": "AA", "challenge": "AA"},
    "empty": {"credential": {}},
    "a method alone": {"method": "passkey"},
    "an unknown field": {"credential": {}, "verified": True},
}


@pytest.mark.check("W30", "P06")
@pytest.mark.reference(110, 113, 115, 122, 129, 131)
@pytest.mark.parametrize("path", [VERIFY, PROMPT, CHALLENGE])
@pytest.mark.parametrize("name", ENVELOPES)
def test_what_is_no_answer_is_malformed(moment: Any, path: str, name: str) -> None:
    host = moment[0]
    person = Holder(host)
    if path == PROMPT:
        email = f"{hashlib.sha256(name.encode()).hexdigest()[:12]}@envelopes.test"
        host.user(email)
        person.sign_in(email)
    elif path == CHALLENGE:
        person.sign_in()
    before = kept(host)
    body = json.dumps(ENVELOPES[name])
    answer = person.client.post(path, data=body, content_type="application/json")
    assert answer.status_code == 400, answer.text
    assert answer.get_json()["code"] == "invalid_request"
    assert kept(host) == before


MALFORMED: dict[str, Ways] = {
    "an id of 1024 bytes": ways(credential_id=bytes(1024)),
    "no id": ways(outer={"id": None}),
    "no raw id": ways(outer={"rawId": None}),
    "two ids": ways(outer={"id": text(b"\x01" * 32)}),
    "an empty id": ways(outer={"id": "", "rawId": ""}),
    "an id with padding": ways(outer={"id": "AA==", "rawId": "AA=="}),
    "an id with bits to spare": ways(outer={"id": "AB", "rawId": "AB"}),
    "an id that is a number": ways(outer={"id": 7, "rawId": 7}),
    "another type": ways(outer={"type": "password"}),
    "no type": ways(outer={"type": None}),
    "no response": ways(outer={"response": None}),
    "a response that is a list": ways(outer={"response": []}),
    "no client data": ways(inner={"clientDataJSON": None}),
    "client data as a list": ways(inner={"clientDataJSON": [1]}),
    "client data that is no base64": ways(inner={"clientDataJSON": "!"}),
    "lone surrogates": ways(inner={"clientDataJSON": "\ud800"}),
}


@pytest.mark.check("W08", "W30")
@pytest.mark.parametrize("ceremony", ["create", "get"])
@pytest.mark.parametrize("name", MALFORMED)
def test_what_no_browser_writes_is_malformed(moment: Any, ceremony: str, name: str) -> None:
    host, _, _, passkey = moment
    person = Holder(host)
    if ceremony == "get":
        options = person.options(OPTIONS)
        sent, path = passkey.get(options, MALFORMED[name]), VERIFY
    else:
        email = f"{hashlib.sha256(name.encode()).hexdigest()[:12]}@malformed.test"
        host.user(email)
        person.sign_in(email)
        options = person.options(f"{PROMPT}/options")
        sent, path = Passkey().create(options, MALFORMED[name]), PROMPT
    before = kept(host)
    answer = person.call(path, {"credential": sent})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_request"), answer.text
    assert kept(host) == before


@pytest.mark.check("P11", "H01")
def test_other_bodies_are_refused(moment: Any) -> None:
    host = moment[0]
    client = host.app.test_client()
    for body, kind, status in (
        (b"{}", "text/plain", 415),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"[" * 30_000, "application/json", 400),
        (b'{"credential": {"a": "' + b"x" * 70_000 + b'"}}', "application/json", 413),
    ):
        for path in (OPTIONS, VERIFY):
            answer = client.post(path, data=body, content_type=kind)
            assert answer.status_code == status, (path, kind, answer.text)
            assert answer.mimetype == "application/problem+json"
    assert client.get(VERIFY).status_code == 405


@pytest.mark.check("W08")
def test_an_id_of_1023_bytes_is_fine(moment: Any) -> None:
    host = moment[0]
    host.user("long@example.org")
    person = Holder(host)
    person.sign_in("long@example.org")
    passkey = Passkey()
    passkey.id = bytes(range(256)) * 3 + bytes(255)
    assert len(passkey.id) == 1023
    assert person.make(passkey).status_code == 200
    assert Holder(host).enter(passkey).status_code == 200


@pytest.mark.check("W10")
def test_a_byte_order_mark_before_client_data_is_read_past(moment: Any) -> None:
    host, _, _, passkey = moment
    person = Holder(host)
    options = with_type(person.options(OPTIONS), "webauthn.get")
    marked = raw(lambda data: b"\xef\xbb\xbf" + data)
    sent = passkey.get(options, ways_of(marked, passkey, options))
    assert person.call(VERIFY, {"credential": sent}).status_code == 200

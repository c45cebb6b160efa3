"""Authenticator codes against the RFCs' own vectors, and how far a clock may drift."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.errors import InvalidRequest

SECRET = b"12345678901234567890"
SEED_256 = b"12345678901234567890123456789012"
SEED_512 = b"1234567890123456789012345678901234567890123456789012345678901234"

HOTP = {
    0: "755224",
    1: "287082",
    2: "359152",
    3: "969429",
    4: "338314",
    5: "254676",
    6: "287922",
    7: "162583",
    8: "399871",
    9: "520489",
    # With leading zeros.
    30: "026920",
    35: "037211",
    36: "003784",
    44: "000152",
    62: "005080",
}

TOTP = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]

moments = st.integers(60_000, 4_000_000_000_000)


@pytest.mark.check("T01")
@pytest.mark.parametrize(("counter", "code"), HOTP.items())
def test_the_vectors_of_rfc_4226(counter: int, code: str) -> None:
    assert otp.code_at(SECRET, counter) == code


@pytest.mark.check("T01")
@pytest.mark.parametrize(("at", "sha1", "sha256", "sha512"), TOTP)
def test_the_vectors_of_rfc_6238(at: int, sha1: str, sha256: str, sha512: str) -> None:
    step = otp.step_of(at * 1000)
    assert otp.code_at(SECRET, step, digits=8) == sha1
    assert otp.code_at(SEED_256, step, digits=8, digest=hashlib.sha256) == sha256
    assert otp.code_at(SEED_512, step, digits=8, digest=hashlib.sha512) == sha512
    for seed, code, digest in (
        (SECRET, sha1, hashlib.sha1),
        (SEED_256, sha256, hashlib.sha256),
        (SEED_512, sha512, hashlib.sha512),
    ):
        assert otp.code_at(seed, step, digest=digest) == code[2:]


@pytest.mark.check("T02")
@given(now=moments, offset=st.integers(-12, 12))
def test_exactly_one_step_before_and_after_matches(now: int, offset: int) -> None:
    step = otp.step_of(now) + offset
    if step < 0:
        return
    near = {otp.code_at(SECRET, otp.step_of(now) + drift): drift for drift in (1, 0, -1)}
    code = otp.code_at(SECRET, step)
    found = otp.matching_step(SECRET, code, now)
    assert (found is not None) is (abs(offset) <= 1 or code in near)


@given(now=moments)
def test_of_two_steps_with_one_code_the_earlier_is_meant(now: int) -> None:
    """So a replay of it is known as one; the later step stays unspent."""
    code = otp.code_at(SECRET, otp.step_of(now))
    found = otp.matching_step(SECRET, code, now)
    assert found is not None and found <= otp.step_of(now)
    assert otp.code_at(SECRET, found) == code


@pytest.mark.check("T10")
def test_a_secret_has_160_bits_and_is_never_made_twice() -> None:
    made = {otp.new_secret() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(secret) for secret in made} == {20}


@pytest.mark.check("T10")
@given(
    secret=st.binary(min_size=20, max_size=20),
    issuer=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
    label=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64),
)
def test_the_uri_reads_back_whatever_the_names_hold(secret: bytes, issuer: str, label: str) -> None:
    uri = otp.provisioning_uri(secret, issuer, label)
    assert uri.isascii()
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    said_issuer, _, said_label = parts.path[1:].partition(":")
    assert unquote(said_issuer) == issuer.replace(":", " ")
    assert unquote(said_label) == label.replace(":", " ")
    query = parse_qs(parts.query, keep_blank_values=True)
    assert query["issuer"] == [issuer.replace(":", " ")]
    assert otp.decode_secret(query["secret"][0]) == secret
    assert otp.decode_secret(otp.grouped(secret)) == secret


@pytest.mark.parametrize("text", ["", "1", "ÄÖ", "A" * 8, "A" * 300, "GEZDGNBVGY3TQOJQ!"])
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        otp.decode_secret(text)

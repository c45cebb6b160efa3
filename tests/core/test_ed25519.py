"""Ed25519 public keys: sound ones and others."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_melody_mfa.core.ed25519 import P, decompress, double, is_sound

# The eight points whose order divides 8, and encodings that are not canonical.
SMALL = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)
ODD = (
    "0100000000000000000000000000000000000000000000000000000000000080",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0200000000000000000000000000000000000000000000000000000000000000",
    "ff" * 32,
    "",
    "00" * 31,
    "00" * 33,
)


@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_is_generated_is_sound(seed: bytes) -> None:
    assert is_sound(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())


@pytest.mark.check("W10")
@pytest.mark.parametrize("key", [*SMALL, *ODD])
def test_points_of_small_order_and_none_are_not(key: str) -> None:
    assert not is_sound(bytes.fromhex(key))


def test_small_points_are_on_the_curve() -> None:
    """Or the test above would say nothing of their order."""
    for key in SMALL:
        point = decompress(bytes.fromhex(key))
        assert point is not None
        for _ in range(3):
            point = double(point)
        assert point == (0, 1)
    assert P == 2**255 - 19

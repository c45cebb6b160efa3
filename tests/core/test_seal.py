"""Sealing: bound to its place, opened by old keys, never by others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_melody_mfa.core.errors import CannotOpen
from flask_melody_mfa.core.seal import Hasher, Sealer

PLACE = {"table": "mfa_credential", "column": "sealed", "row": "r1", "user": "u1"}
OLD, NEW = "an old key that is long enough to be one", "a new key that is long enough to be one"


@given(plain=st.binary(max_size=300))
def test_what_is_sealed_opens_in_its_place(plain: bytes) -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(plain, **PLACE)
    assert sealer.open(sealed, key_id=sealer.key_id, **PLACE) == plain
    assert len(plain) < 4 or plain not in sealed


@pytest.mark.check("C01")
def test_the_same_twice_looks_different() -> None:
    sealer = Sealer([OLD])
    assert len({sealer.seal(b"secret", **PLACE) for _ in range(100)}) == 100


@pytest.mark.check("C02")
@pytest.mark.parametrize("moved", PLACE)
def test_moved_anywhere_else_it_does_not_open(moved: str) -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"secret", **PLACE)
    with pytest.raises(CannotOpen):
        sealer.open(sealed, key_id=sealer.key_id, **{**PLACE, moved: "another"})


@pytest.mark.check("C02")
def test_parts_of_a_place_do_not_run_into_each_other() -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"secret", **{**PLACE, "row": "a", "user": "bc"})
    with pytest.raises(CannotOpen):
        sealer.open(sealed, key_id=sealer.key_id, **{**PLACE, "row": "ab", "user": "c"})


@pytest.mark.check("C03")
def test_the_newest_key_seals_and_every_key_opens() -> None:
    before, during, after = Sealer([OLD]), Sealer([NEW, OLD]), Sealer([NEW])
    old = before.seal(b"secret", **PLACE)
    assert during.open(old, key_id=before.key_id, **PLACE) == b"secret"
    new = during.seal(b"secret", **PLACE)
    assert during.key_id == after.key_id != before.key_id
    assert after.open(new, key_id=during.key_id, **PLACE) == b"secret"
    with pytest.raises(CannotOpen):
        after.open(old, key_id=before.key_id, **PLACE)


@given(at=st.integers(0, 40), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed(at: int, bit: int) -> None:
    sealer = Sealer([OLD])
    sealed = bytearray(sealer.seal(b"a secret", **PLACE))
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(CannotOpen):
        sealer.open(bytes(sealed), key_id=sealer.key_id, **PLACE)


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 12, b"x" * 28])
def test_garbage_cannot_be_opened(sealed: bytes) -> None:
    sealer = Sealer([OLD])
    with pytest.raises(CannotOpen):
        sealer.open(sealed, key_id=sealer.key_id, **PLACE)


@pytest.mark.check("C07")
def test_neither_keys_nor_secrets_are_told_by_what_holds_them() -> None:
    said = repr(Sealer([OLD])) + repr(Hasher(OLD.encode())) + str(vars(Sealer([OLD])).keys())
    assert OLD not in said and "old key" not in said


@given(one=st.lists(st.text(max_size=5), max_size=4), other=st.lists(st.text(max_size=5)))
def test_a_digest_depends_on_every_part_and_its_bounds(one: list[str], other: list[str]) -> None:
    hasher = Hasher(b"k" * 32)
    assert (hasher.digest("code", *one) == hasher.digest("code", *other)) is (one == other)
    assert hasher.digest("code", *one) != hasher.digest("token", *one)
    assert hasher.digest("code", *one) != Hasher(b"j" * 32).digest("code", *one)

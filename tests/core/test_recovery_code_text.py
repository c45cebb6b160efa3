"""Recovery codes as text: drawn, shown, and read back to one form."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_melody_mfa.core.errors import InvalidRequest
from flask_melody_mfa.core.recovery_codes import (
    ALPHABET,
    BITS,
    LENGTH,
    canonical,
    checked_text,
    grouped,
    new_code,
)

CANONICAL = st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH)
SEPARATORS = ("", " ", "-", "\u2013", "\u00a0", "\t", "_", ".", " - ")


@pytest.mark.check("R01")
@pytest.mark.reference(65)
def test_a_thousand_sets_of_ten_hold_no_code_twice_and_every_symbol_in_every_place() -> None:
    codes = [new_code() for _ in range(10_000)]
    assert len(set(codes)) == len(codes)
    assert all(len(code) == 24 and set(code) <= set(ALPHABET) for code in codes)
    assert LENGTH * 5 == BITS == 120
    for place in range(LENGTH):
        found = [code[place] for code in codes]
        # 312.5 expected of each symbol, standard deviation 17.4: six of them either way.
        assert all(208 < found.count(symbol) < 417 for symbol in ALPHABET)


@pytest.mark.check("R01")
def test_a_seeded_random_module_draws_no_code_twice() -> None:
    random.seed(0)
    first = new_code()
    random.seed(0)
    assert new_code() != first


def test_the_alphabet_has_no_look_alikes() -> None:
    assert len(ALPHABET) == 32 and not set("ILOU") & set(ALPHABET)


def test_a_code_is_shown_in_groups_of_four() -> None:
    assert re.fullmatch(r"([0-9A-Z]{4}-){5}[0-9A-Z]{4}", grouped(new_code()))


@pytest.mark.check("R13")
@given(code=CANONICAL, data=st.data())
def test_case_separators_and_look_alikes_are_forgiven(code: str, data: st.DataObject) -> None:
    spelled = ""
    for symbol in grouped(code):
        if symbol == "-":
            spelled += data.draw(st.sampled_from(SEPARATORS))
        else:
            alike = {"0": "0oO", "1": "1iIlL"}.get(symbol, symbol + symbol.lower())
            spelled += data.draw(st.sampled_from(alike))
    assert canonical(f" {spelled}\n") == code


@given(code=CANONICAL)
def test_the_canonical_form_is_its_own(code: str) -> None:
    assert canonical(code) == canonical(grouped(code)) == code


@given(one=CANONICAL, other=CANONICAL)
def test_two_codes_have_no_form_in_common(one: str, other: str) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@pytest.mark.parametrize(
    "text",
    ["", "ABCD", "0" * 23, "0" * 25, "U" * 24, "0" * 23 + "ı", "０" * 24, "0" * 23 + "\u212a",
     "0" * 23 + "ß", "a" * 64, "0" * 23 + "é", "$" * 24],
)  # fmt: skip
def test_anything_else_is_no_code(text: str) -> None:
    assert canonical(text) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "invalid"),
        (123456, "invalid"),
        (True, "invalid"),
        ([], "invalid"),
        ("", "required"),
        ("  \t ", "required"),
        ("0" * 65, "too_long"),
        ("0" * 23 + "\x00", "invalid"),
        ("0" * 23 + "\ud800", "invalid"),
    ],
)
def test_what_nobody_types_into_a_line_is_malformed(value: object, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        checked_text(value)
    assert caught.value.errors == {"code": reason}


def test_what_could_be_typed_passes_as_it_is() -> None:
    assert checked_text(" 0-o ") == " 0-o "

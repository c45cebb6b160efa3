"""Codes, ids and names: evenly drawn, nobody's to foretell, read strictly."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import subprocess
import sys
import unicodedata
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_melody_mfa.core import codes
from flask_melody_mfa.core.errors import InvalidRequest

DRAWS = 20_000

LIMIT = 27.88
"""Chi-square with 9 degrees of freedom is above it once in a thousand."""


def chi_square(counts: Counter[Any], values: list[Any], total: int) -> float:
    """How far counts are from an even spread over `values`."""
    expected = total / len(values)
    return sum((counts[value] - expected) ** 2 / expected for value in values)


@pytest.mark.check("O01")
@pytest.mark.reference(3)
def test_twenty_thousand_codes_are_evenly_spread() -> None:
    digits = [str(digit) for digit in range(10)]
    for _attempt in range(2):  # an honest source fails this once in a million runs
        drawn = [codes.new_code() for _ in range(DRAWS)]
        assert {len(code) for code in drawn} == {6}
        assert set("".join(drawn)) == set(digits)
        leading_zero = sum(code[0] == "0" for code in drawn)
        assert abs(leading_zero - DRAWS / 10) < 250
        # Among 20,000 of a million values about 198 pairs are equal by chance alone.
        assert 130 < DRAWS - len(set(drawn)) < 270
        spread = [
            *(
                chi_square(Counter(code[place] for code in drawn), digits, DRAWS)
                for place in range(6)
            ),
            # From one code to the next: no place repeats or avoids what came before it.
            chi_square(
                Counter((int(a[-1]) - int(b[-1])) % 10 for a, b in itertools.pairwise(drawn)),
                list(range(10)),
                DRAWS - 1,
            ),
        ]
        if max(spread) < LIMIT:
            return
    raise AssertionError(f"chi-square {spread}")


@pytest.mark.parametrize("digits", range(6, 11))
def test_a_code_has_as_many_digits_as_were_asked_for(digits: int) -> None:
    for _ in range(200):
        assert len(codes.new_code(digits)) == digits


SEEDED = """
import random
random.seed(0)
from flask_melody_mfa.core import codes, otp
random.seed(0)
print(codes.new_code(), codes.new_token(), otp.new_secret().hex(), codes.new_id(0))
"""


@pytest.mark.check("C06")
def test_a_seeded_random_makes_nothing_foreseeable() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", SEEDED],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        ).stdout.split()
        for _ in range(2)
    ]
    _, *first = said[0]
    _, *second = said[1]
    assert not set(first) & set(second)
    drawn: list[list[str]] = []
    for _ in range(2):
        random.seed(0)
        drawn.append([codes.new_code() for _ in range(20)])
    assert drawn[0] != drawn[1]


def draw(pipe: Any) -> None:
    """What a forked worker makes first."""
    pipe.send([[codes.new_code() for _ in range(20)], codes.new_token(), codes.new_id(0)])
    pipe.close()


@pytest.mark.check("C06", "O01")
def test_forked_workers_make_different_things() -> None:
    codes.new_code(), codes.new_token()  # whatever state there is, both inherit it
    fork = multiprocessing.get_context("fork")
    made = []
    for _ in range(2):
        ours, theirs = fork.Pipe()
        worker = fork.Process(target=draw, args=(theirs,))
        worker.start()
        made.append(ours.recv())
        worker.join()
    for one, other in zip(*made, strict=True):
        assert one != other


def test_ids_sort_by_time_and_then_by_the_order_of_making() -> None:
    made = [codes.new_id(now) for now in (5, 5, 5, 1_800_000_000_000, 1_800_000_000_001)]
    assert len(set(made)) == 5
    assert made[:3] == sorted(made[:3]) or made[0][12:16] == "ffff"
    assert made[2:] == sorted(made[2:])
    assert {len(one) for one in made} == {32}


def test_a_token_has_256_bits() -> None:
    tokens = {codes.new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}


# What people type


@pytest.mark.check("T08", "T06")
@given(
    st.one_of(st.text(), st.integers(), st.none(), st.binary(), st.lists(st.text()), st.floats())
)
def test_a_typed_code_is_digits_or_malformed_and_nothing_else(typed: object) -> None:
    try:
        clean = codes.clean_code(typed)
    except InvalidRequest as error:
        assert error.errors["code"] in ("malformed", "required")
        return
    assert isinstance(typed, str)
    assert clean.isascii() and clean.isdecimal() and 6 <= len(clean) <= 10
    assert codes.clean_code(clean) == clean
    assert "".join(char for char in typed if char.isdecimal()) == clean


@pytest.mark.check("T06")
@given(
    st.from_regex(r"[0-9]{6,10}", fullmatch=True),
    st.sampled_from([" ", "-", "\u00a0", "  ", " - "]),
    st.integers(1, 5),
    st.sampled_from(["", " ", "\t", "\r\n"]),
)
def test_blanks_and_dashes_between_digits_are_forgiven(
    code: str, separator: str, at: int, around: str
) -> None:
    assert codes.clean_code(around + code[:at] + separator + code[at:] + around) == code


@given(st.one_of(st.text(), st.integers(), st.none()))
def test_a_name_is_plain_or_refused(typed: object) -> None:
    try:
        name = codes.clean_name(typed)
    except InvalidRequest as error:
        assert error.errors["name"] in ("invalid", "too_long")
        return
    if name is None:
        return
    assert 0 < len(name) <= codes.LONGEST_NAME
    assert codes.clean_name(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert not {unicodedata.category(char) for char in name} & {"Cc", "Cs", "Zl", "Zp"}
    name.encode()


@pytest.mark.check("W13")
@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\ufeff", "\u00ad"])
def test_a_name_holds_nothing_that_hides_or_turns_text(hidden: str) -> None:
    assert codes.clean_name(f"my{hidden} phone") == "my phone"
    assert codes.clean_name(hidden) is None


@given(st.text(max_size=80))
def test_a_masked_destination_cannot_be_used(text: str) -> None:
    masked = codes.mask_destination(text)
    assert masked != text or not text
    assert "••" in masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ada@example.org", "a•••@example.org"),
        ("+447400123456", "+44 •••• 56"),
        ("+4412", "••••"),
    ],
)
def test_a_masked_destination_is_known_again(text: str, masked: str) -> None:
    assert codes.mask_destination(text) == masked

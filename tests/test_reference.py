"""Every case of the reference system is carried by a test, or listed with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest

from tests.markers import TESTS, marked

CASES = frozenset(range(1, 375)) - frozenset(range(221, 233))
"""221 to 232 do not exist."""

LIST = TESTS / "reference.md"
ROW = re.compile(r"\| (?P<cases>\d[\d–, ]*) \| (?P<reason>[^|]+) \| (?P<what>[^|]*) ?\|")
ABSENT = {"OAuth", "consent", "organizations", "passwordless", "tokens"}
PARTS = {
    "clients",
    "passkeys",
    "policies",
    "recovery codes",
    "remembered devices",
    "the embedded API",
    "the log",
    "the S2S API",
}
SECTIONS = range(1, 12)


def numbers(text: str) -> Iterator[int]:
    """`1, 3–5` is 1, 3, 4, 5."""
    for part in text.split(","):
        first, _, last = part.strip().partition("–")
        yield from range(int(first), int(last or first) + 1)


def listed() -> dict[int, str]:
    """The cases that the list names, with their reasons. A case stands there once."""
    found: dict[int, str] = {}
    for line in LIST.read_text().splitlines():
        row = ROW.fullmatch(line)
        assert row or not line.startswith("| ") or line.startswith("| cases "), line
        for number in numbers(row["cases"]) if row else ():
            assert number not in found, f"{number} is listed twice"
            found[number] = row["reason"] if row else ""
    return found


def is_reason(text: str) -> bool:
    """Whether the list may give this reason."""
    section = re.fullmatch(r"contract section (\d+)", text)
    if section:
        return int(section[1]) in SECTIONS
    return text in ABSENT or text.removeprefix("covered by ") in PARTS - {text}


def test_no_case_is_neither_carried_nor_listed() -> None:
    assert sorted(CASES - set(marked("reference")) - set(listed())) == []


def test_no_case_is_both_carried_and_listed() -> None:
    assert sorted(set(marked("reference")) & set(listed())) == []


def test_no_case_is_made_up() -> None:
    assert sorted((set(marked("reference")) | set(listed())) - CASES) == []


def test_every_reason_is_one_that_the_list_may_give() -> None:
    assert {reason for reason in listed().values() if not is_reason(reason)} == set()


@pytest.mark.parametrize(
    "reason", ["", "later", "contract", "contract section 12", "covered by luck", "passkeys"]
)
def test_other_reasons_are_none(reason: str) -> None:
    assert not is_reason(reason)


def spelled(cases: Iterable[int]) -> str:
    """1, 3, 4, 5 is `1, 3–5`."""
    runs: list[list[int]] = []
    for number in sorted(cases):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs)


def test_a_list_of_cases_reads_as_it_is_spelled() -> None:
    assert spelled([5, 1, 3, 4]) == "1, 3–5"
    assert list(numbers("1, 3–5")) == [1, 3, 4, 5]


def main() -> None:
    """Take out of the list what tests carry by now."""
    lines = []
    for line in LIST.read_text().splitlines():
        row = ROW.fullmatch(line)
        if row:
            left = set(numbers(row["cases"])) - set(marked("reference"))
            if not left:
                continue
            line = line.replace(f"| {row['cases']} |", f"| {spelled(left)} |", 1)
        lines.append(line)
    LIST.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""The written pages say what the code says."""

from __future__ import annotations

import pytest

from flask_melody_mfa.signals import BY_NAME
from flask_melody_mfa.web.state import Hooks
from tests.documentation import checks
from tests.make_docs import FOLDER, PAGES, difference


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_code_says(name: str) -> None:
    assert difference(name) == "", "run: python -m tests.make_docs"


def test_every_hook_and_every_event_is_told() -> None:
    hooks = (FOLDER / "hooks.md").read_text(encoding="utf-8")
    events = (FOLDER / "events.md").read_text(encoding="utf-8")
    assert all(f"`@mfa.{name}`" in hooks for name in Hooks.__dataclass_fields__)
    assert all(f"`{name}`" in events for name in BY_NAME)


def test_marks_are_found_on_functions_classes_modules_and_parameters() -> None:
    source = """
import pytest
pytestmark = pytest.mark.check("A01")

@pytest.mark.check("A02", "A03")
def test_one(): ...

@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.check("A04"))])
def test_two(n): ...

@pytest.mark.check("A05")
class TestThree:
    def test_four(self): ...

def helper(): ...
"""
    found = set(checks.marked_in(source))
    assert found == {
        ("A01", "test_one"),
        ("A02", "test_one"),
        ("A03", "test_one"),
        ("A01", "test_two"),
        ("A04", "test_two"),
        ("A01", "test_four"),
        ("A05", "test_four"),
    }

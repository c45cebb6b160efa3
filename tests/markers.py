"""Which tests carry which marker, read from their source: nothing needs to run for it."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


@cache
def marked(marker: str) -> dict[Any, list[str]]:
    """The arguments of `pytest.mark.<marker>(…)`, each with the files and lines that carry it."""
    found: dict[Any, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="mark"), attr=name), args=arguments
                ) if name == marker:
                    for argument in arguments:
                        where = f"{path.relative_to(TESTS)}:{node.lineno}"
                        found[ast.literal_eval(argument)].append(where)
    return dict(found)

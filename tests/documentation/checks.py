"""Which checks are held by which tests, as their markers say."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]

OPENING = """\
# Checks

What the system withstands is kept as a list of checks, each with an id: E enforcement, T
authenticator codes, O codes by mail and SMS, L limits and locks, R recovery codes, W passkeys, D
remembered devices, S sessions and step-up, N the life of a factor, H the web, P the APIs and
clients, M the admin panel, C secrets and logs, F faults. This page says which tests hold which of
them; `pytest --check T05` runs those of one check, `pytest -m check` runs them all.

{count} checks are held by {tests} tests.

"""


def marks(node: ast.AST) -> Iterator[str]:
    """The ids of every `pytest.mark.check(…)` within a piece of code."""
    for inner in ast.walk(node):
        match inner:
            case ast.Call(func=ast.Attribute(attr="check"), args=arguments):
                for argument in arguments:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def marked_in(source: str) -> Iterator[tuple[str, str]]:
    """The checks of one module's tests: id and test."""
    tree = ast.parse(source)

    def walk(body: list[ast.stmt], inherited: list[str]) -> Iterator[tuple[str, str]]:
        here = [*inherited]
        for statement in body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="pytestmark")], value=value):
                    here += marks(value)
        for statement in body:
            match statement:
                case ast.FunctionDef(name=name, decorator_list=decorators) if name.startswith(
                    "test_"
                ):
                    own = [one for decorator in decorators for one in marks(decorator)]
                    yield from ((one, name) for one in dict.fromkeys([*here, *own]))
                case ast.ClassDef(decorator_list=decorators, body=inner):
                    own = [one for decorator in decorators for one in marks(decorator)]
                    yield from walk(inner, [*here, *own])

    yield from walk(tree.body, [])


def page() -> str:
    """docs/checks.md"""
    held: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        where = path.relative_to(TESTS.parent).as_posix()
        for check, name in marked_in(path.read_text(encoding="utf-8")):
            held[check].append((where, name))
    tests = {test for each in held.values() for test in each}
    parts = [OPENING.replace("{count}", str(len(held))).replace("{tests}", str(len(tests)))]
    for check in sorted(held):
        parts.append(f"## {check}\n\n")
        for where, name in held[check]:
            sentence = name.removeprefix("test_").replace("_", " ")
            parts.append(f"- {sentence} (`{where}`)\n")
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"

"""The house stands: imports only go down, in no circle, and no room is too large."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "flask_melody_mfa"
OURS = PACKAGE.name
LONGEST = 400

# Each floor: the floors below it that it may enter, and whose packages it may use.
FLOORS: dict[str, tuple[set[str], set[str]]] = {
    "signals": (set(), {"blinker"}),
    "core": (set(), set()),
    "store": ({"core"}, {"sqlalchemy"}),
    "factors": ({"core"}, set()),
    "flows": ({"core", "store", "factors"}, {"sqlalchemy"}),
    "web": (
        {"signals", "core", "factors", "flows"},
        {"flask", "flask_login", "flask_sqlalchemy", "flask_wtf", "flask_babel", "flask_mail"}
        | {"pydantic", "pydantic_core", "typing_extensions", "segno", "limits"}
        # What these are made of, and speak in.
        | {"werkzeug", "markupsafe", "jinja2", "sqlalchemy", "wtforms", "babel"},
    ),
}
TOP = ({*FLOORS}, {"click", *FLOORS["web"][1]})
# What one module alone may use.
ROOMS = {
    "core.otp": {"pyotp"},
    "core.seal": {"cryptography"},
    "core.signed": {"itsdangerous"},
    "store.schema": {"alembic"},
    "factors.passkey": {"webauthn"},
    "factors.sms": {"phonenumbers"},
    "testing_fixtures": {"pytest"},
}
EXTRAS = {"alembic", "flask_babel", "redis", "twilio", "urllib3", "webauthn"}
"""Packages that a host may do without (urllib3 comes with twilio): imported where needed."""
LAZY = {"testing_fixtures"}
"""pytest loads it in every project, so it enters the package only for who asks for a fixture."""


@cache
def modules() -> list[str]:
    """Our modules by their names below the package; a package by its own."""
    found = [path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py")]
    return sorted(".".join(path.parts).removesuffix("__init__").rstrip(".") for path in found)


@cache
def source(module: str) -> str:
    path = PACKAGE.joinpath(*module.split(".")) if module else PACKAGE
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """Every import of a module, spelled out, and whether it stands inside a function."""

    def walk(node: ast.AST, inside: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            match child:
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    continue
                case ast.Import():
                    yield from ((alias.name, inside) for alias in child.names)
                case ast.ImportFrom(level=level, module=start):
                    assert not level, f"{module}: relative import"
                    yield from ((f"{start}.{alias.name}", inside) for alias in child.names)
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                    yield from walk(child, True)
                case _:
                    yield from walk(child, inside)

    yield from walk(ast.parse(source(module)), False)


def ours(name: str) -> str | None:
    """The module of ours that an import enters, if it is one of ours."""
    top, _, rest = name.partition(".")
    if top != OURS:
        return None
    return rest if rest in modules() else rest.rpartition(".")[0]


def floor(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_floor_may(module: str) -> None:
    below, others = FLOORS.get(floor(module), TOP)
    for name, inside in imports(module):
        entered, top = ours(name), name.partition(".")[0]
        if entered is not None:
            here = floor(entered) == floor(module) or floor(module) not in FLOORS
            assert here or floor(entered) in below, name
        elif top not in sys.stdlib_module_names:
            assert top in others | ROOMS.get(module, set()) or (inside and top in EXTRAS), name


@pytest.mark.parametrize("module", modules())
def test_an_import_inside_a_function_is_of_an_extra(module: str) -> None:
    inner = {name for name, inside in imports(module) if inside}
    assert module in LAZY or {name.partition(".")[0] for name in inner} <= EXTRAS, inner


def test_no_imports_run_in_a_circle() -> None:
    entered = {
        module: {found for name, _ in imports(module) if (found := ours(name)) is not None}
        - {module, ""}
        for module in modules()
    }
    # To enter a room is to enter its floor first, as Python does.
    for module, found in entered.items():
        for name in list(found):
            floors = {name.rpartition(".")[0]} - {"", module.rpartition(".")[0], module}
            found |= floors
    TopologicalSorter(entered).prepare()


@pytest.mark.parametrize("module", modules())
def test_no_module_is_too_long(module: str) -> None:
    assert len(source(module).splitlines()) <= LONGEST

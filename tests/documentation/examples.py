"""The code blocks of README and docs, and how they are run.

Every block of `python` and `console` runs, a page from top to bottom in a folder of its own:

- `python` is executed; all blocks of a page share their names;
- `python file=app.py` is written to that file;
- `console` runs the lines that begin with `$ `; the lines below, if there are any, are what the
  command must print (`...` stands for anything).

A comment before a block, invisible on the page, may say more: `<!-- run: … -->`, or the same over
several lines without the colon, holds Python that is executed first, and `<!-- not run: why -->`
leaves the next block out.
"""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

PIECE = re.compile(
    r"^<!-- run\n(?P<hidden>.*?)^-->$"
    r"|^<!-- run: (?P<line>[^\n]*?) -->$"
    r"|^<!-- not run: (?P<why>[^\n]*?) -->$"
    r"|^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One block of a page. `kind`: `python`, `file` or `console`."""

    page: str
    line: int
    kind: str
    code: str
    name: str = ""

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """The pages whose examples run."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def examples(path: Path, root: Path = ROOT) -> Iterator[Example]:
    """The blocks of a page that run, in order."""
    text = path.read_text(encoding="utf-8")
    left_out = False
    for found in PIECE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        page = path.relative_to(root).as_posix()
        if found["why"] is not None:
            left_out = True
            continue
        hidden = found["hidden"] or found["line"]
        if hidden is not None:
            yield Example(page=page, line=line, kind="python", code=hidden)
            continue
        language, _, option = found["info"].strip().partition(" ")
        code = re.sub(rf"^{found['indent']}", "", found["code"], flags=re.MULTILINE)
        if language in ("python", "console") and not left_out:
            name = option.removeprefix("file=") if option.startswith("file=") else ""
            kind = "file" if name else language
            yield Example(page=page, line=line, kind=kind, code=code, name=name)
        left_out = False


def execute(example: Example, names: dict[str, Any], folder: Path) -> None:
    """Run one block. Raises what it raises; `AssertionError` for a command that went wrong."""
    match example.kind:
        case "file":
            (folder / example.name).write_text(example.code, encoding="utf-8")
        case "python":
            # Line numbers in a traceback are those of the page.
            code = "\n" * example.line + example.code
            exec(compile(code, str(ROOT / example.page), "exec"), names)
        case _:
            for command, expected in commands(example.code):
                check_command(example, command, expected, folder)


def commands(code: str) -> Iterator[tuple[str, str]]:
    """Each command with what it must print."""
    parts = re.split(r"^\$ ", code, flags=re.MULTILINE)
    for part in parts[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command = f"{command}\n{more}"
        yield command, expected


def check_command(example: Example, command: str, expected: str, folder: Path) -> None:
    """Run a command in the page's folder, with this Python first on the path."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "FLASK_SKIP_DOTENV": "1",
    }
    environment.pop("PYTEST_ADDOPTS", None)  # of this run, not of the reader's
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{example.where}: {command}\n{said}"
    if expected.strip():
        same = doctest.OutputChecker().check_output(
            expected, done.stdout, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        )
        assert same, f"{example.where}: {command}\nexpected:\n{expected}\ngot:\n{said}"


def run_page(path: Path, folder: Path) -> int:
    """Run all blocks of a page; returns how many."""
    names: dict[str, Any] = {"__name__": "example"}
    count = 0
    before = sys.path[:]
    sys.path.insert(0, str(folder))
    sys.modules.pop("tests.documentation.sample", None)  # an app of its own for each page
    try:
        with contextlib.chdir(folder):
            for example in examples(path):
                execute(example, names, folder)
                count += 1
    finally:
        sys.path[:] = before
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]
    return count

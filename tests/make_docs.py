"""Write the pages of `docs` that say what the code says: `python -m tests.make_docs`.

With `--check` it writes nothing, and exits with 1 where a page differs.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path

from tests.documentation import addresses, checks, commands, events, hooks, settings

FOLDER = Path(__file__).parents[1] / "docs"

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings.page,
    "hooks.md": hooks.page,
    "addresses.md": addresses.page,
    "commands.md": commands.page,
    "events.md": events.page,
    "checks.md": checks.page,
}

MARK = "<!-- Written by `python -m tests.make_docs`; what you change here will be lost. -->\n"


def written(name: str) -> str:
    """A page as it should be."""
    heading, _, rest = PAGES[name]().partition("\n")
    return f"{heading}\n\n{MARK}{rest}"


def difference(name: str) -> str:
    """What differs in a page, as a patch; empty when nothing does."""
    path = FOLDER / name
    now = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = difflib.unified_diff(
        now.splitlines(), written(name).splitlines(), f"docs/{name}", "what the code says", n=0
    )
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """The command."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m tests.make_docs [--check]", file=sys.stderr)
        return 2
    found = {name: difference(name) for name in PAGES}
    differs = {name: text for name, text in found.items() if text}
    if not arguments:
        for name in differs:
            (FOLDER / name).write_text(written(name), encoding="utf-8")
            print(f"wrote docs/{name}")
        return 0
    for text in differs.values():
        print(text)
    if differs:
        print("\nRun: python -m tests.make_docs", file=sys.stderr)
    else:
        print(f"{len(PAGES)} pages say what the code says")
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

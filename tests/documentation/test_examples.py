"""Every example in README and docs runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documentation.examples import ROOT, Example, commands, examples, execute, pages, run_page


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_run(path: Path, tmp_path: Path) -> None:
    run_page(path, tmp_path)


LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#([^)\s]+))?\)")


def anchors(path: Path) -> set[str]:
    """What the headings of a page can be linked by."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path: Path) -> None:
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        found = (path.parent / target).resolve()
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


def test_blocks_are_found_with_what_is_said_about_them(tmp_path: Path) -> None:
    text = """
<!-- run
x = 1
-->
```python
y = x + 1
```

1. In a list:

   ```python file=part.py
   z = 3
   ```

<!-- run: y += 1 -->
<!-- not run: it never ends -->
```console
$ sleep infinity
```

```console
$ echo one \\
    two
one two
$ true
```

```text
not code
```
"""
    path = tmp_path / "page.md"
    path.write_text(text)
    found = [(one.kind, one.name, one.code) for one in examples(path, root=tmp_path)]
    assert found == [
        ("python", "", "x = 1\n"),
        ("python", "", "y = x + 1\n"),
        ("file", "part.py", "z = 3\n"),
        ("python", "", "y += 1"),
        ("console", "", "$ echo one \\\n    two\none two\n$ true\n"),
    ]
    assert list(commands(found[4][2])) == [("echo one \\\n    two", "one two\n"), ("true", "")]


def test_an_example_that_fails_is_told(tmp_path: Path) -> None:
    def one(kind: str, code: str) -> Example:
        return Example(page="docs/x.md", line=3, kind=kind, code=code)

    with pytest.raises(ZeroDivisionError):
        execute(one("python", "1 / 0"), {}, tmp_path)
    with pytest.raises(AssertionError, match=r"docs/x\.md:3"):
        execute(one("console", "$ false\n"), {}, tmp_path)
    with pytest.raises(AssertionError, match="expected"):
        execute(one("console", "$ echo one\ntwo\n"), {}, tmp_path)

"""How little a host changes: the lines marked `# MFA` in its app and in its own suite."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
HOSTS = ("confirming", "api", "busy", "library")
MARK = "# MFA"
MOST = 6


def sources(host: str) -> list[Path]:
    return [HERE / host / "app.py", HERE / host / "test_host.py"]


def marked(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.rstrip().endswith(MARK)]


def unmarked(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.rstrip().endswith(MARK))


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_changes_at_most_six_lines(host: str) -> None:
    lines = [line for path in sources(host) for line in marked(path.read_text())]
    assert 2 <= len(lines) <= MOST, lines
    assert all(len(line) <= 100 for line in lines), "no two lines squeezed into one"
    assert all(";" not in line for line in lines)


@pytest.mark.parametrize("host", HOSTS)
def test_without_the_marked_lines_a_host_knows_nothing_of_mfa(host: str) -> None:
    for path in sources(host):
        rest = unmarked(path.read_text())
        compile(rest, str(path), "exec")
        assert "mfa" not in rest.lower().replace("with_mfa", ""), path


def test_every_host_is_measured() -> None:
    assert {path.parent.name for path in HERE.glob("*/app.py")} == set(HOSTS)

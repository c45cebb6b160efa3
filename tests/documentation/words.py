"""What the generators share."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from tests.host import Host


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; a bar within a cell is spelled out."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|").strip() for cell in line) + " |\n"
        for line in lines
    )


def summary(thing: Any) -> str:
    """The first paragraph of a docstring, on one line; empty without one."""
    text = inspect.getdoc(thing) or ""
    return " ".join(text.partition("\n\n")[0].split())


def full_host() -> Host:
    """A host for which every face is switched on."""
    host = Host(
        MFA_S2S_API=True,
        EMBEDDED_AUTH_ORIGINS=["http://localhost:3000"],
        ALLOW_PASSKEY_ENROLLMENT=True,
        ENABLE_RECOVERY_CODE=True,
        ENABLE_MFA_REMEMBER_DEVICE=True,
    )
    host.mfa.is_admin(lambda user: False)
    return host

"""The guide of the server-to-server API, word for word, against a host that is served."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_melody_mfa.core import otp
from tests.api.running import running
from tests.backend import S2S, make_client
from tests.databases import absent
from tests.host import Host

GUIDE = (Path(__file__).parents[2] / "docs" / "s2s.md").read_text()
SCOPES = ("read_user", "write_user", "read_app", "write_app", "read_log")


def blocks(language: str) -> list[str]:
    """The guide's blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def served(make_host: Callable[..., Host], sqlite_url: str) -> Iterator[dict[str, Any]]:
    """What the guide's reader has: an address, a client and a user."""
    host = make_host(sqlite_url, MFA_S2S_API=True)
    host.user()
    client_id, secret = make_client(host, scopes=list(SCOPES))
    with running(host.app) as address:
        yield {
            "host": host,
            "BASE": address + S2S,
            "CLIENT_ID": client_id,
            "CLIENT_SECRET": secret,
            "EMAIL": "ada@example.org",
        }


def next_code(secret: str) -> str:
    """The code after the one that has been used."""
    return otp.code_at(otp.decode_secret(secret), otp.step_of(time.time_ns() // 1_000_000) + 1)


def test_the_story_of_the_guide_runs_as_it_is_written(
    served: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    host: Host = served["host"]
    story = [block for block in blocks("python") if "app.config" not in block]
    assert len(story) >= 6
    exec("\n".join(story), {**served, "NEXT_CODE": next_code})
    printed = capsys.readouterr().out
    assert "'source': 'client database'" in printed
    assert "otpauth://totp/" in printed
    assert "factor_enrolled" in printed and "proof_accepted" in printed
    assert "factor_reset" in host.events(1)
    assert host.rows("mfa_credential") == []


def test_the_commands_of_the_guide_run_as_they_are_written(served: dict[str, Any]) -> None:
    if shutil.which("curl") is None:
        absent("no curl on the PATH")
    environment = {name: value for name, value in served.items() if isinstance(value, str)}
    token, users = blocks("sh")

    def run(command: str, **more: str) -> Any:
        found = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, **environment, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return json.loads(found.stdout)

    bought = run(token)
    assert bought["scope"].split() == list(SCOPES)
    page = run(users, TOKEN=bought["access_token"])
    assert [user["email"] for user in page["items"]] == ["ada@example.org"]


def test_the_command_line_of_the_guide_is_that_of_the_package() -> None:
    command = " ".join(line.strip(" \\$") for line in blocks("console")[0].splitlines()[:2])
    assert [scope for scope in SCOPES if f"--scope {scope}" in command] == list(SCOPES)

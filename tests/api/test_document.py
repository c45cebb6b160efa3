"""The document of the server-to-server API against the API itself, by Schemathesis.

Every check that it has runs, over requests that fit the document and requests that do not. Two
thousand requests by default; `MFA_TEST_API_EXAMPLES=100` makes many more.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_melody_mfa.core.declared import DECLARED
from tests.api.running import running
from tests.backend import S2S, Backend
from tests.databases import KINDS, Kind
from tests.host import PHONE, Host

EXAMPLES = os.environ.get("MFA_TEST_API_EXAMPLES", "12")

CONFIG = """
# That a text is a phone number, and of a country that may get messages, no schema can say.
[[operations]]
include-operation-id = "set_up_sms_mfa"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "429"]
"""

HOOKS = f"""
import schemathesis

FIVE = {[one.attribute for one in DECLARED if one.system]}
SYSTEM = "use_system_mfa_config"

@schemathesis.hook
def map_body(context, body):
    # No schema knows what a client says already: a change of the five, or of what governs them,
    # says itself how it stands to the other.
    if context.operation.label == "PATCH /clients/{{id}}" and isinstance(body, dict):
        own = [name for name in FIVE if body.get(name) is not None]
        if own and SYSTEM not in body:
            return {{**body, SYSTEM: None}}
        if body.get(SYSTEM) is True and not own:
            return {{**body, **dict.fromkeys(FIVE)}}
    return body

@schemathesis.hook
def filter_case(context, case):
    # Not the client whose token this run uses: a second rotation would end it.
    return (case.path_parameters or {{}}).get("id") != "tester"
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.check("P06", "P11", "F12", "T08")
@pytest.mark.parametrize("kind", KINDS)
def test_every_answer_is_one_that_the_document_tells(
    make_host: Callable[..., Host],
    new_database: Callable[[Kind], str],
    kind: Kind,
    tmp_path: Path,
) -> None:
    host = make_host(
        new_database(kind),
        MFA_S2S_API=True,
        ENABLE_RECOVERY_CODE=True,
        ENABLE_MFA_REMEMBER_DEVICE=True,
        EMAIL_MFA_EMAIL_THRESHOLD=100_000,
        SMS_MFA_MESSAGE_THRESHOLD=100_000,
        MFA_CLIENTS={"tester": {"scopes": ["root"]}},
    )
    for number in range(4):
        host.user(f"user{number}@example.org", phone=PHONE)
    host.enroll(1, "otp", "email", "sms")
    backend = Backend.of(host, "tester")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    (tmp_path / "hooks.py").write_text(HOOKS)
    phases = "examples,coverage,fuzzing" + (",stateful" if kind == "sqlite" else "")
    with running(host.app) as address:
        found = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run"),
                f"{address}{S2S}/openapi.json",
                *("--checks", "all", "--phases", phases, "--max-examples", EXAMPLES),
                *("--header", f"Authorization: Bearer {backend.token}"),
                *("--no-color", "--generation-database", "none"),
            ],
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=1700,
            check=False,
        )
    assert found.returncode == 0, found.stdout[-20_000:] + found.stderr[-2000:]
    assert "No issues found" in found.stdout or "passed" in found.stdout, found.stdout[-3000:]
    generated = re.search(r"([\d,]+) generated", found.stdout)
    assert generated and int(generated[1].replace(",", "")) > 2000, found.stdout[-3000:]
    assert backend.call("GET", "/info").status_code == 200, "the token lasted to the end"

"""A client that a generator made of the document drives a whole story against the example app."""

from __future__ import annotations

import importlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from example_app import create_app
from example_app.extensions import db
from example_app.models import User
from flask_melody_mfa.cli import mfa_group
from flask_melody_mfa.core import otp
from tests.backend import S2S

ROOT = Path(__file__).parents[2]
KEYS = {"SECRET_KEY": "s" * 40, "MFA_SECRET_KEYS": ["m" * 40], "MFA_S2S_API": True}


@pytest.fixture
def fernleaf(sqlite_url: str) -> Iterator[str]:
    """The example app, served by its own command; gives its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {f"FLASK_{name}": json.dumps(value) for name, value in KEYS.items()}
    running = subprocess.Popen(
        [sys.executable, "-m", "example_app", "--port", str(port), "--database-url", sqlite_url],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://localhost:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}{S2S}/openapi.json").close()
                break
            except OSError:
                assert running.poll() is None, "the example app did not start"
                time.sleep(0.1)
        yield address
    finally:
        running.terminate()
        running.wait(30)


@pytest.fixture
def made(fernleaf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package that openapi-python-client makes of the document."""
    (tmp_path / "generator.yml").write_text("post_hooks: []\n")
    found = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate"),
            *("--url", f"{fernleaf}{S2S}/openapi.json", "--meta", "none"),
            *("--output-path", "mfa_client", "--config", "generator.yml"),
            "--fail-on-warning",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "mfa_client"]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("mfa_client")


def operation(tag: str, name: str) -> Any:
    """One generated operation."""
    return importlib.import_module(f"mfa_client.api.{tag}.{name}")


def last_code(address: str) -> str:
    """The code in the newest message of the example app's outbox that has one on a line."""
    with urllib.request.urlopen(f"{address}/outbox") as page:
        found = re.findall(r"^\s*(\d{6})\s*$", page.read().decode(), re.MULTILINE)
    return str(found[0])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_generated_client_tells_a_whole_story(
    made: ModuleType, fernleaf: str, sqlite_url: str
) -> None:
    app = create_app({**KEYS, "SQLALCHEMY_DATABASE_URI": sqlite_url})
    with app.app_context():
        member = User(name="Ada", email="ada@example.org", password_hash="x")
        db.session.add(member)
        db.session.commit()
        key = str(member.id)
        db.engine.dispose()
    scopes = ("read_user", "write_user", "read_app", "write_app", "read_log")
    words = ["clients", "create", "--name", "Story", "--json"]
    words += [word for scope in scopes for word in ("--scope", scope)]
    credentials = json.loads(app.test_cli_runner().invoke(mfa_group, words).stdout)

    models = importlib.import_module("mfa_client.models")
    nobody = made.Client(base_url=fernleaf + S2S, raise_on_unexpected_status=True)
    request = models.TokenRequest(grant_type="client_credentials", **credentials)
    token = operation("token", "token").sync(client=nobody, body=request)
    assert token.scope.split() == list(scopes)
    backend = made.AuthenticatedClient(
        base_url=fernleaf + S2S, token=token.access_token, raise_on_unexpected_status=True
    )

    # A client with rules of its own.
    billing = operation("clients", "create_client").sync(
        client=backend, body=models.NewClient(name="Billing", otp_mfa_is_required=True)
    )
    assert billing.otp_mfa_is_required is True
    assert billing.effective["otp_mfa_is_required"].source == models.Source.CLIENT_DATABASE
    secret = operation("clients", "make_client_secret").sync(
        billing.id, client=backend, body=models.SecretRequest()
    )
    assert secret.client_secret
    billing = operation("clients", "change_client").sync(
        billing.id,
        client=backend,
        body=models.ClientChange(redirect_uris=["https://billing.example/back"]),
    )
    assert billing.redirect_uris == ["https://billing.example/back"]
    refused = operation("clients", "change_client").sync(
        billing.id, client=backend, body=models.ClientChange(scopes=[models.Scope.ROOT])
    )
    assert isinstance(refused, models.Problem) and refused.code == "forbidden"

    # A user who is enrolled from the backend.
    page = operation("users", "list_users").sync(client=backend, query="ada")
    assert [user.key for user in page.items] == [key]
    begun = operation("factors", "set_up_otp_mfa").sync(key, client=backend)
    plain = otp.decode_secret(begun.secret)
    code = otp.code_at(plain, otp.step_of(time.time_ns() // 1_000_000))
    confirm = operation("factors", "confirm_otp_mfa").sync_detailed
    assert confirm(key, client=backend, body=models.Confirm(code=code)).status_code == 204
    wrong = confirm(key, client=backend, body=models.Confirm(code=code))
    assert wrong.status_code == 409 and wrong.parsed.code == "conflict"
    sent = operation("factors", "set_up_email_mfa").sync(key, client=backend)
    assert "•" in sent.destination
    code = last_code(fernleaf)
    confirm = operation("factors", "confirm_email_mfa").sync_detailed
    assert confirm(key, client=backend, body=models.Confirm(code=code)).status_code == 204

    # A proof that the backend asks for.
    verify = operation("verification", "verify_proof").sync
    code = otp.code_at(plain, otp.step_of(time.time_ns() // 1_000_000) + 1)
    proof = models.Verify(factor=models.Factor.OTP, code=code)
    assert verify(key, client=backend, body=proof).verified is True
    assert verify(key, client=backend, body=proof).code == "invalid_code"

    # What the log tells of it, and the end.
    events = operation("log", "list_events").sync(client=backend, user=key)
    types = [event.type_ for event in events.items]
    assert {"factor_enrolled", "proof_accepted", "proof_refused", "message_sent"} <= set(types)
    assert {event.actor for event in events.items} >= {f"client:{credentials['client_id']}"}
    reset = models.Reset(reason="the story ends")
    done = operation("users", "reset_user").sync_detailed(key, client=backend, body=reset)
    assert done.status_code == 204
    user = operation("users", "read_user").sync(key, client=backend)
    assert user.factors == [] and user.email == "ada@example.org"
    gone = operation("clients", "remove_client").sync_detailed(billing.id, client=backend)
    assert gone.status_code == 204
    with app.app_context():
        db.engine.dispose()

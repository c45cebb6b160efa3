"""Two gunicorn workers on PostgreSQL: what is changed through one is obeyed by the other."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_melody_mfa.core import otp
from tests.backend import S2S, make_client
from tests.host import Host

ROOT = Path(__file__).parents[2]
WITHIN = 2.0
"""MFA_SESSION_RECHECK_SECONDS of the workers."""


class Worker:
    """One worker, held by a connection that stays open."""

    def __init__(self, port: int) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.id = ""
        self.cookies: dict[str, str] = {}
        self.call("GET", "/mfa/s2s/v1/openapi.json")

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None
    ) -> tuple[int, Any]:
        """Status and body; JSON where it is."""
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        self.http.request(method, path, data, headers)
        answer = self.http.getresponse()
        text = answer.read().decode()
        self.id = answer.headers["X-Worker"]
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        kind = answer.headers.get_content_type()
        return answer.status, json.loads(text) if kind.endswith("json") and text else text

    def close(self) -> None:
        self.http.close()


@pytest.fixture
def served(postgresql_url: str) -> Iterator[tuple[int, Host]]:
    """Two workers, and the same host in this process to prepare with."""
    host = Host(postgresql_url, MFA_S2S_API=True, ENFORCE_ONE_MFA_ENROLLMENT=[])
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "4"),
            *("--bind", f"127.0.0.1:{port}", "--keep-alive", "60", "tests.api.two_workers:app"),
        ],
        cwd=ROOT,
        env={**os.environ, "MFA_TEST_DATABASE_URL": postgresql_url, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port, host
    finally:
        running.terminate()
        running.wait(30)
        with host.app.app_context():
            host.db.engine.dispose()


@pytest.fixture
def workers(served: tuple[int, Host]) -> Iterator[tuple[Worker, Worker, Host]]:
    """A connection to each of the two."""
    port, host = served
    held: dict[str, Worker] = {}
    until = time.monotonic() + 60
    while len(held) < 2:
        assert time.monotonic() < until, "two workers did not answer"
        try:
            one = Worker(port)
        except OSError:
            time.sleep(0.2)
            continue
        if one.id in held:
            one.close()
        else:
            held[one.id] = one
    first, second = held.values()
    yield first, second, host
    first.close()
    second.close()


def token_of(worker: Worker, client_id: str, secret: str) -> str:
    worker.http.request(
        "POST",
        f"{S2S}/token",
        f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}",
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    answer = worker.http.getresponse()
    found = json.loads(answer.read())
    assert answer.status == 200, found
    return str(found["access_token"])


def within(seconds: float, holds: Any) -> float:
    """Wait until something holds; how long it took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, "not within the time"
        time.sleep(0.1)
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.check("E12", "P05", "P12", "S04", "F09")
def test_what_one_worker_changes_the_other_obeys(
    workers: tuple[Worker, Worker, Host],
) -> None:
    here, there, host = workers
    user = host.user()
    make_client(host, client_id="billing", enforce_one_mfa_enrollment=[])
    root = token_of(here, *make_client(host, scopes=["root"]))
    other_id, other_secret = make_client(host, scopes=["read_log"])
    other = token_of(here, other_id, other_secret)

    # A client that is tightened, in a live session of the other worker.
    assert there.call("POST", f"/enter/{user}")[0] == 200
    assert there.call("GET", "/billing") == (200, "billing")
    assert there.call("GET", "/secret")[0] == 200
    changed = here.call(
        "PATCH", f"{S2S}/clients/billing", {"otp_mfa_is_required": True}, token=root
    )
    assert changed[0] == 200
    within(WITHIN + 1, lambda: there.call("GET", "/billing")[0] == 401)
    assert there.call("GET", "/secret")[0] == 200, "the app's own views stay open"
    here.call("PATCH", f"{S2S}/clients/billing", {"otp_mfa_is_required": None}, token=root)
    within(WITHIN + 1, lambda: there.call("GET", "/billing")[0] == 200)
    here.call("PATCH", f"{S2S}/clients/billing", {"enabled": False}, token=root)
    within(WITHIN + 1, lambda: there.call("GET", "/billing")[0] == 403)

    # A user who is reset: the session ends.
    _, begun = here.call("POST", f"{S2S}/users/{user}/otp-mfa/setup", token=root)
    secret = otp.decode_secret(begun["secret"])
    code = otp.code_at(secret, otp.step_of(time.time_ns() // 1_000_000))
    confirmed = there.call(
        "POST", f"{S2S}/users/{user}/otp-mfa/confirm", {"code": code}, token=root
    )
    assert confirmed[0] == 204, "a set-up that began at one worker is confirmed at the other"
    within(WITHIN + 1, lambda: there.call("GET", "/secret")[0] == 401)
    here.call("POST", f"{S2S}/users/{user}/reset", {"reason": "test"}, token=root)
    assert there.call("GET", f"{S2S}/users/{user}", token=root)[1]["factors"] == [], "at once"
    assert there.call("POST", f"/enter/{user}")[0] == 200
    assert there.call("GET", "/secret")[0] == 200
    here.call("POST", f"{S2S}/users/{user}/reset", {"reason": "test"}, token=root)
    within(WITHIN + 1, lambda: there.call("GET", "/secret")[0] != 200)

    # Credentials: at once, without waiting for anything.
    assert there.call("GET", f"{S2S}/info", token=other)[0] == 200
    made = here.call("POST", f"{S2S}/clients/{other_id}/secret", {"revoke_old": True}, token=root)
    assert made[0] == 201
    assert there.call("GET", f"{S2S}/info", token=other)[0] == 401
    other = token_of(there, other_id, made[1]["client_secret"])
    assert here.call("GET", f"{S2S}/events", token=other)[0] == 200
    here.call("PATCH", f"{S2S}/clients/{other_id}", {"scopes": ["read_user"]}, token=root)
    assert there.call("GET", f"{S2S}/events", token=other)[0] == 401
    here.call("DELETE", f"{S2S}/clients/{other_id}", token=root)
    assert there.call("GET", f"{S2S}/info", token=other)[0] == 401

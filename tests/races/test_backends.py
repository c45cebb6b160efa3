"""The server-to-server API in a race: one effect, whatever comes at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.clients import OPERATOR
from flask_melody_mfa.flows import clients
from flask_melody_mfa.web.state import context
from tests.backend import S2S, Backend
from tests.host import Host
from tests.races.hosts import host as racing_host
from tests.races.racers import codes_of, of_user
from tests.races.rig import Race, Racing

pytestmark = pytest.mark.race

Races = Callable[..., Race]


def served(url: str) -> Host:
    """A host with the API."""
    return racing_host(url, MFA_S2S_API=True)


def call(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """One request of a backend: status and JSON."""
    http = host.app.test_client()
    headers = {"Authorization": f"Bearer {given['token']}"}
    yield
    answer = http.post(S2S + given["path"], json=given.get("body"), headers=headers)
    return answer.status_code, str(answer.get_json(silent=True))


def backend_of(race: Race) -> Backend:
    return Backend(race.host, "write_user", "write_app", "read_user")


def count(results: list[Any], status: int) -> int:
    return sum(found == status for found, _ in results)


@pytest.mark.check("P07", "P08", "T05")
def test_one_code_is_verified_once(race_on: Races) -> None:
    race = race_on(served)
    backend, user = backend_of(race), race.host.user("s2s-verify@racers.example")
    race.host.enroll(user, "otp")
    body = {"factor": "otp", "code": codes_of(race.host, user)[0]}
    given = {"token": backend.token, "path": f"/users/{user}/verify", "body": body}
    results = race.run(call, given)
    assert count(results, 200) == 1, Counter(status for status, _ in results)
    assert {status for status, _ in results} <= {200, 401, 429, 503}
    assert race.host.events(user).count("proof_accepted") == 1


@pytest.mark.check("P08", "N07")
def test_set_ups_that_are_asked_for_at_once_are_one(race_on: Races) -> None:
    race = race_on(served)
    backend, user = backend_of(race), race.host.user("s2s-setup@racers.example")
    given = {"token": backend.token, "path": f"/users/{user}/otp-mfa/setup"}
    results = race.run(call, given)
    shown = {text for status, text in results if status == 200}
    assert len(shown) == 1, "everybody was shown the same secret"
    assert {status for status, _ in results} <= {200, 503}
    secret = otp.decode_secret(backend.post(f"/users/{user}/otp-mfa/setup")["secret"])
    with race.host.app.app_context():
        code = otp.code_at(secret, otp.step_of(context().now))
    given = {
        "token": backend.token,
        "path": f"/users/{user}/otp-mfa/confirm",
        "body": {"code": code},
    }
    results = race.run(call, given)
    assert count(results, 204) == 1, Counter(status for status, _ in results)
    assert len(of_user(race.host, "mfa_credential", user)) == 1
    assert race.host.events(user).count("factor_enrolled") == 1


@pytest.mark.check("P08", "O08")
def test_verifications_that_are_asked_for_at_once_send_one_message(race_on: Races) -> None:
    race = race_on(served)
    backend, user = backend_of(race), race.host.user("s2s-ask@racers.example")
    race.host.enroll(user, "email")
    body = {"factor": "email"}
    given = {"token": backend.token, "path": f"/users/{user}/verifications", "body": body}
    results = race.run(call, given)
    assert {status for status, _ in results} <= {200, 429, 503}
    assert len({text for status, text in results if status == 200}) == 1
    assert race.host.events(user).count("message_sent") == 1


@pytest.mark.check("P05", "P08")
def test_rotations_at_once_leave_two_secrets(race_on: Races) -> None:
    race = race_on(served)
    backend = backend_of(race)
    with race.host.app.app_context():
        client = clients.create(context(), OPERATOR, {"name": "rotated"})
    given = {"token": backend.token, "path": f"/clients/{client.id}/secret"}
    results = race.run(call, given)
    assert {status for status, _ in results} <= {201, 409, 503}
    assert count(results, 201) >= 1
    left = [row for row in race.host.rows("mfa_client_secret") if row["client_id"] == client.id]
    assert 1 <= len(left) <= 2


@pytest.mark.check("P08")
def test_one_idempotency_key_makes_one_client(race_on: Races) -> None:
    race = race_on(served)
    backend = backend_of(race)
    given = {"token": backend.token, "name": f"once {race.url}"[:60]}
    results = race.run(create, given)
    assert {status for status, _ in results} <= {201, 503}
    assert len({made for status, made in results if status == 201}) == 1


def create(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Make a client, with everybody's key."""
    http = host.app.test_client()
    headers = {"Authorization": f"Bearer {given['token']}", "Idempotency-Key": "the same"}
    yield
    answer = http.post(f"{S2S}/clients", json={"name": given["name"]}, headers=headers)
    return answer.status_code, (answer.get_json() or {}).get("id")

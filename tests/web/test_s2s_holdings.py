"""Passkeys, recovery codes, devices, sessions and policy results through the API."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from flask_melody_mfa.flows import backend as backends
from flask_melody_mfa.flows import policies
from flask_melody_mfa.store.tables import Device, Passkey, PasskeyUser
from flask_melody_mfa.web.state import context, state
from tests.backend import Backend
from tests.host import Host, Person

Make = Callable[..., Host]


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(MFA_S2S_API=True, ENABLE_RECOVERY_CODE=True, ENABLE_MFA_REMEMBER_DEVICE=True)


@pytest.fixture
def backend(host: Host) -> Backend:
    return Backend(host, "read_user", "write_user")


@pytest.fixture
def ada(host: Host) -> int:
    user = host.user()
    host.enroll(user, "otp")
    return user


def add_passkey(host: Host, user: int, name: str) -> str:
    """A row as a ceremony would leave it."""
    with host.app.app_context():
        ctx = context()
        account = state().account_of(str(user))
        assert account is not None
        ctx.store.run(lambda session: backends.known_holding(ctx, session, account))
        row_id = f"{name:0>32}"
        values = {
            "id": row_id,
            "user_key": str(user),
            "credential_hash": f"hash of {name}",
            "credential_id": "aWQ",
            "public_key": b"a public key",
            "sign_count": 7,
            "name": name,
            "created_at": ctx.now,
            "transports": "",
            "backup_eligible": 1,
            "backed_up": 1,
            "uv_initialized": 1,
        }

        def work(session: Session) -> None:
            session.execute(insert(Passkey).values(values))
            if session.get(PasskeyUser, str(user)) is None:
                session.add(PasskeyUser(user_key=str(user), handle=f"aGFuZGxlaGFuZGxl{user:04}"))

        ctx.store.run(work)
        return row_id


def add_device(host: Host, user: int, name: str) -> str:
    """A remembered browser."""
    with host.app.app_context():
        ctx = context()
        row_id = f"{name:0>32}"
        values = {
            "id": row_id,
            "user_key": str(user),
            "token_hash": f"hash of {name}",
            "factors": "otp",
            "user_agent": "a browser",
            "created_at": ctx.now,
            "expires_at": ctx.now + 10**9,
        }
        ctx.store.run(lambda session: session.execute(insert(Device).values(values)) and None)
        return row_id


# Passkeys


@pytest.mark.check("N06")
@pytest.mark.reference(337, 338, 339)
def test_passkeys_are_listed_without_their_keys_and_taken_away(
    host: Host, backend: Backend, ada: int
) -> None:
    bob = host.user("bob@example.org")
    assert backend.get(f"/users/{bob}/passkeys") == {"items": [], "next_cursor": None}
    one, two = (add_passkey(host, ada, name) for name in ("phone", "laptop"))
    found = backend.get(f"/users/{ada}/passkeys")["items"]
    assert {item["name"] for item in found} == {"phone", "laptop"}
    assert set(found[0]) == {"id", "name", "created_at", "last_used_at", "synced"}
    assert "public" not in json.dumps(found)
    assert backend.get(f"/users/{ada}")["passkeys"] == 2
    backend.delete(f"/users/{bob}/passkeys/{one}", 404)
    backend.delete(f"/users/{ada}/passkeys/{one}")
    backend.delete(f"/users/{ada}/passkeys/{one}", 404)
    assert [item["id"] for item in backend.get(f"/users/{ada}/passkeys")["items"]] == [two]
    assert "passkey_removed" in host.events(ada)
    assert backend.call("GET", "/users/999/passkeys").status_code == 404


@pytest.mark.check("N03")
def test_the_last_proof_that_the_settings_require_stays_until_a_reset(
    host: Host, backend: Backend
) -> None:
    user = host.user()
    backend.post(f"/users/{user}/recovery-codes", status=409)
    passkey = add_passkey(host, user, "only")
    backend.delete(f"/users/{user}/passkeys/{passkey}", 409)
    assert backend.get(f"/users/{user}")["passkeys"] == 1
    body = {"reason": "lost", "factors": ["passkey"]}
    backend.post(f"/users/{user}/reset", body, 204)
    assert backend.get(f"/users/{user}")["passkeys"] == 0


# Recovery codes


@pytest.mark.check("R02", "R09", "D04")
def test_recovery_codes_are_made_counted_and_taken_away(
    host: Host, backend: Backend, ada: int
) -> None:
    path = f"/users/{ada}/recovery-codes"
    assert backend.get(path) == {"left": 0}
    first = backend.post(path, status=201)["recovery_codes"]
    assert len(set(first)) == 10
    assert backend.get(path) == {"left": 10}
    assert backend.get(f"/users/{ada}")["recovery_codes_left"] == 10
    add_device(host, ada, "laptop")
    second = backend.post(path, status=201)["recovery_codes"]
    assert not set(first) & set(second)
    assert backend.get(path) == {"left": 10}
    assert backend.get(f"/users/{ada}/devices")["items"] == [], "new codes end the devices"
    stored = str(host.rows("mfa_recovery_code"))
    assert not any(code in stored for code in second)
    backend.delete(path)
    assert backend.get(path) == {"left": 0}
    backend.delete(path)


def test_recovery_codes_that_are_switched_off_are_not_there(make_host: Make) -> None:
    host = make_host(MFA_S2S_API=True)
    backend, user = Backend(host, "write_user"), host.user()
    host.enroll(user, "otp")
    backend.post(f"/users/{user}/recovery-codes", status=404)


@pytest.mark.check("R08", "P07")
def test_a_recovery_code_is_not_verified_through_the_api(
    host: Host, backend: Backend, ada: int
) -> None:
    code = backend.post(f"/users/{ada}/recovery-codes", status=201)["recovery_codes"][0]
    for factor in ("otp", "recovery_code"):
        backend.post(f"/users/{ada}/verify", {"factor": factor, "code": code}, 400)
    assert backend.get(f"/users/{ada}/recovery-codes") == {"left": 10}


# Devices


@pytest.mark.check("D08", "N06")
def test_devices_are_listed_and_forgotten_one_by_one_or_all(
    host: Host, backend: Backend, ada: int
) -> None:
    bob = host.user("bob@example.org")
    one, two, three = (add_device(host, ada, name) for name in ("a", "b", "c"))
    found = backend.get(f"/users/{ada}/devices")["items"]
    assert {item["id"] for item in found} == {one, two, three}
    assert found[0]["factors"] == ["otp"] and "token" not in json.dumps(found)
    assert backend.get(f"/users/{ada}")["devices"] == 3
    backend.delete(f"/users/{bob}/devices/{one}", 404)
    backend.delete(f"/users/{ada}/devices/{one}")
    backend.delete(f"/users/{ada}/devices/{one}", 404)
    assert backend.get(f"/users/{ada}")["devices"] == 2
    backend.delete(f"/users/{ada}/devices")
    assert backend.get(f"/users/{ada}/devices")["items"] == []
    backend.delete(f"/users/{ada}/devices")
    assert "device_revoked" in host.events(ada)


@pytest.mark.check("D04")
def test_what_is_taken_away_by_the_api_takes_the_devices_along(
    host: Host, backend: Backend, ada: int
) -> None:
    add_device(host, ada, "laptop")
    backend.delete(f"/users/{ada}/otp-mfa")
    assert backend.get(f"/users/{ada}/devices")["items"] == []
    add_device(host, ada, "phone")
    backend.post(f"/users/{ada}/email-mfa/setup")
    backend.post(f"/users/{ada}/email-mfa/confirm", {"code": host.last_code()}, 204)
    assert backend.get(f"/users/{ada}/devices")["items"] == [], "a new factor does, too"


@pytest.mark.check("D07", "P12")
def test_a_device_that_was_earned_with_an_email_code_is_none_where_an_authenticator_is_asked(
    make_host: Make,
) -> None:
    """Remembered at the app's gate; the strict client asks for the authenticator all the same."""
    host = make_host(
        ENABLE_MFA_REMEMBER_DEVICE=True,
        MFA_CLIENTS={
            "billing": {"OTP_MFA_IS_REQUIRED": True},
            "always": {"EMAIL_MFA_IS_REQUIRED": True, "ENABLE_MFA_REMEMBER_DEVICE": False},
        },
    )
    user = host.user()
    host.enroll(user, "email", "otp")
    client: str | None = None
    host.mfa.client_for(lambda request, account: client)
    person = Person(host)
    person.sign_in()
    person.follow()
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code(), remember_device="1")
    assert person.signed_in()
    person.get("/logout")
    person.sign_in()
    assert person.signed_in(), "the device stands in at the app's gate"
    for stricter, asked in (("billing", "otp"), ("always", "email")):
        client = stricter
        assert not person.signed_in()
        person.get("/secret")
        person.follow()
        assert person.at == f"/mfa/challenge/{asked}"


# Sessions


@pytest.mark.check("N06", "S04")
def test_sessions_are_listed_and_ended_one_by_one_or_all(
    host: Host, backend: Backend, ada: int
) -> None:
    bob = host.user("bob@example.org")
    with host.app.app_context():
        browsers = [host.app.test_client(user=host.get(ada), mfa=True) for _ in range(3)]
    for browser in browsers:
        assert browser.get("/secret").status_code == 200
    found = backend.get(f"/users/{ada}/sessions")["items"]
    assert len(found) == 3
    assert found[0]["factors"] == ["otp"] and found[0]["method"] == "password"
    assert not {row["token_hash"] for row in host.rows("mfa_session")} & set(str(found).split("'"))
    backend.delete(f"/users/{bob}/sessions/{found[0]['id']}", 404)
    backend.delete(f"/users/{ada}/sessions/{found[0]['id']}")
    backend.delete(f"/users/{ada}/sessions/{found[0]['id']}", 404)
    assert sum(browser.get("/secret").status_code == 200 for browser in browsers) == 2
    backend.delete(f"/users/{ada}/sessions")
    assert backend.get(f"/users/{ada}/sessions")["items"] == []
    assert sum(browser.get("/secret").status_code == 200 for browser in browsers) == 0
    assert {"session_revoked", "sessions_ended"} <= set(host.events(ada))


# Policy results


def test_a_policy_result_is_read_by_any_token_for_five_minutes(host: Host) -> None:
    backend = Backend(host, "read_app")
    with host.app.app_context(), host.clock() as clock:
        backend.token = backend.buy()
        ctx = context()
        result = policies.PolicyResult(
            user_key="7", client="billing", policy="reset_mfa", state="s", result="done", at=ctx.now
        )
        token = policies.sign(ctx, result)
        told = backend.post("/policy-results", {"result_token": token})
        assert told["user"] == "7" and told["client"] == "billing" and told["state"] == "s"
        assert (told["policy"], told["result"]) == ("reset_mfa", "done")
        backend.post("/policy-results", {"result_token": token + "x"}, 404)
        backend.post("/policy-results", {"result_token": ""}, 400)
        clock.tick(301)
        backend.post("/policy-results", {"result_token": token}, 404)
        backend.token = "none"
        backend.post("/policy-results", {"result_token": token}, 401)

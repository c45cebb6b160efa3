"""The token endpoint, and what a token is good for: RFC 6749 §2.3, §4.4, §5; RFC 6750."""

from __future__ import annotations

import base64
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from flask_melody_mfa.core.clients import OPERATOR
from flask_melody_mfa.flows import clients
from flask_melody_mfa.store import clients as store
from flask_melody_mfa.web.state import context, state
from tests.backend import S2S, Backend, change_client, make_client
from tests.host import Host

Make = Callable[..., Host]


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(MFA_S2S_API=True)


def basic(client_id: str, secret: str) -> dict[str, str]:
    coded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {coded}"}


def rotate(host: Host, client_id: str, **options: Any) -> str:
    with host.app.app_context():
        return clients.make_secret(context(), OPERATOR, client_id, **options).secret


def test_a_secret_buys_a_token_by_body_and_by_basic(host: Host) -> None:
    backend = Backend(host, "read_user", "read_log")
    form = {"grant_type": "client_credentials"}
    by_basic = backend.http.post(
        f"{S2S}/token", data=form, headers=basic(backend.client_id, backend.secret)
    )
    for answer in (backend.ask_token(), by_basic):
        assert answer.status_code == 200
        body = answer.get_json()
        assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
        assert body["token_type"] == "Bearer"
        assert body["expires_in"] == 3600
        assert body["scope"] == "read_user read_log"
        assert len(base64.urlsafe_b64decode(body["access_token"] + "=")) == 32, "256 bits"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "write_user"}, 400, "invalid_scope"),
        ({"scope": "everything"}, 400, "invalid_scope"),
        ({"scope": "read_user  read_log"}, 400, "invalid_scope"),
        ({"scope": "root"}, 400, "invalid_scope"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "nobody\x00"}, 401, "invalid_client"),
        ({"client_id": "n" * 5000}, 401, "invalid_client"),
    ],
)
def test_refusals_are_those_of_rfc_6749(
    host: Host, form: dict[str, Any], status: int, error: str
) -> None:
    answer = Backend(host, "read_user").ask_token(**form)
    assert answer.status_code == status
    assert answer.mimetype == "application/json"
    body = answer.get_json()
    assert body["error"] == error and body["error_description"]
    assert (status == 401) == ("WWW-Authenticate" in answer.headers)


def test_credentials_in_both_places_are_an_invalid_request(host: Host) -> None:
    backend = Backend(host, "read_user")
    for form in ({"client_id": backend.client_id}, {"client_secret": backend.secret}):
        answer = backend.http.post(
            f"{S2S}/token",
            data={"grant_type": "client_credentials", **form},
            headers=basic(backend.client_id, backend.secret),
        )
        assert answer.status_code == 400
        assert answer.get_json()["error"] == "invalid_request"


@pytest.mark.check("L14")
def test_a_parameter_twice_is_an_invalid_request_and_an_unknown_one_is_ignored(host: Host) -> None:
    backend = Backend(host, "read_user")
    pairs = f"grant_type=client_credentials&client_id={backend.client_id}&client_secret="
    form = "application/x-www-form-urlencoded"
    for body, status in (
        (pairs + f"{backend.secret}&client_secret=guess", 400),
        (pairs + f"{backend.secret}&aal=2", 200),
    ):
        answer = backend.http.post(f"{S2S}/token", data=body, content_type=form)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer abc", "Basic /////w==", "x"]
)
def test_an_authorization_that_is_no_basic_is_an_invalid_client(host: Host, header: str) -> None:
    answer = Backend(host, "read_user").http.post(
        f"{S2S}/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": header},
    )
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


def test_a_client_without_scopes_gets_no_token(host: Host) -> None:
    client_id, secret = make_client(host)
    answer = host.app.test_client().post(
        f"{S2S}/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, secret)
    )
    assert (answer.status_code, answer.get_json()["error"]) == (400, "unauthorized_client")


def test_a_client_of_code_gets_its_secret_by_rotation(make_host: Make) -> None:
    host = make_host(MFA_S2S_API=True, MFA_CLIENTS={"jobs": {"scopes": ["read_log"]}})
    secret = rotate(host, "jobs")
    answer = host.app.test_client().post(
        f"{S2S}/token", data={"grant_type": "client_credentials"}, headers=basic("jobs", secret)
    )
    assert answer.get_json()["scope"] == "read_log"


@pytest.mark.check("P01")
def test_no_secret_and_no_token_stands_in_the_database(host: Host) -> None:
    backend = Backend(host, "root")
    stored = "".join(
        str(host.rows(table)) for table in ("mfa_client", "mfa_client_secret", "mfa_access_token")
    )
    assert stored
    assert backend.secret not in stored
    assert backend.token not in stored


@pytest.mark.check("P01", "P03")
@pytest.mark.reference(345)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer eyJhbGciOiJub25lIn0.eyJzY29wZSI6InJvb3QifQ.",
        "Bearer " + "a" * 10_000,
        "Bearer tök\xe9n",
        "Basic abc",
        "token",
    ],
)
def test_a_token_that_is_none_of_ours_is_401_with_a_challenge(
    host: Host, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = host.app.test_client().get(f"{S2S}/info", headers=headers)
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["code"] == "not_authenticated"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.check("P03")
def test_a_truncated_or_changed_token_is_none(host: Host) -> None:
    backend = Backend(host, "read_log")
    backend.get("/info")
    whole = backend.token
    for token in (whole[:-1], whole + "A", whole.swapcase(), whole[::-1], f"{whole},{whole}"):
        backend.token = token
        backend.get("/info", 401)


def test_a_token_lives_for_an_hour_by_the_servers_clock(host: Host) -> None:
    with host.clock() as clock:
        backend = Backend(host, "read_log")
        clock.tick(3599)
        backend.get("/info")
        clock.tick(2)
        backend.get("/info", 401)


@pytest.mark.check("P02")
@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("read_user", "POST", "/users/1/otp-mfa"),
        ("read_user", "DELETE", "/users/1/lock"),
        ("write_user", "GET", "/users"),
        ("read_app", "POST", "/clients"),
        ("write_app", "GET", "/clients"),
        ("read_user", "GET", "/events"),
        ("read_log", "GET", "/users/1"),
        ("write_user", "DELETE", "/clients/x"),
    ],
)
def test_a_scope_opens_what_it_names_and_nothing_else(
    host: Host, scope: str, method: str, path: str
) -> None:
    """Also where the rest of the request is wrong: who may is asked before what is said."""
    answer = Backend(host, scope).call(method, path)
    assert answer.status_code == 403
    assert answer.get_json()["code"] == "forbidden"
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


def test_root_opens_everything_and_a_token_can_be_narrower_than_its_client(host: Host) -> None:
    backend = Backend(host, "root")
    backend.get("/events")
    backend.token = backend.buy(scope="read_user")
    backend.get("/users")
    backend.get("/events", 403)


# What ends a token


@pytest.mark.check("P05")
def test_two_secrets_overlap_and_a_third_ends_the_first_with_its_tokens(host: Host) -> None:
    backend = Backend(host, "read_log")
    first = backend.secret
    second = rotate(host, backend.client_id)
    backend.get("/info")
    assert backend.ask_token(client_secret=first).status_code == 200
    assert backend.ask_token(client_secret=second).status_code == 200
    third = rotate(host, backend.client_id)
    backend.get("/info", 401)
    assert backend.ask_token(client_secret=first).status_code == 401
    assert backend.ask_token(client_secret=second).status_code == 200
    assert backend.ask_token(client_secret=third).status_code == 200


@pytest.mark.check("P05")
def test_an_old_secret_ends_by_itself_a_week_after_its_successor_came(host: Host) -> None:
    with host.clock() as clock:
        backend = Backend(host, "read_log")
        second = rotate(host, backend.client_id)
        clock.tick(7 * 86_400 - 60)
        backend.token = backend.buy()
        clock.tick(61)
        backend.get("/info", 401)
        assert backend.ask_token().status_code == 401
        assert backend.ask_token(client_secret=second).status_code == 200


@pytest.mark.check("P05")
def test_old_secrets_can_be_revoked_at_once(host: Host) -> None:
    backend = Backend(host, "read_log")
    second = rotate(host, backend.client_id, revoke_old=True)
    backend.get("/info", 401)
    assert backend.ask_token().status_code == 401
    assert backend.ask_token(client_secret=second).status_code == 200


@pytest.mark.check("P05", "P12")
def test_a_token_dies_with_its_client_and_with_its_scope(host: Host) -> None:
    backend = Backend(host, "read_log", "read_app")
    narrow = backend.buy(scope="read_log")
    backend.get("/clients")
    change_client(host, backend.client_id, scopes=["read_log"])
    backend.get("/clients", 401)
    backend.token = narrow
    backend.get("/events")
    change_client(host, backend.client_id, enabled=False)
    backend.get("/events", 401)
    assert backend.ask_token().get_json()["error"] == "invalid_client"
    change_client(host, backend.client_id, enabled=True)
    backend.get("/events")
    with host.app.app_context():
        clients.remove(context(), OPERATOR, backend.client_id)
    backend.get("/events", 401)
    assert backend.ask_token().status_code == 401
    assert host.rows("mfa_access_token") == host.rows("mfa_client_secret") == []


def test_a_secret_of_one_client_is_none_of_another(host: Host) -> None:
    one, other = Backend(host, "read_log"), Backend(host, "root")
    answer = one.ask_token(client_id=other.client_id)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


@pytest.mark.check("F13")
def test_ids_and_secrets_are_compared_to_the_letter(make_host: Make, any_database_url: str) -> None:
    host = make_host(any_database_url, MFA_S2S_API=True)
    backend = Backend(host, "read_log")
    for form in (
        {"client_id": backend.client_id.upper()},
        {"client_id": backend.client_id + " "},
        {"client_secret": backend.secret.swapcase()},
        {"client_secret": backend.secret + " "},
    ):
        assert backend.ask_token(**form).status_code == 401
    assert backend.ask_token().status_code == 200


# Failures


@pytest.mark.check("P01", "L10")
def test_ten_failures_hold_off_the_client_with_the_same_answer_for_a_right_secret(
    host: Host,
) -> None:
    with host.clock() as clock:
        backend = Backend(host, "read_log")
        for _ in range(10):
            assert backend.ask_token(client_secret="wrong").status_code == 401
        wrong, right = backend.ask_token(client_secret="wrong"), backend.ask_token()
        assert wrong.status_code == right.status_code == 429
        assert wrong.data == right.data
        assert 0 < int(right.headers["Retry-After"]) <= 900
        backend.get("/info")
        clock.tick(901)
        assert backend.ask_token().status_code == 200


@pytest.mark.check("P01", "L03")
def test_failures_are_counted_for_a_client_from_any_address_and_for_an_address_at_any_client(
    host: Host,
) -> None:
    victim, other = Backend(host, "read_log"), Backend(host, "read_log")
    for number in range(10):
        answer = victim.http.post(
            f"{S2S}/token",
            data={"grant_type": "client_credentials"},
            headers=basic(victim.client_id, "wrong"),
            environ_base={"REMOTE_ADDR": f"198.51.100.{number}"},
        )
        assert answer.status_code == 401
    assert victim.ask_token().status_code == 429
    assert other.ask_token().status_code == 200
    for number in range(10):
        assert other.ask_token(client_id=f"made-up-{number}").status_code == 401
    assert other.ask_token().status_code == 429, "the address"


def test_successes_side_by_side_are_not_counted(host: Host) -> None:
    backend = Backend(host, "read_log")
    assert {backend.ask_token().status_code for _ in range(25)} == {200}


@pytest.mark.check("P01", "H10")
def test_an_unknown_client_costs_the_same_statements_and_about_the_same_time(
    make_host: Make,
) -> None:
    host = make_host(MFA_S2S_API=True)
    backend = Backend(host, "read_log")
    seen: list[str] = []
    with host.app.app_context():
        engine = state().store.engine
    event.listen(
        engine, "before_cursor_execute", lambda _c, _k, statement, *_: seen.append(statement)
    )
    asked: dict[str, list[str]] = {}
    for client_id in (backend.client_id, "nobody"):
        seen.clear()
        backend.ask_token(client_id=client_id, client_secret="wrong")
        asked[client_id] = [one for one in seen if "INSERT" not in one]
        seen.clear()
        backend.ask_token(client_id=client_id, client_secret="wrong")
        asked[client_id] = list(seen)
    assert asked[backend.client_id] == asked["nobody"]
    with host.app.app_context():
        ctx = context()
        times: dict[str, list[float]] = {backend.client_id: [], "nobody": []}
        secret_hash = ctx.vault.token_hash("wrong")
        for number in range(400):
            client_id = (backend.client_id, "nobody")[number % 2]
            begun = time.perf_counter()
            ctx.store.run(lambda s, c=client_id: store.find_secret(s, secret_hash, c, ctx.now))
            times[client_id].append(time.perf_counter() - begun)
    known, unknown = (statistics.median(found) for found in times.values())
    assert 0.5 < known / unknown < 2


def test_a_token_check_is_one_statement(host: Host) -> None:
    backend = Backend(host, "read_log")
    backend.get("/info")
    seen: list[str] = []
    with host.app.app_context():
        engine = state().store.engine
    event.listen(
        engine, "before_cursor_execute", lambda _c, _k, statement, *_: seen.append(statement)
    )
    backend.get("/info")
    assert len([one for one in seen if one.startswith("SELECT")]) == 1, seen

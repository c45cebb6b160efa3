"""What holds for every JSON endpoint: shapes, sizes, types, methods, CSRF, and the document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import request
from flask_wtf import CSRFProtect

from flask_melody_mfa import MelodyMFA
from flask_melody_mfa.core.clients import OVERRIDES
from flask_melody_mfa.core.declared import SCOPES
from flask_melody_mfa.web.s2s import FACE
from flask_melody_mfa.web.s2s.client_shapes import Overrides
from tests.backend import S2S, Backend
from tests.host import Host, Person

Make = Callable[..., Host]


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(MFA_S2S_API=True)


@pytest.fixture
def backend(host: Host) -> Backend:
    return Backend(host, "root")


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """An answer is this problem, whole."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    body: dict[str, Any] = answer.get_json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["title"] and body["detail"] and body["type"]
    return body


# Addresses


def test_switched_off_there_is_nothing_under_the_prefix(make_host: Make) -> None:
    host = make_host()
    http = host.app.test_client()
    for path in ("", "/", "/token", "/users", "/openapi.json", "/docs"):
        assert http.get(S2S + path).status_code == 404
        assert http.post(S2S + path).status_code == 404


@pytest.mark.check("P11")
@pytest.mark.parametrize("path", ["", "/", "/nothing", "/users/1/nothing", "/users/", "/token/x"])
def test_an_unknown_address_is_a_problem_whatever_the_method(host: Host, path: str) -> None:
    http = host.app.test_client()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "ODD"):
        problem(http.open(S2S + path, method=method), 404, "not_found")


@pytest.mark.check("P11")
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/users", "GET, HEAD"),
        ("/token", "POST"),
        ("/users/1/otp-mfa", "DELETE, POST"),
        ("/clients/x", "DELETE, GET, HEAD, PATCH"),
    ],
)
def test_a_wrong_method_is_405_and_tells_the_right_ones(
    host: Host, path: str, allowed: str
) -> None:
    http = host.app.test_client()
    for method in ("PUT", "OPTIONS", "TRACE", "ODD"):
        answer = http.open(S2S + path, method=method)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == allowed


def test_the_hosts_own_addresses_are_answered_by_the_host(host: Host) -> None:
    answer = host.app.test_client().get("/nothing")
    assert answer.status_code == 404
    assert answer.mimetype == "text/html"


@pytest.mark.check("F12")
@pytest.mark.parametrize("key", ["%00", "a%00b", "%0a", "%ff", "x" * 300, "%f0%9f%98%80", "1%20"])
def test_a_key_that_nobody_has_is_not_found(
    make_host: Make, any_database_url: str, key: str
) -> None:
    host = make_host(any_database_url, MFA_S2S_API=True)
    host.user()
    backend = Backend(host, "root")
    problem(backend.call("GET", f"/users/{key}"), 404, "not_found")
    problem(backend.call("POST", f"/users/{key}/otp-mfa"), 404, "not_found")
    problem(backend.call("GET", f"/clients/{key}"), 404, "not_found")


# Bodies


@pytest.mark.check("P11", "F10")
def test_a_body_is_read_up_to_64_kib(backend: Backend) -> None:
    huge = {"name": "x" * 70_000}
    problem(backend.call("POST", "/clients", huge), 413, "too_large")
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    for body, status in ((huge, 413), ({"name": "chunked"}, 201)):
        answer = backend.call("POST", "/clients", body, environ_overrides=chunked)
        assert answer.status_code == status
    answer = backend.http.post(f"{S2S}/token", data={"client_id": "x" * 70_000})
    problem(answer, 413, "too_large")


@pytest.mark.check("P11", "F10")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"[" * 60_000,
        b'{"name":' * 8_000,
        b"\xff\xfe",
        b'{"name": "\\ud800"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "a\\u0000b"}',
        b'{"name": NaN}',
        b"1e999999",
        b'{"name": 7}',
        b'{"name": true}',
        b'{"name": {"$ne": ""}}',
        b'{"name": "x", "scopes": "root"}',
        b'{"name": "x", "allow_native": "true"}',
        b'{"name": "x", "mfa_remember_device_days": 1.5}',
    ],
)
def test_a_malformed_body_is_400_with_its_fields(backend: Backend, body: bytes) -> None:
    answer = backend.call(
        "POST", "/clients", data=body, headers={"Content-Type": "application/json"}
    )
    assert problem(answer, 400, "invalid_request")["errors"]
    assert backend.host.rows("mfa_client") == backend.host.rows("mfa_client")[:1]


@pytest.mark.check("P11")
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=klingon",
        "application/xml",
        "",
    ],
)
def test_another_type_or_encoding_is_415(backend: Backend, kind: str) -> None:
    answer = backend.call("POST", "/clients", data=b'{"name": "x"}', headers={"Content-Type": kind})
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.check("P06")
@pytest.mark.parametrize("extra", ["verified", "aal", "user_id", "is_admin", "id", "version"])
def test_a_field_that_is_not_known_is_refused_and_nothing_happens(
    backend: Backend, extra: str
) -> None:
    before = backend.host.rows("mfa_client")
    answer = backend.call("POST", "/clients", {"name": "x", extra: True})
    assert problem(answer, 400, "invalid_request")["errors"] == {
        extra: "There is no such field here."
    }
    assert backend.host.rows("mfa_client") == before


@pytest.mark.check("P06", "L14")
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=1.0",
        "limit=1_0",
        "limit=%201",
        "limit=١",
        "limit=",
        "limit=1&limit=2",
        "aal=2",
        "cursor=made%20up",
        "query=%00",
        "query=",
    ],
)
def test_a_query_is_checked_like_a_body(backend: Backend, query: str) -> None:
    problem(backend.call("GET", f"/users?{query}"), 400, "invalid_request")
    problem(backend.call("GET", "/users/1/lock?force=1"), 400, "invalid_request")


def test_details_are_in_the_callers_language(backend: Backend) -> None:
    answer = backend.call("GET", "/nothing", headers={"Accept-Language": "fr"})
    assert answer.get_json()["title"] == "There is nothing here."


@pytest.mark.check("H12", "F01")
def test_a_mistake_of_ours_is_503_without_a_trace(
    host: Host, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr("flask_melody_mfa.flows.events.listed", fails)
    with pytest.raises(RuntimeError):
        backend.get("/events")
    host.app.testing = False
    answer = backend.call("GET", "/events")
    host.app.testing = True
    problem(answer, 503, "unavailable")
    assert "Retry-After" in answer.headers
    assert "secret of the house" not in answer.text


# The host around us


@pytest.mark.check("H01")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hosts_csrf_protection_leaves_the_api_alone_whenever_it_came(
    make_host: Make, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    protection = CSRFProtect()
    if when == "before":
        init_app = MelodyMFA.init_app

        def with_protection(self: MelodyMFA, app: Any, db: Any, **values: Any) -> None:
            protection.init_app(app)
            init_app(self, app, db, **values)

        monkeypatch.setattr(MelodyMFA, "init_app", with_protection)
    host = make_host(MFA_S2S_API=True, WTF_CSRF_ENABLED=True)
    if when == "after":
        protection.init_app(host.app)
    backend = Backend(host, "root")
    backend.post("/clients", {"name": "x"}, 201)
    assert host.app.test_client().post("/login", data={}).status_code == 400, "it protects the host"


def test_a_hosts_hook_that_read_the_form_first_does_no_harm(host: Host) -> None:
    @host.app.before_request
    def nosy() -> None:
        request.form.get("anything")

    Backend(host, "root")


@pytest.mark.check("E01")
def test_a_browsers_session_means_nothing_here(host: Host) -> None:
    ada = host.user()
    person = Person(host)
    person.sign_in()
    assert person.client.get(f"{S2S}/users/{ada}").status_code == 401
    backend = Backend(host, "read_user")
    answer = person.client.get(
        f"{S2S}/users/{ada}", headers={"Authorization": f"Bearer {backend.token}"}
    )
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers


# The document


def test_the_document_and_the_routes_are_made_of_the_same_records(host: Host) -> None:
    document = host.app.test_client().get(f"{S2S}/openapi.json").get_json()
    told = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    routed = {
        (method, rule.rule.removeprefix(S2S).replace("<", "{").replace(">", "}"))
        for rule in host.app.url_map.iter_rules()
        if rule.endpoint.startswith("mfa_s2s.") and rule.methods
        for method in rule.methods - {"HEAD"}
    }
    assert told == routed
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": S2S}]
    flow = document["components"]["securitySchemes"]["credential"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"{S2S}/token"
    assert tuple(flow["scopes"]) == SCOPES
    assert document["components"]["schemas"]["Scope"]["enum"] == list(SCOPES)


def test_every_operation_says_what_it_needs_and_answers(host: Host) -> None:
    document = host.app.test_client().get(f"{S2S}/openapi.json").get_json()
    by_name = {
        one["operationId"]: one for path in document["paths"].values() for one in path.values()
    }
    assert len(by_name) == len(FACE.operations)
    for one in FACE.operations:
        entry = by_name[one.name]
        answers = set(entry["responses"])
        assert entry["summary"].endswith("."), one.name
        assert "503" in answers
        if one.access is None:
            assert entry["security"] == []
        else:
            assert {"401", "403"} <= answers
        if one.body is not None:
            assert {"400", "413", "415"} <= answers


def test_the_document_is_the_same_behind_a_proxy_with_a_prefix(host: Host) -> None:
    answer = host.app.test_client().get(
        f"{S2S}/openapi.json", environ_overrides={"SCRIPT_NAME": "/app"}
    )
    assert answer.get_json()["servers"] == [{"url": f"/app{S2S}"}]


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script(host: Host) -> None:
    answer = host.app.test_client().get(f"{S2S}/docs")
    assert answer.mimetype == "text/html"
    assert "<script" not in answer.text
    assert "//" not in answer.text.replace("http://www.w3.org", "")
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    for one in FACE.operations:
        assert f'id="{one.name}"' in answer.text
    for name in ("mfa.css", "api.css"):
        assert f"/mfa/static/{name}" in answer.text
        with host.app.test_client().get(f"/mfa/static/{name}") as style:
            assert style.status_code == 200


def test_the_shape_of_a_client_has_every_setting_that_a_client_may_override() -> None:
    assert set(Overrides.model_fields) == {*OVERRIDES, "use_system_mfa_config"}


def test_an_operation_cannot_be_changed(host: Host) -> None:
    with pytest.raises(AttributeError):
        FACE.operations[0].access = None  # type: ignore[misc]

"""Clients through the server-to-server API: who may make, change and take them over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from flask_melody_mfa.cli import mfa_group
from flask_melody_mfa.core.clients import Client, checked
from flask_melody_mfa.core.errors import InvalidClient
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.flows.clients import listed
from flask_melody_mfa.signals import BY_NAME
from flask_melody_mfa.testing import assert_requires_mfa
from flask_melody_mfa.web.state import context
from tests.backend import S2S, Backend, make_client
from tests.host import Host, Person

Make = Callable[..., Host]


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(
        MFA_S2S_API=True,
        ENFORCE_ONE_MFA_ENROLLMENT=[],
        MFA_CLIENTS={"declared": {"OTP_MFA_IS_REQUIRED": True, "name": "Declared"}},
    )


@pytest.fixture
def backend(host: Host) -> Backend:
    return Backend(host, "read_app", "write_app")


FIVE = {
    "otp_mfa_is_required": True,
    "email_mfa_is_required": False,
    "sms_mfa_is_required": True,
    "enforce_one_mfa_enrollment": ["otp", "sms"],
    "allow_email_mfa_as_backup": False,
}


# What a client is


@pytest.mark.reference(344)
def test_a_client_says_the_five_and_takes_them_back(backend: Backend) -> None:
    made = backend.post("/clients", {"name": "Billing", **FIVE}, 201)
    path = f"/clients/{made['id']}"
    assert {name: made[name] for name in FIVE} == FIVE
    assert backend.get(path) == made
    assert made["use_system_mfa_config"] is None
    assert made["effective"]["otp_mfa_is_required"] == {"value": True, "source": "client database"}
    back = backend.patch(path, {**dict.fromkeys(FIVE), "use_system_mfa_config": True})
    assert {back[name] for name in list(FIVE)[:3]} == {None}
    assert back["effective"]["otp_mfa_is_required"] == {"value": False, "source": "default"}
    assert back["effective"]["enforce_one_mfa_enrollment"] == {"value": [], "source": "app"}
    backend.patch(path, {"otp_mfa_is_required": True}, 400)
    assert backend.get(path) == back, "what is refused changes nothing"


def test_everything_that_can_be_said_of_a_client_is_echoed(backend: Backend) -> None:
    said = {
        "name": "Büro 🦊",
        "redirect_uris": ["https://example.org/back?x=1", "com.example.app:/back"],
        "origins": ["https://shop.example.org"],
        "allow_native": True,
        "scopes": ["read_app"],
        "enabled": False,
        "mfa_required_from": "2030-01-31",
        "mfa_remember_device_days": 7,
        "blocked_policies": ["reset_mfa"],
    }
    made = backend.post("/clients", said, 201)
    assert {name: made[name] for name in said} == said
    assert made["source"] == "client database"
    assert made["effective"] is None, "it is switched off"
    assert made["problems"] == {}
    assert made["secrets"] == []
    assert backend.patch(f"/clients/{made['id']}", {})["name"] == "Büro 🦊"


def test_own_fields_cannot_be_null_but_are_left_as_they_are(backend: Backend) -> None:
    made = backend.post("/clients", {"name": "x", "scopes": ["read_app"]}, 201)
    changed = backend.patch(f"/clients/{made['id']}", {"name": None, "scopes": None})
    assert (changed["name"], changed["scopes"]) == ("x", ["read_app"])
    backend.post("/clients", {"name": None}, 400)
    backend.post("/clients", {}, 400)


@pytest.mark.check("P13")
def test_reasons_come_by_field(backend: Backend) -> None:
    body = {"name": "x", "redirect_uris": ["http://example.org/"], "origins": ["https://a/b"]}
    errors = backend.post("/clients", body, 400)["errors"]
    assert set(errors) == {"redirect_uris.0", "origins.0"}
    body = {"name": "x", "otp_mfa_is_required": True, "use_system_mfa_config": True}
    errors = backend.post("/clients", body, 400)["errors"]
    assert "use_system_mfa_config = True" in errors["otp_mfa_is_required"]


def test_a_client_in_plain_http_is_refused_outside_of_debug() -> None:
    config = {"SECRET_KEY": "k" * 40, "MFA_BASE_URL": "https://example.org"}
    client = Client(id="x", name="x", source="client database", origins=("http://shop.example",))
    with pytest.raises(InvalidClient) as caught:
        checked(Settings.load(config), client, mail_sender=True, sms_sender=True)
    assert "set https" in caught.value.problems["origins"]
    checked(Settings.load({**config, "DEBUG": True}), client, mail_sender=True, sms_sender=True)


def test_lists_hold_code_and_database_and_go_on_where_they_ended(backend: Backend) -> None:
    for number in range(5):
        make_client(backend.host, client_id=f"b-{number}")
    ids: list[str] = []
    sources: list[str] = []
    cursor = ""
    while True:
        page = backend.get(f"/clients?limit=2{cursor}")
        ids += [one["id"] for one in page["items"]]
        sources += [one["source"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(ids) == len(set(ids)) == 7
    assert ids[0] == "declared" and sources == ["client code", *["client database"] * 6]


def test_clients_that_moved_into_code_do_not_end_a_list(make_host: Make) -> None:
    host = make_host(MFA_S2S_API=True, MFA_CLIENTS={"b-0": {}, "b-1": {}})
    for number in range(7):
        make_client(host, client_id=f"c-{number}")
    with host.app.app_context():
        for number in (0, 1):  # as they stood before they were declared
            moved = f"UPDATE mfa_client SET id = 'b-{number}' WHERE id = 'c-{number}'"
            host.db.session.execute(text(moved))
        host.db.session.commit()
        ids: list[str] = []
        after = None
        for _ in range(10):
            page, after = listed(context(), after=after, limit=3)
            ids += [one.client.id for one in page]
            if after is None:
                break
    assert ids == ["b-0", "b-1", "c-2", "c-3", "c-4", "c-5", "c-6"]


def test_an_id_that_is_not_there_is_not_found(backend: Backend) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        body = {} if method == "PATCH" else None
        assert backend.call(method, "/clients/nobody", body).status_code == 404
    backend.post("/clients/nobody/secret", status=404)


def test_a_client_that_is_deleted_is_gone(backend: Backend) -> None:
    made = backend.post("/clients", {"name": "x"}, 201)
    backend.delete(f"/clients/{made['id']}")
    backend.delete(f"/clients/{made['id']}", 404)
    backend.get(f"/clients/{made['id']}", 404)


@pytest.mark.check("P08")
def test_a_request_sent_twice_with_its_key_makes_one_client(backend: Backend) -> None:
    other = Backend(backend.host, "write_app")
    body = {"name": "Billing"}
    answers = [
        one.call("POST", "/clients", body, headers={"Idempotency-Key": "order 7"})
        for one in (backend, backend, other)
    ]
    ids = [answer.get_json()["id"] for answer in answers]
    assert {answer.status_code for answer in answers} == {201}
    assert ids[0] == ids[1] != ids[2]
    huge = backend.call("POST", "/clients", body, headers={"Idempotency-Key": "x" * 300})
    assert huge.status_code == 400


# Who may


@pytest.mark.check("P02", "P06")
@pytest.mark.parametrize("scopes", [["root"], ["read_user"], ["write_app", "root"], ["read_log"]])
def test_a_caller_grants_only_what_it_holds(backend: Backend, scopes: list[str]) -> None:
    backend.post("/clients", {"name": "x", "scopes": scopes}, 403)
    own = f"/clients/{backend.client_id}"
    backend.patch(own, {"scopes": scopes}, 403)
    made = backend.post("/clients", {"name": "x", "scopes": ["read_app"]}, 201)
    backend.patch(f"/clients/{made['id']}", {"scopes": ["read_app", *scopes]}, 403)
    assert backend.get(f"/clients/{made['id']}")["scopes"] == ["read_app"]


@pytest.mark.check("P02")
@pytest.mark.parametrize("more", [["root"], ["read_app", "write_app", "read_user"], ["read_log"]])
def test_a_client_with_more_scopes_is_neither_weakened_nor_taken_over(
    backend: Backend, more: list[str]
) -> None:
    victim = Backend(backend.host, *more)
    path = f"/clients/{victim.client_id}"
    for body in (
        {"enforce_one_mfa_enrollment": []},
        {"enabled": False},
        {"redirect_uris": ["https://attacker.example/"]},
        {"origins": ["https://attacker.example"]},
        {"scopes": []},
        {"name": "mine"},
        {},
    ):
        backend.patch(path, body, 403)
    backend.post(f"{path}/secret", status=403)
    backend.post(f"{path}/secret", {"revoke_old": True}, 403)
    backend.delete(path, 403)
    assert victim.call("GET", "/info").status_code == 200


@pytest.mark.check("P02")
def test_a_narrowed_token_may_do_no_more_than_it_says(host: Host) -> None:
    backend = Backend(host, "read_app", "write_app", "read_user")
    target = backend.post("/clients", {"name": "x", "scopes": ["read_user"]}, 201)
    backend.token = backend.buy(scope="write_app")
    backend.post("/clients", {"name": "y", "scopes": ["read_user"]}, 403)
    backend.patch(f"/clients/{target['id']}", {"enabled": False}, 403)
    backend.patch(f"/clients/{backend.client_id}", {"name": "self"}, 403)


@pytest.mark.check("P02")
def test_root_makes_no_root_and_may_change_any_other(host: Host) -> None:
    backend, other = Backend(host, "root"), Backend(host, "root")
    backend.post("/clients", {"name": "x", "scopes": ["root"]}, 403)
    made = backend.post("/clients", {"name": "x", "scopes": ["read_user", "write_app"]}, 201)
    backend.patch(f"/clients/{made['id']}", {"scopes": ["root"]}, 403)
    backend.patch(f"/clients/{other.client_id}", {"name": "renamed"})
    backend.patch(f"/clients/{other.client_id}", {"enabled": False})
    other.get("/info", 401)


@pytest.mark.check("P02")
def test_a_client_may_give_up_scopes_and_rotate_its_own_secret(backend: Backend) -> None:
    made = backend.post(f"/clients/{backend.client_id}/secret", status=201)
    assert made["client_id"] == backend.client_id
    assert backend.ask_token(client_secret=made["client_secret"]).status_code == 200
    backend.patch(f"/clients/{backend.client_id}", {"scopes": ["read_app"]})
    backend.get("/clients", 401)


def test_what_code_declares_is_read_and_not_changed(backend: Backend) -> None:
    found = backend.get("/clients/declared")
    assert found["source"] == "client code" and found["otp_mfa_is_required"] is True
    assert found["effective"]["otp_mfa_is_required"]["source"] == "client code"
    backend.patch("/clients/declared", {"otp_mfa_is_required": False}, 403)
    backend.delete("/clients/declared", 403)
    backend.post("/clients/declared/secret", status=201)


@pytest.mark.check("P05")
def test_a_secret_is_shown_once_and_its_id_always(backend: Backend) -> None:
    made = backend.post("/clients", {"name": "x"}, 201)
    path = f"/clients/{made['id']}"
    first = backend.post(f"{path}/secret", status=201)
    second = backend.post(f"{path}/secret", {"revoke_old": False}, 201)
    found = backend.get(path)
    assert [one["id"] for one in found["secrets"]] == [first["secret_id"], second["secret_id"]]
    assert found["secrets"][0]["expires_at"] is not None
    assert found["secrets"][1]["expires_at"] is None
    for made in (first, second):
        assert made["client_secret"] not in json.dumps(found)
    third = backend.post(f"{path}/secret", {"revoke_old": True}, 201)
    assert [one["id"] for one in backend.get(path)["secrets"]] == [third["secret_id"]]


@pytest.mark.check("E12", "P12")
def test_a_client_that_is_tightened_by_the_api_is_felt_in_live_sessions(host: Host) -> None:
    backend = Backend(host, "read_app", "write_app")
    made = backend.post("/clients", {"name": "Billing", "enforce_one_mfa_enrollment": []}, 201)
    host.mfa.client_for(lambda request, account: made["id"])
    host.user()
    person = Person(host)
    person.sign_in()
    assert person.signed_in()
    backend.patch(f"/clients/{made['id']}", {"otp_mfa_is_required": True})
    assert_requires_mfa(person.client, "/secret")


# The log and the settings


@pytest.mark.check("N08")
@pytest.mark.reference(347, 348, 349, 356, 357, 365)
def test_the_log_is_read_newest_first_by_user_type_and_client(host: Host) -> None:
    backend = Backend(host, "root")
    ada, bob = host.user(), host.user("bob@example.org")
    for user in (ada, bob):
        backend.post(f"/users/{user}/reset", {"reason": "test"}, 204)
        host.enroll(user, "otp")
        backend.post(f"/users/{user}/reset", {"reason": "test"}, 204)
        backend.delete(f"/users/{user}/lock")
    every: list[Any] = []
    cursor = ""
    while True:
        page = backend.get(f"/events?limit=2{cursor}")
        every += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    ids = [one["id"] for one in every]
    assert ids == sorted(ids, reverse=True) and len(set(ids)) == len(ids)
    assert {one["user"] for one in backend.get(f"/events?user={ada}")["items"]} == {str(ada)}
    found = backend.get(f"/events?user={ada}&type=unlocked")["items"]
    assert [(one["type"], one["user"]) for one in found] == [("unlocked", str(ada))]
    assert found[0]["actor"] == f"client:{backend.client_id}"
    assert found[0]["at"].endswith("Z") and found[0]["outcome"] == "ok"
    made = backend.post("/clients", {"name": "x"}, 201)
    about = backend.get(f"/events?client={made['id']}")["items"]
    assert [one["type"] for one in about] == ["client_changed"]
    assert backend.get("/events?user=nobody")["items"] == []
    backend.get("/events?type=nonsense", 400)
    for type_ in BY_NAME:
        backend.get(f"/events?type={type_}&limit=1")


@pytest.mark.reference(346)
def test_info_tells_every_setting_in_force_with_its_source_and_no_secret(host: Host) -> None:
    backend = Backend(host, "read_user")
    told = backend.get("/info")
    assert told["version"]
    settings = told["settings"]
    assert settings["enforce_one_mfa_enrollment"] == {"value": [], "source": "app"}
    assert settings["mfa_code_verify_threshold"] == {"value": 10, "source": "default"}
    assert settings["sms_mfa_message_threshold"]["value"] == 5
    assert not {"mfa_secret_keys", "twilio_auth_token", "mfa_clients"} & set(settings)
    assert host.app.config["SECRET_KEY"] not in json.dumps(told)


# The command line


def run(host: Host, *words: str, **options: Any) -> Any:
    return host.app.test_cli_runner().invoke(mfa_group, ["clients", *words], **options)


def test_the_command_line_makes_a_client_that_gets_in(host: Host) -> None:
    words = ["create", "--name", "Jobs", "--scope", "root", "--scope", "read_user", "--json"]
    made = json.loads(run(host, *words).stdout)
    assert set(made) == {"client_id", "client_secret"}
    answer = host.app.test_client().post(
        f"{S2S}/token", data={"grant_type": "client_credentials", **made}
    )
    assert answer.get_json()["scope"] == "read_user root"
    listed = json.loads(run(host, "list", "--json").stdout)
    assert [one["client_id"] for one in listed] == ["declared", made["client_id"]]
    assert made["client_secret"] not in json.dumps(listed)
    rows = [row for row in host.rows("mfa_event") if row["type"] == "client_secret_made"]
    assert rows[0]["actor"] == "cli" and rows[0]["client"] == made["client_id"]


def test_the_command_line_prints_for_a_person(host: Host) -> None:
    made = run(host, "create", "--name", "Jobs", "--id", "jobs", "--scope", "read_log")
    assert "client_id: jobs\nclient_secret: " in made.output
    listed = run(host, "list").output
    assert "jobs  Jobs  client database  read_log" in listed
    assert "declared  Declared  client code  no scopes" in listed


def test_the_command_line_rotates_and_deletes(host: Host) -> None:
    first = json.loads(run(host, "create", "--name", "x", "--id", "jobs", "--json").stdout)
    second = json.loads(run(host, "rotate", "jobs", "--json").stdout)
    assert first["client_secret"] != second["client_secret"]
    assert len(host.rows("mfa_client_secret")) == 2
    run(host, "rotate", "jobs", "--revoke-old")
    assert len(host.rows("mfa_client_secret")) == 1
    assert run(host, "delete", "jobs", input="n\n").exit_code == 1
    assert len(host.rows("mfa_client")) == 1
    assert run(host, "delete", "jobs", "--yes").exit_code == 0
    assert host.rows("mfa_client") == host.rows("mfa_client_secret") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "--name", ""), "name"),
        (("create", "--name", "x", "--id", "not an id"), "letters, digits"),
        (("create", "--name", "x", "--id", "declared"), "already"),
        (("create", "--name", "x", "--scope", "everything"), "everything"),
        (("rotate", "nobody"), "no such client"),
        (("delete", "nobody", "--yes"), "no such client"),
        (("delete", "declared", "--yes"), "MFA_CLIENTS"),
    ],
)
def test_the_command_line_says_what_is_wrong(host: Host, words: tuple[str, ...], said: str) -> None:
    result = run(host, *words)
    assert result.exit_code != 0
    assert said in result.output

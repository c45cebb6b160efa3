"""The guard's section of the contract, sentence by sentence, as far as test_guard leaves it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, redirect, request
from flask_login import current_user, login_user, user_logged_in
from sqlalchemy import event

from flask_melody_mfa import mfa_required, signals
from flask_melody_mfa.testing import freeze
from tests.host import BROWSER, Host, Person

Make = Callable[..., Host]
JSON = {"Accept": "application/json"}


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host()


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user()
    host.enroll(user, "otp")
    return user


def signed_in(host: Host, user: int, email: str = "ada@example.org", **fields: Any) -> Person:
    person = Person(host)
    person.sign_in(email, **fields)
    person.follow()
    person.code(host.otp(user))
    assert person.signed_in()
    return person


def session_of(person: Person) -> dict[str, Any]:
    """What the browser's session holds."""
    with person.client.session_transaction() as session:
        return dict(session)


# Which gate applies to a request


@pytest.mark.check("P12")
def test_a_views_client_comes_before_its_blueprints_and_the_hooks(make_host: Make) -> None:
    lax = {"use_system_mfa_config": False}
    host = make_host(
        OTP_MFA_IS_REQUIRED=True,
        MFA_CLIENTS={"view": lax, "part": {"EMAIL_MFA_IS_REQUIRED": True}, "hook": lax},
    )
    host.user()
    part = Blueprint("part", __name__, url_prefix="/part")
    host.mfa.required_for(part, client="part")
    part.route("/plain", endpoint="plain")(lambda: "plain")
    part.route("/own", endpoint="own")(mfa_required(client="view")(lambda: "own"))
    host.app.register_blueprint(part)
    host.app.add_url_rule("/other", "other", lambda: "other")
    asked: list[str | None] = []

    def client_for(given: Any, account: Any) -> str | None:
        asked.append(account.email)
        return "hook" if given.path == "/other" else None

    host.mfa.client_for(client_for)

    @host.app.route("/in", methods=["POST"])
    def enter() -> Any:
        return host.mfa.sign_in(host.get(1), method="password", client="view")

    person = Person(host)
    assert person.post("/in").headers["Location"] == "/"
    assert person.get("/part/own").text == "own"
    assert person.get("/other").text == "other"
    assert set(asked) == {"ada@example.org"}
    person.get("/part/plain", follow=True)
    assert person.at == "/mfa/enroll/email"
    # That challenge governs its own pages, and no gate of another view.
    assert person.get("/other").text == "other"
    person.get("/secret")
    assert person.at == "/mfa/challenge"
    other = Person(host)
    other.post("/in")
    other.get("/secret", follow=True)
    assert other.at == "/mfa/enroll/otp"


def test_giving_up_what_a_satisfied_session_began_signs_nobody_out(make_host: Make) -> None:
    host = make_host(MFA_CLIENTS={"billing": {"OTP_MFA_IS_REQUIRED": True}})
    user = host.user()
    host.enroll(user, "email")
    host.app.add_url_rule("/billing", "billing", mfa_required(client="billing")(lambda: "billing"))
    person = Person(host)
    person.sign_in(remember="1")
    person.follow()
    person.code(host.last_code())
    for path in ("/billing", "/mfa/enroll"):
        person.get(path, follow=True)
        assert person.at.startswith("/mfa/")
        assert person.post("/mfa/challenge/cancel").headers["Location"] == "/"
        assert person.signed_in()
        assert "remember_token" in person.cookies()


# While the gate is owed


def test_the_four_fields_of_flask_login_are_taken_out_and_put_back(host: Host, ada: int) -> None:
    person = Person(host)
    person.sign_in(remember="1")
    held = session_of(person)
    assert "_id" in held
    assert not {"_user_id", "_fresh", "_remember", "_remember_seconds"} & set(held)
    person.follow()
    person.code(host.otp(ada))
    held = session_of(person)
    assert held["_user_id"] == str(ada) and held["_fresh"] is True


def test_the_host_hears_of_one_login_only(host: Host, ada: int) -> None:
    heard: list[Any] = []

    def note(app: Any, user: Any, **_: Any) -> None:
        heard.append(user.id)

    with user_logged_in.connected_to(note, host.app):
        signed_in(host, ada)
    assert heard == [ada]


def test_nothing_of_ours_is_written_before_the_view_has_returned(host: Host, ada: int) -> None:
    @host.app.route("/careful", methods=["POST"])
    def careful() -> str:
        login_user(host.get(ada))
        here = host.app.extensions["melody_mfa"].store.engine
        assert current_user.id == ada
        return f"{len(host.rows_now('mfa_challenge'))} {here is not None}"

    host.rows_now = lambda name: host.db.session.execute(  # type: ignore[attr-defined]
        host.db.metadata.tables[name].select()
    ).all()
    said: list[str] = []
    with host.app.app_context():
        engine = host.app.extensions["melody_mfa"].store.engine
    event.listen(engine, "before_cursor_execute", lambda c, cur, text, *_: said.append(text))
    person = Person(host)
    person.post("/careful")
    assert person.at == "/mfa/challenge"
    assert len(host.rows("mfa_challenge")) == 1
    assert any(text.startswith("INSERT INTO mfa_challenge") for text in said)


@pytest.mark.check("F03")
def test_a_login_view_that_leaves_writes_open_on_a_file_is_told_what_to_commit(
    make_host: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'host.db'}")
    user = host.user()
    host.enroll(user, "otp")

    @host.app.route("/open-writes", methods=["POST"])
    def open_writes() -> Any:
        host.get(user).username = "seen"
        host.db.session.flush()
        login_user(host.get(user))
        return redirect("/secret")

    person = Person(host)
    answer = person.post("/open-writes")
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert "db.session.commit()" in caplog.text
    assert not person.signed_in()
    assert person.get("/open").text == "open False"


@pytest.mark.parametrize(("status", "sent"), [(200, 1), (302, 1), (400, 0), (401, 0), (500, 0)])
def test_the_first_message_leaves_if_the_post_ended_well(
    host: Host, status: int, sent: int
) -> None:
    user = host.user()
    host.enroll(user, "email")

    @host.app.route("/ends", methods=["POST"])
    def ends() -> Any:
        login_user(host.get(user))
        return "", status, {"Location": "/secret"}

    Person(host).post("/ends")
    assert len(host.mails()) == sent


@pytest.mark.parametrize(
    ("target", "then"),
    [
        ("/secret?a=b", "/secret?a=b"),
        ("http://localhost/secret", "/secret"),
        ("https://elsewhere.example/", "/"),
        ("//elsewhere.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_a_target_of_this_origin_becomes_next(host: Host, ada: int, target: str, then: str) -> None:
    @host.app.route("/leads", methods=["POST"])
    def leads() -> Any:
        login_user(host.get(ada))
        return "", 302, {"Location": target}

    person = Person(host)
    person.post("/leads")
    person.follow()
    assert person.code(host.otp(ada)).headers["Location"] == then


@pytest.mark.check("E11", "F01")
@pytest.mark.parametrize("table", ["mfa_challenge", "mfa_user", "mfa_event"])
def test_where_our_database_fails_at_the_login_the_user_ends_signed_out(
    host: Host, ada: int, table: str
) -> None:
    with host.app.app_context():
        host.db.session.execute(host.db.text(f"DROP TABLE {table}"))
        host.db.session.commit()
    person = Person(host)
    answer = person.sign_in(remember="1")
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert not {"_user_id", "_fresh", "_mfa"} & set(session_of(person))
    assert "remember_token" not in person.cookies()
    assert person.client.post("/json-login", json={"email": "ada@example.org"}).status_code == 503


# Page requests


@pytest.mark.parametrize(
    ("method", "headers", "is_page"),
    [
        ("GET", {"Sec-Fetch-Dest": "document"}, True),
        ("GET", {"Sec-Fetch-Dest": "document", "Accept": "*/*"}, True),
        ("HEAD", {"Sec-Fetch-Dest": "document"}, True),
        ("GET", {}, True),
        ("GET", {"Accept": "text/html"}, True),
        ("GET", {"Accept": "application/xhtml+xml,TEXT/HTML;q=0.9,*/*;q=0.8"}, True),
        ("GET", {"Accept": "*/*"}, False),
        ("GET", {"Accept": "text/*"}, False),
        ("GET", {"Accept": "application/json"}, False),
        ("GET", {"Accept": "text/html;q=0, application/json"}, False),
        ("GET", {"Sec-Fetch-Dest": "empty", "Accept": "text/html"}, False),
        ("GET", {"Sec-Fetch-Dest": "iframe", "Accept": "text/html"}, False),
        ("GET", {"Sec-Fetch-Dest": "image", "Accept": "text/html"}, False),
        ("PUT", {"Sec-Fetch-Dest": "document"}, False),
        ("DELETE", {"Accept": "text/html"}, False),
        ("POST", {"Accept": "application/json"}, False),
    ],
)
def test_only_page_requests_are_redirected_and_set_next(
    host: Host, ada: int, method: str, headers: dict[str, str], is_page: bool
) -> None:
    methods = ["GET", "POST", "PUT", "DELETE"]
    host.app.add_url_rule("/any", "any", lambda: "any", methods=methods)
    person = Person(host)
    person.sign_in()
    answer = person.client.open("/any?a=b", method=method, headers=headers)
    if is_page:
        assert answer.status_code == 302
        assert answer.headers["Location"] == "/mfa/challenge?next=/any?a%3Db"
    else:
        assert answer.status_code == 401
        assert answer.get_json()["code"] == "mfa_required"
        assert answer.get_json()["challenge_url"] == "/mfa/challenge"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_a_form_comes_back_to_where_it_was_sent_from(host: Host, ada: int, kind: str) -> None:
    person = Person(host)
    person.sign_in()
    headers = {**BROWSER, "Referer": "http://localhost/open"}
    answer = person.client.post("/secret", data={"a": "b"}, headers=headers, content_type=kind)
    assert answer.headers["Location"] == "/mfa/challenge?next=/open"
    answer = person.client.post("/secret", json={"a": "b"}, headers=headers)
    assert answer.status_code == 401


# Sessions


def test_a_session_counts_only_for_its_own_user(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    person = signed_in(host, ada)
    for fresh in (True, False):
        with person.client.session_transaction() as session:
            session["_user_id"], session["_fresh"] = str(bob), fresh
        assert person.get("/secret").status_code == 302
        assert person.client.get("/api", headers=JSON).status_code == 401
        with person.client.session_transaction() as session:
            session["_user_id"] = str(ada)


def test_a_login_of_another_user_starts_a_new_session(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    person = signed_in(host, ada)
    old = person.cookies()["session"]
    person.sign_in("bob@example.org")
    assert not person.signed_in()
    person.follow()
    person.code(host.otp(bob))
    assert "bob@example.org" in person.get("/secret").text
    thief = Person(host)
    thief.client.set_cookie("session", old)
    assert not thief.signed_in()


def test_a_login_of_the_same_user_in_a_satisfied_session_changes_nothing(
    host: Host, ada: int
) -> None:
    person = signed_in(host, ada)
    before = session_of(person)["_mfa"]
    answer = person.sign_in(next_url="/api")
    assert answer.headers["Location"] == "/api"
    assert session_of(person)["_mfa"] == before
    assert person.signed_in()
    assert host.events(ada).count("challenge_started") == 1


def test_a_login_of_the_same_user_who_holds_nothing_is_a_fresh_one(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    host.user()
    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        before = session_of(person)["_mfa"]
        clock.tick(301)
        assert person.get("/fresh").status_code == 303
        person.sign_in()
        assert session_of(person)["_mfa"] != before
        assert person.get("/fresh").status_code == 200
    assert [row["ended_at"] is None for row in host.rows("mfa_session")] == [False, True]


@pytest.mark.parametrize(("seconds", "reads"), [(0, 3), (10, 0)])
def test_a_session_is_read_again_after_its_time(make_host: Make, seconds: int, reads: int) -> None:
    host = make_host(MFA_SESSION_RECHECK_SECONDS=seconds)
    user = host.user()
    host.enroll(user, "otp")
    person = signed_in(host, user)
    with host.app.app_context():
        engine = host.app.extensions["melody_mfa"].store.engine
    said: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, cur, text, *_: said.append(text))
    for _ in range(3):
        assert person.signed_in()
    assert len(said) == reads


@pytest.mark.check("S04", "E12")
def test_what_another_process_changed_is_felt_within_the_time_and_at_once_where_it_matters(
    make_host: Make, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'host.db'}"
    host = make_host(url)
    user = host.user()
    host.enroll(user, "otp")
    other = make_host(url, create=False)
    with host.clock() as clock:
        person = signed_in(host, user)
        assert person.get("/fresh").text == "fresh"
        assert person.get("/with-otp").text == "with otp"
        with freeze(other.app, clock.now), other.app.app_context():
            other.mfa.reset(other.get(user))
        assert person.signed_in(), "this process does not know yet"
        for path in ("/fresh", "/with-otp"):
            assert person.get(path).status_code in (302, 303), path
        assert not person.signed_in()
    with host.clock() as clock:
        host.enroll(user, "otp")
        person = signed_in(host, user)
        with freeze(other.app, clock.now), other.app.app_context():
            other.mfa.reset(other.get(user))
        clock.tick(9)
        assert person.signed_in()
        clock.tick(1)
        assert not person.signed_in()


# Without the guard


@pytest.mark.check("E05")
@pytest.mark.parametrize("path", ["/mfa/enroll", "/mfa/enroll/otp", "/mfa/enroll/email"])
def test_without_the_guard_our_own_pages_ask_all_the_same(make_host: Make, path: str) -> None:
    host = make_host(MFA_GUARD=False)
    user = host.user()
    host.enroll(user, "otp")
    person = Person(host)
    person.sign_in()
    assert person.signed_in(), "the host's pages are its own affair"
    person.get(path, follow=True)
    assert person.at in ("/mfa/challenge/otp", "/login")
    assert person.page is not None and "otpauth://" not in person.page.text
    person.post(path, {"factor": "email", "code": "123456"})
    assert [row["kind"] for row in host.rows("mfa_credential")] == ["otp"]


@pytest.mark.check("E02")
def test_without_the_guard_a_proof_lets_into_what_asks_for_it(make_host: Make) -> None:
    host = make_host(MFA_GUARD=False)
    user = host.user()
    host.enroll(user, "otp")
    heard: list[str] = []

    def note(app: Any, event: Any, **_: Any) -> None:
        heard.append(event.type)

    with signals.signed_in.connected_to(note, host.app):
        person = Person(host)
        person.sign_in(next_url="/guarded")
        assert person.get("/guarded").headers["Location"].startswith("/mfa/challenge")
        person.follow()
        person.code(host.otp(user))
    assert heard == ["signed_in"]
    assert person.get("/guarded").text == "guarded"
    person.get("/logout")
    assert person.get("/guarded").headers["Location"].startswith("/login")


def test_the_login_manager_may_come_later_than_the_first_look(host: Host, ada: int) -> None:
    """`_mfa` in a browser's session is never taken at its word."""
    for junk in ("x", 7, ["s"], {"s": 7}, {"s": "x" * 500}, {"c": "unknown"}, {"s": "unknown"}):
        person = Person(host)
        with person.client.session_transaction() as session:
            session["_mfa"], session["_user_id"] = junk, str(ada)
        assert not person.signed_in(), junk
        assert person.get("/mfa/challenge").status_code in (302, 303), junk


def test_requests_without_an_endpoint_show_nobody(host: Host, ada: int) -> None:
    @host.app.errorhandler(404)
    def lost(error: Exception) -> Any:
        return f"lost {getattr(current_user, 'email', 'nobody')} {request.path}", 404

    person = Person(host)
    person.sign_in()
    assert person.get("/nowhere").text == "lost nobody /nowhere"
    person.get("/mfa/challenge", follow=True)
    person.code(host.otp(ada))
    assert person.get("/nowhere").text == "lost ada@example.org /nowhere"

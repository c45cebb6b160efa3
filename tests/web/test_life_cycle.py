"""What a host tells the extension, and what it may ask: line by line of the developer's table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import jsonify, redirect, request
from flask_login import current_user, login_user
from sqlalchemy import delete

from flask_melody_mfa import mfa_required, mfa_status
from flask_melody_mfa.core import otp
from flask_melody_mfa.core.errors import InvalidRequest, Locked
from tests.host import BROWSER, PHONE, Host, Person, totp

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


def arrive(host: Host, email: str = "ada@example.org") -> Person:
    person = Person(host)
    person.sign_in(email)
    person.follow()
    return person


def signed_in(host: Host, user: int) -> Person:
    person = arrive(host)
    person.code(host.otp(user))
    assert person.signed_in()
    return person


def tables(host: Host) -> dict[str, int]:
    """How many rows of an account each of our tables holds."""
    return {
        name: len(host.rows(name))
        for name, table in host.db.metadata.tables.items()
        if name.startswith("mfa_") and "user_key" in table.columns
    }


# sign_in


def add_sign_in(host: Host, **options: Any) -> None:
    @host.app.route("/via-mfa", methods=["GET", "POST"])
    def via_mfa() -> Any:
        return host.mfa.sign_in(host.get(int(request.values["id"])), **options)


def test_sign_in_is_login_user_and_a_redirect(host: Host, ada: int) -> None:
    add_sign_in(host, remember=True, next_url="/secret?a=b")
    person = Person(host)
    answer = person.post(f"/via-mfa?id={ada}")
    assert answer.headers["Location"] == "/mfa/challenge?next=/secret?a%3Db"
    assert "remember_token" not in person.cookies()
    person.follow()
    assert person.code(host.otp(ada)).headers["Location"] == "/secret?a=b"
    assert "remember_token" in person.cookies()
    assert person.signed_in()


@pytest.mark.check("H04")
@pytest.mark.parametrize("target", [None, "", "//evil.example", "https://evil.example/", "a"])
def test_sign_in_leads_nowhere_but_here(make_host: Make, target: str | None) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    user = host.user()
    add_sign_in(host, next_url=target)
    person = Person(host)
    assert person.post(f"/via-mfa?id={user}").headers["Location"] == "/"
    assert person.signed_in()


@pytest.mark.parametrize(
    ("method", "config", "satisfied"),
    [
        ("password", {}, False),
        ("trusted", {}, True),
        ("trusted", {"OTP_MFA_IS_REQUIRED": True}, True),
        ("external", {}, True),
        ("external", {"MFA_EXTERNAL_SIGN_IN_IS_ENOUGH": False}, False),
    ],
)
def test_the_method_of_a_sign_in(
    make_host: Make, method: str, config: dict[str, Any], satisfied: bool
) -> None:
    host = make_host(**config)
    user = host.user()
    host.enroll(user, "otp")
    add_sign_in(host, method=method)
    person = Person(host)
    person.post(f"/via-mfa?id={user}")
    assert person.signed_in() is satisfied
    # The host vouches for the sign-in, never for a fresh proof.
    assert person.get("/fresh").status_code in (302, 303)


@pytest.mark.parametrize("method", ["remembered", "passkey", "recovery_code", "", "TRUSTED"])
def test_no_other_method_can_be_claimed(host: Host, ada: int, method: str) -> None:
    with host.app.test_request_context(), pytest.raises(ValueError, match="method"):
        host.mfa.sign_in(host.get(ada), method=method)


@pytest.mark.reference(173)
def test_an_account_that_is_switched_off_is_not_signed_in(host: Host, ada: int) -> None:
    add_sign_in(host)
    with host.app.app_context():
        host.get(ada).active = False
        host.db.session.commit()
    person = Person(host)
    answer = person.post(f"/via-mfa?id={ada}")
    assert answer.headers["Location"].startswith("/login")
    assert host.rows("mfa_challenge") == []
    # What the refused call said of its method is not left for the next one.
    assert not person.signed_in()


def test_a_client_may_be_named_at_the_sign_in(make_host: Make) -> None:
    host = make_host(
        ENFORCE_ONE_MFA_ENROLLMENT=[], MFA_CLIENTS={"shop": {"EMAIL_MFA_IS_REQUIRED": True}}
    )
    user = host.user()
    add_sign_in(host, client="shop")
    person = Person(host)
    person.post(f"/via-mfa?id={user}")
    person.follow()
    assert person.at == "/mfa/enroll/email"
    # The challenge's client governs its pages, not the gate of another view.
    other = Person(host)
    other.sign_in()
    assert other.signed_in()


# Outside Flask-Login


@pytest.mark.parametrize(
    ("config", "holds", "enough"),
    [
        ({}, (), False),
        ({"ENFORCE_ONE_MFA_ENROLLMENT": []}, (), True),
        ({"ENFORCE_ONE_MFA_ENROLLMENT": []}, ("otp",), False),
        ({"ENFORCE_ONE_MFA_ENROLLMENT": []}, ("email",), False),
        ({"OTP_MFA_IS_REQUIRED": True}, (), False),
    ],
)
def test_password_is_enough_where_the_gate_owes_nothing(
    make_host: Make, config: dict[str, Any], holds: tuple[str, ...], enough: bool
) -> None:
    host = make_host(**config)
    user = host.user()
    host.enroll(user, *holds)
    with host.app.app_context():
        assert host.mfa.password_is_enough(host.get(user)) is enough
        host.get(user).active = False
        assert host.mfa.password_is_enough(host.get(user)) is False


def test_password_is_enough_at_the_gate_of_a_client(make_host: Make) -> None:
    host = make_host(
        OTP_MFA_IS_REQUIRED=True, MFA_CLIENTS={"kiosk": {"use_system_mfa_config": False}}
    )
    user = host.user()
    with host.app.app_context():
        assert host.mfa.password_is_enough(host.get(user)) is False
        assert host.mfa.password_is_enough(host.get(user), client="kiosk") is True


@pytest.mark.check("T06", "T08", "L14")
@pytest.mark.parametrize(
    "code", ["", "12345", "１２３４５６", "abc", "\x00", "é" * 6, "1" * 99, None, 123456, b"1", []]
)
def test_what_is_no_code_is_false_and_costs_nothing(host: Host, ada: int, code: Any) -> None:
    with host.app.app_context():
        assert host.mfa.verify(host.get(ada), code) is False
    assert host.rows("mfa_user")[0]["failures"] == 0


def test_verify_of_what_cannot_be_verified(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    with host.app.app_context():
        assert host.mfa.verify(host.get(bob), "123456") is False
        with pytest.raises(ValueError, match="otp"):
            host.mfa.verify(host.get(ada), "123456", factor="email")
        code = host.otp(ada)
        host.get(ada).active = False
        assert host.mfa.verify(host.get(ada), code, factor="otp") is False


@pytest.mark.check("L02", "L10")
def test_a_lock_that_verify_meets_is_answered_as_one(host: Host, ada: int) -> None:
    @host.app.route("/token", methods=["POST"])
    def token() -> Any:
        proven = host.mfa.verify(host.get(ada), request.form["code"])
        return jsonify(token="t") if proven else ("", 401)

    client = host.app.test_client()
    with host.clock():
        for number in range(10):
            environ = {"REMOTE_ADDR": f"10.0.0.{number}"}
            wrong = client.post("/token", data={"code": "000000"}, environ_base=environ)
            assert wrong.status_code == 401
        answer = client.post("/token", data={"code": host.otp(ada)}, headers=JSON)
        assert answer.status_code == 429
        assert answer.get_json()["code"] == "locked" and int(answer.headers["Retry-After"]) <= 900
        page = client.post("/token", data={"code": "000000"}, headers=BROWSER)
        assert page.status_code == 429 and page.mimetype == "text/html"
        with host.app.app_context(), pytest.raises(Locked):
            host.mfa.verify(host.get(ada), "000000")


# Views


def test_the_status_is_there_in_templates(host: Host, ada: int) -> None:
    @host.app.route("/page")
    def page() -> str:
        template = host.app.jinja_env.from_string(
            "{{ mfa_status().method }} {{ mfa_status().level }} {{ 'otp' in mfa_status().factors }}"
        )
        return template.render()

    @host.app.route("/when")
    def when() -> Any:
        return jsonify(mfa_status().factors)

    with host.clock() as clock:
        person = signed_in(host, ada)
        assert person.get("/page").text == "password 2 True"
        assert person.get("/when").get_json() == {"otp": clock.now}
        assert Person(host).get("/page").text == "None 0 False"


def test_a_whole_blueprint_may_ask_for_a_step_up(host: Host, ada: int) -> None:
    from flask import Blueprint

    vault, deep = Blueprint("vault", __name__), Blueprint("deep", __name__)
    for part, path in ((vault, "/vault"), (deep, "/vault/deep")):
        part.route(path, methods=["GET", "POST"], endpoint="open")(lambda: "open")
    host.mfa.required_for(vault, max_age=300)
    vault.register_blueprint(deep)
    host.app.register_blueprint(vault)
    assert Person(host).get("/vault").headers["Location"].startswith("/login")
    with host.clock() as clock:
        person = signed_in(host, ada)
        assert person.get("/vault").text == "open"
        assert person.get("/vault/deep").text == "open"
        clock.tick(301)
        for path in ("/vault", "/vault/deep"):
            assert person.get(path).headers["Location"].startswith("/mfa/challenge")
            assert person.client.post(path, headers=JSON).status_code == 403


@pytest.mark.parametrize(
    "arguments",
    [
        {"factors": set()},
        {"factors": {"recovery_code"}},
        {"factors": {"Otp"}},
        {"factors": {"password"}},
        {"max_age": 0},
        {"max_age": -1},
        {"max_age": True},
    ],
)
def test_a_requirement_that_makes_no_sense_is_refused_where_it_is_written(
    arguments: dict[str, Any],
) -> None:
    with pytest.raises(ValueError):
        mfa_required(**arguments)


# The life of an account


@pytest.mark.check("E15", "S04")
def test_a_new_password_keeps_this_session_and_ends_the_others(host: Host, ada: int) -> None:
    @host.app.route("/new-password", methods=["POST"])
    def new_password() -> str:
        current_user.password = "new"
        host.db.session.commit()
        host.mfa.password_changed(current_user)
        return "changed"

    with host.clock() as clock:
        here = signed_in(host, ada)
        clock.tick(60)
        there = signed_in(host, ada)
        pending = arrive(host)
        here.post("/new-password")
        clock.tick(30)
        assert here.signed_in()
        assert not there.signed_in()
        pending.code(host.otp(ada))
        assert pending.at == "/login"
    assert len(host.rows("mfa_credential")) == 1


def test_a_password_changed_by_somebody_else_ends_every_session(host: Host, ada: int) -> None:
    admin = host.user("admin@example.org")
    host.enroll(admin, "otp")

    @host.app.route("/set-password", methods=["POST"])
    def set_password() -> str:
        host.mfa.password_changed(host.get(ada))
        return "changed"

    member = signed_in(host, ada)
    other = arrive(host, "admin@example.org")
    other.code(host.otp(admin))
    other.post("/set-password")
    assert other.signed_in()
    assert not member.signed_in()


def test_a_changed_address_ends_what_was_begun_and_takes_no_factor(host: Host, ada: int) -> None:
    host.enroll(ada, "email")
    person = arrive(host)
    with host.app.app_context():
        host.get(ada).email = "new@example.org"
        host.db.session.commit()
        host.mfa.email_changed(host.get(ada))
    person.get("/mfa/challenge/otp")
    assert person.at == "/login"
    assert {row["kind"] for row in host.rows("mfa_credential")} == {"otp", "email"}


@pytest.mark.check("S04", "N04")
def test_a_reset_takes_everything_and_the_user_can_begin_again(host: Host, ada: int) -> None:
    host.enroll(ada, "sms", "email", destination="ada@example.org")
    person, pending = signed_in(host, ada), arrive(host)
    with host.app.app_context():
        host.mfa.reset(host.get(ada))
    assert not person.signed_in()
    pending.get("/mfa/challenge/otp")
    assert pending.at == "/login"
    assert host.rows("mfa_credential") == []
    again = arrive(host)
    assert again.at == "/mfa/enroll"
    again.get("/mfa/enroll/otp")
    again.code(totp(again.secret()))
    assert again.signed_in()


def test_a_reset_of_one_factor_leaves_the_others(host: Host, ada: int) -> None:
    host.enroll(ada, "email")
    with host.app.app_context():
        host.mfa.reset(host.get(ada), ["otp"])
        with pytest.raises(ValueError):
            host.mfa.reset(host.get(ada), ["authenticator"])
    assert [row["kind"] for row in host.rows("mfa_credential")] == ["email"]


def test_unlocking_lifts_a_lock(host: Host, ada: int) -> None:
    with host.clock(), host.app.app_context():
        for _ in range(10):
            host.mfa.verify(host.get(ada), "000000")
        with pytest.raises(Locked):
            host.mfa.verify(host.get(ada), "000000")
        host.mfa.unlock(host.get(ada))
        assert host.mfa.verify(host.get(ada), "000000") is False
    assert "unlocked" in host.events(ada)


def a_life(host: Host, user: int) -> Person:
    """Somebody with factors, sessions, challenges, failures, an old address and a lock."""
    host.enroll(user, "email", destination="old@example.org")
    host.enroll(user, "email")
    person = signed_in(host, user)
    arrive(host)
    with host.app.app_context():
        for _ in range(10):
            host.mfa.verify(host.get(user), "000000")
    held = {name for name, number in tables(host).items() if number}
    assert held >= {"mfa_credential", "mfa_session", "mfa_challenge", "mfa_user", "mfa_event"}
    return person


@pytest.mark.check("N05")
@pytest.mark.parametrize("way", ["erase", "orm", "bulk"])
def test_nothing_is_left_of_a_deleted_user_for_a_namesake(host: Host, ada: int, way: str) -> None:
    person = a_life(host, ada)
    with host.app.app_context():
        user = host.get(ada)
        if way == "erase":
            host.mfa.erase(user)
        if way == "bulk":
            host.mfa.erase(user)
            host.db.session.execute(delete(host.User).where(host.User.id == ada))
        else:
            host.db.session.delete(user)
        host.db.session.commit()
    assert set(tables(host).values()) == {0}
    assert not person.signed_in()
    assert host.user(id=ada) == ada
    assert not person.signed_in()
    again = arrive(host)
    assert again.at == "/mfa/enroll"
    assert again.page is not None and again.page.status_code == 200


@pytest.mark.check("F03")
def test_a_delete_that_is_rolled_back_erases_nobody(host: Host, ada: int) -> None:
    a_life(host, ada)
    before = tables(host)
    with host.app.app_context():
        host.db.session.delete(host.get(ada))
        host.db.session.flush()
        host.db.session.rollback()
        host.user("bob@example.org")
    assert tables(host) == before


def test_an_adopted_secret_is_one_of_up_to_five_named_ones(host: Host, ada: int) -> None:
    with host.app.app_context():
        host.mfa.adopt_otp(host.get(ada), otp.new_secret(), name=" my  tablet ")
        for wrong in ("short", "!" * 32, b"x" * 5, b"x" * 500):
            with pytest.raises(InvalidRequest):
                host.mfa.adopt_otp(host.get(ada), wrong)
    names = [row["name"] for row in host.rows("mfa_credential")]
    assert sorted(names, key=str) == [None, "my tablet"]
    assert host.events(ada).count("factor_enrolled") == 1


@pytest.mark.check("F03")
def test_on_a_file_a_call_waits_for_the_view_that_holds_open_writes(
    make_host: Make, tmp_path: Path
) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'host.db'}")
    user = host.user()
    host.enroll(user, "otp")

    @host.app.route("/forgot", methods=["POST"])
    def forgot() -> str:
        host.get(user).password = "new"
        host.db.session.flush()
        host.mfa.password_changed(host.get(user))
        assert host.rows_now("mfa_session")[0].ended_at is None
        host.db.session.commit()
        return "changed"

    host.rows_now = lambda name: host.db.session.execute(  # type: ignore[attr-defined]
        host.db.metadata.tables[name].select()
    ).all()
    person = signed_in(host, user)
    assert Person(host).post("/forgot").text == "changed"
    assert not person.signed_in()


@pytest.mark.check("L06")
@pytest.mark.parametrize("place", ["after_request", "teardown", "error"])
def test_a_host_that_rolls_back_gives_no_try_back(
    make_host: Make, tmp_path: Path, place: str
) -> None:
    host = make_host(f"sqlite:///{tmp_path / 'host.db'}")
    user = host.user()
    host.enroll(user, "otp")

    def roll_back(given: Any) -> Any:
        host.db.session.execute(host.db.text("UPDATE user SET username = 'x'"))
        host.db.session.rollback()
        return given

    if place == "after_request":
        host.app.after_request(roll_back)
    elif place == "teardown":
        host.app.teardown_request(lambda error: roll_back(None))
    else:

        @host.app.route("/verify", methods=["POST"])
        def verify() -> Any:
            if not host.mfa.verify(host.get(user), "000000"):
                roll_back(None)
                raise RuntimeError
            return "ok"

        @host.app.errorhandler(RuntimeError)
        def failed(error: Exception) -> Any:
            return roll_back(("refused", 401))

        assert Person(host).post("/verify").text == "refused"
    if place != "error":
        arrive(host).code("000000")
    assert host.rows("mfa_user")[0]["failures"] == 1
    assert "proof_refused" in host.events(user)


@pytest.mark.check("L07")
def test_a_lock_holds_in_another_worker_and_after_a_restart(
    make_host: Make, any_database_url: str
) -> None:
    first = make_host(any_database_url, MFA_CODE_VERIFY_THRESHOLD=2)
    user = first.user()
    first.enroll(user, "otp")
    second = make_host(any_database_url, create=False, MFA_CODE_VERIFY_THRESHOLD=2)
    arrive(first).code("000000")
    arrive(second).code("000000")
    restarted = make_host(any_database_url, create=False, MFA_CODE_VERIFY_THRESHOLD=2)
    for host in (first, second, restarted):
        person = arrive(host)
        assert person.page is not None and person.page.status_code == 429
        person.post("/mfa/challenge/otp", {"code": host.otp(user)})
        assert not person.signed_in()


def test_a_login_by_two_calls_in_one_view_is_the_last_one(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")

    @host.app.route("/both", methods=["POST"])
    def both() -> Any:
        login_user(host.get(ada))
        login_user(host.get(bob))
        return redirect("/secret")

    person = Person(host)
    person.post("/both")
    person.follow()
    assert person.code(host.otp(ada)).status_code == 401
    person.code(host.otp(bob))
    assert person.get("/secret").text == "secret of bob@example.org"
    assert [row["user_key"] for row in host.rows("mfa_challenge")] == [str(bob)]


def test_a_phone_number_of_the_host_is_only_a_proposal(host: Host) -> None:
    host.user(phone=PHONE)
    with host.app.app_context():
        account = host.app.extensions["melody_mfa"].describe(host.get(1))
    assert account.phone == PHONE
    person = arrive(host)
    assert person.at == "/mfa/enroll"

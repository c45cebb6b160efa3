"""The guard: while the gate is owed nobody is signed in, whatever is asked for."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, request
from flask.sessions import SecureCookieSessionInterface
from flask_login import current_user, encode_cookie, login_user
from sqlalchemy import event

from flask_melody_mfa import Account, mfa_required
from flask_melody_mfa.testing import assert_requires_mfa
from tests.host import BROWSER, Host, Person

Make = Callable[..., Host]
JSON = {"Accept": "application/json"}


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host whose users must prove what they hold."""
    return make_host()


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user()
    host.enroll(user, "otp")
    return user


def pending(host: Host) -> Person:
    """A person who gave the password and nothing else."""
    person = Person(host)
    person.sign_in(remember="1")
    return person


@pytest.mark.check("E01")
@pytest.mark.parametrize("path", ["/secret", "/guarded", "/fresh", "/with-otp", "/mfa/enroll"])
def test_a_page_of_someone_who_owes_the_gate_leads_to_the_challenge(
    host: Host, ada: int, path: str
) -> None:
    person = pending(host)
    answer = person.get(path)
    assert answer.status_code in (302, 303)
    assert answer.headers["Location"].startswith("/mfa/challenge")
    assert "ada@example.org" not in answer.text


@pytest.mark.check("E01")
def test_an_api_answers_401_with_a_problem_and_no_data(host: Host, ada: int) -> None:
    person = pending(host)
    answer = person.client.get("/api", headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert answer.mimetype == "application/problem+json"
    body = answer.get_json()
    assert body["code"] == "mfa_required"
    assert body["challenge_url"] == "/mfa/challenge"
    assert "ada@example.org" not in answer.text


@pytest.mark.check("E01")
def test_current_user_is_anonymous_while_the_gate_is_owed(host: Host, ada: int) -> None:
    person = pending(host)
    assert person.get("/open").text == "open False"
    assert person.client.get("/status", headers=BROWSER).status_code == 302


@pytest.mark.check("E01", "H11")
def test_without_a_password_the_pages_tell_nothing(host: Host, ada: int) -> None:
    person = Person(host)
    answers = [person.get(f"/mfa/challenge/{kind}") for kind in ("otp", "email", "sms")]
    assert {answer.status_code for answer in answers} == {303}
    assert {answer.headers["Location"].split("?")[0] for answer in answers} == {"/login"}


def test_the_rest_of_the_login_view_still_sees_the_user(host: Host, ada: int) -> None:
    pending(host)
    assert host.seen == ["ada@example.org"]


@pytest.mark.check("E03")
def test_no_remember_cookie_is_issued_before_the_gate_is_satisfied(host: Host, ada: int) -> None:
    person = pending(host)
    assert "remember_token" not in person.cookies()
    person.follow()
    person.code(host.otp(ada))
    assert "remember_token" in person.cookies()
    assert person.signed_in()


@pytest.mark.check("E04")
def test_the_cookies_of_the_password_step_open_nothing_elsewhere(host: Host, ada: int) -> None:
    person = pending(host)
    thief = Person(host)
    for name, value in person.cookies().items():
        thief.client.set_cookie(name, value)
    assert not thief.signed_in()
    assert thief.client.get("/api", headers=JSON).status_code == 401


@pytest.mark.check("E02", "E03")
def test_a_remember_cookie_alone_leads_to_the_challenge(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    token = person.cookies()["remember_token"]
    later = Person(host)
    later.client.set_cookie("remember_token", token)
    assert not later.signed_in()
    later.get("/secret", follow=True)
    assert later.at == "/mfa/challenge/otp"
    with host.clock() as clock:
        clock.tick(60)
        later.code(host.otp(ada))
        assert later.signed_in()


@pytest.mark.check("E02")
def test_a_remember_cookie_never_leads_to_a_first_set_up(make_host: Make) -> None:
    host = make_host()
    host.user()
    with host.app.test_request_context():
        from flask_login import encode_cookie

        token = encode_cookie("1")
    person = Person(host)
    person.client.set_cookie("remember_token", token)
    answer = person.get("/secret")
    assert answer.headers["Location"].startswith("/login")
    assert "remember_token" not in person.cookies()
    assert person.get("/open").text == "open False"


@pytest.mark.check("E02")
def test_login_user_is_caught_wherever_it_is_called(host: Host, ada: int) -> None:
    @host.app.before_request
    def magic_link() -> None:
        if request.args.get("magic") == "yes":
            login_user(host.get(ada))

    @host.app.route("/page")
    def page() -> str:
        return f"page of {getattr(current_user, 'email', 'nobody')}"

    person = Person(host)
    answer = person.get("/page?magic=yes")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/mfa/challenge")
    assert "ada" not in answer.text
    assert person.get("/page").status_code == 302


@pytest.mark.check("E02")
def test_a_json_login_gets_401_and_no_profile(host: Host, ada: int) -> None:
    client = host.app.test_client()
    answer = client.post("/json-login", json={"email": "ada@example.org"})
    assert answer.status_code == 401
    assert answer.get_json()["code"] == "mfa_required"
    assert "ada@example.org" not in answer.text
    assert "remember_token" not in answer.headers.get("Set-Cookie", "")


def test_a_failing_login_view_shows_nothing_of_the_user(host: Host, ada: int) -> None:
    @host.app.route("/broken-login")
    def broken() -> Any:
        login_user(host.get(ada))
        return f"profile of {current_user.email}", 500

    answer = Person(host).get("/broken-login")
    assert answer.status_code == 302
    assert "ada" not in answer.text


def test_the_targets_of_the_login_view_become_next(host: Host, ada: int) -> None:
    person = Person(host)
    person.sign_in(next_url="/api?x=1")
    assert person.page is not None
    assert person.page.headers["Location"].endswith("next=/api?x%3D1") or (
        "next=%2Fapi" in person.page.headers["Location"]
    )
    person.follow()
    person.code(host.otp(ada))
    assert person.page.headers["Location"] == "/api?x=1"


def test_an_interrupted_page_comes_back_after_the_challenge(host: Host, ada: int) -> None:
    person = pending(host)
    person.get("/guarded?a=b", follow=True)
    person.code(host.otp(ada), next="/guarded?a=b")
    assert person.page is not None
    assert person.page.headers["Location"] == "/guarded?a=b"


def test_an_interrupted_form_comes_back_to_its_page_and_says_so(host: Host, ada: int) -> None:
    person = pending(host)
    answer = person.post("/secret", {"a": "b"}, headers={"Referer": "http://localhost/open?x=1"})
    assert answer.status_code == 303
    person.follow()
    assert person.at == "/mfa/challenge/otp"
    assert "Nothing was saved" in person.text
    assert 'value="/open?x=1"' in person.text
    person.code(host.otp(ada), next="/open?x=1")
    assert person.at == "/open"


def test_an_interrupted_form_from_elsewhere_comes_back_to_the_start(host: Host, ada: int) -> None:
    person = pending(host)
    answer = person.post("/secret", {"a": "b"}, headers={"Referer": "https://evil.example/x"})
    assert answer.headers["Location"].endswith("next=/")


@pytest.mark.check("E09")
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"])
def test_every_method_of_a_view_is_covered(host: Host, ada: int, method: str) -> None:
    calls: list[str] = []

    @host.app.route(
        "/all", methods=["GET", "POST", "PUT", "DELETE", "PATCH"], provide_automatic_options=False
    )
    @mfa_required
    def everything() -> str:
        calls.append(request.method)
        return "ok"

    everything.methods = None  # type: ignore[attr-defined]
    person = pending(host)
    answer = person.client.open("/all", method=method)
    assert answer.status_code in (302, 303, 401, 405)
    assert calls == []


@pytest.mark.check("E09")
def test_head_has_the_status_of_get(host: Host, ada: int) -> None:
    person = pending(host)
    for path in ("/secret", "/mfa/challenge/otp"):
        got = person.client.get(path, headers=BROWSER)
        head = person.client.head(path, headers=BROWSER)
        assert got.status_code == head.status_code


@pytest.mark.check("E09")
def test_async_and_class_based_views_and_blueprints_are_covered(host: Host, ada: int) -> None:
    from flask.views import MethodView

    @host.app.route("/async")
    @mfa_required
    async def coroutine() -> str:
        return "async"

    class Shelf(MethodView):
        decorators = [mfa_required]  # noqa: RUF012

        def get(self) -> str:
            return "shelf"

    host.app.add_url_rule("/shelf", view_func=Shelf.as_view("shelf"))
    parts = Blueprint("parts", __name__)

    @parts.route("/part")
    def part() -> str:
        return "part"

    host.mfa.required_for(parts)
    host.app.register_blueprint(parts)
    stranger, member = Person(host), pending(host)
    member.follow()
    member.code(host.otp(ada))
    for path, text in (("/async", "async"), ("/shelf", "shelf"), ("/part", "part")):
        assert stranger.get(path).headers["Location"].startswith("/login")
        assert member.get(path).text == text


@pytest.mark.check("E09")
def test_a_decorator_above_the_route_is_refused_at_the_first_request(make_host: Make) -> None:
    host = make_host()

    def view() -> str:
        return "unprotected"

    mfa_required(host.app.route("/misordered")(view))
    host.app.testing = True
    with pytest.raises(RuntimeError, match="above the route"):
        host.app.test_client().get("/")


@pytest.mark.check("E10")
def test_a_user_loader_that_finds_nobody_means_nobody(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.signed_in()
    host.login_manager.user_loader(lambda key: None)
    state = host.app.extensions["melody_mfa"]
    state.cache.clear()
    assert not person.signed_in()


@pytest.mark.check("E10")
def test_a_user_that_cannot_be_described_is_not_let_in(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))

    @host.mfa.describe_user
    def broken(user: Any) -> Any:
        raise AttributeError("no such column")

    host.app.extensions["melody_mfa"].cache.clear()
    assert person.get("/secret").status_code == 503


@pytest.mark.check("E11", "F01")
def test_a_database_that_fails_means_503_never_an_open_door(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    with host.app.app_context():
        host.db.session.execute(host.db.text("DROP TABLE mfa_session"))
        host.db.session.commit()
    host.app.extensions["melody_mfa"].cache.clear()
    answer = person.get("/secret")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert person.client.get("/api", headers=JSON).get_json()["code"] == "unavailable"


@pytest.mark.check("E11")
def test_an_unknown_client_closes(host: Host, ada: int) -> None:
    @host.app.route("/of-a-client")
    @mfa_required(client="nobody-knows-it")
    def of_a_client() -> str:
        return "open"

    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.get("/of-a-client").status_code == 503


@pytest.mark.check("E11")
def test_a_client_hook_that_fails_closes(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    host.mfa.client_for(lambda request, account: "nobody-knows-it")
    assert person.get("/secret").status_code == 503


@pytest.mark.check("E13")
def test_who_must_enroll_reaches_nothing_but_that(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True)
    host.user()
    person = Person(host)
    person.sign_in()
    for path in ("/secret", "/api", "/guarded", "/mfa/enroll/email", "/mfa/challenge/email"):
        person.get(path)
        assert person.page is not None
        assert person.page.status_code in (302, 303, 401)
    person.get("/mfa/enroll/otp")
    assert person.page.status_code == 200
    assert person.get("/logout").status_code == 302
    assert person.get("/mfa/enroll/otp").headers["Location"].startswith("/login")


@pytest.mark.check("E13")
@pytest.mark.reference(7, 175)
def test_a_date_lets_a_set_up_be_put_off_and_signing_in_again_extends_nothing(
    make_host: Make,
) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True, MFA_REQUIRED_FROM="2030-01-01")
    host.user()
    before = 1_893_456_000_000 - 60_000
    with host.clock(before) as clock:
        person = Person(host)
        person.sign_in()
        person.follow()
        assert person.at == "/mfa/enroll"
        person.post("/mfa/enroll", {"later": "1"})
        assert person.signed_in()
        clock.tick(61)
        host.app.extensions["melody_mfa"].cache.clear()
        assert not person.signed_in()
        again = Person(host)
        again.sign_in()
        again.follow()
        assert again.at == "/mfa/enroll/otp"
        assert "later" not in again.text.lower().split("set up later")[0][-1:]
        again.post("/mfa/enroll", {"later": "1"})
        assert not again.signed_in()


def test_a_required_factor_that_is_held_is_never_put_off(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True, MFA_REQUIRED_FROM="2099-01-01")
    user = host.user()
    host.enroll(user, "otp")
    person = Person(host)
    person.sign_in()
    person.follow()
    assert person.at == "/mfa/challenge/otp"


@pytest.mark.check("E16")
def test_logging_out_ends_a_pending_sign_in(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    cookies = person.cookies()
    person.get("/logout")
    again = Person(host)
    for name, value in cookies.items():
        again.client.set_cookie(name, value)
    again.page = person.page
    again.post("/mfa/challenge/otp", {"code": host.otp(ada)})
    assert not again.signed_in()


def test_a_new_login_replaces_the_pending_one(host: Host, ada: int) -> None:
    person = pending(host)
    first = person.cookies()["session"]
    person.sign_in()
    second = Person(host)
    second.client.set_cookie("session", first)
    second.get("/mfa/challenge/otp")
    assert second.at == "/login"
    person.follow()
    person.code(host.otp(ada))
    assert person.signed_in()


@pytest.mark.check("S03")
def test_a_cookie_replayed_after_logout_is_signed_out(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    cookies = person.cookies()
    person.get("/logout")
    thief = Person(host)
    for name, value in cookies.items():
        if name == "session":
            thief.client.set_cookie(name, value)
    assert not thief.signed_in()
    assert thief.get("/secret").headers["Location"].startswith("/login")


def test_a_satisfied_session_costs_no_query_of_ours(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.signed_in()
    with host.app.app_context():
        engines = [host.db.engine, host.app.extensions["melody_mfa"].store.engine]
    said: list[str] = []
    for engine in engines:
        event.listen(
            engine,
            "before_cursor_execute",
            lambda c, cur, statement, *_: said.append(statement),
        )
    assert person.signed_in()
    assert [statement for statement in said if "mfa_" in statement] == []
    with host.clock() as clock:
        clock.tick(11)
        assert person.signed_in()
    assert len([statement for statement in said if "mfa_" in statement]) == 1


def test_an_anonymous_request_loads_nothing(host: Host) -> None:
    with host.app.app_context():
        engine = host.db.engine
    said: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, cur, text, *_: said.append(text))
    Person(host).get("/")
    assert said == []


@pytest.mark.check("S04")
def test_a_reset_is_felt_at_once_in_this_process(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.signed_in()
    with host.app.app_context():
        host.mfa.reset(host.get(ada))
    assert not person.signed_in()


@pytest.mark.check("E12")
@pytest.mark.reference(205)
def test_a_tightened_setting_is_felt_within_the_recheck_time(make_host: Make) -> None:
    host = make_host()
    user = host.user()
    host.enroll(user, "email")
    person = Person(host)
    person.sign_in()
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()
    state = host.app.extensions["melody_mfa"]
    from dataclasses import replace

    state._settings = replace(state.settings, otp_mfa_is_required=True)
    with host.clock() as clock:
        clock.tick(11)
        assert not person.signed_in()
        person.get("/secret", follow=True)
        assert person.at == "/mfa/enroll/otp"


@pytest.mark.check("S11")
def test_two_tabs_never_mix_two_users(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    person = pending(host)
    person.follow()
    person.sign_in("bob@example.org")
    person.page = None
    person.get("/mfa/challenge/otp")
    person.code(host.otp(ada))
    assert person.page is not None and person.page.status_code == 401
    person.code(host.otp(bob))
    assert "bob@example.org" in person.get("/secret").text


@pytest.mark.check("S01")
def test_the_token_changes_at_the_password_and_at_the_proof(host: Host, ada: int) -> None:
    person = Person(host)
    person.get("/mfa/challenge/otp")
    person.sign_in()
    first = held(person)
    person.follow()
    person.code(host.otp(ada))
    second = held(person)
    assert set(first) == {"c"}
    assert set(second) == {"s"}
    assert first["c"] != second["s"]


@pytest.mark.check("S02", "O07")
def test_the_cookie_holds_nothing_but_a_token(make_host: Make) -> None:
    host = make_host()
    user = host.user(phone="+447400123456")
    host.enroll(user, "email")
    person = Person(host)
    person.sign_in(remember="1")
    person.follow()
    content = cookie_content(person)
    assert set(content) <= {"_mfa", "_id", "csrf_token", "_flashes", "_fresh"}
    assert set(content["_mfa"]) == {"c"}
    assert host.last_code() not in json.dumps(content)


def held(person: Person) -> dict[str, str]:
    """What the browser's session holds of ours."""
    mark: dict[str, str] = cookie_content(person).get("_mfa", {})
    return mark


def cookie_content(person: Person) -> dict[str, Any]:
    """Flask's session cookie, read as anybody who holds it can."""
    payload = person.cookies()["session"]
    packed = payload.startswith(".")
    part = payload.lstrip(".").split(".")[0]
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    content: dict[str, Any] = json.loads(zlib.decompress(raw) if packed else raw)
    return content


def test_users_of_the_request_loader_pass_only_where_nothing_is_owed(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    ada, bob = host.user(), host.user("bob@example.org")
    host.enroll(ada, "otp")

    @host.login_manager.request_loader
    def by_key(request: Any) -> Any:
        key = request.headers.get("X-Key")
        return host.get(int(key)) if key else None

    client = host.app.test_client()
    assert client.get("/api", headers={"X-Key": str(bob)}).get_json() == {
        "email": "bob@example.org"
    }
    answer = client.get("/api", headers={"X-Key": str(ada)})
    assert answer.status_code == 401 and answer.get_json()["code"] == "mfa_required"
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.signed_in()
    host.mfa.vouches_for(lambda request: request.headers.get("X-Key") == str(ada))
    assert client.get("/api", headers={"X-Key": str(ada)}).status_code == 200


def test_a_request_loader_user_is_never_let_in_by_a_cookies_proofs(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    ada, bob = host.user(), host.user("bob@example.org")
    host.enroll(ada, "otp")
    host.enroll(bob, "otp")

    @host.login_manager.request_loader
    def by_key(request: Any) -> Any:
        key = request.headers.get("X-Key")
        return host.get(int(key)) if key else None

    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    answer = person.client.get("/api", headers={"X-Key": str(bob)})
    assert answer.status_code == 401 or answer.get_json() == {"email": "ada@example.org"}


ASKING = ("/api", "/guarded", "/fresh", "/mfa/account")


@pytest.mark.check("S04")
@pytest.mark.parametrize("by_cookie", [False, True])
@pytest.mark.parametrize("path", ASKING)
def test_a_remembered_session_is_of_no_use_to_whom_flask_login_finds_instead(
    make_host: Make, path: str, by_cookie: bool
) -> None:
    """Ada's id stands for nobody any more, and her browser says that it is Bob in another way."""
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    versions: dict[str, str] = {}
    host.User.get_id = lambda self: f"{self.id}.{versions.get(str(self.id), 0)}"  # type: ignore[method-assign]

    @host.login_manager.user_loader
    def load(flask_id: str) -> Any:
        key, _, version = flask_id.partition(".")
        return host.get(int(key)) if version == str(versions.get(key, 0)) else None

    ada, bob = host.user(), host.user("bob@example.org")
    host.enroll(ada, "otp")
    host.enroll(bob, "otp")
    headers = {}
    if not by_cookie:
        headers = {"X-Key": str(bob)}

        @host.login_manager.request_loader
        def by_key(request: Any) -> Any:
            key = request.headers.get("X-Key")
            return host.get(int(key)) if key else None

    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.signed_in()
    if by_cookie:
        with host.app.app_context():
            person.client.set_cookie("remember_token", encode_cookie(f"{bob}.0"))
    versions[str(ada)] = "1"
    answer = person.client.get(path, headers=headers)
    assert answer.status_code in (302, 303, 401, 403)


def test_a_user_of_a_header_loader_owes_the_gate(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    ada = host.user()
    host.enroll(ada, "otp")
    with pytest.warns(DeprecationWarning):  # and still there
        host.login_manager.header_loader(lambda value: host.get(int(value)))
    client = host.app.test_client()
    assert client.get("/api", headers={"Authorization": str(ada)}).status_code == 401


@pytest.mark.check("S04")
def test_a_host_may_name_its_session_cookie_in_its_own_way(make_host: Make) -> None:
    class Named(SecureCookieSessionInterface):
        def get_cookie_name(self, app: Flask) -> str:
            return "of_this_tenant"

    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    host.app.session_interface = Named()
    ada = host.user()
    host.enroll(ada, "otp")
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.client.get("/api").status_code == 200
    with host.app.app_context():
        host.mfa.password_changed(host.get(ada))
    assert person.client.get("/api").status_code != 200, "what has ended has ended"


@pytest.mark.check("S07")
def test_who_is_inactive_is_put_out_by_the_hosts_own_word(make_host: Make) -> None:
    """The host describes them as inactive, loads them by key no more, and finds them itself."""
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    host.User.is_authenticated = True
    blocked: set[int] = set()

    @host.mfa.describe_user
    def describe(user: Any) -> Account:
        return Account(
            key=str(user.id), login=user.email, email=user.email, active=user.id not in blocked
        )

    @host.mfa.load_user
    def load(key: str) -> Any:
        return None if int(key) in blocked else host.get(int(key))

    ada = host.user()
    person = Person(host)
    person.sign_in()
    assert person.client.get("/api").status_code == 200
    blocked.add(ada)
    host.app.extensions["melody_mfa"].cache.clear()
    assert person.client.get("/api").status_code != 200


def test_without_the_guard_only_decorated_views_ask(make_host: Make) -> None:
    host = make_host(MFA_GUARD=False)
    user = host.user()
    host.enroll(user, "otp")
    person = Person(host)
    answer = person.sign_in()
    assert answer.headers["Location"] == "/secret"
    assert person.signed_in()
    person.get("/guarded", follow=True)
    assert person.at == "/mfa/challenge/otp"
    assert person.signed_in()
    person.code(host.otp(user), next="/guarded")
    assert person.follow().text == "guarded"


def test_without_the_guard_a_first_set_up_works_too(make_host: Make) -> None:
    from tests.host import totp

    host = make_host(MFA_GUARD=False)
    host.user()
    person = Person(host)
    person.sign_in()
    person.get("/guarded", follow=True)
    assert person.at == "/mfa/enroll"
    person.post("/mfa/enroll", {"factor": "otp", "next": "/guarded"}, follow=True)
    person.code(totp(person.secret()), next="/guarded")
    assert person.follow().text == "guarded"


def test_assert_requires_mfa_tells_an_open_page_from_a_guarded_one(host: Host, ada: int) -> None:
    person = pending(host)
    assert_requires_mfa(person.client, "/secret")
    with pytest.raises(AssertionError):
        assert_requires_mfa(person.client, "/open")


def test_static_files_are_reachable_meanwhile(host: Host, ada: int) -> None:
    with pending(host).get("/mfa/static/mfa.css") as answer:
        assert answer.status_code == 200


def test_exempt_views_blueprints_and_endpoints_are_left_alone(host: Host, ada: int) -> None:
    parts = Blueprint("shop", __name__)

    @parts.route("/shop")
    def shop() -> str:
        return f"shop {current_user.is_authenticated}"

    @host.app.route("/terms")
    def terms() -> str:
        return "terms"

    host.app.register_blueprint(parts)
    host.mfa.exempt(parts)
    host.mfa.exempt("terms")
    person = pending(host)
    assert person.get("/shop").text == "shop False"
    assert person.get("/terms").text == "terms"


def test_a_second_init_app_is_refused_with_advice(host: Host) -> None:
    with pytest.raises(RuntimeError, match="once per app"):
        host.mfa.init_app(host.app, host.db)


def test_requests_that_share_an_app_context_share_nothing_of_ours(make_host: Make) -> None:
    host = make_host(WTF_CSRF_ENABLED=True)
    users = [host.user(f"{name}@example.org") for name in ("ada", "bob")]
    for user in users:
        host.enroll(user, "otp")
    with host.app.app_context():
        for user, email in zip(users, ("ada@example.org", "bob@example.org"), strict=True):
            person = Person(host)
            person.sign_in(email)
            assert person.get("/open").text == "open False"
            person.get("/mfa/challenge", follow=True)
            person.code(host.otp(user))
            assert person.get("/secret").text == f"secret of {email}"
            person.get("/logout")


def test_what_fresh_session_protection_signs_out_is_not_let_in(host: Host, ada: int) -> None:
    host.app.config["SESSION_PROTECTION"] = "strong"
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.get("/guarded").text == "guarded"
    thief = Person(host)
    thief.client.set_cookie("session", person.cookies()["session"])
    thief.client.environ_base["HTTP_USER_AGENT"] = "another browser"
    assert thief.get("/guarded").headers["Location"].startswith("/login")
    answer = thief.client.get("/guarded", headers=JSON)
    assert answer.get_json()["code"] == "not_authenticated"


def test_a_user_who_is_gone_is_not_let_in_by_what_a_process_remembers(host: Host, ada: int) -> None:
    person = pending(host)
    person.follow()
    person.code(host.otp(ada))
    assert person.get("/guarded").text == "guarded"
    host.login_manager.user_loader(lambda key: None)
    assert person.get("/guarded").headers["Location"].startswith("/login")


@pytest.mark.parametrize("cookie", ["x", "1|", "1|é", "1|00", "|||", "1|" + "0" * 128])
def test_a_remember_cookie_that_nobody_signed_is_no_cookie(
    host: Host, ada: int, cookie: str
) -> None:
    client = host.app.test_client()
    client.set_cookie("remember_token", cookie)
    answer = client.get("/mfa/challenge", headers=BROWSER)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")


def test_a_remember_cookie_that_comes_with_the_password_is_kept_as_a_wish(
    host: Host, ada: int
) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    person = pending(host)
    person.follow()
    with host.clock() as clock:
        person.code(host.otp(ada))
        person.client.delete_cookie("session")
        assert "remember_token" in person.cookies()
        clock.tick(60)
        person.sign_in()
        assert "remember_token" not in person.cookies()
        person.follow()
        person.code(host.otp(ada))
        assert "remember_token" in person.cookies()
        # Whoever signs in beside somebody else's cookie did not ask for one.
        person.client.delete_cookie("session")
        person.sign_in("bob@example.org")
        person.follow()
        person.code(host.otp(bob))
        assert "remember_token" not in person.cookies()
        assert "bob@example.org" in person.get("/secret").text


def test_a_login_view_may_be_named_by_its_path(host: Host, ada: int) -> None:
    host.login_manager.login_view = "/login"
    person = pending(host)
    assert person.get("/login").status_code == 200
    assert person.get("/secret").headers["Location"].startswith("/mfa/challenge")

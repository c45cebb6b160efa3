"""Step-up: a fresh proof, of the right strength, for a sensitive act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import redirect, request
from flask_login import current_user, login_user

from flask_melody_mfa import mfa_required
from flask_melody_mfa.flows import recovery
from flask_melody_mfa.web.state import context, state
from tests.host import BROWSER, PHONE, Host, Person

Make = Callable[..., Host]
JSON = {"Accept": "application/json"}


def signed_in(host: Host, user: int, factor: str = "otp", email: str = "ada@example.org") -> Person:
    """A person who has just proven a factor."""
    person = Person(host)
    person.sign_in(email)
    person.follow()
    person.code(host.otp(user) if factor == "otp" else host.last_code())
    assert person.signed_in()
    return person


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host whose SMS and email can be chosen."""
    host = make_host()

    @host.app.route("/with-sms")
    @mfa_required(factors={"sms"}, max_age=300)
    def with_sms() -> str:
        return "with sms"

    @host.app.route("/resistant")
    @mfa_required(phishing_resistant=True)
    def resistant() -> str:
        return f"resistant {current_user.email}"

    return host


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user(phone=PHONE)
    host.enroll(user, "otp")
    return user


@pytest.mark.check("S06")
@pytest.mark.parametrize(("seconds", "status"), [(299, 200), (300, 200), (301, 303)])
def test_a_proof_is_fresh_up_to_the_limit(host: Host, ada: int, seconds: int, status: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(seconds)
        assert person.get("/fresh").status_code == status


@pytest.mark.check("S06")
def test_freshness_does_not_slide_with_use(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        for _ in range(3):
            clock.tick(90)
            assert person.get("/fresh").status_code == 200
        clock.tick(40)
        assert person.get("/fresh").status_code == 303


@pytest.mark.check("S06", "F08")
def test_a_clock_that_is_set_back_extends_nothing(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(-3600)
        assert person.get("/fresh").status_code == 303


def test_after_a_step_up_the_page_opens(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        person.get("/fresh?a=b", follow=True)
        assert person.at == "/mfa/challenge/otp"
        assert person.signed_in()
        person.code(host.otp(ada))
        assert person.page is not None
        assert person.page.headers["Location"] == "/fresh?a=b"
        assert person.get("/fresh").text == "fresh"


def test_an_api_gets_403_and_where_to_go(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        answer = person.client.get("/fresh", headers=JSON)
        assert answer.status_code == 403
        assert answer.get_json()["code"] == "step_up_required"
        assert answer.get_json()["challenge_url"] == "/mfa/challenge"


@pytest.mark.check("S07", "T07")
def test_the_code_of_a_set_up_is_no_step_up(make_host: Make) -> None:
    from tests.host import totp

    host = make_host()
    host.user()
    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        person.get("/mfa/enroll/otp")
        secret = person.secret()
        person.code(totp(secret, clock))
        assert person.signed_in()
        person.get("/fresh", follow=True)
        assert person.at == "/mfa/challenge/otp"
        assert person.code(totp(secret, clock)).status_code == 401
        person.code(totp(secret, clock, 1))
        assert person.get("/fresh").status_code == 200


@pytest.mark.check("S07", "O16")
def test_an_email_code_is_no_step_up_for_who_holds_an_authenticator(make_host: Make) -> None:
    host = make_host()
    user = host.user()
    host.enroll(user, "otp", "email")
    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        person.get("/mfa/challenge/email")
        person.post("/mfa/challenge/email/send")
        person.follow()
        person.code(host.last_code())
        assert person.signed_in()
        person.get("/fresh", follow=True)
        assert person.at == "/mfa/challenge/otp"
        assert "/mfa/challenge/email" not in person.text
        clock.tick(30)
        person.code(host.otp(user))
        assert person.get("/fresh").status_code == 200


@pytest.mark.check("O16")
def test_email_is_the_highest_level_of_who_holds_nothing_else(make_host: Make) -> None:
    host = make_host()
    user = host.user()
    host.enroll(user, "email")
    with host.clock() as clock:
        person = signed_in(host, user, "email")
        assert person.get("/fresh").status_code == 200
        clock.tick(400)
        person.get("/fresh", follow=True)
        assert person.at == "/mfa/challenge/email"
        person.post("/mfa/challenge/email/send")
        person.follow()
        person.code(host.last_code())
        assert person.get("/fresh").status_code == 200
        assert person.get("/with-otp").status_code == 303


@pytest.mark.check("S07")
def test_a_backup_is_no_step_up(host: Host, ada: int) -> None:
    person = Person(host)
    person.sign_in()
    person.follow()
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()
    person.get("/fresh", follow=True)
    assert person.at == "/mfa/challenge/otp"
    assert "/mfa/challenge/email" not in person.text
    person.post("/mfa/challenge/email/send")
    assert len(host.mails()) == 2  # the code, and the notice that a backup was used


@pytest.mark.check("S07")
def test_another_users_proof_is_no_step_up(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        person.get("/fresh", follow=True)
        assert person.code(host.otp(bob)).status_code == 401
        assert person.get("/fresh").status_code == 303


@pytest.mark.check("O05")
def test_a_sign_in_code_is_no_step_up_code(make_host: Make) -> None:
    host = make_host()
    user = host.user(phone=PHONE)
    host.enroll(user, "sms")
    with host.clock() as clock:
        person = signed_in(host, user, "sms")
        clock.tick(200)
        other = Person(host)
        other.sign_in()
        code = host.last_code()
        clock.tick(101)
        person.get("/fresh", follow=True)
        assert person.at == "/mfa/challenge/sms"
        assert person.code(code).status_code in (401, 429)
        assert person.get("/fresh").status_code == 303


def test_a_view_may_name_a_factor(host: Host, ada: int) -> None:
    host.enroll(ada, "sms")
    person = signed_in(host, ada)
    person.get("/with-sms", follow=True)
    assert person.at == "/mfa/challenge/sms"
    person.post("/mfa/challenge/sms/send")
    person.follow()
    person.code(host.last_code())
    assert person.get("/with-sms").text == "with sms"


def test_a_factor_that_is_not_held_is_set_up_behind_a_step_up(make_host: Make) -> None:
    host = make_host()
    user = host.user(phone=PHONE)
    host.enroll(user, "email")
    with host.clock() as clock:
        person = signed_in(host, user, "email")
        clock.tick(400)
        person.get("/with-otp", follow=True)
        assert person.at == "/mfa/challenge/email"
        person.post("/mfa/challenge/email/send")
        person.follow()
        person.code(host.last_code())
        person.follow()
        assert person.at == "/mfa/enroll/otp"


def test_who_cannot_have_what_is_asked_for_is_told(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    answer = person.get("/resistant")
    assert answer.status_code == 403
    assert "ada@example.org" not in answer.text


@pytest.fixture
def bare(make_host: Make) -> Host:
    """A host that demands nothing, and a user who holds nothing."""
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    host.user()

    @host.app.route("/otp-fresh")
    @mfa_required(factors={"otp"}, max_age=3600)
    def otp_fresh() -> str:
        return "otp fresh"

    return host


def give_password(person: Person, password: str = "pw") -> None:
    """Fill in the page for the password that is shown."""
    assert person.page is not None
    person.post(person.page.request.full_path, {"password": password})


@pytest.mark.check("S06")
def test_who_holds_nothing_gives_the_password_anew(bare: Host) -> None:
    with bare.clock() as clock:
        person = Person(bare)
        person.sign_in()
        assert person.get("/fresh").status_code == 200
        clock.tick(301)
        person.get("/fresh?a=b")
        assert person.at == "/mfa/challenge/password"
        person.follow()
        assert person.signed_in()
        give_password(person)
        assert person.page is not None
        assert person.page.headers["Location"] == "/fresh?a=b"
        assert person.get("/fresh").status_code == 200
        assert "proof_accepted" in bare.events()
        clock.tick(301)
        assert person.get("/fresh").status_code == 303


def test_a_wrong_password_is_no_proof_and_is_counted(bare: Host) -> None:
    with bare.clock() as clock:
        person = Person(bare)
        person.sign_in()
        clock.tick(301)
        person.get("/fresh", follow=True)
        for _ in range(10):
            give_password(person, "wrong")
            assert person.page is not None
            assert person.page.status_code == 401
            assert "That password is not right." in person.text
        give_password(person)
        assert person.page.status_code == 429
        assert person.page.headers["Retry-After"]
        assert person.get("/fresh").status_code == 303
        assert bare.rows("mfa_user")[0]["failures"] == 0
        clock.tick(901)
        person.get("/fresh", follow=True)
        give_password(person)
        assert person.get("/fresh").status_code == 200


@pytest.mark.check("S01", "S02")
def test_the_password_begins_a_session_in_the_old_ones_place(bare: Host) -> None:
    with bare.clock() as clock:
        person = Person(bare)
        person.sign_in()
        with person.client.session_transaction() as cookie:
            before = dict(cookie)
        clock.tick(301)
        person.get("/fresh", follow=True)
        give_password(person)
        with person.client.session_transaction() as cookie:
            assert cookie["_mfa"]["s"] != before["_mfa"]["s"]
        thief = Person(bare)
        with thief.client.session_transaction() as cookie:
            cookie.update(before)
        assert not thief.signed_in()
        assert person.signed_in()


def test_no_password_or_two_are_none(bare: Host) -> None:
    with bare.clock() as clock:
        person = Person(bare)
        person.sign_in()
        clock.tick(301)
        person.get("/fresh", follow=True)
        for typed in ("", ["pw", "pw"], "x" * 1025, "a\x00b"):
            person.post("/mfa/challenge/password", {"password": typed})
            assert person.page is not None
            assert person.page.status_code == 400
            assert "Enter your password." in person.text
        assert person.get("/fresh").status_code == 303


@pytest.mark.check("E14")
def test_who_was_disabled_meanwhile_gives_no_password(bare: Host) -> None:
    with bare.clock() as clock:
        person = Person(bare)
        person.sign_in()
        clock.tick(301)
        person.get("/fresh", follow=True)
        with bare.app.app_context():
            bare.get(1).active = False
            bare.db.session.commit()
        give_password(person)
        assert not person.signed_in()


def test_the_password_page_is_for_who_holds_nothing(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    person.get("/mfa/challenge/password?next=/fresh")
    assert person.at == "/fresh"
    assert Person(host).get("/mfa/challenge/password").status_code == 303
    person.post("/mfa/challenge/password", {"password": "pw", "next": "//evil.example"})
    assert person.at == "/"


@pytest.mark.check("S07")
def test_a_remember_cookie_is_no_fresh_sign_in(bare: Host) -> None:
    person = Person(bare)
    person.sign_in(remember="1")
    remembered = person.cookies()["remember_token"]
    later = Person(bare)
    later.client.set_cookie("remember_token", remembered)
    assert later.signed_in()
    later.get("/fresh")
    assert later.at == "/mfa/challenge/password"
    later.follow()
    give_password(later)
    assert later.get("/fresh").status_code == 200


def test_a_first_set_up_asks_for_a_young_sign_in_whatever_a_view_allows(bare: Host) -> None:
    with bare.clock() as clock:
        person = Person(bare)
        person.sign_in()
        for path in ("/otp-fresh", "/with-otp"):
            clock.tick(601)
            person.get(path)
            assert person.at == "/mfa/challenge/password", path
            person.follow()
            give_password(person)
            person.get(path, follow=True)
            assert person.at == "/mfa/enroll/otp", path


def test_where_nobody_can_check_a_password_the_login_view_does(bare: Host) -> None:
    """Many a login view leads who is signed in away: here it sees nobody, or nobody would end."""
    del bare.User.check_password
    views = bare.app.view_functions
    login = views["login"]

    def leads_away() -> Any:
        if current_user.is_authenticated:
            return redirect(request.args.get("next") or "/")
        if request.method == "POST":
            login_user(bare.get(1))
            return redirect(request.args["next"])
        return login()

    views["login"] = leads_away
    with bare.clock() as clock:
        person = Person(bare)
        person.post("/login?next=/secret")
        assert person.signed_in()
        clock.tick(301)
        person.get("/fresh", follow=True)
        assert person.at == "/login"
        assert "login form" in person.text
        assert person.signed_in()
        person.post("/login?next=/fresh")
        assert person.get("/fresh").status_code == 200
        person.get("/login?next=/secret")
        assert person.at == "/secret"


def test_an_api_of_who_holds_nothing_is_told_where_to_go(bare: Host) -> None:
    with bare.clock() as clock:
        person = Person(bare)
        person.sign_in()
        clock.tick(301)
        answer = person.client.get("/fresh", headers=JSON)
        assert answer.status_code == 403
        assert answer.get_json()["challenge_url"] == "/mfa/challenge/password"


@pytest.mark.check("S07")
def test_a_sign_in_by_recovery_code_with_a_factor_may_have_a_step_up(make_host: Make) -> None:
    """The code stood for the password there; what was proven beside it is proven anew."""
    host = make_host(ENABLE_RECOVERY_CODE=True)
    ada = host.user()
    host.enroll(ada, "otp")
    with host.app.app_context():
        code = recovery.make(context(), state().describe(host.get(ada)))[0]
    with host.clock() as clock:
        person = Person(host)
        person.post("/mfa/recover", {"login": "ada@example.org", "code": code})
        person.follow()
        assert person.at == "/mfa/challenge/otp"
        person.code(host.otp(ada))
        assert person.signed_in()
        clock.tick(400)
        person.get("/fresh", follow=True)
        assert person.at == "/mfa/challenge/otp"
        person.code(host.otp(ada))
        assert person.get("/fresh").status_code == 200


def test_cancelling_a_step_up_keeps_the_session(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        person.get("/fresh", follow=True)
        person.post("/mfa/challenge/cancel")
        assert person.at == "/"
        assert person.signed_in()
        assert person.get("/fresh").status_code == 303


@pytest.mark.check("L02")
def test_wrong_codes_of_a_step_up_count_with_those_of_sign_ins(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        clock.tick(400)
        person.get("/fresh", follow=True)
        person.code("000000")
        other = Person(host)
        other.sign_in()
        other.follow()
        other.code("000000")
    assert host.rows("mfa_user")[0]["failures"] == 2


def test_the_status_tells_what_was_proven(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    assert person.client.get("/status", headers=BROWSER).get_json() == {
        "satisfied": True,
        "method": "password",
        "factors": ["otp"],
        "level": 2,
        "client": None,
    }


def test_a_client_has_a_gate_of_its_own(make_host: Make) -> None:
    host = make_host(MFA_CLIENTS={"billing": {"OTP_MFA_IS_REQUIRED": True}})
    user = host.user()
    host.enroll(user, "email")

    @host.app.route("/billing")
    @mfa_required(client="billing")
    def billing() -> str:
        return "billing"

    person = signed_in(host, user, "email")
    assert person.signed_in()
    person.get("/billing", follow=True)
    assert person.at == "/mfa/enroll/otp"
    assert person.signed_in()


@pytest.mark.reference(1, 2, 3, 4, 5, 6, 7, 177)
@pytest.mark.parametrize(
    ("app", "client", "page"),
    [
        ({"EMAIL_MFA_IS_REQUIRED": True}, {"use_system_mfa_config": False}, "open"),
        ({"OTP_MFA_IS_REQUIRED": True}, {"use_system_mfa_config": False}, "open"),
        ({"SMS_MFA_IS_REQUIRED": True}, {"use_system_mfa_config": False}, "open"),
        ({}, {"use_system_mfa_config": False}, "open"),
        ({}, {"EMAIL_MFA_IS_REQUIRED": True}, "/mfa/enroll/email"),
        ({}, {"OTP_MFA_IS_REQUIRED": True}, "/mfa/enroll/otp"),
        ({}, {"SMS_MFA_IS_REQUIRED": True}, "/mfa/enroll/sms"),
    ],
)
def test_a_client_overrides_what_the_app_requires(
    make_host: Make, app: dict[str, bool], client: dict[str, bool], page: str
) -> None:
    host = make_host(**app, MFA_CLIENTS={"shop": client})
    host.user(phone=PHONE)
    host.mfa.client_for(lambda request, account: "shop")
    person = Person(host)
    person.sign_in()
    person.follow()
    assert person.at == ("/secret" if page == "open" else page)
    assert person.signed_in() is (page == "open")


def test_a_step_up_that_took_too_long_leads_back_and_signs_nobody_out(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = Person(host)
        person.sign_in(remember="1")
        person.follow()
        person.code(host.otp(ada))
        clock.tick(400)
        person.get("/fresh", follow=True)
        clock.tick(601)
        person.code(host.otp(ada), next="/fresh")
        assert person.page is not None
        assert person.page.headers["Location"] == "/fresh"
        assert person.signed_in()
        assert "remember_token" in person.cookies()
        person.get("/fresh", follow=True)
        assert person.at == "/mfa/challenge/otp"
        person.code(host.otp(ada), next="/fresh")
        assert person.follow().text == "fresh"
        assert "remember_token" in person.cookies()


@pytest.mark.check("T03")
def test_the_code_of_the_sign_in_is_no_step_up_code(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        person.follow()
        code = host.otp(ada)
        person.code(code)
        person.get("/with-sms", follow=True)
        assert person.at == "/mfa/challenge/otp"
        assert person.code(code).status_code == 401
        clock.tick(60)
        with host.app.app_context():
            assert host.mfa.verify(host.get(ada), code) is False

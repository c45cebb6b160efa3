"""Sign-in by login and recovery code: for a forgotten password, and for nothing more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import redirect
from flask_login import current_user

from flask_melody_mfa.core import gate
from flask_melody_mfa.flows import sessions, sign_in_tries
from flask_melody_mfa.web.state import context, state
from tests.host import Host, Person
from tests.recovering import (
    BOB,
    CHALLENGE,
    SHEET,
    Make,
    codes_of,
    left,
    recover,
    shown,
    sign_in,
    statements,
    stored,
)

WRONG = "0000-0000-0000-0000-0000-0000"


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host with recovery codes and remembered devices."""
    return make_host(ENABLE_RECOVERY_CODE=True, ENABLE_MFA_REMEMBER_DEVICE=True)


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user()
    host.enroll(user, "otp")
    return user


def test_a_code_stands_for_the_password_and_then_a_factor_is_asked_for(
    host: Host, ada: int
) -> None:
    codes = codes_of(host, ada)
    person = recover(host, codes[0])
    assert person.at == "/mfa/challenge" and left(host, ada) == 9
    assert not person.signed_in()
    person.follow()
    person.code(host.otp(ada), next="/mfa/recover/done?next=/secret")
    assert person.at == "/mfa/recover/done"
    person.follow()
    assert "Your password has not been changed" in person.text and "9 are left" in person.text
    assert 'href="/secret"' in person.text
    assert person.client.get("/status").get_json()["method"] == "recovery_code"


def test_the_page_for_a_new_password_is_the_hosts(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True)
    seen: list[Any] = []

    @host.mfa.set_password_url
    def new_password(user: Any) -> str:
        seen.append(user.email)
        return "/secret"

    ada = host.user()
    host.enroll(ada, "otp")
    codes = codes_of(host, ada)
    person = recover(host, codes[0])
    person.follow()
    person.code(host.otp(ada))
    person.follow()
    assert seen == ["ada@example.org"]
    assert person.text == "secret of ada@example.org"


def test_a_hook_that_fails_is_the_page_without_it(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True)

    @host.mfa.set_password_url
    def broken(user: Any) -> str:
        raise RuntimeError

    ada = host.user()
    host.enroll(ada, "otp")
    person = recover(host, codes_of(host, ada)[0])
    person.follow()
    person.code(host.otp(ada))
    assert "Your password has not been changed" in person.follow().text


@pytest.mark.check("R14")
def test_one_sign_in_never_uses_a_code_for_the_password_and_another_for_mfa(
    host: Host, ada: int
) -> None:
    codes = codes_of(host, ada)
    person = recover(host, codes[0])
    page = person.follow()
    assert "recovery-code" not in page.text
    person.post(CHALLENGE, {"code": codes[1]})
    assert person.at == "/mfa/challenge/otp"
    assert not person.signed_in() and left(host, ada) == 9


@pytest.mark.check("R05")
@pytest.mark.reference(162)
def test_a_code_works_once_here_too(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    recover(host, codes[0])
    again = recover(host, codes[0])
    assert again.page is not None and again.page.status_code == 401


def test_a_code_spent_in_a_challenge_is_spent_here(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = Person(host)
    person.sign_in()
    person.get(CHALLENGE)
    person.code(codes[0])
    again = recover(host, codes[0])
    assert again.page is not None and again.page.status_code == 401


@pytest.mark.check("R08")
def test_somebody_elses_code_opens_nothing(host: Host, ada: int) -> None:
    bob = host.user(BOB)
    host.enroll(bob, "otp")
    theirs = codes_of(host, bob)
    codes_of(host, ada)
    person = recover(host, theirs[0])
    assert person.page is not None and person.page.status_code == 401
    row = stored(host, bob, theirs[0])
    assert row is not None and row["used_at"] is None


@pytest.mark.check("R12", "D05")
def test_this_sign_in_earns_no_device(host: Host, ada: int) -> None:
    person = recover(host, codes_of(host, ada)[0])
    assert "remember_device" not in person.follow().text
    person.code(host.otp(ada), remember_device="1")
    assert person.signed_in() and not host.rows("mfa_device")


def test_after_a_held_factor_the_session_is_as_good_as_any(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    with host.clock() as clock:
        person = recover(host, codes[0])
        person.follow()
        person.code(host.otp(ada))
        assert person.get("/fresh").status_code == 200
        assert person.post(SHEET).status_code == 200
        assert len(shown(person)) == 10
        clock.tick(301)
        assert person.get("/fresh").status_code == 303


def test_nothing_is_replaced_after_a_forgotten_password(host: Host, ada: int) -> None:
    host.enroll(ada, "email")
    person = recover(host, codes_of(host, ada)[0])
    person.follow()
    person.code(host.otp(ada))
    person.get("/mfa/enroll/replace?next=/secret")
    assert person.page is not None and person.page.headers["Location"] == "/secret"


@pytest.mark.check("E08")
def test_without_a_held_factor_a_code_alone_is_stuck(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, ALLOW_EMAIL_MFA_AS_BACKUP=False)
    ada = host.user(phone="+447400123456")
    host.enroll(ada, "sms")
    codes = codes_of(host, ada)
    host.app.extensions["melody_mfa"].hooks.send_sms = None
    person = recover(host, codes[0])
    person.follow()
    assert person.page is not None and person.page.status_code == 403
    assert "A recovery code alone is not enough here" in person.text
    assert not person.signed_in()


@pytest.mark.reference(160, 164)
def test_a_code_alone_is_enough_where_the_app_says_so(make_host: Make) -> None:
    host = make_host(
        ENABLE_RECOVERY_CODE=True, MFA_RECOVERY_CODE_IS_ENOUGH=True, OTP_MFA_IS_REQUIRED=True
    )
    ada = host.user()
    host.enroll(ada, "otp")
    person = recover(host, codes_of(host, ada)[0], next="/secret")
    assert person.at == "/mfa/recover/done"
    assert person.signed_in()
    person.follow()
    assert "9 are left" in person.text and "enroll/recovery-codes" not in person.text
    assert person.get("/fresh").status_code == 403, "and yet it is a recovery session"


def test_who_is_signed_in_already_goes_on(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = sign_in(host, ada)
    person.get("/mfa/recover?next=/secret")
    assert person.page is not None and person.page.headers["Location"] == "/secret"
    person.post("/mfa/recover", {"login": "ada@example.org", "code": codes[0]})
    assert left(host, ada) == 10


def test_a_recovery_replaces_the_sign_in_that_was_pending(host: Host, ada: int) -> None:
    bob = host.user(BOB)
    host.enroll(bob, "otp")
    codes = codes_of(host, ada)
    person = Person(host)
    person.sign_in(BOB)
    person.post("/mfa/recover", {"login": "ada@example.org", "code": codes[0]})
    person.follow()
    person.code(host.otp(ada))
    assert person.get("/secret").text == "secret of ada@example.org"


# One answer


@pytest.mark.check("H10", "H11")
@pytest.mark.reference(165, 166)
def test_unknown_login_no_codes_and_wrong_code_get_one_answer(host: Host, ada: int) -> None:
    codes_of(host, ada)
    bob, inactive = host.user(BOB), host.user("off@example.org")
    host.enroll(inactive, "otp")
    codes = codes_of(host, inactive)
    with host.app.app_context():
        host.get(inactive).active = False
        host.db.session.commit()
    assert bob
    pages = []
    for login, code in (
        ("ada@example.org", WRONG),
        (BOB, WRONG),
        ("nobody@example.org", WRONG),
        ("off@example.org", codes[0]),
        ("ada@example.org", "no code at all"),
    ):
        person = recover(host, code, login)
        assert person.page is not None and person.page.status_code == 401
        token = person.csrf_token() or ""
        pages.append(person.page.text.replace(login, "LOGIN").replace(token, "TOKEN"))
        assert "Location" not in person.page.headers
    assert len(set(pages)) == 1
    assert left(host, inactive) == 10


@pytest.mark.check("H10", "R15")
def test_unknown_login_no_codes_and_wrong_code_run_the_same_statements(
    host: Host, ada: int
) -> None:
    codes_of(host, ada)
    host.user(BOB)
    recover(host, WRONG, "first@example.org")
    runs = []
    for login in ("ada@example.org", BOB, "nobody@example.org"):
        person = Person(host)
        person.get("/mfa/recover")
        with statements(host) as seen:
            person.post("/mfa/recover", {"login": login, "code": WRONG})
        # An event of nobody has no user key; everything else is the same to the letter.
        runs.append([one for one in seen if "INSERT INTO mfa_event" not in one])
        assert len(seen) == len(runs[-1]) + 1
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.check("H10")
def test_a_known_and_an_unknown_login_are_looked_up_by_the_same_statements(
    host: Host, ada: int
) -> None:
    host.user(BOB, username="bob")
    runs = []
    for login in ("ada@example.org", "bob", "nobody"):
        with statements(host) as seen, host.app.app_context():
            found = state().find_user(login)
        assert (found is None) == (login == "nobody")
        runs.append(seen)
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.reference(67, 70, 167)
def test_switched_off_or_without_users_to_find_the_page_is_not_there(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True)
    host.app.extensions["melody_mfa"].users._given = None
    assert Person(host).get("/mfa/recover").status_code == 404
    assert Person(make_host()).post("/mfa/recover").status_code == 404


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"code": WRONG}, "Enter your email address or user name."),
        ({"login": "ada@example.org"}, "Enter the code."),
        ({"login": "ada@example.org", "code": "0" * 65}, "This is too long."),
        ({"login": "a" * 321, "code": WRONG}, "Enter your email address or user name."),
        ({"login": "a\x00b", "code": WRONG}, "Enter your email address or user name."),
        ({"login": ["a", "b"], "code": WRONG}, "Enter your email address or user name."),
    ],
)
def test_a_malformed_form_comes_back(host: Host, form: dict[str, Any], sentence: str) -> None:
    person = Person(host)
    assert person.post("/mfa/recover", form).status_code == 400
    assert sentence in person.text
    assert not host.rows("mfa_counter")


# Limits of their own


@pytest.mark.check("L12")
@pytest.mark.parametrize("login", ["ada@example.org", "nobody@example.org"])
def test_ten_failures_of_a_login_text_throttle_it_and_not_the_account(
    host: Host, ada: int, login: str
) -> None:
    codes = codes_of(host, ada)
    with host.clock() as clock:
        for _ in range(10):
            person = recover(host, WRONG, login)
            assert person.page is not None and person.page.status_code == 401
        person = recover(host, codes[0], login)
        assert person.page is not None and person.page.status_code == 429
        assert 0 < int(person.page.headers["Retry-After"]) <= 900
        assert left(host, ada) == 10
        user = host.rows("mfa_user")[0]
        assert user["failures"] == 0 and user["locked_until"] is None
        assert not [row for row in host.rows("mfa_factor") if row["failures"]]
        assert sign_in(host, ada).signed_in(), "MFA at the login view is not touched"
        clock.tick(901)
        person = recover(host, codes[0])
        assert person.at == "/mfa/challenge"


@pytest.mark.check("L04")
def test_other_spellings_of_a_login_text_count_with_it(host: Host) -> None:
    spellings = ["Ada@example.org", "ADA@EXAMPLE.ORG", "ａda@example.org", " ada@example.org "]
    assert {sign_in_tries.same_login(text) for text in spellings} == {"ada@example.org"}


def test_thirty_failures_of_an_address_throttle_it(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    with host.clock() as clock:
        for number in range(30):
            recover(host, WRONG, f"user{number}@example.org")
        person = recover(host, codes[0])
        assert person.page is not None and person.page.status_code == 429
        elsewhere = Person(host)
        elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
        elsewhere.post("/mfa/recover", {"login": "ada@example.org", "code": codes[0]})
        assert elsewhere.at == "/mfa/challenge"
        clock.tick(601)
        assert recover(host, codes[1]).at == "/mfa/challenge"


def test_a_right_code_costs_no_try(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    for code in codes:
        assert recover(host, code).at == "/mfa/challenge"
    new = codes_of(host, ada)
    assert recover(host, new[0]).at == "/mfa/challenge"


@pytest.mark.check("L18")
def test_a_fault_of_the_hosts_costs_no_try(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, PROPAGATE_EXCEPTIONS=False)

    @host.mfa.find_user
    def broken(login: str) -> Any:
        raise RuntimeError

    for _ in range(12):
        recover(host, WRONG)
    assert [row["count"] for row in host.rows("mfa_counter")] == [0]


@pytest.mark.check("R11", "N01", "N08")
def test_a_use_is_told_and_a_failure_is_on_record(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    recover(host, WRONG)
    recover(host, WRONG, "nobody@example.org")
    refused = [row for row in host.rows("mfa_event") if row["type"] == "proof_refused"]
    assert [row["user_key"] for row in refused] == [str(ada), None]
    host.sent.clear()
    recover(host, codes[0])
    assert ["recovery code was used" in mail.subject for mail in host.mails()] == [True]
    used = next(row for row in host.rows("mfa_event") if row["type"] == "recovery_code_used")
    assert json.loads(used["detail"]) == {"left": 9, "stood_for": "password"}


def test_the_gate_is_told_how_the_sign_in_began(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    with host.app.app_context():
        account = state().describe(host.get(ada))
        step = sessions.would_owe(context(), account, method="recovery_code")
    assert isinstance(step, gate.Prove) and not step.alternatives
    assert codes


def test_the_login_view_of_a_host_may_send_people_here(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True)

    @host.app.route("/forgot")
    def forgot() -> Any:
        return redirect("/mfa/recover?next=/secret")

    assert current_user is not None
    person = Person(host)
    person.get("/forgot", follow=True)
    assert person.page is not None and person.page.status_code == 200
    assert 'name="next" value="/secret"' in person.page.text

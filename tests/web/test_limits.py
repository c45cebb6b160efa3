"""Limits: tries, locks and messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.host import PHONE, Host, Person

Make = Callable[..., Host]


def arrive(host: Host, email: str = "ada@example.org", address: str = "127.0.0.1") -> Person:
    """A person who gave the password and was led to the first step."""
    person = Person(host)
    person.client.environ_base["REMOTE_ADDR"] = address
    person.sign_in(email)
    person.follow()
    return person


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host that locks after ten wrong codes."""
    return make_host()


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user()
    host.enroll(user, "otp")
    return user


def fail(host: Host, times: int, email: str = "ada@example.org", spread: bool = True) -> list[int]:
    """Give wrong codes, in new sign-ins where one is over; returns the statuses."""
    statuses = []
    person = arrive(host, email)
    for number in range(times):
        if person.at != "/mfa/challenge/otp":
            person = arrive(host, email, f"10.0.{number}.1" if spread else "127.0.0.1")
            if person.page is not None and person.page.status_code == 429:
                statuses.append(429)
                continue
        person.code("000000")
        assert person.page is not None
        statuses.append(person.page.status_code)
        if number % 5 == 4:
            person = arrive(host, email, f"10.0.{number}.1" if spread else "127.0.0.1")
    return statuses


@pytest.mark.check("L01", "L03", "L08")
@pytest.mark.reference(15, 58, 99, 195, 219)
def test_wrong_codes_add_up_over_sign_ins_and_addresses(host: Host, ada: int) -> None:
    assert fail(host, 10) == [401] * 10
    person = arrive(host)
    assert person.page is not None
    assert person.page.status_code == 429
    assert int(person.page.headers["Retry-After"]) <= 900
    assert "locked" in host.events(ada)


def but_for_the_token(page: str) -> str:
    """A page without its CSRF token, which tells the second in which it was made."""
    return re.sub(r'name="csrf_token" value="[^"]+"', "", page)


@pytest.mark.check("L10")
def test_a_locked_account_answers_a_right_and_a_wrong_code_alike(host: Host, ada: int) -> None:
    with host.clock() as clock:
        fail(host, 10)
        person = arrive(host)
        right = person.post("/mfa/challenge/otp", {"code": host.otp(ada)})
        wrong = person.post("/mfa/challenge/otp", {"code": "000000"})
        assert right.status_code == wrong.status_code == 429
        assert but_for_the_token(right.text) == but_for_the_token(wrong.text)
        clock.tick(901)
        again = arrive(host)
        again.code(host.otp(ada))
        assert again.signed_in()


@pytest.mark.check("L11")
def test_the_lock_ends_the_sign_in_that_earned_it(host: Host, ada: int) -> None:
    with host.clock() as clock:
        bystander = arrive(host)
        fail(host, 10)
        clock.tick(100)
        bystander.code(host.otp(ada))
        assert not bystander.signed_in()


def test_each_lock_is_twice_as_long_up_to_a_day(host: Host, ada: int) -> None:
    lengths = []
    with host.clock() as clock:
        for _ in range(8):
            fail(host, 10)
            person = arrive(host)
            assert person.page is not None
            lengths.append(int(person.page.headers["Retry-After"]) // 60)
            clock.tick(lengths[-1] * 60 + 1)
    assert lengths == [15, 30, 60, 120, 240, 480, 960, 1440]


@pytest.mark.check("L09")
@pytest.mark.reference(192)
def test_a_satisfied_gate_sets_the_count_back_and_a_password_does_not(host: Host, ada: int) -> None:
    fail(host, 4)
    arrive(host)
    assert host.rows("mfa_user")[0]["failures"] == 4
    person = arrive(host)
    person.code(host.otp(ada))
    assert host.rows("mfa_user")[0]["failures"] == 0


@pytest.mark.reference(16, 194)
def test_right_codes_count_nothing(host: Host, ada: int) -> None:
    person = arrive(host)
    person.code(host.otp(ada))
    row = host.rows("mfa_user")[0]
    assert (row["failures"], row["lock_level"], row["locked_until"]) == (0, 0, None)


@pytest.mark.check("L02")
def test_the_factors_share_the_tries(make_host: Make) -> None:
    host = make_host(MFA_CODE_VERIFY_THRESHOLD=6)
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "sms", "email")
    person = arrive(host)
    for _ in range(2):
        person.post("/mfa/challenge/otp", {"code": "000000"})
    for _ in range(2):
        person.post("/mfa/challenge/email", {"code": "000000"})
    person = arrive(host)
    person.post("/mfa/challenge/sms", {"code": "000000"})
    with host.app.app_context():
        assert host.mfa.verify(host.get(user), "000000") is False
    assert "locked" in host.events(user)


def test_five_wrong_codes_end_a_sign_in(host: Host, ada: int) -> None:
    person = arrive(host)
    for _ in range(5):
        assert person.code("000000").status_code == 401
    person.get("/mfa/challenge/otp")
    assert person.at == "/login"


@pytest.mark.check("L12")
def test_without_the_password_nobody_can_lock_an_account(host: Host, ada: int) -> None:
    member = arrive(host)
    member.code(host.otp(ada))
    stranger = Person(host)
    for _ in range(20):
        stranger.post("/mfa/challenge/otp", {"code": "000000"})
        stranger.post("/login", {"email": "ada@example.org", "password": "wrong"})
    assert host.rows("mfa_user")[0]["failures"] == 0
    fail(host, 10)
    assert member.signed_in()


@pytest.mark.check("L13")
def test_a_hundred_failures_in_a_row_disable_the_factor(host: Host, ada: int) -> None:
    with host.clock() as clock:
        for _ in range(10):
            fail(host, 10)
            clock.tick(86_401)
        person = arrive(host)
        assert "factor_disabled" in host.events(ada)
        assert person.page is not None
        assert person.at != "/mfa/challenge/otp"
        assert not person.signed_in()
        with host.app.app_context():
            host.mfa.unlock(host.get(ada))
        person = arrive(host)
        person.post("/mfa/challenge/otp", {"code": host.otp(ada)})
        assert not person.signed_in()


@pytest.mark.check("L13")
def test_a_success_of_another_factor_does_not_set_the_hundred_back(make_host: Make) -> None:
    host = make_host(MFA_CODE_VERIFY_THRESHOLD=1000)
    user = host.user()
    host.enroll(user, "otp", "email")
    person = arrive(host)
    person.code("000000")
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    (row,) = [row for row in host.rows("mfa_factor") if row["kind"] == "otp"]
    assert row["failures"] == 1


@pytest.mark.check("L17")
def test_the_third_wrong_code_is_told_once_a_day(host: Host, ada: int) -> None:
    fail(host, 8)
    assert host.events(ada).count("proofs_failing") == 1
    subjects = [mail.subject for mail in host.mails()]
    assert len(subjects) == 1


@pytest.mark.check("L04")
@pytest.mark.parametrize("spelling", ["ADA@example.org", "Ada@Example.org"])
def test_another_spelling_of_the_login_is_the_same_account(
    host: Host, ada: int, spelling: str
) -> None:
    from flask_login import login_user
    from sqlalchemy import func, select

    @host.app.route("/any-case")
    def any_case() -> Any:
        email = func.lower(host.User.email)
        login_user(host.db.session.scalar(select(host.User).where(email == spelling.lower())))
        return "in"

    fail(host, 4)
    person = Person(host)
    person.get("/any-case", follow=True)
    person.code("000000")
    assert host.rows("mfa_user")[0]["failures"] == 5


@pytest.mark.check("L15")
def test_forged_addresses_change_nothing(host: Host, ada: int) -> None:
    person = arrive(host)
    for number in range(5):
        person.post(
            "/mfa/challenge/otp",
            {"code": "000000"},
            headers={"X-Forwarded-For": f"10.1.1.{number}, garbage", "X-Real-IP": "::::"},
        )
    refused = [row for row in host.rows("mfa_event") if row["type"] == "proof_refused"]
    assert {row["address"] for row in refused} == {"127.0.0.1"}
    assert host.rows("mfa_user")[0]["failures"] == 5


def test_thirty_failures_from_one_address_throttle_it(host: Host) -> None:
    with host.clock() as clock:
        for number in range(7):
            email = f"user{number}@example.org"
            user = host.user(email)
            host.enroll(user, "otp")
            statuses = fail(host, 5, email, spread=False)
        assert 429 in statuses
        last = Person(host)
        last.sign_in("user6@example.org")
        last.follow()
        answer = last.code(host.otp(user))
        assert answer.status_code == 429
        elsewhere = arrive(host, "user6@example.org", "10.9.9.9")
        elsewhere.code(host.otp(user))
        assert elsewhere.signed_in()
        clock.tick(601)
        last = arrive(host, "user5@example.org")
        assert last.code(host.otp(user - 1)).status_code == 303


@pytest.mark.check("L16")
def test_a_threshold_from_the_environment_is_a_number(make_host: Make) -> None:
    host = make_host(MFA_CODE_VERIFY_THRESHOLD="3")
    user = host.user()
    host.enroll(user, "otp")
    fail(host, 3)
    assert arrive(host).page.status_code == 429  # type: ignore[union-attr]


# Messages


@pytest.fixture
def sms(make_host: Make) -> Host:
    """A host with a user who gets text messages."""
    host = make_host()
    user = host.user(phone=PHONE, email_verified=False)
    host.enroll(user, "sms")
    return host


@pytest.mark.check("O08", "O19")
@pytest.mark.reference(12, 93)
def test_the_sixth_message_in_half_an_hour_is_not_sent(sms: Host) -> None:
    with sms.clock() as clock:
        for number in range(7):
            person = arrive(sms, address=f"10.0.0.{number}")
            clock.tick(61)
        assert len(sms.texts()) == 5
        answer = person.post("/mfa/challenge/sms/send")
        assert answer.status_code == 429 and answer.headers["Retry-After"]
        assert len(sms.texts()) == 5
        assert "message_failed" in sms.events(1)
        clock.tick(1801)
        arrive(sms)
        assert len(sms.texts()) == 6


@pytest.mark.check("O08", "O10")
def test_one_number_is_one_limit_for_all_accounts(make_host: Make) -> None:
    host = make_host()
    with host.clock() as clock:
        for number in range(7):
            email = f"user{number}@example.org"
            host.enroll(host.user(email), "sms", destination=PHONE)
            arrive(host, email, f"10.0.0.{number}")
            clock.tick(61)
        assert len(host.texts()) == 5


@pytest.mark.check("O08", "O09")
def test_the_whole_app_has_a_budget(make_host: Make) -> None:
    host = make_host(MFA_SMS_PER_HOUR=3)
    with host.clock():
        for number in range(5):
            email = f"user{number}@example.org"
            host.enroll(host.user(email), "sms", destination=f"+44740012345{number}")
            arrive(host, email, f"10.0.0.{number}")
    assert len(host.texts()) == 3


@pytest.mark.check("O08")
def test_one_address_gets_twenty_messages_an_hour(make_host: Make) -> None:
    host = make_host()
    with host.clock():
        for number in range(22):
            email = f"user{number}@example.org"
            host.enroll(host.user(email), "email")
            arrive(host, email)
    assert len(host.mails()) == 20


@pytest.mark.check("O08")
def test_a_day_has_ten_text_messages(sms: Host) -> None:
    with sms.clock() as clock:
        for number in range(15):
            arrive(sms, address=f"10.0.0.{number}")
            clock.tick(1900)
        assert len(sms.texts()) == 10


@pytest.mark.check("L02")
def test_verify_counts_and_spends_like_the_pages(host: Host, ada: int) -> None:
    code = host.otp(ada)
    with host.app.app_context():
        user = host.get(ada)
        assert host.mfa.verify(user, "000000") is False
        assert host.rows("mfa_user")[0]["failures"] == 1
        assert host.mfa.verify(user, code) is True
        assert host.mfa.verify(user, code) is False
    person = arrive(host)
    assert person.code(code).status_code == 401

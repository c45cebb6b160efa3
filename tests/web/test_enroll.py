"""Enrollment: the choice, the authenticator, email, SMS."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from flask_melody_mfa.core import otp
from tests.host import PHONE, Host, Person, totp

Make = Callable[..., Host]


def arrive(host: Host, email: str = "ada@example.org") -> Person:
    """A person who gave the password and was led to the first step."""
    person = Person(host)
    person.sign_in(email)
    person.follow()
    return person


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host with the defaults."""
    return make_host()


@pytest.fixture
def ada(host: Host) -> int:
    """A user who holds nothing."""
    return host.user(phone=PHONE)


def offered(person: Person) -> list[str]:
    """The factors on the page of the choice, in order."""
    return re.findall(r'name="factor"[^>]*value="(\w+)"', person.text)


# The choice


@pytest.mark.reference(30)
def test_the_choice_is_shown_in_the_configured_order(host: Host, ada: int) -> None:
    person = arrive(host)
    assert person.at == "/mfa/enroll"
    assert offered(person) == ["otp", "email"]


@pytest.mark.reference(31)
def test_the_choice_follows_the_setting(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=["sms", "email", "otp"])
    host.user()
    assert offered(arrive(host)) == ["sms", "email", "otp"]


@pytest.mark.reference(34, 40, 184)
def test_an_empty_list_enforces_nothing(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    host.user()
    person = Person(host)
    assert person.sign_in().headers["Location"] == "/secret"
    assert person.signed_in()


@pytest.mark.reference(36)
@pytest.mark.parametrize("factor", ["", "sms", "passkey", "OTP", "recovery_code", "x" * 400, "\0"])
def test_what_is_not_on_offer_cannot_be_chosen(host: Host, ada: int, factor: str) -> None:
    person = arrive(host)
    assert person.post("/mfa/enroll", {"factor": factor}).status_code == 400
    assert host.rows("mfa_credential") == []


@pytest.mark.reference(33, 37)
def test_who_holds_a_factor_is_not_offered_the_choice(host: Host, ada: int) -> None:
    host.enroll(ada, "email")
    person = arrive(host)
    assert person.at == "/mfa/challenge/email"
    person.get("/mfa/enroll")
    assert person.at == "/mfa/challenge/email"


@pytest.mark.reference(35, 38, 39)
@pytest.mark.parametrize("factor", ["otp", "email", "sms"])
def test_a_choice_leads_to_its_page(make_host: Make, factor: str) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"])
    host.user()
    person = arrive(host)
    person.post("/mfa/enroll", {"factor": factor})
    assert person.at == f"/mfa/enroll/{factor}"


@pytest.mark.reference(32)
def test_without_a_sign_in_there_is_no_choice(host: Host) -> None:
    assert Person(host).get("/mfa/enroll").headers["Location"].startswith("/login")


def test_what_a_user_cannot_have_is_not_offered(make_host: Make) -> None:
    host = make_host()
    host.user(email=None, username="nomail")
    with host.app.app_context():
        host.get(1).email = None
        host.db.session.commit()
    from flask_login import login_user

    @host.app.route("/in")
    def enter() -> Any:
        login_user(host.get(1))
        return "in"

    person = Person(host)
    person.get("/in", follow=True)
    assert offered(person) == ["otp"] or person.at == "/mfa/enroll/otp"


def test_nobody_can_be_stuck_without_being_told_whom_to_ask(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=["email"])
    host.user()
    with host.app.app_context():
        host.get(1).email = None
        host.db.session.commit()
    from flask_login import login_user

    @host.app.route("/in")
    def enter() -> Any:
        login_user(host.get(1))
        return "in"

    person = Person(host)
    answer = person.get("/in", follow=True)
    assert answer.status_code == 403
    assert "ask" in person.text


# Authenticator


@pytest.mark.check("T10")
@pytest.mark.reference(41, 55, 176)
def test_the_authenticator_is_set_up_with_the_key_of_the_page(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True, MFA_ISSUER="Acme & Söhne?")
    user = host.user("a:d&a?@example.org")
    person = arrive(host, "a:d&a?@example.org")
    assert person.at == "/mfa/enroll/otp"
    found = re.search(r'href="(otpauth://[^"]+)"', person.text)
    assert found is not None
    uri = urlsplit(found.group(1))
    fields = parse_qs(uri.query)
    secret = otp.decode_secret(fields["secret"][0])
    assert len(secret) == 20
    assert secret == person.secret()
    assert fields["issuer"] == ["Acme & Söhne?"]
    assert fields["algorithm"] == ["SHA1"] and fields["digits"] == ["6"]
    assert fields["period"] == ["30"]
    label = uri.path.lstrip("/")
    assert unquote(label) == "Acme & Söhne?:a d&a?@example.org"
    assert label.count(":") == 1
    assert "<svg" in person.text
    person.code(totp(secret), name="my phone")
    assert person.signed_in()
    (row,) = host.rows("mfa_credential")
    assert row["name"] == "my phone" and row["user_key"] == str(user)


def test_the_key_stays_the_same_until_it_is_confirmed(host: Host, ada: int) -> None:
    person = arrive(host)
    person.get("/mfa/enroll/otp")
    secret = person.secret()
    person.code("000000")
    assert person.secret() == secret
    person.get("/mfa/enroll/otp")
    assert person.secret() == secret
    assert arrive(host).get("/mfa/enroll/otp").status_code == 200


@pytest.mark.check("T09", "T10", "T11")
@pytest.mark.reference(42, 43)
def test_the_key_is_never_shown_again(host: Host, ada: int) -> None:
    person = arrive(host)
    person.get("/mfa/enroll/otp")
    assert person.page is not None
    assert person.page.headers["Cache-Control"] == "no-store"
    secret = person.secret()
    cookie = person.cookies()["session"]
    person.code(totp(secret))
    for browser in (person, Person(host)):
        if browser is not person:
            browser.client.set_cookie("session", cookie)
        browser.get("/mfa/enroll/otp", follow=True)
        assert otp.grouped(secret) not in re.sub(r"<[^>]+>", "", browser.text)


@pytest.mark.check("T09")
def test_a_key_that_the_browser_sends_is_ignored(host: Host, ada: int) -> None:
    person = arrive(host)
    person.get("/mfa/enroll/otp")
    mine = otp.new_secret()
    person.code(totp(mine), secret=otp.encode(mine))
    assert person.page is not None and person.page.status_code == 401
    assert host.rows("mfa_credential") == []


@pytest.mark.check("T09", "E06")
def test_an_abandoned_set_up_leaves_nothing(host: Host, ada: int) -> None:
    person = arrive(host)
    person.get("/mfa/enroll/otp")
    secret = person.secret()
    person.post("/mfa/challenge/cancel")
    again = arrive(host)
    assert again.at == "/mfa/enroll"
    again.get("/mfa/enroll/otp")
    assert again.secret() != secret
    assert again.code(totp(secret)).status_code == 401


@pytest.mark.check("T07")
def test_the_code_of_the_set_up_does_not_sign_in(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = arrive(host)
        person.get("/mfa/enroll/otp")
        secret = person.secret()
        person.code(totp(secret, clock))
        again = arrive(host)
        assert again.at == "/mfa/challenge/otp"
        assert again.code(totp(secret, clock)).status_code == 401
        assert again.code(totp(secret, clock, 1)).status_code == 303


@pytest.mark.parametrize(("steps", "told"), [(10, True), (-10, True), (2, True), (12, False)])
def test_a_clock_that_is_off_is_told(host: Host, ada: int, steps: int, told: bool) -> None:
    with host.clock() as clock:
        person = arrive(host)
        person.get("/mfa/enroll/otp")
        answer = person.code(totp(person.secret(), clock, steps))
        assert answer.status_code == 401
        assert ("clock" in person.text) is told


@pytest.mark.parametrize("name", ["x" * 65, "a\x00b", "a\nb"])
def test_a_bad_name_is_refused_and_nothing_typed_is_lost(host: Host, ada: int, name: str) -> None:
    person = arrive(host)
    person.get("/mfa/enroll/otp")
    answer = person.code(totp(person.secret()), name=name)
    assert answer.status_code == 400
    person.code(totp(person.secret()), name="fine")
    assert person.signed_in()


@pytest.mark.check("T11", "H01")
def test_the_set_up_needs_the_token_of_the_form(make_host: Make) -> None:
    host = make_host(WTF_CSRF_ENABLED=True)
    host.user()
    person = arrive(host)
    person.get("/mfa/enroll/otp")
    code = totp(person.secret())
    person.page = None
    assert person.post("/mfa/enroll/otp", {"code": code}).status_code == 400
    assert host.rows("mfa_credential") == []
    person.get("/mfa/enroll/otp")
    assert person.code(code).status_code == 303


def test_five_wrong_codes_end_the_set_up_but_lock_nobody(host: Host, ada: int) -> None:
    person = arrive(host)
    person.get("/mfa/enroll/otp")
    for _ in range(5):
        assert person.code("000000").status_code == 401
    person.get("/mfa/enroll/otp")
    assert person.at == "/login"
    assert host.rows("mfa_user")[0]["failures"] == 0


@pytest.mark.check("S05")
def test_a_set_up_in_one_browser_lifts_no_other(host: Host, ada: int) -> None:
    first, second = arrive(host), arrive(host)
    first.get("/mfa/enroll/otp")
    first.code(totp(first.secret()))
    assert first.signed_in()
    assert not second.signed_in()
    second.get("/mfa/challenge", follow=True)
    assert second.at == "/mfa/challenge/otp"


@pytest.mark.check("N07")
def test_the_slower_of_two_set_ups_loses(host: Host, ada: int) -> None:
    first, second = arrive(host), arrive(host)
    first.get("/mfa/enroll/otp")
    second.get("/mfa/enroll/otp")
    secret = second.secret()
    first.code(totp(first.secret()))
    answer = second.code(totp(secret))
    assert answer.status_code in (303, 401, 409)
    assert len(host.rows("mfa_credential")) == 1
    assert not second.signed_in()


# Email


@pytest.mark.reference(180, 183)
def test_email_is_set_up_with_the_hosts_address(host: Host, ada: int) -> None:
    person = arrive(host)
    person.post("/mfa/enroll", {"factor": "email"}, follow=True)
    assert "ada@example.org" in person.text
    assert host.mails() == []
    person.post("/mfa/enroll/email/send")
    person.follow()
    assert "Confirm" in host.mails()[0].subject
    person.code(host.last_code())
    assert person.signed_in()
    assert host.rows("mfa_credential")[0]["kind"] == "email"


@pytest.mark.check("O11")
@pytest.mark.parametrize(
    "address",
    ["a@example.org,b@example.org", "a@example.org\r\nBcc: b@example.org", "a b@example.org",
     "A <a@example.org>", "a@example.org;b@example.org", "no-address", "a@b@example.org"],
)  # fmt: skip
def test_an_address_that_is_not_exactly_one_gets_nothing(make_host: Make, address: str) -> None:
    host = make_host()
    host.user(address)
    person = arrive(host, address)
    person.post("/mfa/enroll", {"factor": "email"}, follow=True)
    assert person.post("/mfa/enroll/email/send").status_code in (400, 503)
    assert host.mails() == []


@pytest.mark.check("O15")
def test_a_replaced_address_still_gets_notices(host: Host, ada: int) -> None:
    host.enroll(ada, "email", destination="old@example.org")
    host.enroll(ada, "email", destination="newer@example.org")
    host.sent.clear()
    with host.app.app_context():
        host.mfa.reset(host.get(ada), ["otp"])
    assert {mail.to for mail in host.mails()} == {
        "ada@example.org",
        "old@example.org",
        "newer@example.org",
    }


# SMS


@pytest.fixture
def texting(make_host: Make) -> Host:
    """A host where SMS is required."""
    host = make_host(SMS_MFA_IS_REQUIRED=True, ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"])
    host.user()
    return host


@pytest.mark.reference(75, 76, 82, 83)
def test_sms_is_set_up_with_a_number_that_a_code_proves(texting: Host) -> None:
    person = arrive(texting)
    assert person.at == "/mfa/enroll/sms"
    assert texting.texts() == []
    person.post("/mfa/enroll/sms", {"phone_number": "0044 7400 123456"})
    person.follow()
    (message,) = texting.texts()
    assert message.to == "+447400123456"
    assert texting.rows("mfa_credential") == []
    person.code(texting.last_code())
    assert person.signed_in()
    assert texting.rows("mfa_credential")[0]["kind"] == "sms"


@pytest.mark.reference(85)
def test_who_holds_a_number_proves_it_before_another_is_set_up(texting: Host) -> None:
    texting.enroll(1, "sms")
    person = arrive(texting)
    person.get("/mfa/enroll/sms")
    assert person.at == "/mfa/challenge/sms"


@pytest.mark.reference(81, 89, 90, 97)
def test_sms_pages_of_who_owes_something_else_send_nothing(host: Host, ada: int) -> None:
    host.enroll(ada, "otp")
    person = arrive(host)
    for path in ("/mfa/challenge/sms/send", "/mfa/enroll/sms"):
        person.post(path, {"phone_number": PHONE})
    assert host.texts() == []


@pytest.mark.check("O09")
@pytest.mark.parametrize(
    "number",
    ["+33612345678", "+1 900 234 5678", "+44 9012345678", "+8825551234567", "+44 20 7946 0958"],
)
def test_a_number_that_may_not_receive_sms_costs_nothing(texting: Host, number: str) -> None:
    person = arrive(texting)
    assert person.post("/mfa/enroll/sms", {"phone_number": number}).status_code == 400
    assert texting.texts() == []


@pytest.mark.check("O10", "O11", "F12")
@pytest.mark.parametrize(
    "number",
    ["", "   ", "07400", "+44", "abc", "+44 7400 123456;ext=1", "+447400123456,+447400123457",
     "+447400123456\r\nX: y", "+44\x007400123456", "9" * 400, "+४४७४००१२३४५६"],
)  # fmt: skip
def test_what_is_no_number_is_refused_and_stays_on_the_form(texting: Host, number: str) -> None:
    person = arrive(texting)
    answer = person.post("/mfa/enroll/sms", {"phone_number": number})
    assert answer.status_code == 400
    assert texting.texts() == []


@pytest.mark.check("O10")
def test_one_number_in_many_spellings_is_one_number(make_host: Make) -> None:
    host = make_host(SMS_MFA_IS_REQUIRED=True, MFA_RESEND_SECONDS=1)
    host.user()
    with host.clock() as clock:
        person = arrive(host)
        for spelling in ("+44 7400 123456", "00447400123456", "+44(7400)123-456",
                         "+٤٤٧٤٠٠١٢٣٤٥٦", "＋４４７４００１２３４５６"):  # fmt: skip
            clock.tick(2)
            assert person.post("/mfa/enroll/sms", {"phone_number": spelling}).status_code == 303
        clock.tick(2)
        answer = person.post("/mfa/enroll/sms", {"phone_number": "+447400123456"})
        assert answer.status_code == 429
    assert {message.to for message in host.texts()} == {"+447400123456"}


@pytest.mark.check("O17")
def test_the_risk_of_sms_is_told_and_another_factor_offered(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=["sms", "otp"])
    host.user()
    person = arrive(host)
    assert "Less secure" in person.text
    person.post("/mfa/enroll", {"factor": "sms"}, follow=True)
    assert "/mfa/enroll/otp" in person.text


# Signed in already


def test_a_signed_in_user_adds_a_factor_after_a_fresh_proof(host: Host, ada: int) -> None:
    host.enroll(ada, "otp")
    with host.clock() as clock:
        person = arrive(host)
        person.code(host.otp(ada))
        clock.tick(400)
        person.get("/mfa/enroll", follow=True)
        assert person.at == "/mfa/challenge/otp"
        person.code(host.otp(ada))
        person.follow()
        assert person.at == "/mfa/enroll"
        person.post("/mfa/enroll", {"factor": "sms"}, follow=True)
        person.post("/mfa/enroll/sms", {"phone_number": PHONE})
        person.follow()
        person.code(host.last_code())
    assert {row["kind"] for row in host.rows("mfa_credential")} == {"otp", "sms"}
    assert "factor_enrolled" in host.events(ada)


def test_a_sixth_authenticator_is_refused(host: Host, ada: int) -> None:
    from flask_melody_mfa.core.errors import Conflict

    with host.app.app_context():
        for number in range(5):
            host.mfa.adopt_otp(host.get(ada), otp.new_secret(), name=f"phone {number}")
        with pytest.raises(Conflict):
            host.mfa.adopt_otp(host.get(ada), otp.new_secret(), name="one too many")


def test_an_adopted_secret_signs_in_without_a_set_up(host: Host, ada: int) -> None:
    secret = otp.new_secret()
    with host.app.app_context():
        host.mfa.adopt_otp(host.get(ada), otp.encode(secret))
        host.mfa.adopt_otp(host.get(ada), secret)
    assert len(host.rows("mfa_credential")) == 1
    person = arrive(host)
    assert person.at == "/mfa/challenge/otp"
    person.code(totp(secret))
    assert person.signed_in()

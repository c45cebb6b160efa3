"""The challenge: authenticator, email and SMS codes at sign-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.errors import ConfigError
from tests.host import PHONE, Host, Person

Make = Callable[..., Host]


def arrive(host: Host, email: str = "ada@example.org", **fields: Any) -> Person:
    """A person who gave the password and was led to the first step."""
    person = Person(host)
    person.sign_in(email, **fields)
    person.follow()
    return person


def wrong(code: str) -> str:
    """Another code than this one."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host with no factor required."""
    return make_host()


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user(phone=PHONE)
    host.enroll(user, "otp")
    return user


def secret_of(host: Host, user: int) -> bytes:
    """The authenticator's secret, opened."""
    from flask_melody_mfa.store import accounts
    from flask_melody_mfa.web.state import context

    with host.app.app_context():
        ctx = context()
        holding = ctx.store.run(lambda session: accounts.read_holding(session, str(user)))
        row = next(row for row in holding.credentials if row.kind == "otp")
        return ctx.vault.open_credential(row).secret or b""


# Authenticator


@pytest.mark.reference(47, 48, 170)
def test_the_current_code_signs_in(host: Host, ada: int) -> None:
    person = arrive(host)
    assert person.at == "/mfa/challenge/otp"
    assert person.code(host.otp(ada)).headers["Location"] == "/secret"
    assert person.signed_in()
    assert "signed_in" in host.events(ada)


@pytest.mark.check("T02")
@pytest.mark.reference(48, 49, 50)
@pytest.mark.parametrize(
    ("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
)
@pytest.mark.parametrize("moment", [0, 29_999])
def test_one_step_before_and_after_is_accepted(
    host: Host, ada: int, steps: int, accepted: bool, moment: int
) -> None:
    now = 1_800_000_000_000 // 30_000 * 30_000 + moment
    with host.clock(now):
        person = arrive(host)
        person.code(otp.code_at(secret_of(host, ada), now // 30_000 + steps))
        assert person.signed_in() is accepted


@pytest.mark.check("T03")
@pytest.mark.reference(51, 52)
def test_a_code_signs_in_once_also_one_step_later(host: Host, ada: int) -> None:
    with host.clock() as clock:
        code = otp.code_at(secret_of(host, ada), clock.now // 30_000)
        arrive(host).code(code)
        again = arrive(host)
        assert again.code(code).status_code == 401
        clock.tick(30)
        assert again.code(code).status_code == 401
        assert not again.signed_in()


@pytest.mark.check("T04")
@pytest.mark.reference(53)
def test_after_the_next_steps_code_this_steps_code_is_worth_nothing(host: Host, ada: int) -> None:
    with host.clock() as clock:
        secret, step = secret_of(host, ada), clock.now // 30_000
        assert arrive(host).code(otp.code_at(secret, step + 1)).status_code == 303
        assert arrive(host).code(otp.code_at(secret, step)).status_code == 401
        clock.tick(30)
        assert arrive(host).code(otp.code_at(secret, step + 2)).status_code == 303


@pytest.mark.reference(54)
def test_the_replay_mark_is_per_user(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    with host.app.app_context():
        host.mfa.adopt_otp(host.get(bob), secret_of(host, ada))
    with host.clock() as clock:
        code = otp.code_at(secret_of(host, ada), clock.now // 30_000)
        assert arrive(host).code(code).status_code == 303
        assert arrive(host, "bob@example.org").code(code).status_code == 303


@pytest.mark.check("T12")
def test_two_authenticators_share_the_tries_but_not_the_replay_mark(host: Host, ada: int) -> None:
    other = b"another secret of 20"
    with host.app.app_context():
        host.mfa.adopt_otp(host.get(ada), other, name="tablet")
    with host.clock() as clock:
        step = clock.now // 30_000
        assert arrive(host).code(otp.code_at(secret_of(host, ada), step)).status_code == 303
        assert arrive(host).code(otp.code_at(other, step)).status_code == 303
        assert arrive(host).code(otp.code_at(other, step)).status_code == 401
    assert host.rows("mfa_user")[0]["failures"] == 1


@pytest.mark.check("T06", "T08")
@pytest.mark.reference(191)
@pytest.mark.parametrize(
    "text",
    ["", " ", "12345", "1e5", "abcdef", "１２３４５６", "¹²³⁴⁵⁶", "𝟏𝟐𝟑𝟒𝟓𝟔", "1" * 10_000,
     "12\x0034", "null", "[]", '{"$ne":""}', "true", "-123456", "12345678901"],
)  # fmt: skip
def test_what_is_no_code_is_malformed_and_costs_no_try(host: Host, ada: int, text: str) -> None:
    person = arrive(host)
    answer = person.code(text)
    assert answer.status_code == 400
    assert "mfa-" in answer.text
    assert host.rows("mfa_user")[0]["failures"] == 0


@pytest.mark.check("T06")
def test_a_code_in_another_spelling_is_the_same_code(host: Host, ada: int) -> None:
    with host.clock() as clock:
        code = otp.code_at(secret_of(host, ada), clock.now // 30_000)
        assert arrive(host).code(f" {code[:3]} {code[3:]} ").status_code == 303
        for spelling in (code, f"{code[:3]}-{code[3:]}", f"{code[:3]} {code[3:]}"):
            assert arrive(host).code(spelling).status_code == 401


@pytest.mark.check("L14")
def test_several_codes_in_one_form_are_malformed(host: Host, ada: int) -> None:
    person = arrive(host)
    answer = person.post("/mfa/challenge/otp", {"code": [host.otp(ada), "000000"]})
    assert answer.status_code == 400
    assert not person.signed_in()


@pytest.mark.check("T13")
def test_a_time_that_the_browser_sends_is_ignored(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = arrive(host)
        code = otp.code_at(secret_of(host, ada), clock.now // 30_000 + 100)
        answer = person.post(
            "/mfa/challenge/otp",
            {"code": code, "time": "3000", "now": str(clock.now + 3_000_000)},
            headers={"Date": "Wed, 21 Oct 2099 07:28:00 GMT"},
        )
        assert answer.status_code == 401


@pytest.mark.check("E07")
def test_another_users_code_is_wrong_and_costs_the_one_who_sent_it(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    person = arrive(host)
    answer = person.post("/mfa/challenge/otp", {"code": host.otp(bob), "user_key": str(bob)})
    assert answer.status_code == 401
    failures = {row["user_key"]: row["failures"] for row in host.rows("mfa_user")}
    assert failures == {str(ada): 1, str(bob): 0}
    assert not person.signed_in()


@pytest.mark.check("E05")
@pytest.mark.parametrize("path", ["/mfa/enroll", "/mfa/enroll/otp", "/mfa/enroll/sms"])
def test_who_owes_a_proof_sets_nothing_up(host: Host, ada: int, path: str) -> None:
    before = host.rows("mfa_credential")
    person = arrive(host)
    assert person.get(path).status_code == 302
    answer = person.post(path, {"factor": "sms", "phone_number": PHONE, "code": "123456"})
    assert answer.status_code in (303, 403)
    assert host.rows("mfa_credential") == before
    assert host.texts() == []


@pytest.mark.check("E14")
def test_an_account_that_was_disabled_meanwhile_is_not_let_in(host: Host, ada: int) -> None:
    person = arrive(host)
    with host.app.app_context():
        host.get(ada).active = False
        host.db.session.commit()
    assert person.code(host_code(host, ada)).status_code == 303
    assert person.at == "/login", "the challenge ended with the account"
    assert not person.signed_in()


@pytest.mark.check("E14")
def test_an_account_that_was_deleted_meanwhile_is_not_let_in(host: Host, ada: int) -> None:
    person = arrive(host)
    code = host.otp(ada)
    with host.app.app_context():
        host.db.session.delete(host.get(ada))
        host.db.session.commit()
    person.code(code)
    assert person.at == "/login"
    assert host.rows("mfa_credential") == []


def host_code(host: Host, user: int) -> str:
    """A valid code, made from the stored secret."""
    import time

    return otp.code_at(secret_of(host, user), time.time_ns() // 1_000_000 // 30_000)


@pytest.mark.check("E15", "E17")
def test_a_new_password_ends_a_pending_sign_in_and_keeps_the_factors(host: Host, ada: int) -> None:
    person = arrive(host)
    with host.app.app_context():
        host.mfa.password_changed(host.get(ada))
    person.code(host.otp(ada))
    assert person.at == "/login"
    assert not person.signed_in()
    fresh = arrive(host)
    assert fresh.at == "/mfa/challenge/otp"


@pytest.mark.check("E18", "L11")
@pytest.mark.reference(190)
def test_a_sign_in_that_took_too_long_starts_over(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = arrive(host)
        clock.tick(601)
        person.code(host.otp(ada))
        assert person.at == "/login"
        assert "over" in person.follow().text
        assert not person.signed_in()


@pytest.mark.check("E06")
@pytest.mark.reference(13, 22, 46, 56, 86, 95)
@pytest.mark.parametrize("face", ["challenge", "enroll"])
@pytest.mark.parametrize("kind", ["otp", "email", "sms"])
def test_a_code_without_a_sign_in_leads_to_the_login_view(
    host: Host, ada: int, face: str, kind: str
) -> None:
    host.enroll(ada, "email", "sms")
    before = [host.rows(name) for name in ("mfa_credential", "mfa_user", "mfa_session")]
    person = Person(host)
    person.get(f"/mfa/{face}/{kind}")
    assert person.at == "/login"
    answer = person.post(f"/mfa/{face}/{kind}", {"code": host.otp(ada), "phone_number": PHONE})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/login")
    assert not person.signed_in()
    assert [host.rows(name) for name in ("mfa_credential", "mfa_user", "mfa_session")] == before
    assert host.sent == []


@pytest.mark.reference(57)
def test_the_code_of_an_authenticator_that_was_never_set_up_is_not_judged(host: Host) -> None:
    user = host.user("bob@example.org")
    host.enroll(user, "email")
    person = arrive(host, "bob@example.org")
    answer = person.post("/mfa/challenge/otp", {"code": "123456"})
    assert answer.headers["Location"].startswith("/mfa/challenge/email")
    assert host.rows("mfa_user")[-1]["failures"] == 0
    assert not person.signed_in()


@pytest.mark.reference(24)
def test_a_wrong_email_code_is_refused(host: Host) -> None:
    host.enroll(host.user("bob@example.org"), "email")
    person = arrive(host, "bob@example.org")
    answer = person.code(wrong(host.last_code()))
    assert answer.status_code == 401
    assert not person.signed_in()


@pytest.mark.reference(80)
def test_a_factor_is_not_required_where_nobody_could_send_its_code(make_host: Make) -> None:
    host = make_host(SMS_MFA_IS_REQUIRED=True)
    host.user(phone=PHONE)
    host.mfa._hooks.send_sms = None
    with pytest.raises(ConfigError, match="SMS_MFA_IS_REQUIRED is on, but sms has no sender"):
        Person(host).sign_in()


@pytest.mark.reference(94)
@pytest.mark.parametrize("verified", [True, False])
def test_a_held_number_that_no_text_can_reach_is_never_skipped(
    make_host: Make, verified: bool
) -> None:
    host = make_host()
    user = host.user(phone=PHONE, email_verified=verified)
    host.enroll(user, "sms")
    host.mfa._hooks.send_sms = None
    person = arrive(host)
    assert person.page is not None
    if verified:  # an email code may stand in
        assert person.at == "/mfa/challenge/email"
    else:
        assert person.page.status_code == 403
        assert "cannot use or set up right now" in person.text
    assert not person.signed_in()


@pytest.mark.reference(208)
def test_each_sign_in_is_recorded_once(host: Host, ada: int) -> None:
    with host.clock() as clock:
        for number in range(1, 4):
            clock.tick(60)
            person = arrive(host)
            person.code(host.otp(ada))
            person.get("/secret")
            assert host.events(ada).count("signed_in") == number


@pytest.mark.reference(44, 45)
@pytest.mark.parametrize("held", [("otp",), ("otp", "email")])
def test_the_page_offers_what_is_held(host: Host, held: tuple[str, ...]) -> None:
    user = host.user("bob@example.org", email_verified=False)
    host.enroll(user, *held)
    person = arrive(host, "bob@example.org")
    assert ("/mfa/challenge/email" in person.text) is ("email" in held)


@pytest.mark.check("C04")
def test_a_lost_key_means_503_never_a_new_set_up(tmp_path: Any, make_host: Make) -> None:
    url = f"sqlite:///{tmp_path}/db.sqlite"
    first = make_host(url, MFA_SECRET_KEYS=["an old key that is long enough to be one"])
    user = first.user()
    first.enroll(user, "otp")
    second = make_host(
        url, create=False, MFA_SECRET_KEYS=["a new key that is long enough to be one"]
    )
    person = Person(second)
    answer = person.sign_in()
    assert answer.status_code == 503
    assert not person.signed_in()


# Email


@pytest.fixture
def with_email(host: Host) -> int:
    """A user who proved an address."""
    user = host.user("eve@example.org")
    host.enroll(user, "email")
    return user


@pytest.mark.reference(10, 14, 178, 179)
def test_the_code_is_mailed_at_the_password_and_signs_in(host: Host, with_email: int) -> None:
    person = arrive(host, "eve@example.org")
    assert person.at == "/mfa/challenge/email"
    assert len(host.mails()) == 1
    mail = host.mails()[0]
    code = host.last_code()
    assert code in mail.text and code in mail.html
    assert code not in mail.subject
    assert person.code(code).headers["Location"] == "/secret"
    assert person.signed_in()


@pytest.mark.check("O18", "H03")
def test_looking_at_the_page_sends_nothing(host: Host, with_email: int) -> None:
    person = arrive(host, "eve@example.org")
    for _ in range(3):
        person.get("/mfa/challenge/email")
        person.client.head("/mfa/challenge/email/send")
        person.get("/mfa/challenge/email/send")
    assert len(host.mails()) == 1


@pytest.mark.check("O18")
def test_a_sign_in_begun_by_a_get_sends_only_when_asked(host: Host, with_email: int) -> None:
    from flask import request
    from flask_login import login_user

    @host.app.route("/magic")
    def magic() -> Any:
        login_user(host.get(int(request.args["id"])))
        return "in"

    person = Person(host)
    person.get(f"/magic?id={with_email}", follow=True)
    assert person.at == "/mfa/challenge/email"
    assert host.mails() == []
    person.post("/mfa/challenge/email/send")
    assert len(host.mails()) == 1
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()


@pytest.mark.check("O02")
@pytest.mark.parametrize(("seconds", "accepted"), [(299, True), (301, False)])
def test_a_code_lives_for_its_time(
    host: Host, with_email: int, seconds: int, accepted: bool
) -> None:
    with host.clock() as clock:
        person = arrive(host, "eve@example.org")
        clock.tick(seconds)
        person.code(host.last_code())
        assert person.signed_in() is accepted


@pytest.mark.check("O03")
@pytest.mark.reference(218)
def test_a_code_works_once(host: Host, with_email: int) -> None:
    first = arrive(host, "eve@example.org")
    code = host.last_code()
    first.code(code)
    with host.clock() as clock:
        clock.tick(60)
        second = arrive(host, "eve@example.org")
        assert second.code(code).status_code == 401
        assert not second.signed_in()


@pytest.mark.check("O04")
def test_a_resent_code_replaces_the_old_and_keeps_the_failures(host: Host, with_email: int) -> None:
    with host.clock() as clock:
        person = arrive(host, "eve@example.org")
        old = host.last_code()
        person.code(wrong(old))
        clock.tick(61)
        person.post("/mfa/challenge/email/send")
        person.follow()
        new = host.last_code()
        assert new != old
        assert person.code(old).status_code == 401
        assert host.rows("mfa_user")[-1]["failures"] == 2
        assert person.code(new).status_code == 303


def test_within_the_pause_nothing_is_sent(host: Host, with_email: int) -> None:
    with host.clock() as clock:
        person = arrive(host, "eve@example.org")
        clock.tick(30)
        answer = person.post("/mfa/challenge/email/send")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 30
        assert len(host.mails()) == 1


@pytest.mark.check("O05")
def test_a_code_works_only_in_the_sign_in_it_was_sent_for(host: Host, with_email: int) -> None:
    first = arrive(host, "eve@example.org")
    code = host.last_code()
    with host.clock() as clock:
        clock.tick(60)
        second = arrive(host, "eve@example.org")
        assert second.code(code).status_code == 401
        assert first.code(code).status_code == 303


@pytest.mark.check("O05", "O06")
def test_an_email_code_is_worth_nothing_on_the_sms_page(make_host: Make) -> None:
    host = make_host()
    user = host.user(phone=PHONE)
    host.enroll(user, "email", "sms")
    person = arrive(host)
    assert person.at == "/mfa/challenge/sms"
    code = host.last_code()
    assert person.post("/mfa/challenge/email", {"code": code}).status_code == 401
    assert person.post("/mfa/challenge/sms", {"code": code}).status_code == 303


@pytest.mark.check("O06")
def test_another_users_code_leaves_that_user_untouched(host: Host, with_email: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "email")
    arrive(host, "eve@example.org")
    eves = host.last_code()
    before = [row for row in host.rows("mfa_challenge") if row["user_key"] == str(with_email)]
    person = arrive(host, "bob@example.org")
    assert person.code(eves).status_code == 401
    after = [row for row in host.rows("mfa_challenge") if row["user_key"] == str(with_email)]
    assert before == after


@pytest.mark.check("O05", "O15")
def test_after_a_change_of_address_codes_go_to_the_proven_one(host: Host, with_email: int) -> None:
    with host.app.app_context():
        host.get(with_email).email = "new@example.org"
        host.db.session.commit()
    arrive(host, "new@example.org")
    assert host.mails()[-1].to == "eve@example.org"


@pytest.mark.check("O07", "C01")
def test_no_row_holds_the_code_the_address_or_the_secret(host: Host, with_email: int) -> None:
    host.enroll(with_email, "otp")
    person = arrive(host, "eve@example.org")
    person.post("/mfa/challenge/email/send")
    secret = secret_of(host, with_email)
    dump = repr(
        [[tuple(row.values()) for row in host.rows(name)] for name in host.db.metadata.tables
         if name.startswith("mfa_")]
    )  # fmt: skip
    assert host.last_code() not in dump
    assert "eve@example.org" not in dump
    assert otp.encode(secret) not in dump and repr(secret) not in dump


@pytest.mark.reference(18, 59)
def test_a_backup_code_stands_for_the_authenticator(host: Host, ada: int) -> None:
    person = arrive(host)
    assert "/mfa/challenge/email" in person.text
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()
    assert "email_backup_used" in host.events(ada)


@pytest.mark.reference(19)
def test_a_backup_code_stands_for_sms(host: Host) -> None:
    user = host.user("sam@example.org", phone=PHONE)
    host.enroll(user, "sms")
    person = arrive(host, "sam@example.org")
    with host.clock() as clock:
        clock.tick(61)
        person.post("/mfa/challenge/email/send")
        person.follow()
        person.code(host.last_code())
        assert person.signed_in()


@pytest.mark.check("E08")
@pytest.mark.reference(20)
def test_a_backup_code_stands_for_one_factor_only(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True, SMS_MFA_IS_REQUIRED=True)
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "sms")
    person = arrive(host)
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.follow().request.path == "/mfa/challenge/sms"
    assert "/mfa/challenge/email" not in person.text
    assert not person.signed_in()


@pytest.mark.reference(17)
def test_without_backup_an_email_code_is_neither_sent_nor_judged(make_host: Make) -> None:
    host = make_host(ALLOW_EMAIL_MFA_AS_BACKUP=False)
    user = host.user()
    host.enroll(user, "otp")
    person = arrive(host)
    person.post("/mfa/challenge/email/send")
    assert host.mails() == []
    person.post("/mfa/challenge/email", {"code": "123456"})
    assert not person.signed_in()


def test_an_unverified_address_is_no_backup(host: Host) -> None:
    user = host.user("una@example.org", email_verified=False)
    host.enroll(user, "otp")
    person = arrive(host, "una@example.org")
    assert "/mfa/challenge/email" not in person.text
    person.post("/mfa/challenge/email/send")
    assert host.mails() == []


@pytest.mark.reference(11, 88)
def test_without_a_known_language_the_first_one_is_used(host: Host, with_email: int) -> None:
    person = Person(host)
    person.post(
        "/login",
        {"email": "eve@example.org", "password": "pw"},
        headers={"Accept-Language": "tlh"},
    )
    assert "sign-in code" in host.mails()[0].subject


@pytest.mark.check("F04")
@pytest.mark.reference(23)
def test_a_failing_provider_is_told_and_burns_no_pause(make_host: Make) -> None:
    host = make_host()
    user = host.user()
    host.enroll(user, "email")
    broken = True

    @host.mfa.send_mail
    def send(message: Any) -> None:
        if broken:
            raise OSError("no route")

    person = arrive(host)
    assert person.at == "/mfa/challenge/email"
    assert "message_failed" in host.events(user)
    answer = person.post("/mfa/challenge/email/send")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    broken = False
    assert person.post("/mfa/challenge/email/send").status_code == 303
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()


# SMS


@pytest.fixture
def with_sms(host: Host) -> int:
    """A user who proved a number."""
    user = host.user("sam@example.org", phone=PHONE, email_verified=False)
    host.enroll(user, "sms")
    return user


@pytest.mark.check("O14")
@pytest.mark.reference(77, 96, 181, 182)
def test_the_code_is_texted_at_the_password_and_signs_in(host: Host, with_sms: int) -> None:
    person = arrive(host, "sam@example.org")
    assert person.at == "/mfa/challenge/sms"
    assert PHONE not in person.text
    assert PHONE[-2:] in person.text
    (message,) = host.texts()
    assert message.to == PHONE
    code = host.last_code()
    assert message.text.splitlines()[-1] == f"@localhost #{code}"
    person.code(code)
    assert person.signed_in()


@pytest.mark.reference(98)
def test_a_wrong_sms_code_is_refused(host: Host, with_sms: int) -> None:
    person = arrive(host, "sam@example.org")
    answer = person.code(wrong(host.last_code()))
    assert answer.status_code == 401
    assert not person.signed_in()


@pytest.mark.reference(87)
def test_a_resent_sms_goes_to_the_stored_number(host: Host, with_sms: int) -> None:
    with host.app.app_context():
        host.get(with_sms).phone = "+447400999999"
        host.db.session.commit()
    with host.clock() as clock:
        person = arrive(host, "sam@example.org")
        clock.tick(61)
        person.post("/mfa/challenge/sms/send")
        assert [message.to for message in host.texts()] == [PHONE, PHONE]


@pytest.mark.reference(8, 9, 78)
@pytest.mark.parametrize("backup", [True, False])
def test_the_sms_page_offers_email_only_where_it_may_stand_in(
    make_host: Make, backup: bool
) -> None:
    host = make_host(ALLOW_EMAIL_MFA_AS_BACKUP=backup)
    user = host.user(phone=PHONE)
    host.enroll(user, "sms")
    person = arrive(host)
    assert ("/mfa/challenge/email" in person.text) is backup


@pytest.mark.reference(79)
def test_a_failing_sms_provider_is_told(make_host: Make) -> None:
    host = make_host()
    user = host.user(phone=PHONE)
    host.enroll(user, "sms")

    @host.mfa.send_sms
    def send(message: Any) -> None:
        raise TimeoutError

    person = arrive(host)
    answer = person.post("/mfa/challenge/sms/send")
    assert answer.status_code == 503
    assert not person.signed_in()


@pytest.mark.reference(91, 92)
def test_what_became_of_a_message_is_recorded_without_the_code(host: Host, with_sms: int) -> None:
    arrive(host, "sam@example.org")
    events = host.rows("mfa_event")
    (sent,) = [row for row in events if row["type"] == "message_sent"]
    assert sent["outcome"] == "ok"
    assert '"sms"' in sent["detail"]
    assert host.last_code() not in repr(events)
    assert PHONE not in repr(events)


# Several factors


@pytest.mark.reference(199, 204, 209, 210, 211)
def test_all_required_factors_are_asked_for_in_order(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True, EMAIL_MFA_IS_REQUIRED=True, SMS_MFA_IS_REQUIRED=True)
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "email", "sms")
    person = arrive(host)
    visited = [person.at]
    person.code(host.otp(user))
    visited.append(person.follow().request.path)
    assert not person.signed_in()
    person.code(host.last_code())
    visited.append(person.follow().request.path)
    assert not person.signed_in()
    person.code(host.last_code())
    assert person.signed_in()
    assert visited == [f"/mfa/challenge/{kind}" for kind in ("otp", "sms", "email")]


def test_a_proof_that_is_followed_by_a_code_sends_it(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True, EMAIL_MFA_IS_REQUIRED=True)
    user = host.user()
    host.enroll(user, "otp", "email")
    person = arrive(host)
    assert host.mails() == []
    person.code(host.otp(user))
    assert len(host.mails()) == 1


@pytest.mark.reference(21)
def test_one_of_several_held_factors_is_enough_and_the_last_used_comes_first(
    make_host: Make,
) -> None:
    host = make_host()
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "sms")
    person = arrive(host)
    assert person.at == "/mfa/challenge/otp"
    person.post("/mfa/challenge/sms/send")
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()
    with host.clock() as clock:
        clock.tick(120)
        assert arrive(host).at == "/mfa/challenge/sms"


def test_every_enrolled_factor_is_asked_for_where_the_app_wants_it(make_host: Make) -> None:
    host = make_host(MFA_ASK_EVERY_ENROLLED=True)
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "sms")
    person = arrive(host)
    person.code(host.otp(user))
    assert not person.signed_in()
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()


@pytest.mark.reference(26, 27, 61, 62, 101, 102)
@pytest.mark.parametrize("ticked", [True, False])
def test_no_device_is_remembered_where_that_is_off(host: Host, ada: int, ticked: bool) -> None:
    person = arrive(host)
    person.code(host.otp(ada), **({"remember_device": "1"} if ticked else {}))
    assert set(person.cookies()) == {"session"}


@pytest.mark.reference(29, 64, 104)
@pytest.mark.parametrize("factor", ["otp", "email", "sms"])
def test_each_new_sign_in_asks_again(host: Host, factor: str) -> None:
    user = host.user("kim@example.org", phone=PHONE)
    host.enroll(user, factor)
    with host.clock() as clock:
        for _ in range(2):
            clock.tick(90)
            person = arrive(host, "kim@example.org")
            assert person.at == f"/mfa/challenge/{factor}"
            assert not person.signed_in()
            person.code(host.otp(user) if factor == "otp" else host.last_code())
            assert person.signed_in()


@pytest.mark.reference(203)
def test_a_satisfied_session_is_not_asked_again(host: Host, ada: int) -> None:
    person = arrive(host)
    person.code(host.otp(ada))
    assert person.get("/mfa/challenge").headers["Location"] == "/"
    assert person.signed_in()


def test_cancelling_leads_back_to_the_login_view_and_ends_the_challenge(
    host: Host, ada: int
) -> None:
    person = arrive(host)
    cookie = person.cookies()["session"]
    answer = person.post("/mfa/challenge/cancel")
    assert answer.headers["Location"].startswith("/login")
    again = Person(host)
    again.client.set_cookie("session", cookie)
    again.get("/mfa/challenge/otp")
    assert again.at == "/login"


@pytest.mark.check("S10")
@pytest.mark.parametrize("setting", ["MFA_SESSION_MAX_SECONDS", "MFA_SESSION_IDLE_SECONDS"])
def test_a_session_that_aged_is_asked_again(make_host: Make, setting: str) -> None:
    host = make_host(**{setting: 3600})
    user = host.user()
    host.enroll(user, "otp")
    with host.clock() as clock:
        person = arrive(host)
        person.code(host.otp(user))
        clock.tick(3590)
        assert person.signed_in()
        clock.tick(3620)
        assert not person.signed_in()
        person.get("/secret", follow=True)
        assert person.at == "/mfa/challenge/otp"
        person.code(host.otp(user))
        assert person.signed_in()


def test_use_keeps_an_idle_session_alive(make_host: Make) -> None:
    host = make_host(MFA_SESSION_IDLE_SECONDS=600)
    user = host.user()
    host.enroll(user, "otp")
    with host.clock() as clock:
        person = arrive(host)
        person.code(host.otp(user))
        for _ in range(5):
            clock.tick(500)
            assert person.signed_in()
        clock.tick(601)
        assert not person.signed_in()


def test_the_first_code_goes_out_for_the_factor_that_was_used_last(make_host: Make) -> None:
    host = make_host()
    ada = host.user(phone=PHONE)
    host.enroll(ada, "otp", "sms", "email")
    person = Person(host)
    person.sign_in()
    assert person.follow().request.path == "/mfa/challenge/otp"
    assert not host.sent, "an authenticator comes first, and nothing is sent for it"
    person.post("/mfa/challenge/email/send")
    person.code(host.last_code())
    assert person.signed_in()
    host.sent.clear()
    again = Person(host)
    again.sign_in()
    assert [mail.to for mail in host.mails()] == ["ada@example.org"]
    assert again.follow().request.path == "/mfa/challenge/email"
    assert again.code(host.last_code()).status_code == 303

"""The account page: what is shown, what may be changed, and what every change asks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.host import PHONE, Host, Person, totp

Make = Callable[..., Host]
ACCOUNT = "/mfa/account"


def signed_in(host: Host, user: int, email: str = "ada@example.org") -> Person:
    """A person who has just proven the authenticator."""
    person = Person(host)
    person.sign_in(email)
    person.follow()
    person.code(host.otp(user))
    assert person.signed_in()
    return person


def credential(host: Host, kind: str, user: int = 1) -> str:
    """The id of a user's newest credential of a kind."""
    found = [
        row["id"]
        for row in host.rows("mfa_credential")
        if row["kind"] == kind and row["user_key"] == str(user)
    ]
    return str(max(found))


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host()


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator and email codes."""
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "email")
    return user


def test_nobody_sees_the_page_before_the_gate_is_satisfied(host: Host, ada: int) -> None:
    person = Person(host)
    person.get(ACCOUNT)
    assert person.page is not None
    assert person.page.headers["Location"] == "/login?next=/mfa/account"
    person.sign_in()
    person.get(ACCOUNT)
    assert person.at == "/mfa/challenge"


def test_the_page_shows_everything_at_once(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    page = person.get(ACCOUNT)
    assert page.status_code == 200
    for text in (
        "Authenticator app",
        "Email code",
        "a•••@example.org",
        "Where you are signed in",
        "This session",
        "Recent activity",
        "Signed in",
        "ada@example.org",
    ):
        assert text in person.text
    assert "Recovery codes" not in person.text
    assert "Remembered devices" not in person.text


def test_the_page_costs_few_statements(host: Host, ada: int) -> None:
    from sqlalchemy import event

    person = signed_in(host, ada)
    person.get(ACCOUNT)
    seen: list[str] = []
    with host.app.app_context():
        engine = host.app.extensions["melody_mfa"].store.engine
        event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    for _ in range(3):
        other = Person(host)
        other.sign_in()
    seen.clear()
    person.get(ACCOUNT)
    assert len([one for one in seen if one.lstrip().upper().startswith("SELECT")]) <= 6
    assert all(one.lstrip().upper().startswith("SELECT") for one in seen)


@pytest.mark.check("N03")
def test_a_factor_is_removed_with_a_fresh_proof_and_told(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    email = credential(host, "email")
    person.get(f"{ACCOUNT}/factors/{email}/remove")
    assert "Remove this sign-in step?" in person.text
    assert len(host.rows("mfa_credential")) == 2
    person.post(f"{ACCOUNT}/factors/{email}/remove")
    assert person.at == ACCOUNT
    assert [row["kind"] for row in host.rows("mfa_credential")] == ["otp"]
    person.follow()
    assert "Removed: Email code." in person.text
    assert "factor_removed" in host.events(ada)
    assert "was removed from your" in host.mails()[-1].text


@pytest.mark.check("N03")
def test_what_the_gate_requires_cannot_be_removed(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    person = signed_in(host, ada)
    otp = credential(host, "otp")
    page = person.get(ACCOUNT)
    assert f"{otp}/remove" not in page.text
    assert "cannot be removed" in person.get(f"{ACCOUNT}/factors/{otp}/remove").text
    assert person.post(f"{ACCOUNT}/factors/{otp}/remove").status_code == 409
    assert len(host.rows("mfa_credential")) == 2
    assert "factor_removed" not in host.events(ada)


@pytest.mark.check("N03")
def test_the_last_factor_cannot_be_removed_where_one_must_be_held(make_host: Make) -> None:
    host = make_host()
    ada = host.user()
    host.enroll(ada, "otp")
    person = signed_in(host, ada)
    assert person.post(f"{ACCOUNT}/factors/{credential(host, 'otp')}/remove").status_code == 409


def test_the_last_factor_can_be_removed_where_none_must_be_held(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    ada = host.user()
    host.enroll(ada, "otp")
    person = signed_in(host, ada)
    person.post(f"{ACCOUNT}/factors/{credential(host, 'otp')}/remove")
    assert not host.rows("mfa_credential")
    assert person.follow().status_code == 200


def test_a_factor_without_which_nobody_could_sign_in_cannot_be_removed(make_host: Make) -> None:
    """What is left is held, and could not be proven: there is no way to send text messages."""
    host = make_host(ALLOW_EMAIL_MFA_AS_BACKUP=False)
    ada = host.user(phone=PHONE)
    host.enroll(ada, "otp", "sms")
    person = signed_in(host, ada)
    host.app.extensions["melody_mfa"].hooks.send_sms = None
    assert person.post(f"{ACCOUNT}/factors/{credential(host, 'otp')}/remove").status_code == 409


def test_before_its_date_a_requirement_protects_what_is_held(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True, MFA_REQUIRED_FROM="2100-01-01")
    ada = host.user()
    host.enroll(ada, "otp", "email")
    person = signed_in(host, ada)
    assert person.post(f"{ACCOUNT}/factors/{credential(host, 'otp')}/remove").status_code == 409


@pytest.mark.check("S08", "S06")
@pytest.mark.parametrize(
    "change",
    [
        "factors/{id}/remove",
        "factors/{id}/rename",
        "factors/{id}/replace",
        "sessions/end-others",
        "sessions/{session}/end",
    ],
)
def test_every_change_asks_for_a_fresh_proof(host: Host, ada: int, change: str) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        path = f"{ACCOUNT}/" + change.format(
            id=credential(host, "email"), session=host.rows("mfa_session")[0]["id"]
        )
        clock.tick(301)
        before = [host.rows("mfa_credential"), host.rows("mfa_session")]
        person.post(path, {"name": "x"}, follow=True)
        assert person.at == "/mfa/challenge/otp"
        assert "Nothing was changed yet" in person.text
        assert [host.rows("mfa_credential"), host.rows("mfa_session")] == before
        person.code(host.otp(ada))
        assert person.at == path
        person.get(path)
        assert person.page is not None
        assert person.page.status_code == 200


@pytest.mark.check("S07", "O16")
def test_an_email_code_is_too_weak_to_remove_an_authenticator(host: Host, ada: int) -> None:
    person = Person(host)
    person.sign_in()
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.signed_in()
    person.post(f"{ACCOUNT}/factors/{credential(host, 'otp')}/remove", follow=True)
    assert person.at == "/mfa/challenge/otp"
    assert len(host.rows("mfa_credential")) == 2


@pytest.mark.check("D06", "S07")
def test_a_remembered_device_changes_nothing(make_host: Make) -> None:
    host = make_host(ENABLE_MFA_REMEMBER_DEVICE=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    with host.clock() as clock:
        person = Person(host)
        person.sign_in()
        person.follow()
        person.code(host.otp(ada), remember_device="1")
        person.get("/logout")
        clock.tick(60)
        person.sign_in()
        assert person.signed_in()
        person.get(f"{ACCOUNT}/factors/{credential(host, 'email')}/remove", follow=True)
        assert person.at == "/mfa/challenge/otp"


@pytest.mark.check("R12", "S07")
def test_a_recovery_session_changes_nothing(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    code = recovery_codes(host, ada)[0]
    person = Person(host)
    person.sign_in()
    person.get("/mfa/challenge/recovery-code")
    person.post("/mfa/challenge/recovery-code", {"code": code})
    assert person.signed_in()
    assert person.get(ACCOUNT).status_code == 200
    page = person.post(f"{ACCOUNT}/factors/{credential(host, 'email')}/remove")
    assert page.status_code == 403
    assert len(host.rows("mfa_credential")) == 2


def recovery_codes(host: Host, user: int) -> tuple[str, ...]:
    """A new set of a user's recovery codes."""
    from flask_melody_mfa.flows import recovery
    from flask_melody_mfa.web.state import context, state

    with host.app.app_context():
        account = state().describe(host.get(user))
        return recovery.make(context(), account)


@pytest.mark.check("S04")
def test_other_sessions_lose_what_was_proven_by_a_removed_factor(make_host: Make) -> None:
    """Also where another authenticator is left: theirs may have been the one that is gone."""
    host = make_host(MFA_SESSION_RECHECK_SECONDS=0)
    ada = host.user()
    host.enroll(ada, "otp")
    with host.clock() as clock:
        other = signed_in(host, ada)
        clock.tick(30)
        person = signed_in(host, ada)
        old = credential(host, "otp")
        person.get(f"/mfa/enroll?next={ACCOUNT}", follow=True)
        person.post("/mfa/enroll", {"factor": "otp"}, follow=True)
        person.code(totp(person.secret(), clock))
        assert other.signed_in()
        person.post(f"{ACCOUNT}/factors/{old}/remove")
        assert len(host.rows("mfa_credential")) == 1
        assert person.signed_in()
        assert not other.signed_in()
        other.get("/secret", follow=True)
        assert other.at == "/mfa/challenge/otp"


@pytest.mark.check("S04")
def test_a_removal_ends_pending_sign_ins(host: Host, ada: int) -> None:
    pending = Person(host)
    pending.sign_in()
    pending.follow()
    person = signed_in(host, ada)
    person.post(f"{ACCOUNT}/factors/{credential(host, 'email')}/remove")
    pending.get("/mfa/challenge", follow=True)
    assert pending.at == "/login"


def test_whoever_removes_what_was_proven_is_asked_for_what_is_left(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    person.post(f"{ACCOUNT}/factors/{credential(host, 'otp')}/remove", follow=True)
    assert person.at == "/mfa/challenge/email"
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.at == ACCOUNT


@pytest.mark.check("N01")
def test_a_removed_address_is_told_of_its_removal(make_host: Make) -> None:
    host = make_host()
    ada = host.user(email_verified=False)
    host.enroll(ada, "otp")
    host.enroll(ada, "email", destination="old@example.org")
    person = signed_in(host, ada)
    person.post(f"{ACCOUNT}/factors/{credential(host, 'email')}/remove")
    assert [mail.to for mail in host.mails()] == ["old@example.org"]


@pytest.mark.check("N06")
@pytest.mark.parametrize("action", ["remove", "rename", "replace"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_users_factor_is_not_there(host: Host, ada: int, action: str, method: str) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    person = signed_in(host, ada)
    theirs = credential(host, "otp", bob)
    page = getattr(person, method)(f"{ACCOUNT}/factors/{theirs}/{action}")
    assert page.status_code == 404
    before = [row["name"] for row in host.rows("mfa_credential")]
    assert len(before) == 3
    assert before == [None, None, None]


@pytest.mark.check("N06")
def test_another_users_session_is_not_there(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    other = signed_in(host, bob, "bob@example.org")
    person = signed_in(host, ada)
    theirs = next(row["id"] for row in host.rows("mfa_session") if row["user_key"] == str(bob))
    assert person.post(f"{ACCOUNT}/sessions/{theirs}/end").status_code == 404
    assert other.signed_in()


def test_an_authenticator_is_named(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    otp = credential(host, "otp")
    person.get(f"{ACCOUNT}/factors/{otp}/rename")
    person.post(f"{ACCOUNT}/factors/{otp}/rename", {"name": "  Work\u202e phone "})
    person.follow()
    assert "Work phone" in person.text
    person.post(f"{ACCOUNT}/factors/{otp}/rename", {"name": ""})
    assert host.rows("mfa_credential")[0]["name"] is None


@pytest.mark.parametrize(("name", "status"), [("x" * 65, 400), ("a\x00b", 400), ("a\nb", 400)])
def test_a_name_that_is_none_is_refused(host: Host, ada: int, name: str, status: int) -> None:
    person = signed_in(host, ada)
    path = f"{ACCOUNT}/factors/{credential(host, 'otp')}/rename"
    assert person.post(path, {"name": name}).status_code == status


@pytest.mark.check("H09")
def test_a_name_is_shown_as_it_is(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    otp = credential(host, "otp")
    person.post(f"{ACCOUNT}/factors/{otp}/rename", {"name": "<b onload=x>'\"&"})
    page = person.get(ACCOUNT)
    assert "<b onload" not in page.text
    assert "<b onload=x>'\"&" in person.text


def test_two_authenticators_have_two_names(make_host: Make) -> None:
    host = make_host()
    ada = host.user()
    host.enroll(ada, "otp")
    host.enroll(ada, "otp")
    first, second = sorted(row["id"] for row in host.rows("mfa_credential"))
    person = signed_in(host, ada)
    person.post(f"{ACCOUNT}/factors/{first}/rename", {"name": "Phone"})
    assert person.post(f"{ACCOUNT}/factors/{second}/rename", {"name": "Phone"}).status_code == 409
    assert "Phone" in person.text


@pytest.mark.check("T09")
def test_a_replaced_authenticator_works_until_the_new_one_is_confirmed(
    make_host: Make,
) -> None:
    host = make_host()
    ada = host.user()
    host.enroll(ada, "otp")
    old = credential(host, "otp")
    with host.clock() as clock:
        person = signed_in(host, ada)
        person.get(f"{ACCOUNT}/factors/{old}/replace")
        person.post(f"{ACCOUNT}/factors/{old}/replace", follow=True)
        assert person.at == "/mfa/enroll/otp"
        assert "Text message" not in person.text
        clock.tick(30)
        other = signed_in(host, ada)
        assert other.signed_in()
        # With the sign-in of the other browser the enrollment is still good.
        person.get("/mfa/enroll/otp")
        secret = person.secret()
        person.code(totp(secret, clock), name="New phone")
        assert person.at == ACCOUNT
        assert [row["name"] for row in host.rows("mfa_credential")] == ["New phone"]
        assert credential(host, "otp") != old
        assert host.events(ada)[-2:] == ["factor_enrolled", "factor_removed"]


def test_an_address_that_is_outdated_is_replaced(make_host: Make) -> None:
    host = make_host()
    ada = host.user("new@example.org")
    host.enroll(ada, "otp")
    host.enroll(ada, "email", destination="old@example.org")
    person = signed_in(host, ada, "new@example.org")
    person.get(ACCOUNT)
    assert "Your account has another address by now" in person.text
    person.post(f"{ACCOUNT}/factors/{credential(host, 'email')}/replace", follow=True)
    assert person.at == "/mfa/enroll/email"
    person.post("/mfa/enroll/email/send")
    assert host.mails()[-1].to == "new@example.org"
    person.follow()
    person.code(host.last_code())
    told = {mail.to for mail in host.mails() if "set up" in mail.text}
    assert told == {"old@example.org", "new@example.org"}
    person.get(ACCOUNT)
    assert "another address by now" not in person.text


def test_a_factor_is_added_and_the_account_page_comes_back(host: Host, ada: int) -> None:
    person = signed_in(host, ada)
    link = re.search(r'href="(/mfa/enroll\?[^"]+)"', person.get(ACCOUNT).text)
    assert link is not None
    person.get(link.group(1))
    person.post(f"/mfa/enroll?next={ACCOUNT}", {"factor": "sms"}, follow=True)
    person.post(f"/mfa/enroll/sms?next={ACCOUNT}", {"phone_number": PHONE}, follow=True)
    person.post(f"/mfa/enroll/sms?next={ACCOUNT}", {"code": host.last_code()})
    assert person.at == ACCOUNT
    assert len(host.rows("mfa_credential")) == 3


@pytest.mark.parametrize("begun", ["enroll", "step-up"])
def test_giving_up_leads_back_and_keeps_the_session(host: Host, ada: int, begun: str) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        if begun == "enroll":
            person.get(f"/mfa/enroll?next={ACCOUNT}")
            person.post(f"/mfa/enroll?next={ACCOUNT}", {"factor": "otp"}, follow=True)
            person.post("/mfa/challenge/cancel", {"next": ACCOUNT})
        else:
            clock.tick(400)
            path = f"{ACCOUNT}/factors/{credential(host, 'email')}/remove"
            person.get(path, follow=True)
            assert person.at == "/mfa/challenge/otp"
            person.post("/mfa/challenge/cancel", {"next": path})
        assert person.at == ACCOUNT
        assert person.signed_in()


def test_sessions_are_listed_and_this_one_is_marked(host: Host, ada: int) -> None:
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit/605 Version/18 Safari/604"
    with host.clock() as clock:
        phone = Person(host)
        phone.client.environ_base["HTTP_USER_AGENT"] = agent
        phone.sign_in()
        phone.follow()
        phone.code(host.otp(ada))
        clock.tick(60)
        person = signed_in(host, ada)
        person.get(ACCOUNT)
    assert "Safari on iPhone" in person.text
    assert person.text.count("This session") == 1
    assert person.text.count("/end?") == 1


def test_one_session_is_ended_from_another(host: Host, ada: int) -> None:
    with host.clock() as clock:
        other = signed_in(host, ada)
        theirs = host.rows("mfa_session")[0]["id"]
        clock.tick(60)
        person = signed_in(host, ada)
        person.get(f"{ACCOUNT}/sessions/{theirs}/end")
        assert other.signed_in()
        person.post(f"{ACCOUNT}/sessions/{theirs}/end")
        assert not other.signed_in()
        assert person.signed_in()
        assert host.events(ada)[-1] == "session_revoked"
        other.get("/secret")
        assert other.at == "/login"
        assert person.post(f"{ACCOUNT}/sessions/{theirs}/end").status_code == 404


@pytest.mark.check("D04")
def test_signing_out_everywhere_else_ends_sessions_sign_ins_and_devices(make_host: Make) -> None:
    host = make_host(ENABLE_MFA_REMEMBER_DEVICE=True)
    ada = host.user()
    host.enroll(ada, "otp")
    with host.clock() as clock:
        device = Person(host)
        device.sign_in()
        device.follow()
        device.code(host.otp(ada), remember_device="1")
        assert device.signed_in()
        clock.tick(60)
        person = signed_in(host, ada)
        pending = Person(host)
        pending.sign_in()
        person.get(f"{ACCOUNT}/sessions/end-others")
        person.post(f"{ACCOUNT}/sessions/end-others")
        assert person.signed_in()
        assert not device.signed_in()
        device.sign_in()
        assert not device.signed_in()
        pending.get("/mfa/challenge")
        assert pending.at == "/login"
        assert "sessions_ended" in host.events(ada)
        assert any("signed out of" in mail.subject for mail in host.mails())


@pytest.mark.check("N08")
def test_what_is_changed_is_recorded_with_who_when_and_where(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = signed_in(host, ada)
        person.client.environ_base["HTTP_USER_AGENT"] = "Agent/1"
        person.post(f"{ACCOUNT}/factors/{credential(host, 'email')}/remove")
        row = next(row for row in host.rows("mfa_event") if row["type"] == "factor_removed")
    assert row["at"] == clock.now
    assert (row["user_key"], row["actor"], row["outcome"]) == (str(ada), "user", "ok")
    assert (row["address"], row["user_agent"]) == ("127.0.0.1", "Agent/1")
    assert '"factor": "email"' in row["detail"]


@pytest.mark.check("N02")
def test_a_change_stands_while_mail_is_down(host: Host, ada: int) -> None:
    def broken(mail: Any) -> None:
        raise OSError("no route")

    person = signed_in(host, ada)
    host.mfa.send_mail(broken)
    person.post(f"{ACCOUNT}/factors/{credential(host, 'email')}/remove")
    assert person.at == ACCOUNT
    assert [row["kind"] for row in host.rows("mfa_credential")] == ["otp"]
    assert host.rows("mfa_notice")  # kept, to be tried again
    assert "message_failed" in host.events(ada)


@pytest.mark.check("H01")
def test_a_change_needs_the_forms_token(make_host: Make) -> None:
    host = make_host(WTF_CSRF_ENABLED=True)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    person = Person(host)
    person.sign_in()
    person.follow()
    person.code(host.otp(ada))
    assert person.signed_in()
    path = f"{ACCOUNT}/factors/{credential(host, 'email')}/remove"
    assert person.post(path, {"csrf_token": "no"}).status_code == 400
    assert len(host.rows("mfa_credential")) == 2
    person.get(path)
    person.post(path)
    assert len(host.rows("mfa_credential")) == 1


@pytest.mark.check("H04")
@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_hostile_next_is_not_followed(host: Host, ada: int, target: str) -> None:
    person = signed_in(host, ada)
    otp = credential(host, "otp")
    page = person.get(f"{ACCOUNT}/factors/{otp}/rename", query_string={"next": target})
    assert not re.search(r'(href|action)="[^"]*(evil|javascript)', page.text)
    assert re.findall(r'<a [^>]*href="([^"]+)"', page.text) == [ACCOUNT]
    person.post(f"{ACCOUNT}/factors/{otp}/rename", {"name": "x", "next": target})
    assert person.page is not None
    assert person.page.headers["Location"] == ACCOUNT


def test_the_page_leads_to_the_hosts_page_for_a_new_password(make_host: Make) -> None:
    host = make_host()
    host.mfa.set_password_url(lambda user: f"/new-password/{user.id}")
    ada = host.user()
    host.enroll(ada, "otp")
    person = signed_in(host, ada)
    assert f'href="/new-password/{ada}"' in person.get(ACCOUNT).text


def test_without_the_guard_the_page_asks_for_the_gate_itself(make_host: Make) -> None:
    host = make_host(MFA_GUARD=False)
    ada = host.user()
    host.enroll(ada, "otp", "email")
    person = Person(host)
    person.sign_in()
    person.get(ACCOUNT, follow=True)
    assert person.at == "/mfa/challenge/otp"

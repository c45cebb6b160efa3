"""Recovery codes: made and shown once, spent in a challenge, and what follows."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import select

from flask_melody_mfa.core.errors import Conflict
from flask_melody_mfa.core.recovery_codes import canonical
from flask_melody_mfa.flows import recovery, replacing, sessions
from flask_melody_mfa.store import accounts
from flask_melody_mfa.store.tables import SessionRow
from flask_melody_mfa.web.state import context, state
from tests.host import Host, Person, totp
from tests.recovering import (
    CHALLENGE,
    SHEET,
    Make,
    arrive,
    codes_of,
    left,
    shown,
    sign_in,
    statements,
    stored,
)


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


def use(host: Host, code: str, **fields: str) -> Person:
    """A person who gave the password, then a recovery code."""
    person = arrive(host)
    person.get(CHALLENGE)
    person.code(code, **fields)
    return person


# Made, and shown once


@pytest.mark.check("R02")
@pytest.mark.reference(65, 72, 155, 169)
def test_after_the_sign_in_codes_are_offered_made_by_post_and_shown_once(
    host: Host, ada: int
) -> None:
    person = sign_in(host, ada)
    assert person.at == SHEET
    person.follow()
    assert left(host, ada) == 0 and not shown(person)
    person.post(SHEET, {"next": "/secret"})
    codes = shown(person)
    assert len(set(codes)) == 10 == left(host, ada)
    assert all(code in person.text for code in codes)
    assert person.page is not None and person.page.headers["Cache-Control"] == "no-store"
    person.post(SHEET, {"saved": "1", "next": "/secret"})
    assert person.page.headers["Location"] == "/secret"
    person.get(SHEET, follow=True)
    assert not any(code in person.text for code in codes)
    assert left(host, ada) == 10


@pytest.mark.reference(66)
def test_codes_are_not_offered_again_while_some_are_left(host: Host, ada: int) -> None:
    codes_of(host, ada)
    person = sign_in(host, ada)
    assert person.page is not None and person.page.headers["Location"] == "/secret"


def test_codes_can_be_left_for_later(host: Host, ada: int) -> None:
    person = sign_in(host, ada)
    person.follow()
    assert 'href="/secret"' in person.text
    assert person.signed_in() and left(host, ada) == 0


@pytest.mark.reference(67, 70, 73, 156)
@pytest.mark.parametrize("method", ["get", "post"])
def test_switched_off_there_are_none(make_host: Make, method: str) -> None:
    host = make_host()
    ada = host.user()
    host.enroll(ada, "otp")
    person = sign_in(host, ada)
    assert person.page is not None and person.page.headers["Location"] == "/secret"
    for path in (SHEET, "/mfa/recover"):
        assert getattr(person, method)(path).status_code == 404
    pending = arrive(host)
    assert "recovery" not in pending.text
    pending.get(CHALLENGE)
    assert pending.at == "/mfa/challenge/otp"
    assert not host.rows("mfa_recovery_code")


@pytest.mark.check("E05")
@pytest.mark.reference(69)
@pytest.mark.parametrize("path", [SHEET, f"{SHEET}/file", "/mfa/enroll/replace"])
def test_while_the_gate_is_owed_nothing_is_made(host: Host, ada: int, path: str) -> None:
    codes = codes_of(host, ada)
    person = arrive(host)
    person.post(path, {"code": codes[0]})
    assert person.at.startswith("/mfa/challenge")
    assert left(host, ada) == 10 and stored(host, ada, codes[0])


@pytest.mark.reference(71, 74)
def test_a_stranger_is_sent_to_the_login_view(host: Host) -> None:
    person = Person(host)
    for path in (SHEET, "/mfa/enroll/replace", "/mfa/recover/done"):
        person.get(path)
        assert person.at == "/login"
    person.post(SHEET)
    assert person.at == "/login"


@pytest.mark.check("S08")
@pytest.mark.reference(157, 158, 159)
def test_new_codes_ask_for_a_fresh_proof(host: Host, ada: int) -> None:
    old = codes_of(host, ada)
    with host.clock() as clock:
        person = sign_in(host, ada)
        clock.tick(301)
        person.post(SHEET)
        assert person.at == "/mfa/challenge" and left(host, ada) == 10
        person.get(SHEET)
        person.follow()
        person.code(host.otp(ada), next=SHEET)
        assert person.at == SHEET
        person.follow()
        person.post(SHEET)
        new = shown(person)
    assert len(new) == 10 and not set(new) & set(old)
    assert not any(stored(host, ada, code) for code in old)


def test_an_account_that_holds_nothing_has_nothing_to_recover(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, ENFORCE_ONE_MFA_ENROLLMENT=[])
    host.user()
    person = Person(host)
    person.sign_in()
    assert person.post(SHEET).status_code == 409
    assert not host.rows("mfa_recovery_code")


@pytest.mark.check("H01")
def test_codes_are_made_with_a_csrf_token_only(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, WTF_CSRF_ENABLED=True)
    ada = host.user()
    host.enroll(ada, "otp")
    person = sign_in(host, ada)
    person.follow()
    assert person.client.post(SHEET).status_code == 400
    assert left(host, ada) == 0
    assert person.post(SHEET).status_code == 200
    assert left(host, ada) == 10


def test_the_number_of_codes_is_a_setting(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, MFA_RECOVERY_CODE_COUNT=4)
    ada = host.user()
    host.enroll(ada, "otp")
    assert len(codes_of(host, ada)) == 4


# The text file


def test_the_sheet_is_handed_over_as_a_text_file(host: Host, ada: int) -> None:
    person = sign_in(host, ada)
    person.follow()
    person.post(SHEET)
    codes = shown(person)
    answer = person.post(f"{SHEET}/file", {"code": codes})
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert answer.headers["Cache-Control"] == "no-store"
    lines = answer.text.split("\r\n")
    assert [line for line in lines if canonical(line)] == codes
    assert "ada@example.org" in lines


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "0000-0000-0000-0000-0000-0000"])
def test_the_file_serves_nobodys_own_words(host: Host, ada: int, text: str) -> None:
    codes = codes_of(host, ada)
    person = sign_in(host, ada)
    answer = person.post(f"{SHEET}/file", {"code": [codes[0], text]})
    assert answer.status_code == 404 and text not in answer.text


def test_the_file_serves_only_ones_own_codes(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    theirs = codes_of(host, bob)
    person = sign_in(host, ada)
    assert person.post(f"{SHEET}/file", {"code": list(theirs)}).status_code == 404
    assert person.post(f"{SHEET}/file").status_code == 400


# At rest


@pytest.mark.check("R03", "R04", "C01")
def test_a_dump_holds_no_code_and_what_it_holds_is_no_code(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    dump = json.dumps([str(dict(row)) for t in host.db.metadata.tables for row in host.rows(t)])
    plain = [canonical(code) or "" for code in codes]
    assert not any(code in dump or one in dump for code, one in zip(codes, plain, strict=True))
    for row in host.rows("mfa_recovery_code"):
        assert re.fullmatch(r"[0-9a-f]{64}", row["code_hash"])
    assert use(host, host.rows("mfa_recovery_code")[0]["code_hash"]).page.status_code == 401  # type: ignore[union-attr]
    assert left(host, ada) == 10


def test_the_hash_is_keyed_and_bound_to_the_account(host: Host, ada: int) -> None:
    code = canonical(codes_of(host, ada)[0]) or ""
    with host.app.app_context():
        vault = context().vault
        assert vault.recovery_code_hash("1", code) != vault.recovery_code_hash("2", code)
        assert vault.recovery_code_hash("1", code) == vault.recovery_code_hash("1", code)


# Spent in a challenge


def test_a_code_stands_for_mfa_once(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = use(host, codes[0])
    assert person.signed_in()
    assert left(host, ada) == 9
    assert host.events(ada).count("recovery_code_used") == 1


@pytest.mark.check("R05")
def test_a_spent_code_is_wrong(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    use(host, codes[0])
    again = use(host, codes[0])
    assert again.page is not None and again.page.status_code == 401
    assert not again.signed_in() and left(host, ada) == 9


@pytest.mark.check("R13")
def test_another_spelling_is_the_same_code(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    plain = (canonical(codes[0]) or "").lower().replace("0", "O").replace("1", "l")
    assert use(host, f" {plain[:5]} {plain[5:]}").signed_in()
    again = use(host, codes[0])
    assert again.page is not None and again.page.status_code == 401


@pytest.mark.check("R08")
def test_somebody_elses_code_is_wrong_and_stays_unused(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    theirs, _ = codes_of(host, bob), codes_of(host, ada)
    person = use(host, theirs[0])
    assert person.page is not None and person.page.status_code == 401
    row = stored(host, bob, theirs[0])
    assert row is not None and row["used_at"] is None


@pytest.mark.check("L02")
def test_wrong_codes_share_the_tries_of_the_account(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, MFA_CODE_VERIFY_THRESHOLD=3)
    ada = host.user()
    host.enroll(ada, "otp")
    codes = codes_of(host, ada)
    person = arrive(host)
    person.code("000000")
    for _ in range(2):
        person.get(CHALLENGE)
        person.code("0000-0000-0000-0000-0000-0000")
    assert "locked" in host.events(ada)
    late = arrive(host)
    late.get(CHALLENGE)
    assert late.code(codes[0]).status_code == 429
    assert left(host, ada) == 10


def test_many_wrong_codes_lock_but_never_disable_the_codes(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, MFA_CODE_VERIFY_THRESHOLD=1000)
    ada = host.user()
    host.enroll(ada, "otp")
    codes = codes_of(host, ada)
    with host.clock() as clock:
        for _ in range(21):
            person = arrive(host)
            person.get(CHALLENGE)
            for _ in range(5):
                person.code("0" * 24)
            clock.tick(601)
        assert host.rows("mfa_user")[0]["failures"] == 105
        assert "factor_disabled" not in host.events(ada)
        assert use(host, codes[0]).signed_in()


@pytest.mark.parametrize("text", ["", "  ", "0" * 65, "0\x000"])
def test_what_is_no_text_for_a_code_costs_no_try(host: Host, ada: int, text: str) -> None:
    codes_of(host, ada)
    person = arrive(host)
    person.get(CHALLENGE)
    assert person.code(text).status_code == 400
    assert host.rows("mfa_user")[0]["failures"] == 0


def test_repeated_fields_are_malformed(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = arrive(host)
    person.get(CHALLENGE)
    assert person.post(CHALLENGE, {"code": [codes[0], codes[1]]}).status_code == 400
    assert left(host, ada) == 10


def test_the_page_is_offered_as_another_way(host: Host, ada: int) -> None:
    codes_of(host, ada)
    person = arrive(host)
    assert 'href="/mfa/challenge/recovery-code?next=/secret"' in person.text
    person.get(CHALLENGE)
    assert 'autocomplete="off"' in person.text and "inputmode" not in person.text


def test_a_code_does_where_only_it_can_help(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, ALLOW_EMAIL_MFA_AS_BACKUP=False)
    ada = host.user(phone="+447400123456")
    host.enroll(ada, "sms")
    codes = codes_of(host, ada)
    host.app.extensions["melody_mfa"].hooks.send_sms = None
    person = arrive(host)
    assert person.at == CHALLENGE
    person.code(codes[0])
    assert person.signed_in()


# After use


@pytest.mark.check("R11", "N01")
def test_every_address_is_told_of_a_use_and_how_many_are_left(host: Host, ada: int) -> None:
    with host.app.app_context():
        host.get(ada).email = "old@example.org"
        host.db.session.commit()
    host.enroll(ada, "email")
    with host.app.app_context():
        host.get(ada).email = "ada@example.org"
        host.db.session.commit()
    codes = codes_of(host, ada)
    host.sent.clear()
    use(host, codes[0])
    told = [mail for mail in host.mails() if "recovery code was used" in mail.subject]
    assert {mail.to for mail in told} == {"ada@example.org", "old@example.org"}
    assert all("Recovery codes left: 9" in mail.text for mail in told)
    assert not any(code in mail.text for mail in told for code in codes)
    assert "make new ones soon" not in told[0].text


@pytest.mark.check("R11")
def test_at_three_left_page_and_mail_warn(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    for code in codes[:6]:
        use(host, code)
    host.sent.clear()
    person = use(host, codes[6])
    person.follow()
    assert "3 are left" in person.text and "Make new recovery codes soon" in person.text
    mail = host.mails()[-1]
    assert "Recovery codes left: 3" in mail.text and "make new ones soon" in mail.text


@pytest.mark.check("R11", "N08")
def test_the_record_tells_of_a_use(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    use(host, codes[0])
    row = next(row for row in host.rows("mfa_event") if row["type"] == "recovery_code_used")
    assert row["user_key"] == str(ada) and row["address"] == "127.0.0.1" and row["at"]
    assert json.loads(row["detail"]) == {"left": 9, "stood_for": "mfa"}


@pytest.mark.check("N01")
def test_new_codes_are_told_by_mail(host: Host, ada: int) -> None:
    codes_of(host, ada)
    assert "New recovery codes" in host.mails()[-1].subject


@pytest.mark.check("R12", "S07")
def test_a_recovery_session_gets_no_step_up(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = use(host, codes[0])
    for path in ("/fresh", "/with-otp", SHEET, "/mfa/enroll"):
        answer = person.get(path)
        assert answer.status_code == 403, path
        assert "signed in with a recovery code" in person.text
    assert person.post(SHEET).status_code == 403
    assert left(host, ada) == 9
    assert person.signed_in()
    status = person.client.get("/status").get_json()
    assert status["factors"] == ["recovery_code"] and status["level"] == 0


@pytest.mark.check("R12", "D05")
def test_a_recovery_sign_in_earns_no_device(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = arrive(host)
    person.get(CHALLENGE)
    assert "remember_device" not in person.text
    person.code(codes[0], remember_device="1")
    assert person.signed_in() and not host.rows("mfa_device")


@pytest.mark.check("E08")
def test_a_second_code_makes_a_recovery_session_no_better(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = use(host, codes[0])
    person.get(CHALLENGE)
    person.post(CHALLENGE, {"code": codes[1]})
    assert left(host, ada) == 9
    assert person.get("/fresh").status_code == 403


# Replace what you lost


def test_after_recovery_the_lost_app_is_replaced_and_the_old_one_is_dead(
    host: Host, ada: int
) -> None:
    from tests.web.test_challenge import secret_of

    codes = codes_of(host, ada)
    with host.clock() as clock:
        lost = secret_of(host, ada)
        person = use(host, codes[0])
        assert person.at == "/mfa/enroll/replace"
        person.follow()
        credential = host.rows("mfa_credential")[0]["id"]
        person.post("/mfa/enroll/replace", {"credential": credential, "next": "/secret"})
        assert person.at == "/mfa/enroll/otp"
        person.follow()
        new = person.secret()
        assert len(host.rows("mfa_credential")) == 1, "the old one works until the new one does"
        person.code(totp(new, clock))
        assert person.at == "/mfa/enroll/replace"
        person.follow()
        assert person.text.startswith("secret of"), "nothing else is lost"
        clock.tick(60)
        assert arrive(host).code(totp(lost, clock)).status_code == 401
        assert arrive(host).code(totp(new, clock)).status_code == 303
    kinds = [event for event in host.events(ada) if event.startswith("factor_")]
    assert kinds == ["factor_enrolled", "factor_removed"]
    assert left(host, ada) == 9, "something is held all the time"


def test_the_old_app_works_until_the_new_one_does(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = use(host, codes[0])
    person.follow()
    credential = host.rows("mfa_credential")[0]["id"]
    person.post("/mfa/enroll/replace", {"credential": credential})
    person.follow()
    assert person.code("000000").status_code == 401
    assert sign_in(host, ada).signed_in()


def test_what_is_not_lost_is_left_alone(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    person = use(host, codes[0])
    person.follow()
    person.post("/mfa/enroll/replace", {"later": "1", "next": "/secret"})
    assert person.page is not None and person.page.headers["Location"] == "/secret"


@pytest.mark.check("N06")
def test_only_ones_own_lost_things_are_replaced(host: Host, ada: int) -> None:
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    codes = codes_of(host, ada)
    person = use(host, codes[0])
    theirs = next(r["id"] for r in host.rows("mfa_credential") if r["user_key"] == str(bob))
    for wanted in (theirs, "", "0" * 32, "'"):
        assert person.post("/mfa/enroll/replace", {"credential": wanted}).status_code == 400
    assert len(host.rows("mfa_credential")) == 2


@pytest.mark.check("N06")
def test_the_flow_itself_refuses_what_is_not_offered(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    use(host, codes[0])
    bob = host.user("bob@example.org")
    host.enroll(bob, "otp")
    theirs = next(r["id"] for r in host.rows("mfa_credential") if r["user_key"] == str(bob))
    with host.app.app_context():
        ctx, account = context(), state().describe(host.get(ada))
        row = ctx.store.run(lambda session: session.scalars(select(SessionRow)).one())
        holding = ctx.store.run(lambda session: accounts.read_holding(session, account.key))
        standing = sessions.stand(ctx, row, holding)
        assert [lost.kind for lost in replacing.offered(ctx, account, standing)] == ["otp"]
        with pytest.raises(Conflict):
            replacing.begin(ctx, account, standing, theirs)


def test_the_offer_ends_with_the_freshness_of_the_code(host: Host, ada: int) -> None:
    codes = codes_of(host, ada)
    with host.clock() as clock:
        person = use(host, codes[0])
        credential = host.rows("mfa_credential")[0]["id"]
        clock.tick(301)
        person.get("/mfa/enroll/replace?next=/secret")
        assert person.page is not None and person.page.headers["Location"] == "/secret"
        person.post("/mfa/enroll/replace", {"credential": credential})
        assert person.at == "/"
    assert len(host.rows("mfa_credential")) == 1


def test_an_ordinary_sign_in_replaces_nothing(host: Host, ada: int) -> None:
    codes_of(host, ada)
    person = sign_in(host, ada)
    credential = host.rows("mfa_credential")[0]["id"]
    person.post("/mfa/enroll/replace", {"credential": credential, "next": "/secret"})
    assert person.page is not None and person.page.headers["Location"] == "/secret"


def test_after_an_email_backup_the_factor_it_stood_for_is_offered(make_host: Make) -> None:
    host = make_host()
    ada = host.user(phone="+447400123456")
    host.enroll(ada, "otp", "sms")
    person = arrive(host)
    person.get("/mfa/challenge/email")
    person.post("/mfa/challenge/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.at == "/mfa/enroll/replace"
    person.follow()
    assert "Authenticator app" in person.text and "Text message" not in person.text


def test_a_lost_number_is_replaced_by_another(host: Host, make_host: Make) -> None:
    ada = host.user("eve@example.org", phone="+447400123456")
    host.enroll(ada, "sms")
    codes = codes_of(host, ada)
    person = arrive(host, "eve@example.org")
    person.get(CHALLENGE)
    person.code(codes[0])
    person.follow()
    credential = host.rows("mfa_credential")[0]["id"]
    person.post("/mfa/enroll/replace", {"credential": credential})
    assert person.at == "/mfa/enroll/sms"
    person.follow()
    person.post("/mfa/enroll/sms", {"phone_number": "+447400654321"})
    person.follow()
    person.code(host.last_code())
    rows = host.rows("mfa_credential")
    assert len(rows) == 1 and rows[0]["id"] != credential


def test_a_factor_that_failed_too_often_is_set_up_anew_after_a_code(host: Host, ada: int) -> None:
    from tests.web.test_challenge import secret_of

    codes = codes_of(host, ada)
    with host.app.app_context():
        factors = host.db.metadata.tables["mfa_factor"]
        host.db.session.execute(factors.delete())
        host.db.session.execute(
            factors.insert().values(user_key=str(ada), kind="otp", failures=100, disabled_at=1)
        )
        host.db.session.commit()
    with host.clock() as clock:
        old = secret_of(host, ada)
        person = arrive(host)
        assert person.at == CHALLENGE
        person.code(codes[0])
        person.follow()
        credential = host.rows("mfa_credential")[0]["id"]
        person.post("/mfa/enroll/replace", {"credential": credential})
        person.follow()
        person.code(totp(person.secret(), clock))
        assert not host.rows("mfa_factor") or host.rows("mfa_factor")[0]["disabled_at"] is None
        assert secret_of(host, ada) != old


# The end of a set


@pytest.mark.check("R09")
def test_new_codes_replace_the_old_at_once(host: Host, ada: int) -> None:
    old = codes_of(host, ada)
    use(host, old[0])
    new = codes_of(host, ada)
    for code in old:
        with host.clock() as clock:
            clock.tick(900)
            person = use(host, code)
            assert person.page is not None and person.page.status_code in (401, 429)
    assert left(host, ada) == 10
    with host.app.app_context():
        host.mfa.unlock(host.get(ada))
    assert use(host, new[0]).signed_in()


def test_codes_die_with_the_last_factor(host: Host, ada: int) -> None:
    host.enroll(ada, "email")
    codes_of(host, ada)
    with host.app.app_context():
        host.mfa.reset(host.get(ada), ["otp"])
    assert left(host, ada) == 10
    with host.app.app_context():
        host.mfa.reset(host.get(ada), ["email"])
    assert not host.rows("mfa_recovery_code")


def test_codes_outlive_the_last_factor_where_they_are_enough(make_host: Make) -> None:
    host = make_host(ENABLE_RECOVERY_CODE=True, MFA_RECOVERY_CODE_IS_ENOUGH=True)
    ada = host.user()
    host.enroll(ada, "otp")
    codes_of(host, ada)
    with host.app.app_context():
        host.mfa.reset(host.get(ada), ["otp"])
        assert left(host, ada) == 10
        host.mfa.reset(host.get(ada))
    assert not host.rows("mfa_recovery_code"), "a whole reset takes everything"


def test_codes_can_be_taken_away(host: Host, ada: int) -> None:
    codes_of(host, ada)
    with host.app.app_context():
        account = state().describe(host.get(ada))
        assert recovery.left(context(), account.key) == 10
        assert recovery.void(context(), account) == 10
        assert recovery.void(context(), account) == 0
    assert not host.rows("mfa_recovery_code")
    assert host.events(ada).count("factor_removed") == 1


# Cost


@pytest.mark.check("R15")
def test_a_wrong_code_costs_the_same_however_many_there_are(make_host: Make) -> None:
    costs = []
    for count in (1, 100):
        host = make_host(ENABLE_RECOVERY_CODE=True, MFA_RECOVERY_CODE_COUNT=count)
        ada = host.user()
        host.enroll(ada, "otp")
        codes_of(host, ada)
        person = arrive(host)
        person.get(CHALLENGE)
        with statements(host) as seen:
            assert person.code("0" * 24).status_code == 401
        costs.append(seen)
    assert costs[0] == costs[1]
    assert sum("UPDATE mfa_recovery_code" in statement for statement in costs[0]) == 1

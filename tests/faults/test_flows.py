"""Every flow, broken off at each thing that it does in the database (F01, L18).

Whatever fails, the answer is 503 or the regular one, nothing is granted that was not paid for, and
afterwards the user can go on.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.people import arrived, gets_in, inside, one, rows_of, somebody, visitor
from tests.faults.rig import Faults, Kind, Planned, each_fault, is_fair
from tests.host import Host, totp

COMMITS: tuple[Kind, ...] = ("commit", "answer")
"""What strikes at a COMMIT, or at the answer to one."""

Broken = tuple[Host, Faults]


@pytest.mark.check("F01", "E11", "E03")
def test_the_password(broken: Broken, kind: Kind) -> None:
    host, faults = broken
    user, email = somebody(host, "otp")

    def run(planned: Planned) -> None:
        person = visitor(host)
        with planned:
            answer = person.sign_in(email, remember="on")
        assert is_fair(answer)
        assert not person.signed_in()
        assert "remember_token" not in person.cookies()
        if planned.struck:
            assert answer.status_code == 503

    each_fault(faults, kind, run)
    gets_in(host, email, user)


@pytest.mark.check("F01", "E11")
def test_a_password_that_is_enough(breakable: Callable[..., Broken], kind: Kind) -> None:
    host, faults = breakable(ENFORCE_ONE_MFA_ENROLLMENT=[])
    user, email = somebody(host)

    def run(planned: Planned) -> None:
        person = visitor(host)
        with planned:
            answer = person.sign_in(email, remember="on")
        assert is_fair(answer)
        if planned.struck:
            assert answer.status_code == 503
            assert not person.signed_in(), "our database failed: the user ends signed out"
            assert "remember_token" not in person.cookies()

    each_fault(faults, kind, run)
    gets_in(host, email, user)


@pytest.mark.check("F01", "L18", "E11")
def test_the_proof_by_an_authenticator(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        user, email = somebody(host, "otp")
        person = arrived(host, email)
        code = host.otp(user)
        with planned:
            answer = person.post("/mfa/challenge/otp", {"code": code})
        assert is_fair(answer)
        spent = one(rows_of(host, "mfa_credential", user))["last_step"] is not None
        sessions = rows_of(host, "mfa_session", user)
        if person.signed_in():
            assert answer.status_code == 303
            assert spent, "a session without a spent code"
            assert len(sessions) == 1
        elif kind != "answer":
            assert answer.status_code == 503
            assert not spent, "a spent code without a session"
            assert sessions == []
            assert one(rows_of(host, "mfa_user", user))["failures"] == 0, "no fault of the user's"
            person.post("/mfa/challenge/otp", {"code": code})
            assert person.signed_in(), "the code is still good"
        clock.tick(30)
        gets_in(host, email, user)

    with host.clock() as clock:
        each_fault(faults, kind, run, least=2)


@pytest.mark.check("F01", "L18", "L06")
def test_a_wrong_code_is_no_free_guess(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        user, email = somebody(host, "otp")
        person = arrived(host, email)
        with planned:
            answer = person.post("/mfa/challenge/otp", {"code": "000000"})
        assert is_fair(answer)
        assert not person.signed_in()
        told = answer.status_code == 401
        failures = one(rows_of(host, "mfa_user", user))["failures"]
        assert failures >= told, "what was judged was counted"
        assert failures <= 1
        gets_in(host, email, user)

    with host.clock():
        each_fault(faults, kind, run, least=2)


@pytest.mark.check("F01", "L05", "L13")
def test_the_last_try_locks_sooner_or_later_and_not_for_good(
    breakable: Callable[..., Broken], kind: Kind
) -> None:
    host, faults = breakable(MFA_CODE_VERIFY_THRESHOLD=1)

    def run(planned: Planned) -> None:
        user, email = somebody(host, "otp")
        person = arrived(host, email)
        with planned:
            answer = person.post("/mfa/challenge/otp", {"code": "000000"})
        assert is_fair(answer)
        assert not person.signed_in()
        counted = one(rows_of(host, "mfa_user", user))
        if counted["failures"] or counted["lock_level"]:
            right = arrived(host, email)
            answer = right.post("/mfa/challenge/otp", {"code": host.otp(user)})
            assert answer.status_code == 429, "the budget was one try"
        for _ in range(3):  # the lock that follows a fault may come with the next visit
            clock.tick(901)
            person = arrived(host, email)
            person.post("/mfa/challenge/otp", {"code": host.otp(user)})
            if person.signed_in():
                break
        assert person.signed_in(), "the lock has an end"

    with host.clock() as clock:
        each_fault(faults, kind, run, least=2)


@pytest.mark.check("F01", "F04", "O03")
def test_an_email_code_from_the_password_to_the_session(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        user, email = somebody(host, "email")
        person = visitor(host)
        before = len(host.mails())
        with planned:
            answers = [person.sign_in(email)]
            if len(host.mails()) > before:
                code = host.last_code()
                answers.append(person.post("/mfa/challenge/email", {"code": code}))
        assert all(is_fair(answer) for answer in answers)
        if person.signed_in():
            assert one(rows_of(host, "mfa_challenge", user))["code_id"] is None
            assert len(rows_of(host, "mfa_session", user)) == 1
        elif kind != "answer":
            assert rows_of(host, "mfa_session", user) == []
            assert one(rows_of(host, "mfa_user", user) or [{"failures": 0}])["failures"] == 0
        gets_in(host, email, user)

    with host.clock():
        each_fault(faults, kind, run, least=3)


@pytest.mark.check("F01", "F04", "O08")
def test_asking_for_a_code(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        _, email = somebody(host, "otp", "sms")
        person = arrived(host, email)
        before = len(host.texts())
        with planned:
            answer = person.post("/mfa/challenge/sms/send")
        assert is_fair(answer)
        left = len(host.texts()) - before
        assert left <= 1
        if answer.status_code == 303:
            assert left == 1, "it was told that a message left"
        if left:
            # What left is good, also where writing down that it left failed.
            clock.tick(1)
            person.post("/mfa/challenge/sms", {"code": host.last_code()})
        else:
            clock.tick(61)
            person.post("/mfa/challenge/sms/send")
            person.post("/mfa/challenge/sms", {"code": host.last_code()})
        assert person.signed_in()

    with host.clock() as clock:
        each_fault(faults, kind, run, least=2)


@pytest.mark.check("F01", "T09")
def test_setting_up_an_authenticator(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        user, email = somebody(host)
        person = arrived(host, email)
        with planned:
            answers = [person.get("/mfa/enroll/otp")]
            if answers[0].status_code == 200:
                secret = person.secret()
                code = {"code": totp(secret, clock)}
                answers.append(person.post("/mfa/enroll/otp", code))
        assert all(is_fair(answer) for answer in answers)
        held = rows_of(host, "mfa_credential", user)
        if person.signed_in():
            assert len(held) == 1
        elif kind != "answer":
            assert held == []
            person.get("/mfa/enroll/otp")
            assert answers[0].status_code != 200 or person.secret() == secret, "still the same key"
            person.post("/mfa/enroll/otp", {"code": totp(person.secret(), clock)})
            assert person.signed_in()
        clock.tick(60)
        if rows_of(host, "mfa_credential", user):
            gets_in(host, email, user)
        else:
            assert arrived(host, email).follow().status_code == 200

    with host.clock() as clock:
        each_fault(faults, kind, run, least=3)


@pytest.mark.check("F01", "O15")
def test_setting_up_email(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        user, email = somebody(host)
        person = arrived(host, email)
        before = len(host.mails())
        with planned:
            answers = [person.post("/mfa/enroll/email/send")]
            if len(host.mails()) > before:
                code = {"code": host.last_code()}
                answers.append(person.post("/mfa/enroll/email", code))
        assert all(is_fair(answer) for answer in answers)
        held = rows_of(host, "mfa_credential", user)
        if person.signed_in():
            assert one(held)["kind"] == "email"
        elif kind != "answer":
            assert held == []
            clock.tick(61)
            person.post("/mfa/enroll/email/send")
            person.post("/mfa/enroll/email", {"code": host.last_code()})
            assert person.signed_in()

    with host.clock() as clock:
        each_fault(faults, kind, run, least=3)


@pytest.mark.check("F01", "S06")
def test_a_step_up(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        user, email = somebody(host, "otp")
        person = inside(host, email, user)
        clock.tick(301)
        code = {"code": host.otp(user)}
        with planned:
            answers = [person.get("/fresh")]
            if answers[0].status_code == 303:
                answers.append(person.get(answers[0].headers["Location"]))
                answers.append(person.post("/mfa/challenge/otp", code))
        assert all(is_fair(answer) for answer in answers)
        if planned.struck and kind != "answer":
            spent = one(rows_of(host, "mfa_credential", user))["last_step"]
            fresh = person.get("/fresh").status_code == 200
            assert fresh == (spent == clock.now // 30_000 or spent == clock.now // 30_000 - 1)
        clock.tick(60)
        person.get("/fresh", follow=True)
        person.post("/mfa/challenge/otp", {"code": host.otp(user)})
        assert person.get("/fresh").status_code == 200

    with host.clock() as clock:
        each_fault(faults, kind, run, least=3)


@pytest.mark.check("F01", "E11")
def test_a_protected_page(breakable: Callable[..., Broken], kind: Kind) -> None:
    host, faults = breakable(MFA_SESSION_RECHECK_SECONDS=0)
    user, email = somebody(host, "otp")
    person = inside(host, email, user)

    def run(planned: Planned) -> None:
        with planned:
            answer = person.get("/secret")
        assert is_fair(answer)
        assert ("secret of" in answer.text) == (answer.status_code == 200)
        assert person.signed_in(), "a fault signs nobody out"

    with host.clock():
        found = each_fault(faults, kind, run, least=0 if kind in COMMITS else 1)
    assert kind not in COMMITS or found == 0, "what only reads commits nothing"


@pytest.mark.check("F01", "E11")
def test_an_open_page_shows_nobody_while_it_cannot_be_known(
    breakable: Callable[..., Broken], kind: Kind
) -> None:
    host, faults = breakable(MFA_SESSION_RECHECK_SECONDS=0)
    user, email = somebody(host, "otp")
    person = inside(host, email, user)

    def run(planned: Planned) -> None:
        with planned:
            answer = person.get("/open")
        assert answer.text == ("open False" if planned.struck else "open True")

    with host.clock():
        found = each_fault(faults, kind, run, least=0 if kind in COMMITS else 1)
    assert kind not in COMMITS or found == 0, "what only reads commits nothing"


@pytest.mark.check("F01", "S03")
def test_signing_out(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        user, email = somebody(host, "otp")
        person = inside(host, email, user)
        with planned:
            answer = person.get("/logout")
        assert is_fair(answer)
        assert not person.signed_in(), "this browser is signed out in any case"
        ended = one(rows_of(host, "mfa_session", user))["ended_at"] is not None
        assert ended or answer.status_code == 503, "what was not ended is told"

    each_fault(faults, kind, run)


@pytest.mark.check("F01", "E16")
def test_cancelling(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    def run(planned: Planned) -> None:
        user, email = somebody(host, "otp")
        person = arrived(host, email)
        with planned:
            answer = person.post("/mfa/challenge/cancel")
        assert is_fair(answer)
        if answer.status_code == 303:
            assert one(rows_of(host, "mfa_challenge", user))["ended_at"] is not None
        assert not person.signed_in()
        gets_in(host, email, user)

    each_fault(faults, kind, run)


@pytest.mark.check("F01", "N04")
@pytest.mark.parametrize("call", ["reset", "unlock", "erase", "password_changed", "email_changed"])
def test_what_the_host_tells_us_happens_whole_or_not_at_all(
    broken: Broken, kind: Kind, call: str
) -> None:
    host, faults = broken

    @host.app.route("/tell/<int:user_id>")
    def tell(user_id: int) -> str:
        getattr(host.mfa, call)(host.get(user_id))
        return "done"

    host.mfa.exempt(tell)

    def run(planned: Planned) -> None:
        user, email = somebody(host, "otp", "email")
        member = inside(host, email, user)
        with planned:
            answer = visitor(host).get(f"/tell/{user}")
        assert is_fair(answer)
        assert answer.status_code == 503 or answer.text == "done"
        assert planned.struck or answer.text == "done"
        held = len(rows_of(host, "mfa_credential", user))
        assert held in ((0, 2) if call in ("reset", "erase") else (2,))
        clock.tick(11)
        ended = not member.signed_in()
        if kind != "answer":  # a fault after it was done (a notice) is not the host's concern
            done = answer.text == "done"
            assert ended == (done and call in ("reset", "erase", "password_changed"))
            assert bool(held) == (not done or call not in ("reset", "erase"))
        clock.tick(30)
        if held:
            gets_in(host, email, user)

    with host.clock() as clock:
        each_fault(faults, kind, run)


@pytest.mark.check("F01", "T03", "L18")
def test_verify(broken: Broken, kind: Kind) -> None:
    host, faults = broken

    @host.app.route("/verify/<int:user_id>/<code>")
    def verify(user_id: int, code: str) -> str:
        return str(host.mfa.verify(host.get(user_id), code))

    host.mfa.exempt(verify)

    def run(planned: Planned) -> None:
        user, _ = somebody(host, "otp")
        code = host.otp(user)
        with planned:
            answer = visitor(host).get(f"/verify/{user}/{code}")
        assert is_fair(answer)
        spent = one(rows_of(host, "mfa_credential", user))["last_step"] is not None
        assert spent or answer.text != "True"
        if planned.struck and kind != "answer":
            assert answer.status_code == 503
            assert not spent
            assert one(rows_of(host, "mfa_user", user))["failures"] == 0
            assert visitor(host).get(f"/verify/{user}/{code}").text == "True"

    with host.clock():
        each_fault(faults, kind, run, least=2)

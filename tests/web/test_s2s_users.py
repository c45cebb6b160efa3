"""Users through the server-to-server API: read, demand, set up, verify, unlock, reset."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.errors import Conflict
from flask_melody_mfa.core.types import FactorKind, NewCredential
from flask_melody_mfa.flows import backend as backends
from flask_melody_mfa.flows.challenge import Challenge
from flask_melody_mfa.store import accounts
from flask_melody_mfa.web.state import context, state
from tests.backend import Backend, statements
from tests.host import PHONE, Host, Person, totp

Make = Callable[..., Host]
FACTORS = ("otp", "email", "sms")


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(MFA_S2S_API=True)


@pytest.fixture
def backend(host: Host) -> Backend:
    return Backend(host, "read_user", "write_user")


@pytest.fixture
def ada(host: Host) -> int:
    return host.user(phone=PHONE)


def held(backend: Backend, user: int) -> list[str]:
    return sorted(one["kind"] for one in backend.get(f"/users/{user}")["factors"])


def set_up_otp(backend: Backend, user: int) -> bytes:
    secret = otp.decode_secret(backend.post(f"/users/{user}/otp-mfa/setup")["secret"])
    backend.post(f"/users/{user}/otp-mfa/confirm", {"code": totp(secret)}, 204)
    return secret


# Reading


@pytest.mark.check("P07", "C01")
def test_a_user_is_shown_with_what_is_held_and_without_a_secret(
    host: Host, backend: Backend, ada: int
) -> None:
    host.enroll(ada, "otp", "sms", "email")
    user = backend.get(f"/users/{ada}")
    assert user["key"] == str(ada)
    assert user["login"] == user["email"] == "ada@example.org"
    assert [one["kind"] for one in user["factors"]] == ["otp", "sms", "email"]
    assert [one["destination"] for one in user["factors"]] == [
        None,
        "+44 •••• 56",
        "a•••@example.org",
    ]
    assert user["recovery_codes_left"] == user["passkeys"] == user["devices"] == 0
    assert user["lock"] == {"locked": False, "locked_until": None}
    shown = json.dumps(user, ensure_ascii=False)
    assert PHONE not in shown and PHONE[3:] not in shown
    assert "secret" not in shown and "sealed" not in shown


def test_times_are_utc_by_rfc_3339(host: Host, backend: Backend, ada: int) -> None:
    with host.clock(1_700_000_000_000):
        backend.token = backend.buy()
        host.enroll(ada, "otp")
        enrolled = backend.get(f"/users/{ada}")["factors"][0]
        assert enrolled["enrolled_at"] == "2023-11-14T22:13:20.000Z"


def test_users_are_found_by_address_name_and_key(host: Host, backend: Backend) -> None:
    for number in range(3):
        host.user(f"user{number}@example.org", username=f"Person_{number}")
    odd = host.user("odd%@example.org", username="100%")

    def found(query: str) -> list[str]:
        page = backend.call("GET", "/users", query_string={"query": query}).get_json()
        return [one["email"] for one in page["items"]]

    assert found("USER1") == ["user1@example.org"]
    assert found("person_2") == ["user2@example.org"]
    assert found(str(odd)) == ["odd%@example.org"]
    assert found("%") == ["odd%@example.org"], "a percent sign is a percent sign"
    assert found("nobody") == []
    assert len(found("example.org")) == 4
    assert found("9" * 30) == []


def test_pages_of_users_join_without_gap_or_repeat(make_host: Make, any_database_url: str) -> None:
    host = make_host(any_database_url, MFA_S2S_API=True)
    backend = Backend(host, "read_user")
    users = [host.user(f"user{number}@example.org") for number in range(11)]
    host.enroll(users[4], "otp")
    keys: list[str] = []
    cursor = ""
    while True:
        page = backend.get(f"/users?limit=3{cursor}")
        keys += [one["key"] for one in page["items"]]
        assert len(page["items"]) <= 3
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert keys == [str(user) for user in users]


@pytest.mark.check("P03", "P06")
def test_a_cursor_works_for_the_list_that_it_came_from_only(host: Host, backend: Backend) -> None:
    for number in range(3):
        host.user(f"user{number}@example.org")
    cursor = backend.get("/users?limit=1&query=user")["next_cursor"]
    backend.get(f"/users?limit=1&query=user&cursor={cursor}")
    backend.get(f"/users?limit=1&cursor={cursor}", 404)
    backend.get(f"/users?query=user&cursor={cursor[:-1]}", 404)


def test_a_page_of_many_users_costs_as_many_statements_as_one_of_few(
    host: Host, backend: Backend
) -> None:
    for number in range(20):
        host.enroll(host.user(f"user{number}@example.org"), "otp", "email")
    counts = []
    for limit in (2, 20):
        with statements(host) as seen:
            backend.get(f"/users?limit={limit}")
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 4, "one for the token, three for what they hold"


def test_the_hosts_own_list_of_users_is_asked(host: Host, backend: Backend, ada: int) -> None:
    asked: list[Any] = []

    @host.mfa.list_users
    def list_users(query: str, cursor: str | None) -> Any:
        asked.append((query, cursor))
        return [host.get(ada)], None if cursor else "page 2"

    page = backend.get("/users?query=a")
    assert [one["key"] for one in page["items"]] == [str(ada)]
    last = backend.get(f"/users?query=a&cursor={page['next_cursor']}")
    assert last["next_cursor"] is None
    assert asked == [("a", None), ("a", "page 2")]


@pytest.mark.check("F13")
@pytest.mark.parametrize("key", ["01", " 1", "1 ", "+1", "1.0", "１", "1_0", "9" * 40, "-1"])
def test_a_key_is_known_in_one_spelling(host: Host, backend: Backend, ada: int, key: str) -> None:
    assert ada == 1
    backend.get(f"/users/{key}", 404)


# Demanding and taking away


@pytest.mark.check("P08")
@pytest.mark.reference(320, 321, 322, 329, 330, 333, 334)
@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_that_is_demanded_is_set_up_at_the_next_sign_in(
    host: Host, backend: Backend, ada: int, factor: str
) -> None:
    for _ in range(2):
        backend.post(f"/users/{ada}/{factor}-mfa", status=204)
        assert backend.get(f"/users/{ada}")["must_set_up"] == [factor]
    person = Person(host)
    person.sign_in()
    person.follow()
    assert person.at == f"/mfa/enroll/{factor}"


@pytest.mark.check("P08")
@pytest.mark.reference(321)
@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_that_is_held_stays_as_it_is_when_demanded(
    host: Host, backend: Backend, ada: int, factor: str
) -> None:
    host.enroll(ada, factor)
    before = host.rows("mfa_credential")
    backend.post(f"/users/{ada}/{factor}-mfa", status=204)
    assert host.rows("mfa_credential") == before
    assert backend.get(f"/users/{ada}")["must_set_up"] == []


@pytest.mark.check("P08", "N04", "S04")
@pytest.mark.reference(325, 326, 331, 332, 335, 336)
@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_is_taken_away_with_its_secret_and_its_sessions(
    host: Host, backend: Backend, ada: int, factor: str
) -> None:
    backend.delete(f"/users/{ada}/{factor}-mfa")
    assert host.events(ada) == [], "taking nothing away is no event"
    host.enroll(ada, factor)
    browser = host.app.test_client()
    with host.app.app_context():
        browser = host.app.test_client(user=host.get(ada), mfa=True)
    assert browser.get("/secret").status_code == 200
    backend.delete(f"/users/{ada}/{factor}-mfa")
    assert host.rows("mfa_credential") == []
    assert browser.get("/secret").status_code != 200, "what it proved is gone"
    assert "factor_reset" in host.events(ada)
    backend.delete(f"/users/{ada}/{factor}-mfa")
    assert host.events(ada).count("factor_reset") == 1


@pytest.mark.parametrize("factor", FACTORS)
def test_taking_away_ends_a_demand(backend: Backend, ada: int, factor: str) -> None:
    backend.post(f"/users/{ada}/otp-mfa", status=204)
    backend.post(f"/users/{ada}/{factor}-mfa", status=204)
    backend.delete(f"/users/{ada}/{factor}-mfa")
    expected = [] if factor == "otp" else ["otp"]
    assert backend.get(f"/users/{ada}")["must_set_up"] == expected


@pytest.mark.reference(323, 324, 327, 328, 338)
def test_users_that_are_not_there_or_switched_off(host: Host, backend: Backend) -> None:
    off = host.user("off@example.org", active=False)
    for method, path in (
        ("POST", "email-mfa"),
        ("DELETE", "email-mfa"),
        ("POST", "otp-mfa/setup"),
        ("POST", "otp-mfa"),
    ):
        assert backend.call(method, f"/users/999/{path}").status_code == 404
        answer = backend.call(method, f"/users/{off}/{path}")
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")
    assert backend.get(f"/users/{off}")["active"] is False


def test_a_demand_is_felt_in_live_sessions(host: Host, backend: Backend, ada: int) -> None:
    host.enroll(ada, "email")
    with host.app.app_context():
        browser = host.app.test_client(user=host.get(ada), mfa=True)
    assert browser.get("/secret").status_code == 200
    backend.post(f"/users/{ada}/otp-mfa", status=204)
    assert browser.get("/secret").status_code != 200


# Set-ups from the backend


@pytest.mark.check("T07", "T10", "N01")
def test_an_authenticator_is_set_up_from_the_backend_and_the_user_is_told(
    host: Host, backend: Backend, ada: int
) -> None:
    with host.clock() as clock:
        backend.token = backend.buy()
        begun = backend.post(f"/users/{ada}/otp-mfa/setup")
        assert set(begun) == {"secret", "otpauth_uri"}
        assert begun["secret"] in begun["otpauth_uri"]
        secret = otp.decode_secret(begun["secret"])
        assert len(secret) == 20
        assert held(backend, ada) == [], "nothing is enrolled yet"
        code = totp(secret, clock)
        backend.post(f"/users/{ada}/otp-mfa/confirm", {"code": code}, 204)
        assert held(backend, ada) == ["otp"]
        assert "factor_enrolled" in host.events(ada)
        assert host.mails()[-1].to == "ada@example.org"
        person = Person(host)
        person.sign_in()
        person.follow()
        person.code(code)
        assert not person.signed_in(), "the code of the set-up is no later proof"
        clock.tick(30)
        person.code(totp(secret, clock))
        assert person.signed_in()


@pytest.mark.check("P08")
def test_a_set_up_that_is_asked_for_again_is_the_same_until_it_is_confirmed(
    host: Host, backend: Backend, ada: int
) -> None:
    first = backend.post(f"/users/{ada}/otp-mfa/setup")
    assert backend.post(f"/users/{ada}/otp-mfa/setup") == first
    secret = otp.decode_secret(first["secret"])
    backend.post(f"/users/{ada}/otp-mfa/confirm", {"code": totp(secret)}, 204)
    backend.post(f"/users/{ada}/otp-mfa/setup", status=409)
    backend.post(f"/users/{ada}/otp-mfa/confirm", {"code": totp(secret)}, 409)
    assert len(host.rows("mfa_credential")) == 1


@pytest.mark.check("E07", "P02")
def test_a_set_up_belongs_to_one_user_and_one_backend(
    host: Host, backend: Backend, ada: int
) -> None:
    bob, other = host.user("bob@example.org"), Backend(host, "write_user")
    secret = otp.decode_secret(backend.post(f"/users/{ada}/otp-mfa/setup")["secret"])
    theirs = otp.decode_secret(other.post(f"/users/{ada}/otp-mfa/setup")["secret"])
    assert theirs != secret
    other.post(f"/users/{ada}/otp-mfa/confirm", {"code": totp(secret)}, 401)
    backend.post(f"/users/{bob}/otp-mfa/confirm", {"code": totp(secret)}, 401)
    backend.post(f"/users/{ada}/otp-mfa/confirm", {"code": totp(secret)}, 204)


@pytest.mark.check("T09", "E06")
def test_a_code_without_a_set_up_is_wrong_and_an_abandoned_set_up_gates_nothing(
    host: Host, backend: Backend, ada: int
) -> None:
    for factor in FACTORS:
        backend.post(f"/users/{ada}/{factor}-mfa/confirm", {"code": "123456"}, 401)
    with host.clock() as clock:
        backend.token = backend.buy()
        secret = otp.decode_secret(backend.post(f"/users/{ada}/otp-mfa/setup")["secret"])
        clock.tick(601)
        backend.post(f"/users/{ada}/otp-mfa/confirm", {"code": totp(secret, clock)}, 401)
        again = otp.decode_secret(backend.post(f"/users/{ada}/otp-mfa/setup")["secret"])
        assert again != secret
    assert held(backend, ada) == []


@pytest.mark.check("T08", "L14")
@pytest.mark.parametrize(
    "code", [26920, True, None, [], {"$ne": ""}, "1e5", "a" * 100, "12345", ""]
)
def test_a_malformed_code_is_refused_and_costs_no_try(
    host: Host, backend: Backend, ada: int, code: Any
) -> None:
    host.enroll(ada, "otp")
    backend.post(f"/users/{ada}/verify", {"factor": "otp", "code": code}, 400)
    assert [row["failures"] for row in host.rows("mfa_user")] == [0]


@pytest.mark.check("L01")
def test_five_wrong_codes_end_a_set_up(host: Host, backend: Backend, ada: int) -> None:
    secret = otp.decode_secret(backend.post(f"/users/{ada}/otp-mfa/setup")["secret"])
    for _ in range(5):
        backend.post(f"/users/{ada}/otp-mfa/confirm", {"code": "000000"}, 401)
    backend.post(f"/users/{ada}/otp-mfa/confirm", {"code": totp(secret)}, 401)


@pytest.mark.check("P08", "O08")
@pytest.mark.parametrize("factor", ["email", "sms"])
def test_a_sent_factor_is_set_up_with_the_code_that_was_sent_once(
    host: Host, backend: Backend, ada: int, factor: str
) -> None:
    body = {"phone_number": PHONE} if factor == "sms" else None
    begun = backend.post(f"/users/{ada}/{factor}-mfa/setup", body)
    assert set(begun) == {"destination", "expires_at"}
    assert "•" in begun["destination"]
    assert backend.post(f"/users/{ada}/{factor}-mfa/setup", body) == begun
    assert len(host.sent) == 1, "a lost answer costs no second message"
    code = host.last_code()
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    backend.post(f"/users/{ada}/{factor}-mfa/confirm", {"code": wrong}, 401)
    backend.post(f"/users/{ada}/{factor}-mfa/confirm", {"code": code}, 204)
    assert held(backend, ada) == [factor]
    backend.post(f"/users/{ada}/{factor}-mfa/setup", body, 409)
    assert "factor_enrolled" in host.events(ada)


def test_another_number_waits_for_the_pause_and_then_voids_the_old_code(
    host: Host, backend: Backend, ada: int
) -> None:
    with host.clock() as clock:
        backend.token = backend.buy()
        backend.post(f"/users/{ada}/sms-mfa/setup", {"phone_number": PHONE})
        old = host.last_code()
        other = {"phone_number": "+447400654321"}
        answer = backend.call("POST", f"/users/{ada}/sms-mfa/setup", other)
        assert answer.status_code == 429 and int(answer.headers["Retry-After"]) <= 60
        clock.tick(61)
        backend.post(f"/users/{ada}/sms-mfa/setup", other)
        if old != host.last_code():
            backend.post(f"/users/{ada}/sms-mfa/confirm", {"code": old}, 401)
        backend.post(f"/users/{ada}/sms-mfa/confirm", {"code": host.last_code()}, 204)
    assert backend.get(f"/users/{ada}")["factors"][0]["destination"].endswith("21")


@pytest.mark.check("O09", "O11")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+4930901820", "unsupported_destination"),
        ("+449098790000", "unsupported_destination"),
        ("12", "invalid_request"),
        ("+447400123456,+447400654321", "invalid_request"),
        ("+447400123456\n", "invalid_request"),
        ("", "invalid_request"),
    ],
)
def test_a_number_that_may_get_no_message_gets_none(
    host: Host, backend: Backend, ada: int, number: str, code: str
) -> None:
    answer = backend.call("POST", f"/users/{ada}/sms-mfa/setup", {"phone_number": number})
    assert (answer.status_code, answer.get_json()["code"]) == (400, code)
    assert "phone_number" in answer.get_json()["errors"]
    assert host.sent == []


@pytest.mark.check("O08")
def test_messages_of_the_backend_count_against_the_accounts_limits(
    host: Host, backend: Backend
) -> None:
    with host.clock() as clock:
        backend.token = backend.buy()
        ada = host.user()
        host.enroll(ada, "email")
        for _ in range(10):
            backend.post(f"/users/{ada}/verifications", {"factor": "email"})
            clock.tick(61)
        answer = backend.call("POST", f"/users/{ada}/verifications", {"factor": "email"})
        assert (answer.status_code, answer.get_json()["code"]) == (429, "throttled")
        assert len(host.sent) == 10
        for number in range(25):
            other = host.user(f"user{number}@example.org")
            host.enroll(other, "email")
            backend.post(f"/users/{other}/verifications", {"factor": "email"})


def test_without_a_sender_what_needs_one_is_not_configured(make_host: Make) -> None:
    host = make_host(MFA_S2S_API=True, MFA_MAIL_SENDER=None, ENFORCE_ONE_MFA_ENROLLMENT=["otp"])
    backend, ada = Backend(host, "write_user"), host.user()
    answer = backend.call("POST", f"/users/{ada}/email-mfa/setup")
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_configured")


@pytest.mark.check("F04")
def test_a_message_that_did_not_leave_is_told_and_can_be_asked_for_again(
    host: Host, backend: Backend, ada: int
) -> None:
    host.enroll(ada, "email")
    works = False

    @host.mfa.send_mail
    def send(mail: Any) -> None:
        if not works:
            raise OSError("down")

    answer = backend.call("POST", f"/users/{ada}/verifications", {"factor": "email"})
    assert answer.status_code == 503 and "Retry-After" in answer.headers
    works = True
    asked = backend.post(f"/users/{ada}/verifications", {"factor": "email"})
    body = {
        "factor": "email",
        "code": host.last_code(),
        "verification_id": asked["verification_id"],
    }
    assert backend.post(f"/users/{ada}/verify", body) == {"verified": True}


# Verifying


@pytest.mark.check("P07", "P08", "T03")
def test_an_authenticators_code_is_good_once_here_and_everywhere(
    host: Host, backend: Backend, ada: int
) -> None:
    host.enroll(ada, "otp")
    with host.clock() as clock:
        backend.token = backend.buy()
        code = host.otp(ada)
        body = {"factor": "otp", "code": code}
        assert backend.post(f"/users/{ada}/verify", body) == {"verified": True}
        backend.post(f"/users/{ada}/verify", body, 401)
        person = Person(host)
        person.sign_in()
        person.follow()
        person.code(code)
        assert not person.signed_in()
        clock.tick(60)
        code = host.otp(ada)
        person.code(code)
        assert person.signed_in()
        backend.post(f"/users/{ada}/verify", {"factor": "otp", "code": code}, 401)


@pytest.mark.check("P07", "P08", "O03", "O05")
@pytest.mark.parametrize("factor", ["email", "sms"])
def test_a_sent_code_is_good_once_for_its_verification(
    host: Host, backend: Backend, ada: int, factor: str
) -> None:
    host.enroll(ada, factor)
    asked = backend.post(f"/users/{ada}/verifications", {"factor": factor})
    assert set(asked) == {"verification_id", "expires_at"}
    assert backend.post(f"/users/{ada}/verifications", {"factor": factor}) == asked
    assert len(host.sent) == 1
    code = host.last_code()
    body = {"factor": factor, "code": code, "verification_id": asked["verification_id"]}
    backend.post(f"/users/{ada}/verify", {"factor": factor, "code": code}, 400)
    backend.post(f"/users/{ada}/verify", {**body, "verification_id": "0" * 32}, 401)
    assert backend.post(f"/users/{ada}/verify", body) == {"verified": True}
    backend.post(f"/users/{ada}/verify", body, 401)
    assert host.events(ada).count("proof_accepted") == 1
    again = backend.post(f"/users/{ada}/verifications", {"factor": factor})
    assert again["verification_id"] != asked["verification_id"]


@pytest.mark.check("O06", "P02", "E07")
def test_a_verification_is_nobody_elses(host: Host, backend: Backend, ada: int) -> None:
    bob, other = host.user("bob@example.org"), Backend(host, "write_user")
    for user in (ada, bob):
        host.enroll(user, "email", "sms")
    asked = backend.post(f"/users/{ada}/verifications", {"factor": "email"})
    code = host.last_code()
    body = {"factor": "email", "code": code, "verification_id": asked["verification_id"]}
    backend.post(f"/users/{bob}/verify", body, 401)
    backend.post(f"/users/{ada}/verify", {**body, "factor": "sms"}, 401)
    other.post(f"/users/{ada}/verify", body, 401)
    backend.post(f"/users/{ada}/verify", body)


@pytest.mark.check("O05")
def test_a_code_of_a_sign_in_is_none_of_a_verification_and_back(
    host: Host, backend: Backend, ada: int
) -> None:
    host.enroll(ada, "email")
    person = Person(host)
    person.sign_in()
    of_the_sign_in = host.last_code()
    asked = backend.post(f"/users/{ada}/verifications", {"factor": "email"})
    of_the_backend = host.last_code()
    body = {"factor": "email", "verification_id": asked["verification_id"]}
    if of_the_sign_in != of_the_backend:
        backend.post(f"/users/{ada}/verify", {**body, "code": of_the_sign_in}, 401)
        person.follow()
        person.code(of_the_backend)
        assert not person.signed_in()
    backend.post(f"/users/{ada}/verify", {**body, "code": of_the_backend})
    assert not person.signed_in(), "a verification changes no session"


@pytest.mark.check("P07", "L02", "L10", "L17")
@pytest.mark.reference(340, 341, 342, 343)
def test_wrong_codes_here_and_on_the_pages_are_one_budget_and_lock_both(
    host: Host, backend: Backend, ada: int
) -> None:
    host.enroll(ada, "otp")
    with host.clock() as clock:
        backend.token = backend.buy()
        wrong = {"factor": "otp", "code": "000000"}
        person = Person(host)
        for _ in range(2):
            person.sign_in()
            person.follow()
            for _ in range(3):
                person.code("000000")
        assert backend.get(f"/users/{ada}/lock") == {"locked": False, "locked_until": None}
        for _ in range(4):
            backend.post(f"/users/{ada}/verify", wrong, 401)
        right = {"factor": "otp", "code": host.otp(ada)}
        answers = [backend.call("POST", f"/users/{ada}/verify", b) for b in (wrong, right)]
        assert {answer.status_code for answer in answers} == {429}
        assert answers[0].data == answers[1].data
        assert "Retry-After" in answers[0].headers
        lock = backend.get(f"/users/{ada}/lock")
        assert lock["locked"] and lock["locked_until"].endswith("Z")
        assert backend.get(f"/users/{ada}")["lock"] == lock
        assert {"proofs_failing", "locked"} <= set(host.events(ada))
        backend.delete(f"/users/{ada}/lock")
        assert backend.get(f"/users/{ada}/lock")["locked"] is False
        backend.delete(f"/users/{ada}/lock")
        assert backend.post(f"/users/{ada}/verify", right) == {"verified": True}
        clock.tick(1)
    assert "unlocked" in host.events(ada)


def test_wrong_codes_of_a_backend_are_recorded_and_tell_nobody_of_a_known_password(
    host: Host, backend: Backend, ada: int
) -> None:
    host.enroll(ada, "otp")
    wrong = {"factor": "otp", "code": "000000"}
    for _ in range(4):
        backend.post(f"/users/{ada}/verify", wrong, 401)
    assert host.events(ada).count("proofs_failing") == 1
    assert [mail.subject for mail in host.mails() if "Wrong codes" in mail.subject] == []


@pytest.mark.check("L13")
def test_a_disabled_factor_is_not_verified(host: Host, backend: Backend, ada: int) -> None:
    host.enroll(ada, "otp")
    with host.app.app_context():
        host.db.session.execute(
            text("insert into mfa_factor values (:key, 'otp', 100, 1)"), {"key": str(ada)}
        )
        host.db.session.commit()
    backend.post(f"/users/{ada}/verify", {"factor": "otp", "code": host.otp(ada)}, 401)
    backend.post(f"/users/{ada}/verifications", {"factor": "otp"}, 409)
    assert backend.get(f"/users/{ada}")["factors"][0]["disabled"] is True


@pytest.mark.check("P07")
@pytest.mark.parametrize("factor", ["recovery_code", "passkey", "password", "", None])
def test_nothing_but_the_three_factors_is_verified(backend: Backend, ada: int, factor: Any) -> None:
    backend.post(f"/users/{ada}/verify", {"factor": factor, "code": "123456"}, 400)


def test_a_factor_that_is_not_held_is_not_asked_for(host: Host, backend: Backend, ada: int) -> None:
    """Not the email either that could back another factor up at a sign-in."""
    host.enroll(ada, "otp")
    backend.post(f"/users/{ada}/verifications", {"factor": "email"}, 404)
    backend.post(f"/users/{ada}/verifications", {"factor": "sms"}, 404)
    asked = backend.post(f"/users/{ada}/verifications", {"factor": "otp"})
    assert host.sent == []
    body = {"factor": "otp", "code": host.otp(ada), "verification_id": asked["verification_id"]}
    assert backend.post(f"/users/{ada}/verify", body) == {"verified": True}


@pytest.mark.check("E14")
def test_a_user_who_was_switched_off_verifies_nothing(
    host: Host, backend: Backend, ada: int
) -> None:
    host.enroll(ada, "otp")
    code = host.otp(ada)
    with host.app.app_context():
        host.get(ada).active = False
        host.db.session.commit()
    backend.post(f"/users/{ada}/verify", {"factor": "otp", "code": code}, 403)


@pytest.mark.check("O02")
def test_a_sent_code_lives_as_long_as_it_is_told(host: Host, backend: Backend, ada: int) -> None:
    host.enroll(ada, "email")
    with host.clock() as clock:
        backend.token = backend.buy()
        asked = backend.post(f"/users/{ada}/verifications", {"factor": "email"})
        body = {"factor": "email", "code": host.last_code(), **asked}
        del body["expires_at"]
        clock.tick(301)
        backend.post(f"/users/{ada}/verify", body, 401)


# Reset


@pytest.mark.check("N04", "M04", "S04")
def test_a_reset_takes_everything_with_its_reason(host: Host, backend: Backend, ada: int) -> None:
    host.enroll(ada, "otp", "email")
    with host.app.app_context():
        browser = host.app.test_client(user=host.get(ada), mfa=True)
    assert browser.get("/secret").status_code == 200
    backend.post(f"/users/{ada}/reset", {}, 400)
    backend.post(f"/users/{ada}/reset", {"reason": ""}, 400)
    backend.post(f"/users/{ada}/reset", {"reason": "lost the phone", "factors": []}, 400)
    assert held(backend, ada) == ["email", "otp"]
    backend.post(f"/users/{ada}/reset", {"reason": "lost the phone"}, 204)
    assert held(backend, ada) == []
    assert browser.get("/secret").status_code != 200
    found = [row for row in host.rows("mfa_event") if row["type"] == "factor_reset"]
    assert json.loads(found[0]["detail"])["reason"] == "lost the phone"
    assert found[0]["actor"] == f"client:{backend.client_id}"
    assert host.mails(), "the user is told"


def test_a_reset_of_one_factor_leaves_the_others(host: Host, backend: Backend, ada: int) -> None:
    host.enroll(ada, "otp", "email")
    backend.post(f"/users/{ada}/reset", {"reason": "new phone", "factors": ["otp"]}, 204)
    assert held(backend, ada) == ["email"]


@pytest.mark.check("N07")
def test_a_set_up_that_lost_a_race_stores_nothing(host: Host, ada: int) -> None:
    """Somebody else changed what the account holds between reading and writing."""
    with host.app.app_context():
        ctx, account = context(), state().account_of(str(ada))
        assert account is not None
        begun = backends.set_up(ctx, account, FactorKind.OTP, {})
        now = backends.running(ctx, account, backends.SET_UP, FactorKind.OTP)
        ctx.store.run(lambda session: accounts.claim_version(session, now.holding))
        new = NewCredential(kind=FactorKind.OTP, secret=otp.decode_secret(begun.secret or ""))
        late = Challenge(row=now.row, holding=now.holding)
        with pytest.raises(Conflict):
            backends.store(ctx, account, late, new)
        assert host.rows("mfa_credential") == []
        fresh = backends.running(ctx, account, backends.SET_UP, FactorKind.OTP)
        backends.store(ctx, account, Challenge(row=fresh.row, holding=fresh.holding), new)
        with pytest.raises(Conflict):
            backends.store(ctx, account, Challenge(row=fresh.row, holding=fresh.holding), new)
    assert len(host.rows("mfa_credential")) == 1

"""Ceremonies: for one browser, one purpose, one use; and the limits of who begins them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.core import limits
from flask_melody_mfa.flows import prune as pruning
from flask_melody_mfa.web.state import context
from tests.authenticator import Passkey, text, ways
from tests.host import Host
from tests.passkeys import CHALLENGE, OPTIONS, PROMPT, VERIFY, Holder, holder, row

Make = Callable[..., Host]

ON = {"ALLOW_PASSKEY_ENROLLMENT": True, "ENFORCE_ONE_MFA_ENROLLMENT": []}


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(**ON)


def prompted(host: Host, email: str = "ada@example.org") -> Holder:
    """Somebody who is being offered a passkey."""
    person = Holder(host)
    person.sign_in(email)
    return person


# Making


@pytest.mark.check("W01", "E06")
@pytest.mark.reference(110, 143)
def test_a_registration_works_once(host: Host) -> None:
    _, passkey = holder(host)
    person = Holder(host)
    person.enter(passkey)
    options = person.options(f"{PROMPT}/options")
    body = {"credential": Passkey().create(options)}
    assert person.call(PROMPT, body).status_code == 200
    assert person.call(PROMPT, body).status_code == 401
    assert len(host.rows("mfa_passkey")) == 2


@pytest.mark.check("W01")
def test_a_refused_registration_spends_its_challenge(host: Host) -> None:
    host.user()
    person = prompted(host)
    options = person.options(f"{PROMPT}/options")
    passkey = Passkey()
    bad = {"credential": passkey.create(options, ways(rp_id="evil.test"))}
    assert person.call(PROMPT, bad).status_code == 401
    assert host.rows("mfa_ceremony") == []
    assert person.call(PROMPT, {"credential": passkey.create(options)}).status_code == 401


@pytest.mark.check("W01", "W20")
@pytest.mark.parametrize(("seconds", "status"), [(299, 200), (300, 401), (-400, 401)])
def test_a_challenge_lives_five_minutes(host: Host, seconds: int, status: int) -> None:
    host.user()
    with host.clock() as clock:
        person = prompted(host)
        options = person.options(f"{PROMPT}/options")
        passkey = Passkey()
        clock.tick(seconds)
        if seconds < 0:
            # A clock set back prolongs nothing; the session itself is another matter.
            person.client.post("/logout")
            person = prompted(host)
            assert person.call(PROMPT, {"credential": passkey.create(options)}).status_code == 401
            return
        body = {"credential": passkey.create(options)}
        assert person.call(PROMPT, body).status_code == status


@pytest.mark.check("W02")
def test_a_registration_belongs_to_its_session(host: Host) -> None:
    host.user()
    host.user("bob@example.org")
    first, same_user, other_user = (
        prompted(host),
        prompted(host),
        prompted(host, "bob@example.org"),
    )
    options = first.options(f"{PROMPT}/options")
    body = {"credential": Passkey().create(options)}
    assert same_user.call(PROMPT, body).status_code == 401
    assert other_user.call(PROMPT, body).status_code == 401
    assert host.rows("mfa_passkey") == []
    assert first.call(PROMPT, body).status_code == 200, "nobody else could spend it"


@pytest.mark.check("W02")
def test_a_challenge_of_one_ceremony_is_none_of_another(host: Host) -> None:
    _, passkey = holder(host)
    person = Holder(host)
    to_sign_in = person.options(OPTIONS)
    person.enter(passkey)
    to_make = person.options(f"{PROMPT}/options")
    other = Passkey()
    mixed = {**to_make, "challenge": to_sign_in["challenge"]}
    assert person.call(PROMPT, {"credential": other.create(mixed)}).status_code == 401
    person.client.post("/logout")
    person.sign_in()
    to_prove = person.options(f"{CHALLENGE}/options")
    for challenge in (to_make["challenge"], to_sign_in["challenge"]):
        answer = person.call(CHALLENGE, {"credential": passkey.get({"challenge": challenge})})
        assert answer.status_code == 401
    stranger = Holder(host)
    stranger.options(OPTIONS)
    for challenge in (to_make["challenge"], to_prove["challenge"]):
        answer = stranger.call(VERIFY, {"credential": passkey.get({"challenge": challenge})})
        assert answer.status_code == 401


@pytest.mark.check("W09")
def test_a_credential_is_registered_once(host: Host) -> None:
    ada, passkey = holder(host)
    before = dict(row(host, passkey))
    host.user("eve@example.org")
    thief = prompted(host, "eve@example.org")
    stolen = Passkey()
    stolen.id = passkey.id
    answer = thief.make(stolen)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "conflict")
    owner = Holder(host)
    owner.enter(passkey)
    assert owner.make(passkey).status_code == 409
    after = dict(row(host, passkey))
    assert after == before | {"last_used_at": after["last_used_at"], "user_key": str(ada)}


# Signing in


@pytest.mark.check("W20", "S02")
@pytest.mark.reference(126)
def test_an_assertion_works_once_also_with_an_older_cookie(host: Host) -> None:
    _, passkey = holder(host)
    person = Holder(host)
    options = person.options(OPTIONS)
    cookie = person.cookies()["session"]
    body = {"credential": passkey.get(options)}
    assert person.call(VERIFY, body).status_code == 200
    again = Holder(host)
    again.client.set_cookie("session", cookie)
    assert again.call(VERIFY, body).status_code == 401
    assert not again.signed_in()


@pytest.mark.check("W26")
def test_an_assertion_belongs_to_its_browser(host: Host) -> None:
    _, passkey = holder(host)
    mine, other = Holder(host), Holder(host)
    other.options(OPTIONS)
    body = {"credential": passkey.get(mine.options(OPTIONS))}
    assert other.call(VERIFY, body).status_code == 401
    assert Holder(host).call(VERIFY, body).status_code == 401
    assert mine.call(VERIFY, body).status_code == 200


def test_two_tabs_do_not_disturb_each_other(host: Host) -> None:
    _, passkey = holder(host)
    person = Holder(host)
    person.get("/mfa/passkey/sign-in")
    first, second = person.options(OPTIONS), person.options(OPTIONS)
    assert person.call(VERIFY, {"credential": passkey.get(first)}).status_code == 200
    person.client.post("/logout")
    assert person.call(VERIFY, {"credential": passkey.get(second)}).status_code == 401, (
        "what was begun before a sign-in ends with it"
    )
    assert person.enter(passkey).status_code == 200


@pytest.mark.check("W23", "E07")
def test_anothers_passkey_proves_nothing(host: Host) -> None:
    ada, _ = holder(host)
    _, bobs = holder(host, email="bob@example.org")
    person = Holder(host)
    person.sign_in()
    for handle in ("kept", None):
        assert person.prove(bobs, ways(handle=handle)).status_code == 401
    assert not person.signed_in()
    failures = {one["user_key"]: one["failures"] for one in host.rows("mfa_user")}
    assert failures[str(ada)] == 2, "a failure of the account whose challenge it is"
    assert failures != {str(ada): 0}


@pytest.mark.check("W23")
def test_anothers_passkey_makes_no_session_fresh(host: Host) -> None:
    _, passkey = holder(host)
    _, bobs = holder(host, email="bob@example.org")
    with host.clock() as clock:
        person = Holder(host)
        person.enter(passkey)
        clock.tick(301)
        person.get("/fresh")
        person.follow()
        assert person.prove(bobs, ways(handle=None)).status_code == 401
        assert person.get("/fresh").status_code == 303 or person.page is not None
        assert person.call("/fresh").status_code == 403


@pytest.mark.check("W24")
def test_without_a_user_handle_nobody_is_named(host: Host) -> None:
    _, passkey = holder(host)
    assert Holder(host).enter(passkey, ways(handle=None)).status_code == 401


@pytest.mark.check("W31")
def test_a_passkey_that_was_removed_meanwhile_is_refused(host: Host) -> None:
    ada, passkey = holder(host)
    person = Holder(host)
    options = person.options(OPTIONS)
    with host.app.app_context():
        host.mfa.reset(host.get(ada))
    assert person.call(VERIFY, {"credential": passkey.get(options)}).status_code == 401


@pytest.mark.check("E16")
def test_a_cancelled_challenge_takes_no_passkey(host: Host) -> None:
    _, passkey = holder(host)
    person = Holder(host)
    person.sign_in()
    options = person.options(f"{CHALLENGE}/options")
    person.post("/mfa/challenge/cancel")
    answer = person.call(CHALLENGE, {"credential": passkey.get(options)})
    assert answer.status_code == 410
    assert not person.signed_in()


# Limits


@pytest.mark.check("L12")
def test_failed_sign_ins_are_limited_and_never_touch_the_account(host: Host) -> None:
    ada, passkey = holder(host)
    with host.clock() as clock:
        for _ in range(10):
            assert Holder(host).enter(passkey, ways(origin="http://evil.test")).status_code == 401
        wrong = Holder(host).enter(passkey, ways(origin="http://evil.test"))
        right = Holder(host).enter(passkey)
        assert wrong.status_code == right.status_code == 429
        assert wrong.get_json() == right.get_json()
        assert int(right.headers["Retry-After"]) <= 900
        assert [(one["failures"], one["locked_until"]) for one in host.rows("mfa_user")] == [
            (0, None)
        ]
        clock.tick(15 * 60 + 1)
        assert Holder(host).enter(passkey).status_code == 200
    assert host.events(ada).count("proof_refused") == 10


def test_other_passkeys_are_limited_by_the_address_only(host: Host) -> None:
    _, passkey = holder(host)
    with host.clock() as clock:
        for number in range(30):
            other = Passkey("EdDSA")
            other.handle = passkey.handle
            assert Holder(host).enter(other).status_code == 401, number
        assert Holder(host).enter(passkey).status_code == 429
        elsewhere = Holder(host)
        elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
        assert elsewhere.enter(passkey).status_code == 200
        clock.tick(601)
        assert Holder(host).enter(passkey).status_code == 200


def test_right_sign_ins_are_not_counted(host: Host) -> None:
    _, passkey = holder(host)
    for _ in range(35):
        assert Holder(host).enter(passkey).status_code == 200


@pytest.mark.check("L02")
def test_wrong_passkeys_and_wrong_codes_share_the_accounts_tries(host: Host) -> None:
    ada, passkey = holder(host)
    host.enroll(ada, "otp")
    answers: list[Any] = []
    while len(answers) < 10:
        person = Holder(host)
        person.sign_in()
        person.follow()
        answers.append(person.code("000000"))
        answers.append(person.prove(passkey, ways(origin="http://evil.test")))
    assert {answer.status_code for answer in answers} == {401}
    person = Holder(host)
    person.sign_in()
    assert person.call(f"{CHALLENGE}/options").status_code == 429
    assert Holder(host).enter(passkey).status_code == 200, "the lock is of codes; a passkey opens"


@pytest.mark.check("L13")
def test_a_passkey_is_never_disabled_by_failures(make_host: Make) -> None:
    host = make_host(**ON, MFA_CODE_VERIFY_THRESHOLD=1000)
    _, passkey = holder(host)
    with host.clock() as clock:
        for number in range(26):
            if number % 6 == 0:
                clock.tick(601)
            person = Holder(host)
            person.sign_in()
            for _ in range(4):
                answer = person.prove(passkey, ways(origin="http://evil.test"))
                assert answer.status_code == 401, number
        clock.tick(601)
        person = Holder(host)
        person.sign_in()
        assert person.prove(passkey).status_code == 200


@pytest.mark.check("W35", "F11")
def test_who_only_begins_is_limited_and_leaves_little(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ADDRESS_CEREMONIES", 60)
    with host.clock() as clock:
        person = Holder(host)
        for _ in range(60):
            assert person.call(OPTIONS).status_code == 200
        assert person.call(OPTIONS).status_code == 429
        assert len(host.rows("mfa_ceremony")) == 60
        clock.tick(601)
        for _ in range(60):
            person.call(OPTIONS)
        assert len(host.rows("mfa_ceremony")) <= 60, "what nobody finished is cleared away"
        clock.tick(301)
        with host.app.app_context():
            assert pruning.prune(context())["mfa_ceremony"] > 0
        assert host.rows("mfa_ceremony") == []


@pytest.mark.check("O07", "C01")
def test_no_challenge_stands_in_the_database_or_the_cookie(host: Host) -> None:
    person = Holder(host)
    challenge = person.options(OPTIONS)["challenge"]
    assert challenge not in str(host.rows("mfa_ceremony"))
    assert challenge not in person.cookies()["session"]


@pytest.mark.check("W32")
def test_unknown_wrong_and_foreign_are_told_alike(host: Host) -> None:
    _, passkey = holder(host)
    _, bobs = holder(host, email="bob@example.org")
    unknown = Passkey()
    unknown.handle = passkey.handle
    answers = [
        Holder(host).enter(unknown),
        Holder(host).enter(passkey, ways(signature=lambda made: b"x")),
        Holder(host).enter(bobs, ways(handle=passkey.handle)),
        Holder(host).call(VERIFY, {"credential": passkey.get({"challenge": text(bytes(32))})}),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.data for answer in answers}) == 1
    headers = [{k: v for k, v in a.headers.items() if k != "Set-Cookie"} for a in answers]
    assert all(one == headers[0] for one in headers)

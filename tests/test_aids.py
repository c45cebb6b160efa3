"""The aids for hosts' own tests: they weaken nothing, and say what they cannot do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from flask_melody_mfa.testing import (
    MFAClient,
    assert_requires_mfa,
    enroll,
    finish_sign_in,
    freeze,
    otp_code,
    outbox,
)
from tests.host import BROWSER, PHONE, Host, Person

Make = Callable[..., Host]


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host()


@pytest.fixture
def app(host: Host) -> Flask:
    """What the fixtures of the package look for."""
    return host.app


@pytest.fixture
def ada(host: Host) -> int:
    return host.user(phone=PHONE)


def client_of(host: Host, user: int, **options: Any) -> MFAClient:
    with host.app.app_context():
        client = host.app.test_client(user=host.get(user), **options)
    assert isinstance(client, MFAClient)
    return client


# MFAClient


@pytest.mark.parametrize("holds", [(), ("otp",)])
def test_a_client_without_mfa_gave_the_password_and_owes_the_gate(
    host: Host, ada: int, holds: tuple[str, ...]
) -> None:
    host.enroll(ada, *holds)
    client = client_of(host, ada)
    assert client.get("/secret", headers=BROWSER).status_code == 302
    assert_requires_mfa(client, "/secret")
    finish_sign_in(client, client.get("/secret", headers=BROWSER))
    assert client.get("/secret").status_code == 200


def test_a_client_without_mfa_is_signed_in_where_nothing_is_owed(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=[])
    client = client_of(host, host.user())
    assert client.get("/fresh").text == "fresh"
    with pytest.raises(AssertionError, match="/secret answered 200"):
        assert_requires_mfa(client, "/secret")


def test_without_the_guard_a_client_is_signed_in_and_owes_what_views_ask(make_host: Make) -> None:
    host = make_host(MFA_GUARD=False)
    user = host.user()
    host.enroll(user, "otp")
    client = client_of(host, user)
    assert client.get("/secret").status_code == 200
    assert_requires_mfa(client, "/guarded")


@pytest.mark.parametrize("factors", [None, {"otp"}, {"email"}, {"sms"}, {"otp", "sms"}])
@pytest.mark.parametrize(
    "config",
    [{}, {"OTP_MFA_IS_REQUIRED": True}, {"ENFORCE_ONE_MFA_ENROLLMENT": []}],
    ids=["enforced", "required", "free"],
)
def test_a_client_with_mfa_satisfies_the_gate_honestly(
    make_host: Make, config: dict[str, Any], factors: set[str] | None
) -> None:
    host = make_host(**config)
    user = host.user(phone=PHONE)
    client = client_of(host, user, mfa=True, factors=factors)
    assert client.get("/secret").status_code == 200
    proven = set(client.get("/status").get_json()["factors"])
    required = {"otp"} if config.get("OTP_MFA_IS_REQUIRED") else set()
    chosen = set() if "ENFORCE_ONE_MFA_ENROLLMENT" in config else {"otp"}
    assert proven == (factors or chosen) | required
    assert {row["kind"] for row in host.rows("mfa_credential")} == proven
    # The session is a row like any other, and ends like any other.
    assert len(host.rows("mfa_session")) == 1
    with host.app.app_context():
        host.mfa.reset(host.get(user))
    assert client.get("/secret").status_code != 200


def test_the_proofs_of_a_client_are_those_it_names(host: Host, ada: int) -> None:
    host.enroll(ada, "otp", "email")
    assert client_of(host, ada, mfa=True).get("/with-otp").status_code == 200
    client = client_of(host, ada, mfa=True, factors={"email"})
    assert client.get("/secret").status_code == 200
    assert client.get("/with-otp", headers=BROWSER).status_code == 303
    assert_requires_mfa(client, "/with-otp")


def test_a_client_may_be_signed_in_without_a_fresh_login(host: Host, ada: int) -> None:
    for fresh in (True, False):
        client = client_of(host, ada, mfa=True, fresh_login=fresh)
        with client.session_transaction() as session:
            assert session["_fresh"] is fresh


# finish_sign_in


@pytest.mark.parametrize("holds", [(), ("otp",), ("email",), ("sms",), ("otp", "email", "sms")])
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"MFA_ASK_EVERY_ENROLLED": True},
        {"OTP_MFA_IS_REQUIRED": True, "SMS_MFA_IS_REQUIRED": True, "EMAIL_MFA_IS_REQUIRED": True},
        {"ENFORCE_ONE_MFA_ENROLLMENT": ["sms"], "WTF_CSRF_ENABLED": True},
    ],
    ids=["one", "every", "required", "csrf"],
)
def test_a_sign_in_is_finished_whatever_it_owes(
    make_host: Make, holds: tuple[str, ...], config: dict[str, Any]
) -> None:
    host = make_host(**config)
    user = host.user(phone=PHONE)
    host.enroll(user, *holds)
    client = host.app.test_client()
    form = {"email": "ada@example.org", "password": "pw"}
    answer = finish_sign_in(client, client.post("/login?next=/api", data=form))
    assert answer.headers["Location"] == "/api"
    assert client.get("/api").get_json() == {"email": "ada@example.org"}


def test_answers_that_owe_nothing_come_back_as_they_are(host: Host, ada: int) -> None:
    client = host.app.test_client()
    for answer in (
        client.get("/"),
        client.get("/login"),
        client.post("/login", data={"email": ""}),
    ):
        assert finish_sign_in(client, answer) is answer


def test_a_step_up_is_finished_too(host: Host, ada: int) -> None:
    host.enroll(ada, "otp")
    with host.clock() as clock:
        client = client_of(host, ada, mfa=True)
        clock.tick(400)
        answer = client.get("/fresh?a=b", headers=BROWSER)
        assert finish_sign_in(client, answer).headers["Location"] == "/fresh?a=b"
        assert client.get("/fresh").status_code == 200


# The rest


def test_a_code_is_one_that_is_accepted_next(host: Host, ada: int) -> None:
    with host.clock(), host.app.app_context():
        user = host.get(ada)
        with pytest.raises(LookupError, match="enroll"):
            otp_code(user)
        enroll(user, "otp")
        for _ in range(3):
            assert host.mfa.verify(user, otp_code(user))
        with pytest.raises(LookupError, match="freeze"):
            otp_code(user)


def test_the_clock_stands_and_goes_on_afterwards(host: Host, ada: int) -> None:
    here = host.app.extensions["melody_mfa"]
    with freeze(host.app, 5_000) as clock:
        assert here.clock() == here.clock() == 5_000
        clock.tick(1.5)
        assert here.clock() == 6_500
        clock.tick(-1)
        assert here.clock() == 5_500
    assert here.clock() > 1_600_000_000_000


def test_nothing_here_works_outside_of_tests(host: Host, ada: int) -> None:
    host.app.testing = False
    with host.app.app_context():
        user = host.get(ada)
        for use in (
            lambda: enroll(user, "otp"),
            lambda: otp_code(user),
            lambda: len(outbox),
            lambda: host.app.test_client(user=user, mfa=True),
        ):
            with pytest.raises(RuntimeError, match="TESTING"):
                use()
    with pytest.raises(RuntimeError, match="TESTING"), freeze(host.app):
        pass


def test_the_fixtures_of_the_package(host: Host, ada: int, mfa_outbox: Any, mfa_clock: Any) -> None:
    host.enroll(ada, "email")
    assert len(mfa_outbox) == 0
    person = Person(host)
    person.sign_in()
    (mail,) = mfa_outbox
    assert mail.to == "ada@example.org" and mfa_outbox[0] is mail
    person.follow()
    mfa_clock.tick(301)
    assert person.code(host.last_code()).status_code == 401
    mfa_outbox.clear()
    assert list(mfa_outbox) == []

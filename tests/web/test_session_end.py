"""What ends sessions and pending challenges, and how soon it is felt."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.host import BROWSER, Host, Person
from tests.recovering import Make, arrive, codes_of, recover, sign_in

Event = Callable[[Host, int], None]


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host with recovery codes."""
    return make_host(ENABLE_RECOVERY_CODE=True)


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator and an email factor."""
    user = host.user()
    host.enroll(user, "otp", "email")
    codes_of(host, user)
    return user


def by_reset(host: Host, ada: int) -> None:
    host.mfa.reset(host.get(ada))


def by_partial_reset(host: Host, ada: int) -> None:
    host.mfa.reset(host.get(ada), ["otp"])


def by_password(host: Host, ada: int) -> None:
    host.mfa.password_changed(host.get(ada))


def by_deactivation(host: Host, ada: int) -> None:
    host.get(ada).active = False
    host.db.session.commit()


EVENTS = [by_reset, by_partial_reset, by_password, by_deactivation]


def is_out(person: Person) -> bool:
    """Whether the protected page sends this browser elsewhere."""
    return person.client.get("/secret", headers=BROWSER).status_code == 302


@pytest.mark.check("S04")
@pytest.mark.parametrize("event", EVENTS)
def test_other_sessions_end_at_the_next_request(host: Host, ada: int, event: Event) -> None:
    with host.clock() as clock:
        one = sign_in(host, ada)
        clock.tick(30)
        other = sign_in(host, ada)
        assert one.signed_in() and other.signed_in()
        with host.app.app_context():
            event(host, ada)
        assert is_out(one) and is_out(other)
    assert all(row["ended_at"] for row in host.rows("mfa_session"))


@pytest.mark.check("S04", "E15", "N04")
@pytest.mark.parametrize("event", EVENTS)
def test_pending_challenges_die(host: Host, ada: int, event: Event) -> None:
    person = arrive(host)
    code = host.otp(ada)
    with host.app.app_context():
        event(host, ada)
    person.post("/mfa/challenge/otp", {"code": code})
    assert person.at == "/login" and not person.signed_in()
    assert all(row["ended_at"] for row in host.rows("mfa_challenge"))


@pytest.mark.check("S04")
def test_another_process_learns_of_it_within_the_time_of_a_re_read(
    make_host: Make, any_database_url: str
) -> None:
    here = make_host(any_database_url, ENABLE_RECOVERY_CODE=True)
    ada = here.user()
    here.enroll(ada, "otp")
    codes_of(here, ada)
    there = make_host(any_database_url, create=False, ENABLE_RECOVERY_CODE=True)
    with here.clock() as clock, there.clock(clock.now) as beside:
        person = sign_in(here, ada)
        elsewhere = Person(there)
        for name, value in person.cookies().items():
            elsewhere.client.set_cookie(name, value)
        assert elsewhere.signed_in()
        with here.app.app_context():
            here.mfa.reset(here.get(ada), ["otp"])
        assert is_out(person), "at once, where it was done"
        beside.tick(9)
        assert elsewhere.signed_in(), "remembered there for ten seconds"
        beside.tick(2)
        assert is_out(elsewhere)


@pytest.mark.check("S04")
def test_the_session_that_changed_the_password_stays(make_host: Make) -> None:
    host = make_host()

    @host.app.route("/new-password", methods=["POST"])
    def new_password() -> str:
        from flask_login import current_user

        host.mfa.password_changed(current_user)
        return "changed"

    ada = host.user()
    host.enroll(ada, "otp")
    with host.clock() as clock:
        one = sign_in(host, ada)
        clock.tick(30)
        other = sign_in(host, ada)
        assert one.post("/new-password").text == "changed"
        assert one.signed_in() and is_out(other)
        clock.tick(11)
        assert one.signed_in() and is_out(other)


@pytest.mark.check("E14")
def test_deactivation_by_other_means_is_felt_at_the_re_read(host: Host, ada: int) -> None:
    with host.clock() as clock:
        person = sign_in(host, ada)
        assert person.signed_in()
        with host.app.app_context():
            table = host.db.metadata.tables["user"]
            host.db.session.execute(table.update().values(active=False))
            host.db.session.commit()
        clock.tick(11)
        assert is_out(person)
        assert all(row["ended_at"] for row in host.rows("mfa_session"))


def test_a_deactivation_that_was_rolled_back_ends_nothing(host: Host, ada: int) -> None:
    person = sign_in(host, ada)
    with host.app.app_context():
        host.get(ada).active = False
        host.db.session.flush()
        host.db.session.rollback()
    assert person.signed_in()


def test_another_change_of_a_user_ends_nothing(host: Host, ada: int) -> None:
    person = sign_in(host, ada)
    with host.app.app_context():
        host.get(ada).phone = "+447400123456"
        host.db.session.commit()
    assert person.signed_in()


@pytest.mark.check("N01")
@pytest.mark.parametrize("event", [by_password, by_deactivation])
def test_the_user_is_told_once(host: Host, ada: int, event: Event) -> None:
    sign_in(host, ada)
    host.sent.clear()
    with host.app.app_context():
        event(host, ada)
    assert ["signed out" in mail.subject for mail in host.mails()] == [True]


@pytest.mark.check("N04")
def test_a_whole_reset_leaves_nothing_behind(host: Host, ada: int) -> None:
    sign_in(host, ada)
    arrive(host)
    recover(host, "0" * 24)
    with host.app.app_context():
        host.mfa.reset(host.get(ada))
    for table in ("mfa_credential", "mfa_passkey", "mfa_recovery_code", "mfa_factor"):
        assert not host.rows(table), table
    assert all(row["revoked_at"] for row in host.rows("mfa_device"))
    user = host.rows("mfa_user")[0]
    assert (user["failures"], user["lock_level"], user["must_set_up"]) == (0, 0, "")
    again = arrive(host)
    assert again.at == "/mfa/enroll"

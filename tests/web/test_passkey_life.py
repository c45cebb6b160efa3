"""The life of passkeys: names, the limit, removal, and what goes with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.core.errors import Conflict, InvalidRequest, NotFound
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.flows import admin, passkeys
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.web.state import context, state
from tests.authenticator import Passkey, data
from tests.host import Host
from tests.passkeys import PROMPT, Holder, holder, row

Make = Callable[..., Host]

ON = {"ALLOW_PASSKEY_ENROLLMENT": True, "ENFORCE_ONE_MFA_ENROLLMENT": []}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(**ON)


def flow(host: Host, user: int, work: Callable[[Context, Account], Any]) -> Any:
    """Run a flow in an app context."""
    with host.app.app_context():
        account = state().account_of(str(user))
        assert account is not None
        return work(context(), account)


def listed(host: Host, user: int) -> tuple[passkeys.PasskeyView, ...]:
    found: tuple[passkeys.PasskeyView, ...] = flow(
        host, user, lambda ctx, account: passkeys.listed(ctx, account.key)
    )
    return found


def add(person: Holder, passkey: Passkey | None = None, **options: Any) -> Any:
    return person.make(passkey or Passkey(), **options)


def test_names_come_from_the_maker_the_browser_or_the_person(host: Host) -> None:
    ada = host.user()
    person = Holder(host)
    person.client.environ_base["HTTP_USER_AGENT"] = FIREFOX
    person.sign_in()
    unknown = Passkey()
    unknown.aaguid = bytes(16)
    first = Passkey()
    for passkey in (first, Passkey(), unknown):
        assert add(person, passkey).status_code == 200
        person.client.post("/logout")
        person.enter(first)
    assert add(person, name="  Work \u202e laptop ").status_code == 200
    assert [one.name for one in listed(host, ada)] == [
        "Google Password Manager",
        "Google Password Manager (2)",
        "Firefox on Linux",
        "Work laptop",
    ]


@pytest.mark.check("W13", "F12")
@pytest.mark.parametrize("name", ["x" * 65, "a\x00b", "a\nb", "\ud800"])
def test_a_name_that_is_none_is_malformed(host: Host, name: str) -> None:
    host.user()
    person = Holder(host)
    person.sign_in()
    assert add(person, name=name).status_code == 400
    assert host.rows("mfa_passkey") == []


@pytest.mark.check("W13")
def test_a_name_that_is_taken_is_a_conflict(host: Host) -> None:
    ada, passkey = holder(host)
    person = Holder(host)
    person.enter(passkey)
    assert add(person, name="Google Password Manager").status_code == 409
    assert add(person, name="Other").status_code == 200
    first, second = listed(host, ada)

    def rename(name: str) -> Callable[[Context, Account], None]:
        return lambda ctx, account: passkeys.rename(ctx, account, first.id, name)

    with pytest.raises(Conflict):
        flow(host, ada, rename("Other"))
    with pytest.raises(InvalidRequest):
        flow(host, ada, rename("  "))
    flow(host, ada, rename("Google Password Manager"))
    flow(host, ada, rename("Phone"))
    assert [one.name for one in listed(host, ada)] == ["Phone", second.name]


def test_an_account_has_at_most_twenty(host: Host) -> None:
    ada, passkey = holder(host)
    person = Holder(host)
    person.enter(passkey)
    for _ in range(18):
        assert add(person).status_code == 200
    options = person.options(f"{PROMPT}/options")
    assert add(person).status_code == 200
    late = person.call(PROMPT, {"credential": Passkey().create(options)})
    assert late.status_code == 409
    assert person.call(f"{PROMPT}/options").status_code == 409
    assert len(listed(host, ada)) == 20


@pytest.mark.reference(139, 144)
def test_what_is_shown_of_a_passkey(host: Host) -> None:
    with host.clock() as clock:
        ada, passkey = holder(host)
        made_at = clock.now
        assert [(one.created_at, one.last_used_at, one.synced) for one in listed(host, ada)] == [
            (made_at, None, False)
        ]
        clock.tick(60)
        Holder(host).enter(passkey)
        (found,) = listed(host, ada)
        assert (found.created_at, found.last_used_at) == (made_at, clock.now)
        assert found.transports == ("internal", "hybrid")


@pytest.mark.check("N06")
@pytest.mark.reference(152)
def test_anothers_passkey_is_not_there(host: Host) -> None:
    ada, passkey = holder(host)
    bob = host.user("bob@example.org")
    passkey_id = row(host, passkey)["id"]
    for work in (
        lambda ctx, account: passkeys.remove(ctx, account, passkey_id),
        lambda ctx, account: passkeys.rename(ctx, account, passkey_id, "mine"),
        lambda ctx, account: passkeys.remove(ctx, account, "0" * 32),
    ):
        with pytest.raises(NotFound):
            flow(host, bob, work)
    assert listed(host, bob) == ()
    assert len(listed(host, ada)) == 1
    assert row(host, passkey)["name"] == "Google Password Manager"


@pytest.mark.check("N01")
@pytest.mark.reference(149)
def test_a_removed_passkey_is_of_no_more_use(host: Host) -> None:
    ada, passkey = holder(host)
    other = Holder(host)
    other.enter(passkey)
    flow(host, ada, lambda ctx, account: passkeys.remove(ctx, account, row(host, passkey)["id"]))
    assert Holder(host).enter(passkey).status_code == 401
    assert not other.signed_in(), "what a passkey opened elsewhere closes with it"
    assert [mail.subject for mail in host.mails()] == [
        "A passkey was removed from your host account"
    ]
    assert "passkey_removed" in host.events(ada)


def test_an_admin_removes_one_with_the_sessions_that_it_opened(host: Host) -> None:
    ada, passkey = holder(host)
    other = Holder(host)
    other.enter(passkey)
    target = admin.Target(account=Account(key=str(ada), login="ada@example.org"))

    def work(ctx: Context, account: Account) -> None:
        admin.remove_passkey(ctx, target, row(host, passkey)["id"], "  it was   stolen ")

    flow(host, ada, work)
    assert not other.signed_in(), "what is stolen opens nothing any more, and left nothing open"
    assert Holder(host).enter(passkey).status_code == 401
    (told,) = [one for one in host.rows("mfa_event") if one["type"] == "passkey_removed"]
    assert "it was stolen" in str(dict(told))


def test_removal_leaves_the_session_that_does_it(host: Host) -> None:
    ada, passkey = holder(host)
    mine, other = Holder(host), Holder(host)
    mine.enter(passkey)
    second = Passkey()
    add(mine, second)
    other.enter(second)
    (own_session,) = [
        one["id"] for one in host.rows("mfa_session") if '"passkey"' in one["proofs"]
    ][-2:-1]

    def work(ctx: Context, account: Account) -> None:
        passkeys.remove(ctx, account, row(host, second)["id"], session_id=own_session)

    flow(host, ada, work)
    assert mine.signed_in()
    assert not other.signed_in()


@pytest.mark.check("N03")
@pytest.mark.reference(132)
def test_the_last_proof_that_is_required_stays(make_host: Make) -> None:
    host = make_host(ALLOW_PASSKEY_ENROLLMENT=True, ENFORCE_ONE_MFA_ENROLLMENT=["otp"])
    ada = host.user()
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.follow()
    person.code(host.otp(ada))
    passkey = Passkey()
    add(person, passkey)
    with host.app.app_context():
        host.mfa.reset(host.get(ada), ["otp"])
    passkey_id = row(host, passkey)["id"]
    with pytest.raises(Conflict):
        flow(host, ada, lambda ctx, account: passkeys.remove(ctx, account, passkey_id))
    assert len(listed(host, ada)) == 1
    assert "passkey_removed" not in host.events(ada)
    host.enroll(ada, "otp")
    flow(host, ada, lambda ctx, account: passkeys.remove(ctx, account, passkey_id))
    assert listed(host, ada) == ()


@pytest.mark.check("D04")
def test_adding_and_removing_end_remembered_devices(make_host: Make) -> None:
    host = make_host(**ON, ENABLE_MFA_REMEMBER_DEVICE=True)
    ada = host.user()
    host.enroll(ada, "otp")
    person = Holder(host)
    person.sign_in()
    person.follow()
    person.code(host.otp(ada), remember_device="1")
    assert [one["revoked_at"] for one in host.rows("mfa_device")] == [None]
    passkey = Passkey()
    add(person, passkey)
    assert [one["revoked_at"] is not None for one in host.rows("mfa_device")] == [True]


@pytest.mark.check("D05")
def test_a_passkey_proof_can_be_remembered(make_host: Make) -> None:
    host = make_host(**ON, ENABLE_MFA_REMEMBER_DEVICE=True)
    _, passkey = holder(host)
    person = Holder(host)
    person.sign_in()
    assert "remember_device" in person.follow().text
    person.prove(passkey, remember_device=True)
    assert [one["factors"] for one in host.rows("mfa_device")] == ["passkey"]


@pytest.mark.check("N04", "N05")
def test_nothing_is_left_of_a_deleted_user(host: Host) -> None:
    ada, passkey = holder(host)
    Holder(host).options("/mfa/passkey/options")
    with host.app.app_context():
        host.db.session.delete(host.get(ada))
        host.db.session.commit()
    assert host.rows("mfa_passkey") == host.rows("mfa_passkey_user") == []
    assert Holder(host).enter(passkey).status_code == 401


def test_what_the_browser_is_told(host: Host) -> None:
    ada, passkey = holder(host)
    told = flow(host, ada, passkeys.signals)
    assert told["rpId"] == "localhost"
    assert data(told["userId"]) == passkey.handle
    assert [data(one) for one in told["allAcceptedCredentialIds"]] == [passkey.id]
    assert told["name"] == "ada@example.org"
    bob = host.user("bob@example.org")
    assert flow(host, bob, passkeys.signals) is None

"""Passkeys on the account page and at their policy: listed, added, named, removed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from tests.authenticator import Passkey, text
from tests.host import Host
from tests.passkeys import Holder, holder, row

Make = Callable[..., Host]
ACCOUNT = "/mfa/account"
POLICY = "/mfa/policy/manage_passkey?redirect_uri=/back&state=s"


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(ALLOW_PASSKEY_ENROLLMENT=True, ENFORCE_ONE_MFA_ENROLLMENT=[])


@pytest.fixture
def ada(host: Host) -> tuple[int, Passkey]:
    """A user with a passkey."""
    return holder(host)


def entered(host: Host, passkey: Passkey) -> Holder:
    """Somebody who signed in by passkey just now."""
    person = Holder(host)
    person.go(person.enter(passkey))
    assert person.signed_in()
    return person


def page_of(person: Holder) -> str:
    """The page that is shown, as it was sent."""
    assert person.page is not None
    return person.page.text


@pytest.mark.reference(138, 139)
def test_passkeys_are_listed_with_what_is_known_of_them(
    host: Host, ada: tuple[int, Passkey]
) -> None:
    _, passkey = ada
    person = entered(host, passkey)
    person.get(ACCOUNT)
    assert "Passkeys" in person.text
    assert "Synced" in person.text or "On one device only" in person.text
    assert "Last used" in person.text
    assert f'href="/mfa/enroll/passkey?next={ACCOUNT}"' in person.text
    told = re.search(r'data-mfa-passkey="signal" data-mfa-config="([^"]+)"', page_of(person))
    assert told is not None
    assert json.loads(unescape(told.group(1)))["allAcceptedCredentialIds"] == [text(passkey.id)]


@pytest.mark.reference(144)
def test_a_passkey_is_added_from_the_account_page(host: Host, ada: tuple[int, Passkey]) -> None:
    person = entered(host, ada[1])
    person.get(f"/mfa/enroll/passkey?next={ACCOUNT}")
    assert person.make(Passkey(), name="Blue key").status_code == 200
    person.get(ACCOUNT)
    assert "Blue key" in person.text


def test_a_passkey_is_named(host: Host, ada: tuple[int, Passkey]) -> None:
    person = entered(host, ada[1])
    path = f"{ACCOUNT}/passkeys/{row(host, ada[1])['id']}/rename"
    person.get(path)
    assert person.post(path, {"name": ""}).status_code == 400
    assert person.post(path, {"name": "x" * 65}).status_code == 400
    person.post(path, {"name": "Laptop"})
    assert person.at == ACCOUNT
    assert row(host, ada[1])["name"] == "Laptop"


@pytest.mark.reference(149)
@pytest.mark.check("N01")
def test_a_passkey_is_removed_and_told(host: Host, ada: tuple[int, Passkey]) -> None:
    person = entered(host, ada[1])
    path = f"{ACCOUNT}/passkeys/{row(host, ada[1])['id']}/remove"
    person.get(path)
    assert "Remove this passkey?" in person.text
    assert host.rows("mfa_passkey")
    person.post(path)
    assert not host.rows("mfa_passkey")
    assert "passkey_removed" in host.events()
    assert "passkey" in host.mails()[-1].text.lower()
    assert "/mfa/not-me/" in host.mails()[-1].text


@pytest.mark.check("N03")
def test_the_last_passkey_stays_where_one_must_be_held(make_host: Make) -> None:
    host = make_host(ALLOW_PASSKEY_ENROLLMENT=True, ENFORCE_ONE_MFA_ENROLLMENT=[])
    _, passkey = holder(host)
    person = entered(host, passkey)
    here = host.app.extensions["melody_mfa"]
    here._settings = here.settings.with_enforced(["otp"])
    path = f"{ACCOUNT}/passkeys/{row(host, passkey)['id']}/remove"
    assert "cannot be removed" in person.get(path).text
    assert person.post(path).status_code == 409
    assert host.rows("mfa_passkey")


@pytest.mark.reference(151, 152, 153, 154)
@pytest.mark.check("N06")
@pytest.mark.parametrize("action", ["rename", "remove"])
def test_another_users_passkey_is_not_there(
    host: Host, ada: tuple[int, Passkey], action: str
) -> None:
    _, theirs = holder(host, email="bob@example.org")
    person = entered(host, ada[1])
    for one in (row(host, theirs)["id"], "x"):
        path = f"{ACCOUNT}/passkeys/{one}/{action}"
        assert person.get(path).status_code == 404
        assert person.post(path, {"name": "Mine"}).status_code == 404
    assert row(host, theirs)["name"] != "Mine"
    assert len(host.rows("mfa_passkey")) == 2


@pytest.mark.reference(150)
@pytest.mark.check("S08")
def test_a_passkey_is_removed_only_with_a_fresh_proof(host: Host, ada: tuple[int, Passkey]) -> None:
    with host.clock() as clock:
        person = entered(host, ada[1])
        clock.tick(301)
        person.post(f"{ACCOUNT}/passkeys/{row(host, ada[1])['id']}/remove", follow=True)
        assert person.at == "/mfa/challenge/passkey"
        assert host.rows("mfa_passkey")


@pytest.mark.reference(138, 144, 149, 197, 201)
def test_the_policy_is_the_account_pages_part_and_leads_back(
    host: Host, ada: tuple[int, Passkey]
) -> None:
    person = entered(host, ada[1])
    person.get(POLICY)
    one = row(host, ada[1])["id"]
    add, remove = "/mfa/enroll/passkey?next=", f"{ACCOUNT}/passkeys/{one}/remove?next="
    back = "/mfa/policy/manage_passkey?redirect_uri%3D/back%26state%3Ds"
    assert add in person.text
    assert remove in person.text
    links = [unescape(found) for found in re.findall(r'href="([^"]+)"', page_of(person))]
    link = next(found for found in links if found.startswith(remove))
    assert quote("/mfa/policy/manage_passkey?redirect_uri=/back&state=s") in link or back in link
    person.post(link)
    assert person.at == "/mfa/policy/manage_passkey"
    person.follow()
    assert "You have none." in person.text
    ticket = re.search(r'name="visit" value="(\w+)"', person.text)
    assert ticket is not None
    person.post(POLICY, {"visit": ticket.group(1), "done": "1"})
    assert person.page is not None
    assert person.page.headers["Location"].startswith("/back?state=s&result=done&")


@pytest.mark.reference(140, 141, 142, 143, 145)
@pytest.mark.parametrize("held", [True, False])
def test_switched_off_the_policy_is_for_who_holds_one(make_host: Make, held: bool) -> None:
    """What is there stays removable, and nothing is added."""
    host = make_host(ALLOW_PASSKEY_ENROLLMENT=True, ENFORCE_ONE_MFA_ENROLLMENT=[])
    _, passkey = holder(host)
    host.user("bob@example.org")
    set_allowed(host, False)
    if held:
        person = entered(host, passkey)
        assert person.get(POLICY).status_code == 200
        assert "Add a passkey" not in person.text
        assert f"{row(host, passkey)['id']}/remove" in person.text
        assert "Add a passkey" not in person.get(ACCOUNT).text
    else:
        person = Holder(host)
        person.sign_in("bob@example.org")
        assert person.signed_in()
        assert person.get(POLICY).status_code == 404


def set_allowed(host: Host, allowed: bool) -> None:
    """Set ALLOW_PASSKEY_ENROLLMENT on a running host."""
    import dataclasses

    here: Any = host.app.extensions["melody_mfa"]
    here._settings = dataclasses.replace(here.settings, allow_passkey_enrollment=allowed)


@pytest.mark.parametrize("ticked", [False, True])
def test_a_reset_takes_passkeys_only_where_they_are_ticked(
    host: Host, ada: tuple[int, Passkey], ticked: bool
) -> None:
    host.enroll(ada[0], "otp")
    person = entered(host, ada[1])
    policy = POLICY.replace("manage_passkey", "reset_mfa")
    person.get(policy)
    ticket = re.search(r'name="visit" value="(\w+)"', person.text)
    assert ticket is not None
    ticks = {"passkeys": "1"} if ticked else {}
    person.post(policy, {"visit": ticket.group(1), "factor": "all", **ticks})
    assert not host.rows("mfa_credential")
    assert bool(host.rows("mfa_passkey")) is not ticked


@pytest.mark.check("S04")
def test_a_session_whose_passkeys_were_reset_proves_nothing_by_them(make_host: Make) -> None:
    host = make_host(ALLOW_PASSKEY_ENROLLMENT=True)
    user = host.user()
    host.enroll(user, "otp")
    passkey = Passkey()
    maker = Holder(host)
    maker.sign_in()
    maker.follow()
    maker.code(host.otp(user))
    maker.get("/mfa/enroll/passkey")
    assert maker.make(passkey).status_code == 200
    person = entered(host, passkey)
    policy = POLICY.replace("manage_passkey", "reset_mfa")
    person.get(policy)
    ticket = re.search(r'name="visit" value="(\w+)"', person.text)
    assert ticket is not None
    person.post(policy, {"visit": ticket.group(1), "factor": "all", "passkeys": "1"})
    assert not person.signed_in()
    person.follow()
    assert person.at == "/mfa/enroll"

"""Changes of one's own security in a race: something always remains, and a visit ends once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.authenticator import Passkey
from tests.host import Host, Person
from tests.passkeys import Holder
from tests.races.hosts import host as make
from tests.races.racers import cookie_of, of_user, with_session_of
from tests.races.rig import Race, Racing

pytestmark = pytest.mark.race

Races = Callable[..., Race]
POLICY = "/mfa/policy/reset_mfa?redirect_uri=/back&state=s"


def strict(url: str) -> Host:
    """A host where everybody must hold something, and may hold a passkey."""
    return make(url, ALLOW_PASSKEY_ENROLLMENT=True, ALLOW_EMAIL_MFA_AS_BACKUP=False)


def signed_in(host: Host, user: int, email: str) -> Person:
    """Somebody who has just proven the authenticator."""
    person = Holder(host)
    person.client.environ_base["REMOTE_ADDR"] = f"10.200.{user % 251}.1"
    person.sign_in(email)
    person.follow()
    person.code(host.otp(user))
    assert person.signed_in()
    return person


def remove(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Remove one of two things in one and the same session, or in one of two."""
    path = given["paths"][index % 2]
    person = with_session_of(host, index, given["cookies"][index % len(given["cookies"])])
    yield
    return index % 2, person.post(path).status_code


@pytest.mark.check("N03")
@pytest.mark.parametrize("second", ["email", "passkey"])
@pytest.mark.parametrize("sessions", [1, 2])
def test_of_two_factors_that_are_removed_at_once_one_remains(
    race_on: Races, second: str, sessions: int
) -> None:
    race = race_on(strict)
    host = race.host
    email = f"n03-{second}-{sessions}@racers.example"
    user = host.user(email)
    host.enroll(user, "otp", *(["email"] if second == "email" else []))
    with host.clock() as clock:
        people = []
        for _ in range(sessions):
            people.append(signed_in(host, user, email))
            clock.tick(30)
    if second == "passkey":
        holder = people[0]
        assert isinstance(holder, Holder)
        assert holder.make(Passkey()).status_code == 200
    paths = [
        f"/mfa/account/factors/{row['id']}/remove" for row in of_user(host, "mfa_credential", user)
    ] + [f"/mfa/account/passkeys/{row['id']}/remove" for row in of_user(host, "mfa_passkey", user)]
    assert len(paths) == 2
    given = {"paths": paths, "cookies": [cookie_of(person) for person in people]}
    results = race.run(remove, given)
    left = of_user(host, "mfa_credential", user) + of_user(host, "mfa_passkey", user)
    assert len(left) == 1, Counter(results)
    removals = {"factor_removed", "passkey_removed"}
    assert len([one for one in host.events(user) if one in removals]) == 1
    # 401: what this session had proven went with the factor, before it came to its turn.
    assert {status for _, status in results} <= {303, 401, 404, 409, 503}


def reset(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Send the form of a policy's page."""
    person = with_session_of(host, index, given["cookie"])
    yield
    answer = person.post(POLICY, {"visit": given["ticket"], **given["fields"]})
    return answer.status_code, answer.headers.get("Location", "")


@pytest.mark.check("S09", "N04")
@pytest.mark.parametrize("fields", [{"cancel": "1"}, {"factor": "all"}], ids=["cancel", "reset"])
def test_a_visit_to_a_policy_ends_once(race_on: Races, fields: dict[str, str]) -> None:
    race = race_on(loose)
    host = race.host
    email = f"s09-{next(iter(fields))}@racers.example"
    user = host.user(email)
    host.enroll(user, "otp")
    person = signed_in(host, user, email)
    ticket = re.search(r'name="visit" value="(\w+)"', person.get(POLICY).text)
    assert ticket is not None
    given = {"cookie": cookie_of(person), "ticket": ticket.group(1), "fields": fields}
    results = race.run(reset, given)
    back = [where for _, where in results if where.startswith("/back?")]
    assert len(back) == 1, Counter(status for status, _ in results)
    assert ("result=done" in back[0]) is ("factor" in fields)
    assert host.events(user).count("factor_reset") == (1 if "factor" in fields else 0)
    assert not of_user(host, "mfa_credential", user) or "cancel" in fields


def loose(url: str) -> Host:
    """A host that demands nothing: a reset ends the visit at once."""
    return make(url, ENFORCE_ONE_MFA_ENROLLMENT=[])

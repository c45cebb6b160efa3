"""Messages in a race: no more of them leave than the limits allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.host import Host
from tests.races.hosts import plain, thrifty
from tests.races.racers import arrived, cookie_of, newcomer, of_user, with_session_of
from tests.races.rig import EVERYONE, Race, Racing

pytestmark = pytest.mark.race

Races = Callable[..., Race]


def with_both(host: Host, email: str, number: str) -> int:
    """A user who is asked for the authenticator first: no code leaves at the password."""
    user = host.user(email)
    host.enroll(user, "otp")
    host.enroll(user, "sms", destination=number)
    return user


def ask_for_a_text(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Ask for a code, in a sign-in of one's own. Told: the status, and how many left in all."""
    person = arrived(host, index, given["emails"][index % len(given["emails"])])
    yield
    answer = person.post("/mfa/challenge/sms/send")
    return answer.status_code


def ask_in_one(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Ask for a code in the one pending sign-in."""
    person = with_session_of(host, index, given["cookie"])
    yield
    return person.post("/mfa/challenge/sms/send").status_code


def texts_to(host: Host, number: str) -> int:
    """How many messages to a number left this process."""
    return sum(message.to == number for message in host.texts())


def count_texts(host: Host, numbers: list[str]) -> int:
    """How many messages to some numbers left this process."""
    return sum(texts_to(host, number) for number in numbers)


@pytest.mark.check("O08", "O19")
@pytest.mark.reference(12, 93)
def test_five_texts_leave_for_one_account_however_many_ask(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    number = "+447400444001"
    user = with_both(host, "o08@racers.example", number)
    statuses = Counter(race.run(ask_for_a_text, {"emails": ["o08@racers.example"]}))
    left = sum(race.ask(count_texts, [number]))
    assert left == 5, statuses
    assert statuses[303] == left
    assert set(statuses) <= {303, 429, 503}
    assert host.events(user).count("message_sent") == left


@pytest.mark.check("O08", "O10")
def test_five_texts_leave_for_one_number_however_many_accounts_name_it(race_on: Races) -> None:
    race = race_on(plain)
    number = "+447400444002"
    emails = [f"o08-number-{place}@racers.example" for place in range(8)]
    for email in emails:
        with_both(race.host, email, number)
    statuses = Counter(race.run(ask_for_a_text, {"emails": emails}))
    left = sum(race.ask(count_texts, [number]))
    assert left == 5, statuses
    assert statuses[303] == left


@pytest.mark.check("O08", "O09")
def test_the_budget_of_the_whole_app_holds(race_on: Races) -> None:
    race = race_on(thrifty)
    numbers = [f"+44740044410{place}" for place in range(8)]
    emails = [f"o08-app-{place}@racers.example" for place in range(8)]
    for email, number in zip(emails, numbers, strict=True):
        with_both(race.host, email, number)
    statuses = Counter(race.run(ask_for_a_text, {"emails": emails}))
    left = sum(race.ask(count_texts, numbers))
    # What the other races sent within the hour counts too, as it must.
    assert left <= 7, statuses
    assert statuses[303] == left


@pytest.mark.check("O08", "O04")
def test_one_text_leaves_in_one_sign_in_within_the_pause(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    number = "+447400444003"
    user = with_both(host, "o08-pause@racers.example", number)
    pending = arrived(host, EVERYONE, "o08-pause@racers.example")
    statuses = Counter(race.run(ask_in_one, {"cookie": cookie_of(pending)}))
    assert sum(race.ask(count_texts, [number])) == 1, statuses
    assert statuses[303] == 1
    (challenge,) = of_user(host, "mfa_challenge", user)
    assert challenge["code_kind"] == "sms"


def ask_from_one_address(host: Host, index: int, given: dict[str, Any]) -> Racing:
    """Ask for mail, each for another account, all from one network address."""
    person = newcomer(host, index)
    person.client.environ_base["REMOTE_ADDR"] = given["address"]
    person.sign_in(given["emails"][index])
    yield
    return person.post("/mfa/challenge/email/send").status_code


@pytest.mark.check("O08")
def test_twenty_messages_leave_for_one_address(race_on: Races) -> None:
    race = race_on(plain)
    host = race.host
    emails = [f"o08-address-{place}@racers.example" for place in range(EVERYONE)]
    for email in emails:
        host.enroll(host.user(email), "otp", "email")
    given = {"address": "203.0.113.9", "emails": emails}
    statuses = Counter(race.run(ask_from_one_address, given))
    assert statuses[303] == 20, statuses
    sent = [row for row in host.rows("mfa_event") if row["type"] == "message_sent"]
    assert sum(row["address"] == given["address"] for row in sent) == 20

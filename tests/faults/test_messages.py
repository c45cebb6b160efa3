"""Mail and text messages that do not go as planned, over real connections (F04, F05, N02)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flask_melody_mfa.core.errors import NotDelivered
from flask_melody_mfa.web.sms import TwilioProvider
from tests.host import PHONE, Host, Person
from tests.servers import ApiMode, MailMode, MailServer, TwilioApi, mail_server, twilio_api

Make = Callable[..., Host]

ACCOUNT, TOKEN = "AC" + "0" * 32, "t" * 32


@contextmanager
def mailing(make_host: Make, mode: MailMode) -> Iterator[tuple[Host, MailServer]]:
    """A host whose mail goes to a real server, which behaves as `mode` says."""
    with mail_server(mode) as server:
        host = make_host(
            MAIL_SUPPRESS_SEND=False,
            MAIL_SERVER="127.0.0.1",
            MAIL_PORT=server.port,
            MFA_MAIL_TIMEOUT=1,
            ALLOW_EMAIL_MFA_AS_BACKUP=True,
        )
        yield host, server


def pending(host: Host, *factors: str, **values: Any) -> tuple[int, Person]:
    """Somebody who is asked for the authenticator first, and could take another way."""
    user = host.user(**values)
    host.enroll(user, "otp", *factors)
    person = Person(host)
    person.sign_in()
    return user, person


@pytest.mark.check("F04", "O08")
@pytest.mark.parametrize("mode", ["refuse", "later", "hang", "dribble"])
def test_a_mail_that_does_not_leave_is_told_and_costs_no_pause(
    make_host: Make, mode: MailMode
) -> None:
    with mailing(make_host, mode) as (host, server):
        user, person = pending(host, "email")
        began = time.monotonic()
        answer = person.post("/mfa/challenge/email/send")
        assert time.monotonic() - began < 10
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert "We have sent" not in person.text
        assert host.events(user).count("message_failed") == 1
        assert "message_sent" not in host.events(user)
        assert server.mails == []
        with mail_server() as repaired:
            host.app.config["MAIL_PORT"] = repaired.port
            host.app.extensions.pop("mail", None)
            assert person.post("/mfa/challenge/email/send").status_code == 303, "no pause was burnt"
            (mail,) = repaired.mails
            person.post("/mfa/challenge/email", {"code": code_in(mail.part("plain"))})
            assert person.signed_in()


@pytest.mark.check("F04")
def test_a_mail_that_was_taken_and_not_confirmed_is_good(make_host: Make) -> None:
    with mailing(make_host, "drop") as (host, server):
        _, person = pending(host, "email")
        answer = person.post("/mfa/challenge/email/send")
        assert answer.status_code == 503, "nobody said that it would arrive"
        (mail,) = server.mails
        person.post("/mfa/challenge/email", {"code": code_in(mail.part("plain"))})
        assert person.signed_in()


@pytest.mark.check("F04")
def test_after_an_unconfirmed_mail_only_the_code_of_the_last_one_counts(make_host: Make) -> None:
    with mailing(make_host, "drop") as (host, server):
        _, person = pending(host, "email")
        for _ in range(2):
            assert person.post("/mfa/challenge/email/send").status_code == 503
        first, second = (code_in(mail.part("plain")) for mail in server.mails)
        if first != second:
            assert person.post("/mfa/challenge/email", {"code": first}).status_code == 401
        person.post("/mfa/challenge/email", {"code": second})
        assert person.signed_in()


@pytest.mark.check("F04", "F14")
@pytest.mark.parametrize("error", [OSError("no route"), ValueError("odd"), NotDelivered()])
def test_a_mail_hook_that_raises_is_a_mail_that_did_not_leave(
    make_host: Make, error: Exception
) -> None:
    host = make_host()

    @host.mfa.send_mail
    def fails(mail: Any) -> None:
        raise error

    user, person = pending(host, "email")
    assert person.post("/mfa/challenge/email/send").status_code == 503
    assert host.events(user).count("message_failed") == 1
    person.post("/mfa/challenge/otp", {"code": host.otp(user)})
    assert person.signed_in(), "the other way is open"


@pytest.mark.check("F04", "O08")
def test_failing_mails_count_against_the_limits(make_host: Make) -> None:
    """A provider may have sent what it did not confirm: an attacker gains nothing by its faults."""
    with mailing(make_host, "later") as (host, _):
        _, person = pending(host, "email")
        statuses = [person.post("/mfa/challenge/email/send").status_code for _ in range(12)]
        assert statuses == [503] * 10 + [429] * 2


@pytest.mark.check("F04", "E02")
def test_a_password_works_while_the_mail_server_is_down(make_host: Make) -> None:
    with mailing(make_host, "refuse") as (host, _):
        user = host.user()
        host.enroll(user, "email")
        person = Person(host)
        assert person.sign_in().status_code == 303
        assert person.follow().status_code == 200
        assert "We have sent" not in person.text


@pytest.mark.check("N02")
def test_a_notice_that_does_not_leave_changes_nothing_else(make_host: Make) -> None:
    with mailing(make_host, "refuse") as (host, server):
        user, person = pending(host)
        with host.app.app_context():
            host.mfa.reset(host.get(user))
        assert server.mails == []
        assert host.rows("mfa_credential") == []
        assert not person.signed_in()
        assert "message_failed" in host.events(user), "it is on record"


def code_in(text: str) -> str:
    """The code of a message."""
    found = re.search(r"\b\d{6}\b", text)
    assert found is not None, text
    return found[0]


@contextmanager
def texting(make_host: Make, mode: ApiMode) -> Iterator[tuple[Host, TwilioApi]]:
    """A host whose text messages go to a server that speaks Twilio's API."""
    with twilio_api(mode, account=ACCOUNT, token=TOKEN) as api:
        host = make_host()
        provider = TwilioProvider(ACCOUNT, TOKEN, "+15005550006", api_base=api.url)

        @host.mfa.send_sms
        def send(message: Any) -> None:
            provider.send(message.to, message.text, timeout=0.5)

        yield host, api


@pytest.mark.check("F05", "O08")
@pytest.mark.parametrize("mode", ["4xx", "429", "5xx", "hang"])
def test_a_text_that_is_not_confirmed_is_told_and_sent_once(make_host: Make, mode: ApiMode) -> None:
    with texting(make_host, mode) as (host, api):
        user, person = pending(host, "sms", phone=PHONE)
        began = time.monotonic()
        answer = person.post("/mfa/challenge/sms/send")
        assert time.monotonic() - began < 10
        assert answer.status_code == 503
        assert api.requests == 1, "nothing is tried again unasked"
        assert "We have sent" not in person.text
        assert "message_sent" not in host.events(user)
        api.mode = "ok"
        assert person.post("/mfa/challenge/sms/send").status_code == 303
        person.post("/mfa/challenge/sms", {"code": code_in(api.messages[-1]["Body"])})
        assert person.signed_in()


@pytest.mark.check("F05")
def test_after_a_timeout_the_message_that_came_anyway_is_good_until_the_next(
    make_host: Make,
) -> None:
    with texting(make_host, "hang") as (host, api):
        _, person = pending(host, "sms", phone=PHONE)
        person.post("/mfa/challenge/sms/send")
        api.mode = "ok"
        person.post("/mfa/challenge/sms/send")
        first, second = (code_in(message["Body"]) for message in api.messages)
        if first != second:
            assert person.post("/mfa/challenge/sms", {"code": first}).status_code == 401
        person.post("/mfa/challenge/sms", {"code": second})
        assert person.signed_in()
        assert api.requests == 2, "at most one message too many"

"""Notices by mail: written down first, tried again, told to every address, never in the way."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.core.errors import NotDelivered
from flask_melody_mfa.flows import notices
from flask_melody_mfa.web.deliver import Undeliverable
from flask_melody_mfa.web.notify import SendDue, SendNotice
from flask_melody_mfa.web.state import context
from tests.host import Host, Person

Make = Callable[..., Host]


class Post:
    """A way to send mail that can be down."""

    def __init__(self, host: Host) -> None:
        self.error: Exception | None = None
        self.tried = 0
        self.delivered: list[Any] = []
        host.mfa.send_mail(self.send)

    def send(self, mail: Any) -> None:
        self.tried += 1
        if self.error is not None:
            raise self.error
        self.delivered.append(mail)


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host()


@pytest.fixture
def post(host: Host) -> Post:
    return Post(host)


@pytest.fixture
def ada(host: Host) -> int:
    user = host.user()
    host.enroll(user, "otp", "email")
    return user


def reset_otp(host: Host, user: int) -> None:
    with host.app.app_context():
        host.mfa.reset(host.get(user), ["otp"])


def look_for_due(host: Host) -> None:
    with host.app.app_context():
        SendDue()()


@pytest.mark.check("N01", "N02")
def test_a_notice_waits_while_mail_is_down_and_leaves_once(
    host: Host, post: Post, ada: int
) -> None:
    post.error = NotDelivered()
    with host.clock() as clock:
        reset_otp(host, ada)
        assert len(host.rows("mfa_notice")) == 1
        assert host.events(ada)[-2:] == ["factor_reset", "message_failed"]
        look_for_due(host)
        assert post.tried == 1, "not before its time"
        post.error = None
        clock.tick(61)
        look_for_due(host)
        look_for_due(host)
    assert [mail.to for mail in post.delivered] == ["ada@example.org"]
    assert host.rows("mfa_notice") == []


@pytest.mark.check("N02")
def test_the_change_itself_does_not_depend_on_mail(host: Host, post: Post, ada: int) -> None:
    post.error = RuntimeError("the provider's own error")
    reset_otp(host, ada)
    assert [row["kind"] for row in host.rows("mfa_credential")] == ["email"]
    assert len(host.rows("mfa_notice")) == 1


def test_a_refusal_for_good_is_not_tried_again(host: Host, post: Post, ada: int) -> None:
    post.error = Undeliverable()
    reset_otp(host, ada)
    assert host.rows("mfa_notice") == []
    failed = [row for row in host.rows("mfa_event") if row["type"] == "message_failed"]
    assert [row["outcome"] for row in failed] == ["given_up"]


def test_a_notice_is_given_up_after_its_last_pause(host: Host, post: Post, ada: int) -> None:
    post.error = NotDelivered()
    with host.clock() as clock:
        reset_otp(host, ada)
        for pause in notices.PAUSES:
            clock.tick(pause / 1000 + 1)
            look_for_due(host)
    assert post.tried == len(notices.PAUSES) + 1
    assert host.rows("mfa_notice") == []


def test_a_notice_that_nobody_sent_is_found_again(host: Host, post: Post, ada: int) -> None:
    host.mfa.deliver_later(lambda job: None)  # a queue that lost it
    with host.clock() as clock:
        reset_otp(host, ada)
        assert post.tried == 0
        host.mfa.deliver_later(lambda job: job())
        clock.tick(notices.LEASE / 1000 + 1)
        look_for_due(host)
    assert len(post.delivered) == 1


def test_only_one_of_two_processes_sends_a_notice(host: Host, ada: int) -> None:
    jobs: list[Any] = []
    host.mfa.deliver_later(jobs.append)
    reset_otp(host, ada)
    (job,) = [job for job in jobs if isinstance(job, SendNotice)]
    with host.app.app_context():
        ctx = context()
        taken = notices.take(ctx, job.notice_id)
        assert taken is not None
        notices.sent(ctx, taken)
        assert notices.take(ctx, job.notice_id) is None


def test_a_job_can_be_handed_to_another_process(host: Host, post: Post, ada: int) -> None:
    jobs: list[bytes] = []
    host.mfa.deliver_later(lambda job: jobs.append(pickle.dumps(job)))
    reset_otp(host, ada)
    with host.app.app_context():
        for job in jobs:
            pickle.loads(job)()
    assert len(post.delivered) == 1


@pytest.mark.check("N01", "C01")
def test_what_waits_is_sealed(host: Host, post: Post, ada: int) -> None:
    post.error = NotDelivered()
    reset_otp(host, ada)
    (row,) = host.rows("mfa_notice")
    assert b"ada@" not in bytes(row["sealed"])


@pytest.mark.check("N01", "O15")
def test_an_address_that_is_removed_is_told_of_its_removal(make_host: Make) -> None:
    host = make_host()
    ada = host.user(email_verified=False)
    host.enroll(ada, "email", destination="old@example.org")
    with host.app.app_context():
        host.mfa.reset(host.get(ada), ["email"])
    assert [mail.to for mail in host.mails()] == ["old@example.org"]


def test_a_sign_in_looks_for_due_notices_now_and_then(host: Host, post: Post, ada: int) -> None:
    post.error = NotDelivered()
    with host.clock() as clock:
        reset_otp(host, ada)
        post.error = None
        clock.tick(120)
        Person(host).sign_in()
    assert "reset" in post.delivered[0].subject

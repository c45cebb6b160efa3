"""Hooks, signal handlers and loaders of the host that raise (F14, E10, E11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from flask_melody_mfa import signals
from flask_melody_mfa.core.types import Account
from tests.faults.people import arrived, inside, one, rows_of, somebody, visitor
from tests.host import Host, Person

Make = Callable[..., Host]


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host on which nothing is remembered between two requests."""
    return make_host(MFA_SESSION_RECHECK_SECONDS=0)


class Down(RuntimeError):
    """What a hook raises."""


def raising(*_: Any, **__: Any) -> Any:
    """A hook that fails."""
    raise Down("a canary in the message")


@pytest.mark.check("F14")
@pytest.mark.parametrize("name", ["proof_accepted", "signed_in", "challenge_started"])
def test_a_signal_handler_that_raises_changes_nothing(
    host: Host, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    user, email = somebody(host, "otp")
    calls: list[str] = []

    def handler(app: Any, *, event: Any, **_: Any) -> None:
        calls.append(event.type)
        raising()

    with getattr(signals, name).connected_to(handler, host.app):
        person = inside(host, email, user)
    assert calls == [name]
    assert person.signed_in()
    assert one(rows_of(host, "mfa_credential", user))["last_step"] is not None
    assert f"A handler of the signal {name} failed" in caplog.text


@pytest.mark.check("F14", "L06")
def test_a_signal_handler_that_raises_gives_no_try_back(host: Host) -> None:
    user, email = somebody(host, "otp")
    with signals.proof_refused.connected_to(raising, host.app):
        person = arrived(host, email)
        assert person.post("/mfa/challenge/otp", {"code": "000000"}).status_code == 401
    assert one(rows_of(host, "mfa_user", user))["failures"] == 1


@pytest.mark.check("F14")
def test_a_handler_sees_what_is_committed_already(host: Host) -> None:
    user, email = somebody(host, "otp")
    seen: list[int] = []

    def handler(app: Any, **_: Any) -> None:
        seen.append(len(rows_of(host, "mfa_session", user)))

    with signals.signed_in.connected_to(handler, host.app):
        inside(host, email, user)
    assert seen == [1]


@pytest.mark.check("F14", "N02")
def test_a_queue_that_raises_loses_a_notice_and_nothing_else(host: Host) -> None:
    host.mfa.deliver_later(raising)
    user, _ = somebody(host, "otp")
    with host.app.app_context():
        host.mfa.reset(host.get(user))
    assert rows_of(host, "mfa_credential", user) == []


def describe_fails(host: Host) -> None:
    host.mfa.describe_user(raising)


def load_fails(host: Host) -> None:
    host.mfa.load_user(raising)


def client_fails(host: Host) -> None:
    host.mfa.client_for(raising)


def loader_meets_a_dead_database(host: Host) -> None:
    @host.login_manager.user_loader
    def load(key: str) -> Any:
        raise OperationalError("SELECT", None, Exception("gone"))


@pytest.mark.check("E10", "E11", "F14")
@pytest.mark.parametrize("breaks", [describe_fails, client_fails, loader_meets_a_dead_database])
@pytest.mark.parametrize("path", ["/secret", "/api", "/guarded", "/mfa/challenge", "/mfa/enroll"])
def test_whoever_cannot_be_known_is_not_let_in(
    host: Host, breaks: Callable[[Host], None], path: str
) -> None:
    user, email = somebody(host, "otp")
    person = inside(host, email, user)
    with host.app.app_context():
        host.app.extensions["melody_mfa"].cache.clear()
    breaks(host)
    answer = person.get(path)
    assert answer.status_code in (302, 503)
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]
    assert "canary" not in answer.text
    assert email not in answer.text
    assert person.get("/open").text == "open False"


@pytest.mark.check("E10", "F14", "L18")
@pytest.mark.parametrize("breaks", [describe_fails, load_fails])
def test_a_proof_is_not_judged_for_whoever_cannot_be_known(
    host: Host, breaks: Callable[[Host], None]
) -> None:
    user, email = somebody(host, "otp")
    person = arrived(host, email)
    code = host.otp(user)
    breaks(host)
    answer = person.post("/mfa/challenge/otp", {"code": code})
    assert answer.status_code == 503
    assert one(rows_of(host, "mfa_credential", user))["last_step"] is None
    assert one(rows_of(host, "mfa_user", user))["failures"] == 0


@pytest.mark.check("E10", "F14")
@pytest.mark.parametrize("breaks", [describe_fails, client_fails])
def test_a_login_that_cannot_be_understood_signs_nobody_in(
    host: Host, breaks: Callable[[Host], None]
) -> None:
    _, email = somebody(host, "otp")
    breaks(host)
    person = visitor(host)
    answer = person.sign_in(email, remember="on")
    assert answer.status_code == 503
    host.mfa.describe_user(None)  # type: ignore[type-var]
    host.mfa.client_for(None)  # type: ignore[type-var]
    assert not person.signed_in()
    assert "remember_token" not in person.cookies()
    with person.client.session_transaction() as held:
        assert "_user_id" not in held


@pytest.mark.check("F14", "E11")
def test_a_hook_that_vouches_for_nobody_because_it_fails_lets_nobody_in(host: Host) -> None:
    user, _ = somebody(host, "otp")

    @host.login_manager.request_loader
    def by_key(request: Any) -> Any:
        return host.get(user) if "X-Key" in request.headers else None

    host.mfa.vouches_for(raising)
    answer = Person(host).get("/api", headers={"X-Key": "1"})
    assert answer.status_code == 503
    assert "canary" not in answer.text


@pytest.mark.check("F14")
def test_what_is_no_account_is_no_account(host: Host) -> None:
    user, email = somebody(host, "otp")
    person = inside(host, email, user)
    for odd in (None, "ada", 7, Account(key="")):
        host.mfa.describe_user(lambda user, odd=odd: odd)
        host.app.extensions["melody_mfa"].cache.clear()
        assert person.get("/secret").status_code == 503

"""Hooks and signals of the host's that fail, hang back, or are asynchronous."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_melody_mfa import Account, signals
from tests.host import BROWSER, Host, Person

Make = Callable[..., Host]
JSON = {"Accept": "application/json"}


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host()


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator."""
    user = host.user()
    host.enroll(user, "otp")
    return user


def arrive(host: Host) -> Person:
    person = Person(host)
    person.sign_in()
    person.follow()
    return person


@pytest.fixture
def failing_signals(host: Host) -> Iterator[list[str]]:
    """Every signal has a handler that notes it and fails."""
    heard: list[str] = []
    handlers = []
    for name, signal in signals.BY_NAME.items():

        def handler(app: Any, *, name: str = name, **_: Any) -> None:
            heard.append(name)
            raise RuntimeError(f"the handler of {name} failed")

        signal.connect(handler, host.app)
        handlers.append((signal, handler))
    yield heard
    for signal, handler in handlers:
        signal.disconnect(handler, host.app)


@pytest.mark.check("F14")
def test_a_signal_handler_that_fails_changes_nothing(
    host: Host, ada: int, failing_signals: list[str]
) -> None:
    person = arrive(host)
    person.code("000000")
    assert host.rows("mfa_user")[0]["failures"] == 1
    code = host.otp(ada)
    assert person.code(code).headers["Location"] == "/secret"
    assert person.signed_in()
    assert arrive(host).code(code).status_code == 401
    assert failing_signals == [
        "challenge_started",
        "proof_refused",
        "proof_accepted",
        "signed_in",
        "challenge_started",
        "proof_refused",
    ]


@pytest.mark.check("F14")
def test_a_signal_is_sent_after_its_row_is_written(host: Host, ada: int) -> None:
    found: list[Any] = []

    def handler(app: Any, *, event: Any, account: Account) -> None:
        found.append((app, event.type, account.email, host.events(ada)))

    with signals.signed_in.connected_to(handler, host.app):
        person = arrive(host)
        person.code(host.otp(ada))
    ((app, kind, email, events),) = found
    assert (app, kind, email) == (host.app, "signed_in", "ada@example.org")
    assert events[-1] == "signed_in"


@pytest.mark.check("F14", "E10")
@pytest.mark.parametrize("answer", [None, "ada", {"key": "1"}, RuntimeError("no such column")])
@pytest.mark.parametrize("name", ["describe_user", "load_user"])
def test_a_hook_that_fails_after_the_password_lets_nobody_in(
    host: Host, ada: int, name: str, answer: Any
) -> None:
    person = arrive(host)
    code = host.otp(ada)
    before = getattr(host.mfa._hooks, name)

    def hook(*_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    getattr(host.mfa, name)(hook)
    person.code(code)
    assert person.page is not None and person.page.status_code in (303, 503)
    assert person.page.headers.get("Location", "/login").startswith("/login")
    setattr(host.mfa._hooks, name, before)
    assert not person.signed_in()
    # What was not judged was not consumed, either.
    again = arrive(host)
    again.code(code)
    assert again.signed_in()


@pytest.mark.check("F12", "F13")
@pytest.mark.parametrize("key", ["", "1 ", "x" * 256, "1\x00", "1\ud800", 1, None])
def test_a_key_that_a_database_would_mistake_lets_nobody_in(host: Host, ada: int, key: Any) -> None:
    host.mfa.describe_user(lambda user: Account(key=key, login=user.email))
    person = Person(host)
    assert person.sign_in().status_code == 503
    assert not person.signed_in()


@pytest.mark.check("F14", "E11")
def test_a_hook_that_fails_to_vouch_does_not(host: Host, ada: int) -> None:
    @host.login_manager.request_loader
    def by_key(request: Any) -> Any:
        return host.get(ada) if request.headers.get("X-Key") == "ada" else None

    client = host.app.test_client()

    @host.mfa.vouches_for
    def broken(request: Any) -> bool:
        raise KeyError("scope")

    answer = client.get("/api", headers={**JSON, "X-Key": "ada"})
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert "ada@example.org" not in answer.text


def test_hooks_may_be_asynchronous(host: Host, ada: int) -> None:
    """Else a coroutine, which is true, would vouch for everybody."""

    @host.login_manager.request_loader
    def by_key(request: Any) -> Any:
        return host.get(ada) if request.headers.get("X-Key") else None

    @host.mfa.vouches_for
    async def vouches(request: Any) -> bool:
        return bool(request.headers["X-Key"] == "trusted")

    @host.mfa.describe_user
    async def describe(user: Any) -> Account:
        return Account(key=str(user.id), login=user.email, email=user.email)

    @host.mfa.check_password
    async def check(user: Any, password: str) -> bool:
        return bool(password == "right")

    client = host.app.test_client()
    assert client.get("/api", headers={**JSON, "X-Key": "other"}).status_code == 401
    assert client.get("/api", headers={**JSON, "X-Key": "trusted"}).status_code == 200
    with host.app.test_request_context():
        here = host.app.extensions["melody_mfa"]
        is_right = here.password_check(host.get(ada))
        assert is_right("wrong") is False
        assert is_right("right") is True


def test_a_password_is_checked_by_the_hook_or_the_model(host: Host, ada: int) -> None:
    here = host.app.extensions["melody_mfa"]
    with host.app.app_context():
        user = host.get(ada)
        is_right = here.password_check(user)
        assert is_right("pw") is True
        assert is_right("wrong") is False
        assert here.password_check(object()) is None
        host.mfa.check_password(lambda user, password: password == "by the hook")
        is_right = here.password_check(user)
        assert is_right("pw") is False
        assert is_right("by the hook") is True


@pytest.mark.check("F14")
def test_a_queue_that_takes_no_job_changes_nothing(host: Host, ada: int) -> None:
    @host.mfa.deliver_later
    def full(job: Callable[[], None]) -> None:
        raise RuntimeError("queue is full")

    with host.app.app_context():
        host.mfa.reset(host.get(ada))
    assert host.rows("mfa_credential") == []
    assert host.mails() == []


@pytest.mark.check("E10")
def test_a_user_without_any_of_the_usual_attributes_still_owes_the_gate(host: Host) -> None:
    from flask_login import login_user

    class Bare:
        is_authenticated, is_active, is_anonymous = True, True, False

        def get_id(self) -> str:
            return "77"

    host.login_manager.user_loader(lambda key: Bare())

    @host.app.route("/bare", methods=["POST"])
    def enter() -> str:
        login_user(Bare())
        return "profile of Bare"

    person = Person(host)
    person.post("/bare")
    assert person.at == "/mfa/challenge"
    assert person.client.get("/api", headers={**BROWSER, **JSON}).status_code in (302, 401)
    assert not person.signed_in()

"""Aids for the tests of an app that uses this extension.

    app.test_client_class = MFAClient
    client = app.test_client(user=user, mfa=True, factors={"otp"})

Nothing here weakens the extension: a client with `mfa=True` holds a real session row whose proofs
were written by the test, and only an app with `TESTING` gets one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, current_app
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from flask_melody_mfa.core import otp
from flask_melody_mfa.core.codes import new_id, new_token
from flask_melody_mfa.core.passkeys import ANY_KEY, HANDLE_BYTES, NewPasskey
from flask_melody_mfa.core.types import FactorKind, Instant, Method, NewCredential, Proof
from flask_melody_mfa.flows import challenge as challenges
from flask_melody_mfa.flows import recovery, sign_in
from flask_melody_mfa.flows.enroll import add
from flask_melody_mfa.flows.sign_in import add_session
from flask_melody_mfa.store import accounts, passkeys
from flask_melody_mfa.web import door
from flask_melody_mfa.web.state import State, context, state

__all__ = [
    "MFAClient",
    "assert_requires_mfa",
    "enroll",
    "finish_sign_in",
    "freeze",
    "otp_code",
    "outbox",
    "recovery_codes",
]

STEP: Instant = 30_000
PAGE = {"Accept": "text/html"}
CODE = re.compile(r"\b\d{6}\b", re.ASCII)
MOST_STEPS = 10


def _state_of(app: Flask | None = None) -> State:
    here = state() if app is None else app.extensions["melody_mfa"]
    assert isinstance(here, State)  # noqa: S101
    if not here.app.testing:
        raise RuntimeError("flask_melody_mfa.testing needs an app with TESTING = True")
    return here


class MFAClient(FlaskClient):
    """A test client that is signed in, with or without MFA.

    `user`: gave the password just now. `mfa`: the gate is satisfied, too. `factors`: the factors
    that were proven (default: those that the user holds). `fresh_login`: as Flask-Login's own
    client has it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        user = kwargs.pop("user", None)
        mfa = kwargs.pop("mfa", False)
        factors = kwargs.pop("factors", None)
        fresh = kwargs.pop("fresh_login", True)
        super().__init__(*args, **kwargs)
        if user is not None:
            self._sign_in(user, mfa=mfa, factors=factors, fresh=fresh)

    def _sign_in(self, user: Any, *, mfa: bool, factors: Iterable[str] | None, fresh: bool) -> None:
        fields = {"_user_id": str(user.get_id()), "_fresh": fresh}
        if mfa:
            held = {door.KEY: {"s": make_session(self.application, user, factors)}, **fields}
        else:
            held = give_password(self.application, user, fields)
        with self.session_transaction() as session:
            session.update(held)


@contextmanager
def _pushed(app: Flask) -> Iterator[State]:
    """An app context: the current one if it is this app's, else a new one."""
    if current_app and current_app._get_current_object() is app:  # type: ignore[attr-defined]
        yield _state_of(app)
    else:
        with app.app_context():
            yield _state_of(app)


def give_password(app: Flask, user: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """What a browser's session holds after `login_user`: signed in, or held by a challenge."""
    with _pushed(app) as here:
        begun = sign_in.begin(context(), here.describe(user), method=Method.PASSWORD, parked=fields)
        if isinstance(begun, sign_in.Finished):
            return {door.KEY: {"s": begun.token}, **fields}
        assert isinstance(begun, sign_in.Begun)  # noqa: S101
        return {door.KEY: {"c": begun.token}, **({} if here.settings.mfa_guard else fields)}


def make_session(app: Flask, user: Any, factors: Iterable[str] | None = None) -> str:
    """The token of a new session in which `factors` were proven just now.

    Factors that the user does not hold are enrolled first, so that the gate is met honestly;
    with none given and none held, what the settings demand is enrolled.
    """
    with _pushed(app) as here:
        ctx = context()
        account = here.describe(user)
        holding = ctx.store.read(lambda session: accounts.read_holding(session, account.key))
        kinds = {FactorKind(kind) for kind in factors} if factors is not None else set()
        required = {
            kind
            for kind, is_required in (
                (FactorKind.OTP, ctx.settings.otp_mfa_is_required),
                (FactorKind.EMAIL, ctx.settings.email_mfa_is_required),
                (FactorKind.SMS, ctx.settings.sms_mfa_is_required),
            )
            if is_required
        } | set(holding.must_set_up)
        kinds |= required
        held = set(holding.enrolled) | ({FactorKind.PASSKEY} if holding.passkeys else set())
        if not kinds:
            kinds = set(held)
        if not kinds and ctx.settings.enforce_one_mfa_enrollment:
            kinds = {ctx.settings.enforce_one_mfa_enrollment[0]}
        for kind in sorted(kinds - held):
            enroll(user, kind)
        proofs = tuple(Proof(kind=kind, at=ctx.now) for kind in sorted(kinds))
        token = new_token()

        def work(session: Session) -> None:
            if not accounts.read_holding(session, account.key).known:
                accounts.ensure_user(session, account.key, ctx.now)
            add_session(ctx, session, account.key, Method.PASSWORD, token, proofs)

        ctx.store.run(work)
        return token


def enroll(user: Any, factor: str = "otp", *, destination: str | None = None) -> None:
    """Give a user a factor, as if it had been set up. `destination`: address or number.

    A passkey is held then, and can be named and removed; nobody has the key to use it.
    """
    here = _state_of()
    ctx = context()
    account = here.describe(user)
    kind = FactorKind(factor)
    new: NewCredential
    if kind is FactorKind.OTP:
        new = NewCredential(kind=kind, secret=otp.new_secret())
    elif kind is FactorKind.EMAIL:
        new = NewCredential(kind=kind, destination=destination or account.email)
    elif kind is FactorKind.SMS:
        new = NewCredential(kind=kind, destination=destination or account.phone or "+447400123456")
    elif kind is FactorKind.PASSKEY:
        new = NewPasskey(
            kind=kind,
            credential_id=secrets.token_bytes(32),
            public_key=ANY_KEY,
            sign_count=0,
            uv_initialized=True,
        )
    else:
        raise ValueError("factor: otp, email, sms or passkey")

    def work(session: Session) -> None:
        holding = accounts.read_holding(session, account.key)
        if not holding.known:
            accounts.ensure_user(session, account.key, ctx.now)
            holding = accounts.read_holding(session, account.key)
        if not isinstance(new, NewPasskey):
            add(ctx, session, account, holding, new)
            return
        passkeys.ensure_handle(session, account.key, secrets.token_bytes(HANDLE_BYTES))
        name = f"Passkey {holding.passkeys + 1}"
        passkeys.add(session, account.key, new, row_id=new_id(ctx.now), name=name, now=ctx.now)

    ctx.store.run(work)
    here.cache.drop_user(account.key)


def recovery_codes(user: Any) -> tuple[str, ...]:
    """Give a user new recovery codes, in place of any before; as they would be shown."""
    return recovery.make(context(), _state_of().describe(user))


def otp_code(user: Any) -> str:
    """A code of the user's authenticator that the server will accept next.

    The step after one that was used already, where the drift allows it.
    """
    account = _state_of().describe(user)
    ctx = context()
    holding = ctx.store.read(lambda session: accounts.read_holding(session, account.key))
    rows = holding.of(FactorKind.OTP)
    if not rows:
        raise LookupError("This user has no authenticator: call enroll(user, 'otp').")
    credential = ctx.vault.open_credential(rows[0])
    step = max(ctx.now // STEP - 1, (credential.last_step or 0) + 1)
    if step > ctx.now // STEP + 1:
        raise LookupError("Every code of this moment is used up: move the clock with freeze().")
    return otp.code_at(credential.secret or b"", step)


class Outbox:
    """What the current app sent under test, oldest first."""

    def __iter__(self) -> Iterator[Any]:
        return iter(_state_of().sent)

    def __len__(self) -> int:
        return len(_state_of().sent)

    def __getitem__(self, index: int) -> Any:
        return _state_of().sent[index]

    def clear(self) -> None:
        """Forget what was sent."""
        _state_of().sent.clear()


outbox = Outbox()


class Frozen:
    """A clock that stands until it is moved. `now`: milliseconds since 1970-01-01 UTC."""

    def __init__(self, now: Instant) -> None:
        self.now = now

    def tick(self, seconds: float) -> None:
        """Move the clock; a negative number sets it back."""
        self.now += int(seconds * 1000)

    def __call__(self) -> Instant:
        return self.now


@contextmanager
def freeze(app: Flask | None = None, at: Instant | None = None) -> Iterator[Frozen]:
    """Let the extension's clock stand still, for this app."""
    here = _state_of(app)
    before = here.clock
    here.clock = frozen = Frozen(before() if at is None else at)
    try:
        yield frozen
    finally:
        here.clock = before


def finish_sign_in(client: FlaskClient, response: TestResponse) -> TestResponse:
    """Do what a sign-in still owes; returns the last answer.

    For a suite that signs in through the app's own login view: hand this its answer. Where that
    leads to the challenge, codes are given until it is over, and where something must be set up,
    it is enrolled first. Any other answer comes back as it is.
    """
    app = client.application
    for _ in range(MOST_STEPS):
        target = challenge_url(app, response)
        if target is None:
            return response
        page = client.get(target, headers=PAGE)
        while page.status_code in (302, 303):
            page = client.get(page.headers["Location"], headers=PAGE)
        with _pushed(app) as here:
            response = take_step(client, here, page)
    raise AssertionError("The sign-in does not come to an end.")


def take_step(client: FlaskClient, here: State, page: TestResponse) -> TestResponse:
    """Do what one page of a challenge asks for."""
    path = page.request.path.removeprefix(here.settings.mfa_url_prefix)
    with client.session_transaction() as session:
        token = session.get(door.KEY, {}).get("c", "")
    challenge = challenges.load(context(), token)
    user = here.load_user(challenge.row.user_key)
    where, _, kind = path.strip("/").partition("/")
    if where == "enroll":
        enroll(user, kind or here.settings.enforce_one_mfa_enrollment[0])
        return client.get(
            f"{here.settings.mfa_url_prefix}/challenge", query_string=page.request.args
        )
    assert where == "challenge" and kind, f"{path}: {page.status_code}"  # noqa: S101
    token_of_form = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    form = {"csrf_token": token_of_form.group(1) if token_of_form else "", **page.request.args}
    headers = {**PAGE, "Referer": page.request.url}
    if kind == FactorKind.OTP:
        code = otp_code(user)
    else:
        if challenge.row.code_kind != kind:
            client.post(f"{page.request.path}/send", data=form, headers=headers)
        code = next(
            found.group() for sent in reversed(here.sent) if (found := CODE.search(sent.text))
        )
    return client.post(page.request.path, data={**form, "code": code}, headers=headers)


def challenge_url(app: Flask, response: TestResponse) -> str | None:
    """Where an answer sends to the challenge; None when it does not."""
    if "melody_mfa" not in app.extensions:
        return None
    location = str(response.headers.get("Location", ""))
    prefix = app.extensions["melody_mfa"].settings.mfa_url_prefix
    if response.status_code in (302, 303) and location.startswith(f"{prefix}/challenge"):
        return location
    if response.status_code == 401 and response.mimetype == "application/problem+json":
        problem = response.get_json()
        if problem["code"] == "mfa_required":
            return str(problem["challenge_url"])
    return None


def assert_requires_mfa(client: FlaskClient, url: str, *, method: str = "GET") -> None:
    """Assert that a page leads to the challenge (or its answer is 401 `mfa_required`)."""
    response = client.open(url, method=method, headers=PAGE)
    location = response.headers.get("Location", "")
    leads = challenge_url(client.application, response) is not None
    assert leads, f"{url} answered {response.status_code} {location}"  # noqa: S101

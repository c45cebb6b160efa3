"""A backend of a host's: a client of the server-to-server API, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from werkzeug.test import TestResponse

from flask_melody_mfa.core.clients import OPERATOR
from flask_melody_mfa.flows import clients
from flask_melody_mfa.web.state import context, state
from tests.host import Host

S2S = "/mfa/s2s/v1"


class Backend:
    """Calls the API with a token for some scopes."""

    def __init__(
        self,
        host: Host,
        *scopes: str,
        credentials: tuple[str, str] | None = None,
        name: str = "backend",
        **said: Any,
    ) -> None:
        self.host = host
        self.http = host.app.test_client()
        made = credentials or make_client(host, name=name, scopes=list(scopes), **said)
        self.client_id, self.secret = made
        self.token = self.buy()

    @classmethod
    def of(cls, host: Host, client_id: str) -> Backend:
        """A backend with the credentials of a client that there is."""
        with host.app.app_context():
            made = clients.make_secret(context(actor="cli"), OPERATOR, client_id)
        return cls(host, credentials=(client_id, made.secret))

    def buy(self, **form: str) -> str:
        """A new token."""
        answer = self.ask_token(**form)
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["access_token"])

    def ask_token(self, **form: Any) -> TestResponse:
        """The answer to a token request in the body; None leaves a field out."""
        data = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.secret,
            **form,
        }
        data = {name: value for name, value in data.items() if value is not None}
        return self.http.post(f"{S2S}/token", data=data)

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> TestResponse:
        """Call an operation."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return self.http.open(S2S + path, method=method, headers=headers, **options)

    def get(self, path: str, status: int = 200) -> Any:
        """Read; returns the JSON."""
        answer = self.call("GET", path)
        assert answer.status_code == status, answer.text
        return answer.get_json()

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        """Post; returns the JSON, if there is any."""
        answer = self.call("POST", path, body)
        assert answer.status_code == status, answer.text
        return answer.get_json(silent=True)

    def patch(self, path: str, body: Any, status: int = 200) -> Any:
        """Patch; returns the JSON."""
        answer = self.call("PATCH", path, body)
        assert answer.status_code == status, answer.text
        return answer.get_json()

    def delete(self, path: str, status: int = 204) -> Any:
        """Delete; returns the JSON, if there is any."""
        answer = self.call("DELETE", path)
        assert answer.status_code == status, answer.text
        return answer.get_json(silent=True)


def make_client(
    host: Host, *, client_id: str | None = None, name: str = "a client", **said: Any
) -> tuple[str, str]:
    """A client, made as an operator makes it; returns its id and secret."""
    with host.app.app_context():
        ctx = context(actor="cli")
        client = clients.create(ctx, OPERATOR, {"name": name, **said}, client_id=client_id)
        return client.id, clients.make_secret(ctx, OPERATOR, client.id).secret


def change_client(host: Host, client_id: str, **said: Any) -> None:
    """Change a client as an operator does."""
    with host.app.app_context():
        clients.change(context(actor="cli"), OPERATOR, client_id, said)


@contextmanager
def statements(host: Host) -> Iterator[list[str]]:
    """The statements on our tables that run meanwhile."""
    seen: list[str] = []

    def note(_c: Any, _k: Any, statement: str, *_: Any) -> None:
        if "mfa_" in statement:
            seen.append(statement)

    with host.app.app_context():
        engine = state().store.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)

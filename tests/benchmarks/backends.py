"""What a client's own gate costs the guard, and what a backend's request costs."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, abort, jsonify, request
from sqlalchemy import select, text

from flask_melody_mfa.core.clients import OPERATOR
from flask_melody_mfa.flows import clients
from flask_melody_mfa.web.state import context
from tests.benchmarks.apps import Browser, Site, least, new_email, with_mfa
from tests.benchmarks.pages import signed_in
from tests.benchmarks.rig import Bench, Figure, benchmark

S2S = "/mfa/s2s/v1"
RECHECK = 10
"""MFA_SESSION_RECHECK_SECONDS, as it is by default."""


def with_client(bench: Bench, client: str | None) -> tuple[Site, Browser]:
    """An app whose views are a client's, and somebody who is satisfied there."""
    site = with_mfa(bench.new_database())
    if client is not None:
        with site.app.app_context():
            said = {"name": client, "enforce_one_mfa_enrollment": []}
            clients.create(context(actor="cli"), OPERATOR, said, client_id=client)
    hooks = site.app.extensions["melody_mfa"].hooks
    hooks.client_for = lambda asked, account: client
    return site, signed_in(site, secrets.token_bytes(20))


@benchmark
def a_client(bench: Bench) -> Iterator[Figure]:
    """A protected request at the app's gate, and at that of a client from the database."""
    (one, plain), (other, mine) = with_client(bench, None), with_client(bench, "billing")
    yield bench.compare(
        "a protected request, with a client's override",
        aim=1.05,
        least=lambda: plain.get("/home"),
        ours=lambda: mine.get("/home"),
        engines=(one.engine, other.engine),
        most_ours=0,
    )

    def later(site: Site, browser: Browser) -> Callable[[], object]:
        def job() -> object:
            for _ in range(2):
                site.clock.tick()
            return browser.get("/home")

        return job

    yield bench.compare(
        "the same when it is time to read it again",
        aim=1.1,
        least=later(one, plain),
        ours=later(other, mine),
        engines=(one.engine, other.engine),
        most_ours=1,
    )


class Caller:
    """A backend: as little as will do."""

    def __init__(self, app: Any, token: str) -> None:
        self.http = app.test_client()
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        answer = self.http.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.data


def least_api(site: Site) -> Caller:
    """The least that checks a token by its hash, and answers with a user."""
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    with site.app.app_context():
        site.db.session.execute(text("create table token (hash varchar(64) primary key)"))
        site.db.session.execute(text("insert into token values (:hash)"), {"hash": digest})
        site.db.session.commit()

    def check() -> None:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        found = site.db.session.execute(
            text("select hash from token where hash = :hash"),
            {"hash": hashlib.sha256(shown.encode()).hexdigest()},
        ).first()
        if found is None:
            abort(401)

    @site.app.route("/api/info")
    def info() -> Response:
        check()
        return jsonify(version="1")

    @site.app.route("/api/users/<int:number>")
    def user(number: int) -> Response:
        check()
        found = site.db.session.get(site.user_model, number)
        return jsonify(email=found.email)

    return Caller(site.app, token)


@benchmark
def a_backend(bench: Bench) -> Iterator[Figure]:
    """A token check, and reading a user, beside the least code that does as much."""
    one, other = least(bench.new_database()), with_mfa(bench.new_database(), MFA_S2S_API=True)
    caller = least_api(one)
    with other.app.app_context():
        ctx = context(actor="cli")
        said = {"name": "backend", "scopes": ["read_user"]}
        client = clients.create(ctx, OPERATOR, said)
        secret = clients.make_secret(ctx, OPERATOR, client.id).secret
    answer = other.app.test_client().post(
        f"{S2S}/token",
        data={
            "grant_type": "client_credentials",
            "client_id": client.id,
            "client_secret": secret,
        },
    )
    mine = Caller(other.app, json.loads(answer.data)["access_token"])
    keys = []
    for site in (one, other):
        email = site.user(new_email(), secrets.token_bytes(20))
        with site.app.app_context():
            model = site.user_model
            keys.append(site.db.session.scalar(select(model.id).where(model.email == email)))
    engines = one.engine, other.engine
    yield bench.compare(
        "a token check",
        aim=3.0,
        least=lambda: caller.get("/api/info"),
        ours=lambda: mine.get(f"{S2S}/info"),
        engines=engines,
        most_ours=1,
    )
    yield bench.compare(
        "reading a user with what is held",
        aim=4.0,
        least=lambda: caller.get(f"/api/users/{keys[0]}"),
        ours=lambda: mine.get(f"{S2S}/users/{keys[1]}"),
        engines=engines,
        most_ours=4,
    )

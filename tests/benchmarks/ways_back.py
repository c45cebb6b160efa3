"""What a sign-in costs on a remembered device, and with a recovery code."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator

from sqlalchemy import insert, update

from flask_melody_mfa.testing import recovery_codes
from tests.benchmarks.apps import Browser, Site, code_of, least, new_email, with_mfa
from tests.benchmarks.rig import Bench, Figure, Job, benchmark
from tests.benchmarks.sign_ins import by_code, by_password


def on_device(site: Site, email: str, secret: bytes) -> Job:
    """A sign-in by password in a browser that is remembered."""
    browser = Browser(site.app)
    browser.sign_in(email)
    browser.post("/mfa/challenge/otp", code=code_of(secret, site.clock), remember_device="1")

    def job() -> None:
        browser.cookies.pop("session", None)
        browser.body = ""
        assert email in browser.sign_in(email)

    return job


def by_recovery_code(site: Site, email: str, *, beside: int = 0) -> Job:
    """A sign-in by password and recovery code, up to the page that the user wanted.

    `beside`: so many further codes of the account are in its table. Once all codes are spent they
    are made unspent again, behind the extension's back.
    """
    with site.app.app_context():
        site.app.testing = True
        user = site.db.session.query(site.user_model).filter_by(email=email).one()
        codes, key = recovery_codes(user), user.id
        site.app.testing = False
    table = site.db.metadata.tables["mfa_recovery_code"]
    if beside:
        rows = [
            {
                "id": secrets.token_hex(16),
                "user_key": str(key),
                "code_hash": secrets.token_hex(32),
                "created_at": site.clock(),
            }
            for _ in range(beside)
        ]
        with site.engine.begin() as connection:
            connection.execute(insert(table), rows)
    turns = itertools.count()

    def job() -> None:
        turn = next(turns) % len(codes)
        if turn == 0:
            with site.engine.begin() as connection:
                connection.execute(update(table).values(used_at=None))
        browser = Browser(site.app)
        browser.sign_in(email)
        browser.post("/mfa/challenge/recovery-code", code=codes[turn])
        assert email in browser.get("/home")

    return job


@benchmark
def a_way_back(bench: Bench) -> Iterator[Figure]:
    """On a remembered device; with a recovery code, of few and of many."""
    one = least(bench.new_database())
    few, many = (
        with_mfa(bench.new_database(), ENABLE_RECOVERY_CODE=True, ENABLE_MFA_REMEMBER_DEVICE=True)
        for _ in range(2)
    )
    secret = secrets.token_bytes(20)
    email = few.user(new_email(), secret)
    yield bench.compare(
        "a sign-in on a remembered device",
        aim=2.0,
        least=by_password(one, one.user(new_email())),
        ours=on_device(few, email, secret),
        engines=(one.engine, few.engine),
    )
    ten = by_recovery_code(few, few.user(new_email(), secret))
    yield bench.compare(
        "a sign-in with one of 10 recovery codes",
        aim=2.5,
        least=by_code(one, one.user(new_email(), secret), secret, "/otp"),
        ours=ten,
        engines=(one.engine, few.engine),
    )
    yield bench.compare(
        "with one of 1 000 instead of 10",
        aim=1.1,
        least=ten,
        ours=by_recovery_code(many, many.user(new_email(), secret), beside=990),
        engines=(few.engine, many.engine),
    )

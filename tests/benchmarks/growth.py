"""The same work with few and with many accounts: every look-up goes by an index."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from sqlalchemy import Table, insert

from tests.benchmarks.apps import Browser, Site, code_of, new_email, with_mfa
from tests.benchmarks.rig import Bench, Figure, Job, benchmark
from tests.benchmarks.sign_ins import by_code, by_password

FEW = 1_000
MANY = (100_000, 1_000_000)
CHUNK = 5_000


def rows_of(number: int, now: int) -> dict[str, list[dict[str, object]]]:
    """What is stored of one account that has signed in twice."""
    key, unique = str(number), f"{number:032x}"
    session = {"client": None, "method": "password", "proofs": "[]", "created_at": now}
    event = {"at": now, "actor": "user", "outcome": "ok", "detail": "{}", "user_key": key}
    return {
        "user": [{"id": number, "email": f"account-{number}@example.org", "password": "pw"}],
        "mfa_user": [
            {
                "user_key": key,
                "version": 1,
                "failures": 0,
                "lock_level": 0,
                "must_set_up": "",
                "created_at": now,
            }
        ],
        "mfa_credential": [
            {
                "id": unique,
                "user_key": key,
                "kind": "otp",
                "sealed": b"0" * 48,
                "key_id": "0" * 16,
                "created_at": now,
            }
        ],
        "mfa_session": [
            {
                **session,
                "id": f"{unique[1:]}{turn}",
                "token_hash": f"{unique}{turn:032x}",
                "user_key": key,
                "used_at": now + number,
            }
            for turn in (0, 1)
        ],
        "mfa_event": [
            {**event, "id": f"{unique[1:]}{turn}", "type": "signed_in"} for turn in (0, 1)
        ],
    }


def fill(site: Site, accounts: int) -> None:
    """Put so many accounts into the database."""
    tables: dict[str, Table] = {**site.db.metadata.tables}
    now = site.clock()
    with site.app.app_context(), site.db.engine.begin() as connection:
        for first in range(FEW, FEW + accounts, CHUNK):
            numbers = range(first, min(first + CHUNK, FEW + accounts))
            stored = [rows_of(number, now) for number in numbers]
            for name in stored[0]:
                rows = [row for account in stored for row in account[name]]
                connection.execute(insert(tables[name]), rows)


def reading_again(site: Site, email: str, secret: bytes) -> Job:
    """A protected request for which the session is read from the database."""
    browser = Browser(site.app)
    browser.sign_in(email)
    browser.post("/mfa/challenge/otp", code=code_of(secret, site.clock))
    browser.follow()
    cache = site.app.extensions["melody_mfa"].cache

    def job() -> None:
        cache.clear()
        browser.get("/home")

    return job


def finding(site: Site, email: str) -> Job:
    """A user found by what was typed as login, in another case than it is stored."""
    state = site.app.extensions["melody_mfa"]

    def job() -> None:
        with site.app.app_context():
            state.find_user(email.upper())

    return job


def jobs(site: Site) -> dict[str, Job]:
    """What is compared."""
    secret = secrets.token_bytes(20)
    plain, held = site.user(new_email()), site.user(new_email(), secret)
    return {
        "a sign-in by password": by_password(site, plain),
        "a sign-in with a code": by_code(site, held, secret, "/mfa/challenge/otp"),
        "a session read again": reading_again(site, held, secret),
        "a login of any case looked up": finding(site, held),
    }


@benchmark
def growth(bench: Bench) -> Iterator[Figure]:
    """With 1 000 accounts, and with as many as were asked for."""
    few = with_mfa(bench.new_database())
    fill(few, FEW)
    small = jobs(few)
    for accounts in sorted({*(size for size in MANY if size < bench.accounts), bench.accounts}):
        many = with_mfa(bench.new_database())
        fill(many, accounts)
        for title, job in jobs(many).items():
            yield bench.compare(
                f"{title}: {accounts:_} accounts".replace("_", " "),
                aim=1.05,
                least=small[title],
                ours=job,
                engines=(few.engine, many.engine),
            )

"""What signing in and setting up cost."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from tests.benchmarks.apps import KEY_SHOWN, Browser, Site, code_of, least, new_email, with_mfa
from tests.benchmarks.rig import Bench, Figure, Job, benchmark


def by_password(site: Site, email: str) -> Job:
    """A sign-in by password alone, up to the page that the user wanted."""

    def job() -> None:
        assert email in Browser(site.app).sign_in(email)

    return job


def by_code(site: Site, email: str, secret: bytes, otp: str) -> Job:
    """A sign-in by password and authenticator, up to the page that the user wanted."""

    def job() -> None:
        site.clock.tick()
        browser = Browser(site.app)
        browser.sign_in(email)
        browser.post(otp, code=code_of(secret, site.clock))
        assert email in browser.follow()

    return job


@benchmark
def a_sign_in(bench: Bench) -> Iterator[Figure]:
    """By password where nothing is held or required, and with an authenticator."""
    one, other = least(bench.new_database()), with_mfa(bench.new_database())
    engines = one.engine, other.engine
    yield bench.compare(
        "a sign-in by password, without MFA",
        aim=1.5,
        least=by_password(one, one.user(new_email())),
        ours=by_password(other, other.user(new_email())),
        engines=engines,
    )
    secret = secrets.token_bytes(20)
    yield bench.compare(
        "a sign-in with an authenticator code",
        aim=2.5,
        least=by_code(one, one.user(new_email(), secret), secret, "/otp"),
        ours=by_code(other, other.user(new_email(), secret), secret, "/mfa/challenge/otp"),
        engines=engines,
        most_commits=4,
    )


def key_on(page: str) -> str:
    """The authenticator key that a page shows."""
    found = KEY_SHOWN.search(page)
    assert found is not None, page
    return found[1].replace(" ", "")


@benchmark
def an_enrollment(bench: Bench) -> Iterator[Figure]:
    """From the sign-in over the QR code to the first code; a new user each time."""
    one = least(bench.new_database())
    other = with_mfa(bench.new_database(), ENFORCE_ONE_MFA_ENROLLMENT=["otp"])

    one_user, other_user = one.users(), other.users()

    def plainly() -> None:
        email = next(one_user)
        browser = Browser(one.app)
        browser.sign_in(email)
        key = key_on(browser.get("/otp/setup"))
        browser.post("/otp/setup", code=code_of(key, one.clock))
        assert email in browser.follow()

    def mine() -> None:
        email = next(other_user)
        browser = Browser(other.app)
        key = key_on(browser.sign_in(email))
        browser.post("/mfa/enroll/otp", code=code_of(key, other.clock))
        assert email in browser.follow()

    yield bench.compare(
        "an enrollment with its QR code",
        aim=1.5,
        least=plainly,
        ours=mine,
        engines=(one.engine, other.engine),
    )

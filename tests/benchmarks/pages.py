"""What a request costs when nobody is asked for anything."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

from tests.benchmarks.apps import Browser, Site, code_of, least, new_email, with_mfa
from tests.benchmarks.rig import Bench, Figure, benchmark


def signed_in(site: Site, secret: bytes) -> Browser:
    """A browser of a new user who has proven an authenticator."""
    email = site.user(new_email(), secret)
    browser = Browser(site.app)
    browser.sign_in(email)
    browser.post(
        "/otp" if "/otp" in {rule.rule for rule in site.app.url_map.iter_rules()} else OTP,
        code=code_of(secret, site.clock),
    )
    browser.follow()
    assert email in browser.get("/home")
    return browser


OTP = "/mfa/challenge/otp"


def two_sites(bench: Bench) -> tuple[Site, Site]:
    """The two apps, each with an empty database of its own."""
    return least(bench.new_database()), with_mfa(bench.new_database())


@benchmark
def a_page(bench: Bench) -> Iterator[Figure]:
    """A satisfied session on a protected and on a public page; and nobody on a public page."""
    one, other = two_sites(bench)
    secret = secrets.token_bytes(20)
    plain, mine = signed_in(one, secret), signed_in(other, secret)
    engines = one.engine, other.engine
    yield bench.compare(
        "a protected request with a satisfied session",
        aim=1.05,
        least=lambda: plain.get("/home"),
        ours=lambda: mine.get("/home"),
        engines=engines,
        most_ours=0,
    )
    yield bench.compare(
        "a public page, signed in",
        aim=1.1,
        least=lambda: plain.get("/"),
        ours=lambda: mine.get("/"),
        engines=engines,
        most_ours=0,
    )
    nobody, anybody = Browser(one.app), Browser(other.app)
    yield bench.compare(
        "a public page, anonymous",
        aim=1.05,
        least=lambda: nobody.get("/"),
        ours=lambda: anybody.get("/"),
        engines=engines,
        most_ours=0,
    )

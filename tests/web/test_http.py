"""What every answer of ours has in common: headers, CSRF, redirects, escaping, errors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from flask_melody_mfa.web.urls import safe_path, same_origin_path
from tests.host import BROWSER, PHONE, Host, Person, totp

Make = Callable[..., Host]

HOSTILE = [
    "https://evil.example/",
    "http://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r//evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "https:evil.example",
    "https:/evil.example",
    "http://localhost@evil.example/",
    "http://localhost.evil.example/",
    "http://localhost:80@evil.example",
    "/\x00/evil.example",
    "/\x7f/evil",
    "/a\\..\\evil",
    "evil.example",
    "/%09/../\\evil.example",
    "/" + "a" * 5000,
]


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host with CSRF protection on."""
    return make_host(WTF_CSRF_ENABLED=True)


@pytest.fixture
def ada(host: Host) -> int:
    """A user with an authenticator and email."""
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "email")
    return user


def arrive(host: Host, **fields: Any) -> Person:
    """A person who gave the password and was led to the first step."""
    person = Person(host)
    person.sign_in(**fields)
    person.follow()
    return person


# Headers


@pytest.mark.check("H05", "H07", "H08")
def test_every_page_has_the_headers(make_host: Make) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"])
    host.user()
    person = arrive(host)
    for path in ("/mfa/enroll", "/mfa/enroll/otp", "/mfa/enroll/email", "/mfa/enroll/sms",
                 "/mfa/challenge", "/mfa/challenge/otp"):  # fmt: skip
        headers = person.get(path).headers
        assert headers["Cache-Control"] == "no-store", path
        assert headers["Referrer-Policy"] == "same-origin", path
        assert headers["X-Frame-Options"] == "DENY", path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe-inline" not in headers["Content-Security-Policy"], path
        assert "ETag" not in headers, path


@pytest.mark.check("H05")
def test_a_policy_of_the_hosts_is_left_alone_in_its_layout(make_host: Make) -> None:
    host = make_host(MFA_BASE_TEMPLATE="layout.html")
    from jinja2 import DictLoader

    host.app.jinja_loader = DictLoader(
        {"layout.html": "<title>{% block title %}{% endblock %}</title>{% block head %}"
         "{% endblock %}<main>HOST {% block content %}{% endblock %}</main>"}
    )  # fmt: skip

    @host.app.after_request
    def policy(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    host.user()
    person = arrive(host)
    assert "HOST" in person.text
    assert person.page is not None
    assert person.page.headers["Content-Security-Policy"] == "default-src 'self'"


@pytest.mark.check("H05")
@pytest.mark.parametrize("theirs", ["default-src 'self'", None])
def test_a_default_policy_of_the_hosts_holds_for_our_pages_in_its_layout(
    make_host: Make, theirs: str | None
) -> None:
    host = make_host(MFA_BASE_TEMPLATE="layout.html")
    from jinja2 import DictLoader

    host.app.jinja_loader = DictLoader(
        {"layout.html": "<title>{% block title %}{% endblock %}</title>{% block head %}"
         "{% endblock %}<main>HOST {% block content %}{% endblock %}</main>"}
    )  # fmt: skip

    @host.app.after_request
    def policy(response: Any) -> Any:
        if theirs is not None:
            response.headers.setdefault("Content-Security-Policy", theirs)
        return response

    host.user()
    person = arrive(host)
    assert person.page is not None
    found = person.page.headers.getlist("Content-Security-Policy")
    assert found == [theirs or "frame-ancestors 'none'"]
    assert "Content-Security-Policy" not in person.get("/open").headers or theirs is not None


@pytest.mark.check("H08")
def test_no_address_holds_a_secret(host: Host, ada: int) -> None:
    person = Person(host)
    visited = []
    person.sign_in()
    while person.page is not None and person.page.status_code in (302, 303):
        visited.append(person.page.headers["Location"])
        person.get(visited[-1])
    assert not any(re.search(r"\d{6}|[A-Z2-7]{16}|token|code=", where) for where in visited)


# CSRF


@pytest.mark.check("H01")
@pytest.mark.parametrize(
    "path",
    ["/mfa/challenge/otp", "/mfa/challenge/email", "/mfa/challenge/email/send",
     "/mfa/challenge/cancel", "/mfa/enroll", "/mfa/locale"],
)  # fmt: skip
def test_a_form_without_its_token_changes_nothing(host: Host, ada: int, path: str) -> None:
    person = arrive(host)
    before = host.rows("mfa_challenge"), host.rows("mfa_user")
    sent = len(host.sent)
    person.page = None
    answer = person.post(path, {"code": host.otp(ada), "locale": "fr", "factor": "otp"})
    assert answer.status_code == 400
    assert (host.rows("mfa_challenge"), host.rows("mfa_user")) == before
    assert len(host.sent) == sent


@pytest.mark.check("H01", "H02")
def test_the_token_of_another_browser_is_refused(host: Host, ada: int) -> None:
    other = arrive(host)
    token = other.csrf_token()
    person = arrive(host)
    answer = person.post("/mfa/challenge/otp", {"code": host.otp(ada), "csrf_token": token})
    assert answer.status_code == 400
    assert not person.signed_in()


@pytest.mark.check("H01")
def test_an_expired_token_is_refused_with_a_page(host: Host, ada: int) -> None:
    host.app.config["WTF_CSRF_TIME_LIMIT"] = -1
    person = arrive(host)
    answer = person.code(host.otp(ada))
    assert answer.status_code == 400
    assert answer.mimetype == "text/html"


@pytest.mark.check("H03")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_action_is_done_by_looking(host: Host, ada: int, method: str) -> None:
    person = arrive(host)
    before = host.rows("mfa_challenge"), host.rows("mfa_session"), len(host.sent)
    for rule in host.app.url_map.iter_rules():
        if rule.endpoint.startswith("mfa.") and not rule.arguments:
            person.client.open(rule.rule, method=method, headers=BROWSER)
    assert (host.rows("mfa_challenge"), host.rows("mfa_session"), len(host.sent)) == before


@pytest.mark.parametrize(
    "path", ["/mfa/challenge/cancel", "/mfa/challenge/email/send", "/mfa/locale"]
)
def test_a_wrong_method_is_405_and_says_what_is_allowed(host: Host, path: str) -> None:
    answer = Person(host).get(path)
    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_body_of_a_megabyte_is_refused(host: Host, ada: int) -> None:
    person = arrive(host)
    answer = person.post("/mfa/challenge/otp", {"code": "1" * 1_000_000})
    assert answer.status_code == 413
    assert person.get("/mfa/challenge/otp").status_code == 200


# Redirects


@pytest.mark.check("H04")
@pytest.mark.parametrize("target", HOSTILE)
def test_a_hostile_target_is_no_path(target: str) -> None:
    assert safe_path(target) is None
    assert same_origin_path(target, "http://localhost/") is None


@pytest.mark.check("H04")
@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a", "/a"),
        ("/a?b=c&d=%2F", "/a?b=c&d=%2F"),
        ("/é", "/%C3%A9"),
        ("http://localhost/a?b", "/a?b"),
        ("http://localhost", "/"),
    ],
)
def test_a_good_target_stays(target: str, path: str) -> None:
    assert same_origin_path(target, "http://localhost/") == path


@pytest.mark.check("H04")
@pytest.mark.parametrize("target", HOSTILE)
def test_a_hostile_target_leads_nowhere_after_a_sign_in(make_host: Make, target: str) -> None:
    host = make_host()
    user = host.user()
    host.enroll(user, "otp")
    person = arrive(host)
    answer = person.code(host.otp(user), next=target)
    assert answer.headers["Location"] == "/secret"
    for path in ("/mfa/challenge", "/mfa/enroll"):
        location = person.client.get(
            path, query_string={"next": target}, headers=BROWSER
        ).headers.get("Location", "/")
        assert location.startswith("/") and not location.startswith("//")
        assert "evil" not in location
    location = person.post("/mfa/locale", {"locale": "fr", "next": target}).headers["Location"]
    assert location == "/"


@pytest.mark.check("H04")
def test_two_targets_are_none(make_host: Make) -> None:
    host = make_host()
    user = host.user()
    host.enroll(user, "otp")
    person = arrive(host)
    answer = person.code(host.otp(user), next=["/a", "//evil.example"])
    assert answer.headers["Location"] == "/secret"


@pytest.mark.check("H04")
def test_a_good_target_survives_every_step(make_host: Make) -> None:
    host = make_host(OTP_MFA_IS_REQUIRED=True, EMAIL_MFA_IS_REQUIRED=True)
    host.user()
    person = Person(host)
    person.sign_in(next_url="/api?a=b")
    person.follow()
    person.code(totp(person.secret()))
    person.follow()
    person.post("/mfa/enroll/email/send")
    person.follow()
    person.code(host.last_code())
    assert person.page is not None
    assert person.page.headers["Location"] == "/api?a=b"


# Escaping and errors


@pytest.mark.check("H09")
def test_what_a_user_controls_is_escaped(make_host: Make) -> None:
    markup = "<script>alert(1)</script>"
    host = make_host(MFA_ISSUER=markup, WTF_CSRF_ENABLED=True)
    host.user(f'"{markup}"@example.org')
    person = Person(host)
    person.sign_in(f'"{markup}"@example.org', next_url=f"/secret?{markup}")
    person.follow()
    person.get("/mfa/enroll/otp")
    person.code("000000", name=markup)
    assert person.page is not None
    assert "<script>alert" not in person.page.text


@pytest.mark.check("H12")
def test_a_fault_shows_a_page_without_details(host: Host, ada: int) -> None:
    person = arrive(host)
    with host.app.app_context():
        host.db.session.execute(host.db.text("DROP TABLE mfa_challenge"))
        host.db.session.commit()
    answer = person.get("/mfa/challenge/otp")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    for word in ("Traceback", "sqlite", "mfa_challenge", "SELECT"):
        assert word not in answer.text


def test_a_program_gets_problems_from_our_pages(host: Host, ada: int) -> None:
    answer = host.app.test_client().get(
        "/mfa/challenge/otp", headers={"Accept": "application/json"}
    )
    assert answer.mimetype == "application/problem+json"
    assert answer.status_code in (401, 410)
    body = answer.get_json()
    assert set(body) >= {"type", "title", "status", "code", "detail"}


@pytest.mark.check("F12")
@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\ud800", "x" * 5000, "😀" * 300, "‮abc"])
@pytest.mark.parametrize("name", ["code", "next", "locale", "factor", "name", "later"])
def test_every_field_meets_odd_text(make_host: Make, name: str, value: str) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"])
    host.user()
    person = arrive(host)
    encoded = value.encode("utf-8", "surrogatepass")
    for path in ("/mfa/enroll", "/mfa/enroll/otp", "/mfa/enroll/sms", "/mfa/locale"):
        answer = person.client.post(
            path,
            data=name.encode() + b"=" + b"".join(b"%%%02X" % byte for byte in encoded),
            content_type="application/x-www-form-urlencoded",
            headers=BROWSER,
        )
        assert answer.status_code in (302, 303, 400, 401)


@pytest.mark.check("C08")
def test_odd_user_agents_become_one_line(make_host: Make) -> None:
    host = make_host()
    user = host.user()
    host.enroll(user, "otp")
    person = Person(host)
    person.client.environ_base["HTTP_USER_AGENT"] = "evil\x1b[31m\u2028line\u202e" + "x" * 10_000
    person.sign_in()
    person.follow()
    person.code(host.otp(user))
    agents = [row["user_agent"] for row in host.rows("mfa_event") + host.rows("mfa_session")]
    for agent in agents:
        assert agent.isprintable() and len(agent) <= 255


@pytest.mark.check("H10", "O20")
def test_the_password_step_answers_alike_whatever_is_held(make_host: Make) -> None:
    host = make_host()
    for name in ("none", "otp", "email"):
        user = host.user(f"{name}@example.org")
        if name != "none":
            host.enroll(user, name)
    answers = set()
    for email in ("none", "otp", "email", "unknown"):
        person = Person(host)
        answer = person.post("/login", {"email": f"{email}@example.org", "password": "wrong"})
        answers.add((answer.status_code, answer.text, tuple(sorted(person.cookies()))))
    assert len(answers) == 1


@pytest.mark.check("H10")
@pytest.mark.slow
def test_a_wrong_password_takes_the_same_time_with_and_without_mfa(make_host: Make) -> None:
    from statistics import fmean, variance

    host = make_host()
    host.user("plain@example.org")
    host.enroll(host.user("held@example.org"), "otp")
    times: dict[str, list[float]] = {"plain": [], "held": []}
    client = host.app.test_client()
    for round_ in range(1050):
        for name, measured in times.items():
            before = time.process_time_ns()
            client.post("/login", data={"email": f"{name}@example.org", "password": "wrong"})
            if round_ >= 50:
                measured.append(time.process_time_ns() - before)
    plain, held = (sorted(measured)[: len(measured) * 9 // 10] for measured in times.values())
    spread = (variance(plain) / len(plain) + variance(held) / len(held)) ** 0.5
    assert abs(fmean(plain) - fmean(held)) / spread < 4.5


@pytest.mark.check("C07")
def test_a_whole_flow_at_debug_logs_no_secret(
    make_host: Make, caplog: pytest.LogCaptureFixture
) -> None:
    import logging

    host = make_host(SQLALCHEMY_ECHO=False)
    user = host.user(phone=PHONE)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    try:
        person = Person(host)
        person.sign_in()
        person.get("/mfa/enroll/otp")
        secret = person.secret()
        person.code(totp(secret))
        person.get("/mfa/enroll", follow=True)
        with host.app.app_context():
            host.enroll(user, "sms", destination="+447400777777")
        other = Person(host)
        with host.clock() as clock:
            clock.tick(90)
            other.sign_in()
            other.get("/mfa/challenge/sms")
            other.post("/mfa/challenge/sms/send")
            other.get("/mfa/challenge/sms")
            other.code(host.last_code())
        assert other.signed_in()
        log = caplog.text
    finally:
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    from flask_melody_mfa.core import otp

    assert host.last_code() not in log
    assert otp.encode(secret) not in log
    assert "7400777777" not in log
    for row in host.app.extensions["melody_mfa"].sent:
        assert host.last_code() not in repr(row)


# Languages


def test_the_language_follows_the_browser_and_the_switcher(host: Host, ada: int) -> None:
    person = Person(host)
    person.sign_in()
    person.follow()
    answer = person.client.get(
        "/mfa/challenge/otp", headers={**BROWSER, "Accept-Language": "fr-CA,fr;q=0.9,en;q=0.5"}
    )
    assert answer.headers["Content-Language"] == "fr"
    assert 'lang="fr"' in answer.text
    person.get("/mfa/challenge/otp")
    person.post("/mfa/locale", {"locale": "zh_Hans", "next": "/mfa/challenge/otp"})
    assert person.at == "/mfa/challenge/otp"
    assert person.follow().headers["Content-Language"] == "zh-Hans"
    person.post("/mfa/locale", {"locale": "xx", "next": "/mfa/challenge/otp"})
    assert person.follow().headers["Content-Language"] == "zh-Hans"


def test_the_hosts_babel_decides_where_there_is_one(make_host: Make) -> None:
    from flask_babel import Babel

    host = make_host()
    Babel(host.app, locale_selector=lambda: "fr")
    host.enroll(host.user(), "otp")
    person = arrive(host)
    assert person.page is not None
    assert person.page.headers["Content-Language"] == "fr"

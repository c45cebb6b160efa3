"""`flask mfa explain`, `doctor` and `routes`: what they find, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Blueprint, request
from flask.views import MethodView
from flask_login import login_required
from sqlalchemy import text

from flask_melody_mfa import mfa_exempt, mfa_required
from flask_melody_mfa.cli import mfa_group
from tests.host import Host
from tests.servers import mail_server, make_authority

Make = Callable[..., Host]


def run(host: Host, *words: str) -> Any:
    return host.app.test_cli_runner().invoke(mfa_group, words)


def findings(host: Host, *words: str) -> list[tuple[str, str]]:
    result = run(host, "doctor", "--json", *words)
    found = json.loads(result.stdout)["findings"]
    has_error = any(one["level"] == "error" for one in found)
    assert result.exit_code == (1 if has_error else 0), "the exit code tells whether there is one"
    return [(one["level"], one["subject"]) for one in found]


# explain


def test_explain_tells_the_step_the_rule_and_where_each_value_came_from(make_host: Make) -> None:
    host = make_host(
        OTP_MFA_IS_REQUIRED=True, MFA_CLIENTS={"shop": {"EMAIL_MFA_IS_REQUIRED": True}}
    )
    host.user()
    data = json.loads(run(host, "explain", "ada@example.org", "--json").stdout)
    assert data["step"] == {"type": "set_up", "factors": ["otp"], "may_skip": False}
    assert data["reasons"] == ["rule 4: otp must be set up"]
    assert data["settings"]["otp_mfa_is_required"] == {"value": True, "source": "app"}
    assert data["settings"]["mfa_passkey_is_enough"] == {"value": True, "source": "default"}
    data = json.loads(run(host, "explain", "1", "--client", "shop", "--json").stdout)
    assert data["step"]["factors"] == ["email"]
    assert data["settings"]["email_mfa_is_required"] == {"value": True, "source": "client code"}


def test_explain_for_a_person_says_the_same(make_host: Make) -> None:
    host = make_host()
    ada = host.user()
    host.enroll(ada, "otp")
    result = run(host, "explain", "1")
    assert result.output.startswith("prove (factors: ['otp']")
    assert "ENFORCE_ONE_MFA_ENROLLMENT: ['otp', 'email'] (default)" in result.output


def test_explain_of_nobody_or_of_an_unknown_client_fails(make_host: Make) -> None:
    host = make_host()
    host.user()
    assert run(host, "explain", "nobody@example.org").exit_code == 1
    assert run(host, "explain", "1", "--client", "unknown").exit_code == 1


# doctor: each fault is planted, and found


def test_a_sound_set_up_has_no_errors(make_host: Make) -> None:
    host = make_host(MFA_SECRET_KEYS=["k" * 40], MFA_BASE_URL="http://localhost")
    assert findings(host) == []


def test_it_finds_settings_that_became_wrong(make_host: Make) -> None:
    host = make_host()
    host.app.config["OTP_MFA_REQUIRED"] = True
    assert findings(host) == [("error", "settings")]


def test_it_finds_a_required_factor_that_nothing_delivers(make_host: Make) -> None:
    host = make_host(MFA_MAIL_SENDER=None, EMAIL_MFA_IS_REQUIRED=True)
    assert ("error", "delivery") in findings(host)


def test_it_finds_an_enforced_factor_without_a_sender(make_host: Make) -> None:
    host = make_host(MFA_MAIL_SENDER=None)
    assert ("warning", "delivery") in findings(host)


def test_it_finds_missing_tables(make_host: Make) -> None:
    host = make_host()
    with host.app.app_context():
        host.db.session.execute(text("DROP TABLE mfa_meta"))
        host.db.session.commit()
    assert ("error", "database") in findings(host)


def test_it_finds_a_lost_key_and_a_key_to_be_rotated(make_host: Make, sqlite_url: str) -> None:
    host = make_host(sqlite_url, MFA_SECRET_KEYS=["a" * 40])
    host.enroll(host.user(), "otp")
    both = make_host(sqlite_url, MFA_SECRET_KEYS=["b" * 40, "a" * 40])
    assert findings(both) == [("warning", "keys")]
    lost = make_host(sqlite_url, MFA_SECRET_KEYS=["c" * 40])
    assert findings(lost) == [("error", "keys")]


def test_it_warns_of_keys_that_come_from_the_app(make_host: Make, sqlite_url: str) -> None:
    host = make_host(sqlite_url, TESTING=False, MFA_BASE_URL="https://localhost")
    assert ("warning", "keys") in findings(host)


def test_it_finds_a_login_manager_without_a_login_view(make_host: Make) -> None:
    host = make_host(MFA_SECRET_KEYS=["k" * 40])
    host.login_manager.login_view = None
    assert findings(host) == [("warning", "login")]


def test_it_finds_a_relying_party_of_another_domain(make_host: Make) -> None:
    host = make_host(
        MFA_SECRET_KEYS=["k" * 40],
        MFA_BASE_URL="https://shop.example.org",
        MFA_RP_ID="example.com",
        MFA_ORIGINS=["https://example.com"],
        ALLOW_PASSKEY_ENROLLMENT=True,
        SESSION_COOKIE_SECURE=True,
        REMEMBER_COOKIE_SECURE=True,
    )
    assert findings(host) == [("error", "relying party")]


def test_it_finds_cookies_that_travel_in_the_clear(make_host: Make) -> None:
    host = make_host(
        MFA_SECRET_KEYS=["k" * 40],
        MFA_BASE_URL="https://example.org",
        SESSION_COOKIE_HTTPONLY=False,
    )
    assert findings(host) == [("warning", "cookies"), ("warning", "cookies"), ("error", "cookies")]


def test_it_finds_an_sms_provider_that_cannot_be_loaded(make_host: Make) -> None:
    host = make_host(MFA_SECRET_KEYS=["k" * 40], MFA_SMS_PROVIDER="no.such.provider")
    host.mfa._hooks.send_sms = None
    assert findings(host) == [("error", "sms")]


def test_it_finds_a_mail_server_that_is_down(make_host: Make) -> None:
    host = make_host(
        MFA_SECRET_KEYS=["k" * 40], MAIL_SUPPRESS_SEND=False, MAIL_SERVER="127.0.0.1", MAIL_PORT=9
    )
    assert findings(host) == [("error", "mail")]
    assert findings(host, "--no-connect") == []


def test_it_finds_a_mail_server_whose_certificate_does_not_hold(
    make_host: Make, tmp_path: Path
) -> None:
    authority = make_authority(tmp_path)
    with mail_server(starttls=authority.server()) as server:
        host = make_host(
            MFA_SECRET_KEYS=["k" * 40],
            MAIL_SUPPRESS_SEND=False,
            MAIL_SERVER="localhost",
            MAIL_PORT=server.port,
            MAIL_USE_TLS=True,
        )
        assert findings(host) == [("error", "mail")]


def test_it_finds_a_redis_that_is_down(make_host: Make) -> None:
    host = make_host(MFA_SECRET_KEYS=["k" * 40], MFA_RATE_LIMIT_STORAGE_URI="redis://127.0.0.1:9/0")
    assert findings(host) == [("warning", "redis")]


# routes


@pytest.fixture
def host(make_host: Make) -> Host:
    host = make_host()

    @host.app.route("/token")
    def token() -> str:
        return str(request.authorization)

    @host.app.route("/key")
    def key() -> str:
        return request.headers.get("X-API-Key", "")

    class Things(MethodView):
        decorators: ClassVar[Any] = [login_required]

        def get(self) -> str:
            return "things"

    host.app.add_url_rule("/things", view_func=Things.as_view("things"))
    vault = Blueprint("vault", __name__)
    host.mfa.required_for(vault, client="shop", max_age=60)

    @vault.route("/vault")
    def inside() -> str:
        return "inside"

    host.app.register_blueprint(vault)

    @host.app.route("/hook")
    @mfa_exempt
    def hook() -> str:
        return "hook"

    @host.app.route("/plain")
    @login_required
    @mfa_required
    def plain() -> str:
        return "plain"

    return host


def test_routes_tell_what_stands_before_each_view(host: Host) -> None:
    listed = json.loads(run(host, "routes", "--json").stdout)["routes"]
    stands = {route["rule"]: route["stands"] for route in listed}
    assert stands["/"] == "public"
    assert stands["/secret"] == "login"
    assert stands["/things"] == "login"
    assert stands["/guarded"] == "gate"
    assert stands["/plain"] == "gate"
    assert stands["/fresh"] == "step-up"
    assert stands["/vault"] == "step-up"
    assert stands["/open"] == stands["/hook"] == "exempt"
    assert stands["/token"] == stands["/key"] == "unseen"
    assert {route["rule"]: route["client"] for route in listed}["/vault"] == "shop"


def test_a_ci_can_fail_on_views_that_the_guard_cannot_see(host: Host) -> None:
    result = run(host, "routes", "--fail-on", "unseen")
    assert result.exit_code == 1
    assert "key, token" in result.output
    assert run(host, "routes", "--fail-on", "exempt").exit_code == 1
    host.mfa.exempt("token")
    assert run(host, "routes").exit_code == 0


def test_without_the_guard_it_sees_only_what_is_decorated(make_host: Make) -> None:
    host = make_host(MFA_GUARD=False)
    listed = json.loads(run(host, "routes", "--json").stdout)["routes"]
    stands = {route["rule"]: route["stands"] for route in listed}
    assert stands["/secret"] == "unseen"
    assert stands["/guarded"] == "gate"

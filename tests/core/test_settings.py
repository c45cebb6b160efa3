"""Settings: every problem told at once, nothing weakened by a slip of the pen."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flask_melody_mfa.core.declared import BY_NAME, DECLARED
from flask_melody_mfa.core.errors import ConfigError
from flask_melody_mfa.core.settings import Settings, late_problems
from flask_melody_mfa.core.types import FactorKind

KEY = "k3y-" * 10
OTP, EMAIL, SMS = FactorKind.OTP, FactorKind.EMAIL, FactorKind.SMS
BASE = "https://app.example.org"
TWILIO = {
    "MFA_SMS_PROVIDER": "twilio",
    "TWILIO_ACCOUNT_ID": "AC1",
    "TWILIO_AUTH_TOKEN": "canary-token",
    "TWILIO_SENDER_NUMBER": "+12025550123",
    "MFA_SMS_COUNTRIES": ["US"],
}


def load(**config: Any) -> Settings:
    return Settings.load({"MFA_SECRET_KEYS": [KEY], **config})


def problems(**config: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        load(**config)
    return raised.value.problems


def only_problem(**config: Any) -> str:
    found = problems(**config)
    assert len(found) == 1, found
    return found[0]


# Types and ranges

THRESHOLDS = [
    "MFA_CODE_VERIFY_THRESHOLD",
    "MFA_SIGN_IN_THRESHOLD",
    "EMAIL_MFA_EMAIL_THRESHOLD",
    "SMS_MFA_MESSAGE_THRESHOLD",
    "MFA_SMS_PER_HOUR",
    "MFA_TRIES_PER_CODE",
    "MFA_RECOVERY_CODE_COUNT",
]


@pytest.mark.check("L16")
@pytest.mark.parametrize("name", THRESHOLDS)
def test_a_threshold_given_as_text_is_a_number_and_no_string(name: str) -> None:
    value = getattr(load(**{name: " 10 "}), name.lower())
    assert value == 10
    assert type(value) is int


@pytest.mark.check("L16")
@pytest.mark.parametrize("name", THRESHOLDS)
@pytest.mark.parametrize(
    "value", [0, -1, None, "0", "-1", "", "ten", "1e1", "1_0", "１０", 1.0, True, [10], 10**30]
)
def test_a_threshold_that_would_limit_nothing_or_is_no_number_is_refused(
    name: str, value: Any
) -> None:
    assert only_problem(**{name: value}).startswith(f"{name} ")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("MFA_CODE_SECONDS", [1, 600, "600", timedelta(minutes=5)], [0, 601, timedelta(hours=1)]),
        ("MFA_SESSION_IDLE_SECONDS", [0, 60, timedelta(hours=1)], [1, 59, -60, "59", 1.5]),
        ("MFA_SESSION_MAX_SECONDS", [0, 1, timedelta(days=1)], [-1, timedelta(seconds=0.5)]),
        ("MFA_SESSION_RECHECK_SECONDS", [0, 10], [-1, None]),
        ("MFA_RESEND_SECONDS", [0, "60"], [-1, 3601]),
        ("MFA_CHALLENGE_SECONDS", [600], [0, 86_401]),
        ("MFA_FRESH_SECONDS", [300], [0, None]),
        ("MFA_MAIL_TIMEOUT", [5], [0, 61]),
        ("MFA_REMEMBER_DEVICE_DAYS", [30, "30"], [0, timedelta(days=30)]),
        ("MFA_URL_PREFIX", ["/mfa", "/a/b-c"], ["", "/", "mfa", "/mfa/", "//x", "/../x", "/<a>"]),
        ("MFA_BASE_TEMPLATE", ["layout.html"], ["", None, "/etc/x.html", "a\nb"]),
        ("MFA_LANGUAGES", ["en", "en,pt-BR", ["zh_Hant"]], [[], "English", ["en", "en"], "en;fr"]),
        ("MFA_LOGOUT_VIEWS", [None, [], "auth.logout"], [5, ["a", "a"]]),
        ("MFA_ISSUER", [None, "Bäckerei"], ["a:b", "x" * 65, "a\nb", 5]),
        ("MFA_SMS_COUNTRIES", [None, "US,CA", ["GB"]], ["us", "USA", "U1", "UK", ["US", "US"]]),
        ("MFA_RATE_LIMIT_STORAGE_URI", [None, "redis://c:6379/0", "rediss://u:p@c"],
         ["memory://", "redis://", "http://c", "redis://c:x", 5]),
        ("MFA_SMS_PROVIDER", [None, ""], ["Twilio!", "nodots", 5]),
        ("MFA_MAIL_SENDER", ["a@b.org", ("Ä", "a@b.org"), "A <a@b.org>"],
         ["nobody", "a@b.org\r\nBcc: x@y", ("A", "ä@b.org"), 5]),
        ("BLOCKED_POLICIES", [[], "reset_mfa"], ["reset_mfaa", None]),
        ("EMBEDDED_AUTH_ORIGINS", [[], "https://a.org,http://localhost:3000"], ["*", "https://a/b"]),
        ("MFA_GUARD", [True, "yes", 1, "0"], [None, "", "maybe", 2, "truee"]),
        ("MFA_CLIENTS", [{}], [None, [], "{}", {5: {}}, {"": {}}, {"a b": {}}, {"a": None}]),
    ],
)  # fmt: skip
def test_each_setting_takes_what_it_should_and_nothing_else(
    name: str, good: list[Any], bad: list[Any]
) -> None:
    extra = {"MFA_SMS_COUNTRIES": ["US"]} if name == "MFA_SMS_PROVIDER" else {}
    for value in good:
        load(**{name: value}, **extra)
    for value in bad:
        assert name in only_problem(**{name: value}, **extra), value


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("['otp','email']", [OTP, EMAIL]),
        ('["otp", "email"]', [OTP, EMAIL]),
        ("otp,email", ("otp", "email")),
        (" email , otp ", ["email", "otp"]),
        ("('sms',)", ["sms"]),
        ("otp,", ["otp"]),
        ("[]", []),
        ("", []),
    ],
)
def test_a_list_as_text_is_the_list(text: str, typed: Any) -> None:
    countries = {"MFA_SMS_COUNTRIES": "US"}
    as_text = load(ENFORCE_ONE_MFA_ENROLLMENT=text, **countries)
    assert as_text == load(ENFORCE_ONE_MFA_ENROLLMENT=typed, **countries)
    assert as_text.enforce_one_mfa_enrollment == tuple(typed)
    assert all(isinstance(kind, FactorKind) for kind in as_text.enforce_one_mfa_enrollment)


@pytest.mark.parametrize(
    "value",
    [None, "passkey", ["recovery_code"], ["OTP"], "otp,otp", "otp,,email", "otp;email", ["otp", 5],
     "['otp'", "__import__('os')", {"otp": 1}, "none", True],
)  # fmt: skip
def test_an_enforcement_that_cannot_be_read_is_refused_and_never_empty(value: Any) -> None:
    assert only_problem(ENFORCE_ONE_MFA_ENROLLMENT=value).startswith("ENFORCE_ONE_MFA_ENROLLMENT ")


@pytest.mark.parametrize(
    "value",
    [date(2030, 1, 31), datetime(2030, 1, 31), "2030-01-31", "2030-01-31T00:00:00+00:00",
     datetime(2030, 1, 31, 2, tzinfo=timezone(timedelta(hours=2)))],
)  # fmt: skip
def test_a_date_is_its_midnight_in_utc(value: Any) -> None:
    expected = int(datetime(2030, 1, 31, tzinfo=UTC).timestamp() * 1000)
    assert load(MFA_REQUIRED_FROM=value).mfa_required_from == expected


@pytest.mark.parametrize("value", ["soon", 5, 1893456000.0, "31.01.2030", True])
def test_what_is_no_date_puts_nothing_off(value: Any) -> None:
    assert only_problem(MFA_REQUIRED_FROM=value).startswith("MFA_REQUIRED_FROM ")


# Names


@pytest.mark.check("C05")
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OTP_MFA_REQUIRED", "OTP_MFA_IS_REQUIRED"),
        ("MFA_OTP_IS_REQUIRED", "OTP_MFA_IS_REQUIRED"),
        ("REQUIRED_OTP_MFA", "OTP_MFA_IS_REQUIRED"),
        ("otp_mfa_is_required", "OTP_MFA_IS_REQUIRED"),
        ("OTPMFA_IS_REQUIRED", "OTP_MFA_IS_REQUIRED"),
        ("OTP_MAF_IS_REQUIRED", "OTP_MFA_IS_REQUIRED"),
        ("SMS_MFA_IS_REQUIERD", "SMS_MFA_IS_REQUIRED"),
        ("EMAIL_MFA_ENABLED", None),
        ("ENFORCE_ONE_MFA_ENROLMENT", "ENFORCE_ONE_MFA_ENROLLMENT"),
        ("ENFORCE_MFA_ENROLLMENT", "ENFORCE_ONE_MFA_ENROLLMENT"),
        ("ENABLE_RECOVERY_CODES", "ENABLE_RECOVERY_CODE"),
        ("EMBEDDED_AUTH_ORIGIN", "EMBEDDED_AUTH_ORIGINS"),
        ("CODE_VERIFY_THRESHOLD", "MFA_CODE_VERIFY_THRESHOLD"),
        ("MFA_CODE_SECOND", "MFA_CODE_SECONDS"),
        ("MFA_BYPASS_CODE", None),
        ("MFA_TOTP_INSECURE_BYPASS_CODE", None),
        ("mfa_guard", "MFA_GUARD"),
        ("MFA_" + "X" * 200, None),
    ],
)
def test_a_name_that_looks_like_ours_stops_the_start(name: str, meant: str | None) -> None:
    problem = only_problem(**{name: "000000"})
    assert problem.startswith(f"{name}: ")
    if meant:
        assert f"did you mean {meant}?" in problem
    assert "000000" not in problem


def test_names_of_flask_of_other_extensions_and_of_the_host_are_left_alone() -> None:
    foreign = [
        "BASE_URL",
        "URL_PREFIX",
        "LANGUAGES",
        "CLIENTS",
        "ISSUER",
        "ORIGINS",
        "SMS_PROVIDER",
        "SECRET_KEYS",
        "SMS_TIMEOUT",
        "MAIL_TIMEOUT",
        "MAIL_SENDER",
        "MAIL_DEFAULT_SENDER",
        "MAIL_SUPPRESS_SEND",
        "MAIL_SERVER",
        "RP_ID",
        "LOGIN_DISABLED",
        "REMEMBER_COOKIE_DURATION",
        "REMEMBER_COOKIE_NAME",
        "SESSION_PROTECTION",
        "SESSION_COOKIE_SECURE",
        "SESSION_TYPE",
        "SESSION_MAX_SECONDS",
        "RATELIMIT_STORAGE_URI",
        "SQLALCHEMY_DATABASE_URI",
        "WTF_CSRF_ENABLED",
        "BABEL_DEFAULT_LOCALE",
        "TWILIO_ACCOUNT_SID",
        "SECURITY_TWO_FACTOR",
        "SECURITY_MULTI_FACTOR_RECOVERY_CODES",
        "EMAIL_REQUIRED",
        "OTP_LENGTH",
        "ADMIN_PANEL",
        "AUTH_ORIGINS",
        "REQUIRE_PHONE",
        "SENTRY_DSN",
        "CELERY_BROKER_URL",
    ]
    config = dict(Flask("app").config) | dict.fromkeys(foreign)
    Settings.load({**config, "SECRET_KEY": KEY})
    Settings.load({**config, "SECRET_KEY": KEY, 5: "not even text"})  # type: ignore[dict-item]


def test_no_setting_of_ours_is_taken_for_another() -> None:
    for setting in DECLARED:
        if setting.derived or setting.default is None:
            continue
        load(**{setting.name: setting.default})


# Everything at once


def test_every_problem_is_told_at_once_each_with_its_remedy() -> None:
    found = problems_of(
        {
            "OTP_MFA_REQUIRED": True,
            "MFA_UNKNOWN": 1,
            "MFA_CODE_SECONDS": 601,
            "MFA_CODE_VERIFY_THRESHOLD": 0,
            "ENFORCE_ONE_MFA_ENROLLMENT": ["otp", "fax"],
            "SMS_MFA_IS_REQUIRED": True,
            "MFA_SMS_PROVIDER": "twilio",
            "MFA_BASE_URL": "http://app.example.org",
            "MFA_CLIENTS": {
                "one": {"MFA_GUARD": False, "EMAIL_MFA_IS_REQUIRED": "perhaps"},
                "two": {"redirect_uris": ["http://app.example.org/"]},
            },
        }
    )
    expected = [
        "OTP_MFA_REQUIRED: ",
        "MFA_UNKNOWN: ",
        "MFA_CODE_SECONDS ",
        "MFA_CODE_VERIFY_THRESHOLD ",
        "ENFORCE_ONE_MFA_ENROLLMENT ",
        "MFA_SECRET_KEYS is missing, and SECRET_KEY too",
        "MFA_SMS_COUNTRIES is missing",
        "MFA_BASE_URL is http",
        "TWILIO_ACCOUNT_ID is missing",
        "TWILIO_AUTH_TOKEN is missing",
        "TWILIO_SENDER_NUMBER is missing",
        "MFA_CLIENTS['one']: MFA_GUARD cannot be overridden",
        "MFA_CLIENTS['one']: EMAIL_MFA_IS_REQUIRED is 'perhaps'",
        "MFA_CLIENTS['two']: redirect_uris ",
    ]
    for start in expected:
        assert sum(problem.startswith(start) for problem in found) == 1, (start, found)
    assert len(found) == len(expected), found


def problems_of(config: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        Settings.load(config)
    assert all(problem in str(raised.value) for problem in raised.value.problems)
    return raised.value.problems


def test_a_value_that_cannot_be_read_is_told_once() -> None:
    clients = {"a": {"SMS_MFA_IS_REQUIRED": True}, "b": {"ALLOW_PASSKEY_ENROLLMENT": True}}
    bad = {"MFA_SMS_COUNTRIES": "usa", "MFA_BASE_URL": "nonsense", "TWILIO_AUTH_TOKEN": 5}
    found = problems(**{**TWILIO, **bad}, ALLOW_PASSKEY_ENROLLMENT=True, MFA_CLIENTS=clients)
    assert sorted(problem.split()[0] for problem in found) == sorted(bad)


# Keys


@pytest.mark.check("C05")
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"SECRET_KEY": None},
        {"SECRET_KEY": ""},
        {"SECRET_KEY": "dev"},
        {"SECRET_KEY": b"short"},
        {"SECRET_KEY": 5},
        {"SECRET_KEY": "please-change-me-please-change-me-please"},
        {"SECRET_KEY": "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf"},
        {"MFA_SECRET_KEYS": ["your-secret-key-your-secret-key-your-secret"]},
        {"SECRET_KEY": "dev", "DEBUG": "false", "TESTING": "0"},
        {"SECRET_KEY": KEY, "MFA_SECRET_KEYS": ["short"]},
        {"SECRET_KEY": KEY, "MFA_SECRET_KEYS": [KEY, None]},
        {"SECRET_KEY": KEY, "MFA_SECRET_KEYS": 5},
        {"SECRET_KEY": KEY, "SECRET_KEY_FALLBACKS": "text"},
        {"DEBUG": True},
        {"TESTING": True, "SECRET_KEY": "dev", "MFA_SECRET_KEYS": "short"},
    ],
)
def test_a_missing_short_or_published_key_stops_the_start(config: dict[str, Any]) -> None:
    (problem,) = problems_of(config)
    assert "SECRET_KEY" in problem
    for secret in ("short", "please", "192b9b", "your-secret"):
        assert secret not in problem


@pytest.mark.parametrize("mode", ["DEBUG", "TESTING"])
@pytest.mark.parametrize("on", [True, "true", 1])
def test_the_tutorial_key_does_while_trying_things_out(mode: str, on: Any) -> None:
    settings = Settings.load({"SECRET_KEY": "dev", mode: on})
    assert settings.mfa_secret_keys == ("dev",)
    assert settings.secret_keys_from_app
    assert settings.debug


@pytest.mark.parametrize("unset", [None, "", [], ()])
def test_the_apps_keys_stand_in_newest_first(unset: Any) -> None:
    settings = Settings.load(
        {
            "SECRET_KEY": b"b" * 32,
            "SECRET_KEY_FALLBACKS": [KEY, "too short to be one of ours", "b" * 32],
            "MFA_SECRET_KEYS": unset,
        }
    )
    assert settings.mfa_secret_keys == ("b" * 32, KEY)
    assert settings.secret_keys_from_app
    assert settings.source_of("MFA_SECRET_KEYS") == "default"


def test_own_keys_may_come_as_text_and_bytes() -> None:
    other = "o" * 32
    as_text = Settings.load({"MFA_SECRET_KEYS": f"{KEY},{other}", "SECRET_KEY": "dev"})
    assert as_text.mfa_secret_keys == (KEY, other)
    assert not as_text.secret_keys_from_app
    assert Settings.load({"MFA_SECRET_KEYS": bytes(range(200, 240))}).mfa_secret_keys[0]


def test_nothing_secret_is_shown() -> None:
    settings = load(
        SECRET_KEY="canary-app-key",
        MFA_SECRET_KEYS="canary-" * 10,
        MFA_RATE_LIMIT_STORAGE_URI="redis://u:canary-redis@cache:6379/0?password=canary",
        **TWILIO,
    )
    assert "canary" not in repr(settings)
    public = settings.as_public_dict()
    assert "canary" not in repr(public)
    assert public["mfa_rate_limit_storage_uri"] == "redis://cache:6379/0"
    assert public["enforce_one_mfa_enrollment"] == ["otp", "email"]
    assert public["mfa_required_from"] is None
    assert "mfa_secret_keys" not in public
    day = load(MFA_REQUIRED_FROM="2027-01-01").as_public_dict()["mfa_required_from"]
    assert day == "2027-01-01T00:00:00.000Z"
    bad = problems(
        MFA_SECRET_KEYS="canary",
        MFA_BASE_URL="https://u:canary@example.org",
        MFA_RATE_LIMIT_STORAGE_URI="redis+canary://canary:canary",
        TWILIO_AUTH_TOKEN=["canary"],
        TWILIO_ACCOUNT_ID=7777777,
    )
    assert len(bad) == 5
    assert "canary" not in repr(bad)
    assert "7777777" not in repr(bad)


# Addresses


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://app.example.org", BASE),
        ("HTTPS://App.Example.org:443/", BASE),
        ("https://app.example.org:8443", "https://app.example.org:8443"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(given: str, kept: str) -> None:
    settings = load(MFA_BASE_URL=given)
    assert settings.mfa_base_url == kept
    assert settings.mfa_origins == (kept,)


@pytest.mark.check("C05")
@pytest.mark.parametrize("name", ["MFA_BASE_URL", "MFA_ORIGINS", "EMBEDDED_AUTH_ORIGINS"])
@pytest.mark.parametrize(
    "value",
    ["http://app.example.org", "http://127.0.0.1.example.org", "http://localhost.example.org",
     "app.example.org", "//app.example.org", "ftp://app.example.org", "https://",
     "https://app.example.org/path", "https://u@app.example.org", "https://app.example.org?x",
     "https://app.example.org#", "https://app.example.org:x", "https://app.example.org\\@evil",
     "https://app .example.org", "https://*.example.org", "https://äpp.example.org",
     "javascript:alert(1)", "https://[::1", 5],
)  # fmt: skip
def test_an_origin_that_is_none_or_is_sent_in_the_clear_is_refused(name: str, value: Any) -> None:
    value = value if name == "MFA_BASE_URL" else [value]
    assert only_problem(**{name: value}).startswith(f"{name} ")


def test_http_does_in_debug() -> None:
    origin = "http://app.example.org"
    settings = load(MFA_BASE_URL=origin, EMBEDDED_AUTH_ORIGINS=[origin], DEBUG=True)
    assert settings.mfa_base_url == origin


def test_the_base_url_comes_from_the_server_name_and_never_in_the_clear() -> None:
    named = {"SERVER_NAME": "app.example.org"}
    assert load(**named, PREFERRED_URL_SCHEME="https").mfa_base_url == BASE
    assert load(**named, MFA_BASE_URL="https://b.org").mfa_base_url == "https://b.org"
    assert "PREFERRED_URL_SCHEME" in only_problem(**named, PREFERRED_URL_SCHEME="http")
    assert load(SERVER_NAME="localhost:5000").mfa_base_url == "http://localhost:5000"
    assert load().mfa_base_url is None


def test_the_relying_party_follows_the_base_url() -> None:
    settings = load(MFA_BASE_URL=BASE, MFA_ISSUER="Bakery")
    assert (settings.mfa_rp_id, settings.mfa_rp_name) == ("app.example.org", "Bakery")
    parent = load(
        MFA_BASE_URL=BASE, MFA_RP_ID="example.org", MFA_ORIGINS=[BASE, "https://example.org"]
    )
    assert parent.mfa_rp_id == "example.org"
    for other in ("ample.org", "other.org", "a.app.example.org"):
        assert "MFA_RP_ID" in only_problem(MFA_BASE_URL=BASE, MFA_RP_ID=other)


def test_passkeys_need_a_base_url_with_a_domain() -> None:
    assert "MFA_BASE_URL is missing" in only_problem(ALLOW_PASSKEY_ENROLLMENT=True)
    assert "MFA_BASE_URL is missing" in only_problem(
        MFA_CLIENTS={"a": {"ALLOW_PASSKEY_ENROLLMENT": True}}
    )
    assert "domain" in only_problem(
        ALLOW_PASSKEY_ENROLLMENT=True, MFA_BASE_URL="http://127.0.0.1:5000"
    )
    load(ALLOW_PASSKEY_ENROLLMENT=True, MFA_BASE_URL=BASE)


# Senders and names


@pytest.mark.check("C05")
def test_codes_in_the_log_are_for_debug_only() -> None:
    console = {"MFA_SMS_PROVIDER": "console", "MFA_SMS_COUNTRIES": ["US"]}
    assert "console" in only_problem(**console)
    assert "console" in only_problem(**console, DEBUG="false", TESTING=0)
    assert load(**console, DEBUG=True).mfa_sms_provider == "console"


@pytest.mark.parametrize("name", ["TWILIO_ACCOUNT_ID", "TWILIO_AUTH_TOKEN", "TWILIO_SENDER_NUMBER"])
def test_twilio_needs_its_three_values(name: str) -> None:
    load(**TWILIO)
    assert only_problem(**{**TWILIO, name: ""}).startswith(f"{name} is missing")


def test_twilios_own_name_for_the_account_is_recognised() -> None:
    problem = only_problem(**{**TWILIO, "TWILIO_ACCOUNT_ID": None, "TWILIO_ACCOUNT_SID": "AC1"})
    assert "TWILIO_ACCOUNT_SID is set: rename it" in problem


@pytest.mark.parametrize(
    "config",
    [
        {"SMS_MFA_IS_REQUIRED": True},
        {"ENFORCE_ONE_MFA_ENROLLMENT": "otp,sms"},
        {"MFA_SMS_PROVIDER": "bakery.sms.Provider"},
        {"MFA_SMS_PROVIDER": "bakery.sms:Provider"},
        {"MFA_CLIENTS": {"a": {"SMS_MFA_IS_REQUIRED": True}}},
    ],
)
def test_sms_needs_its_countries(config: dict[str, Any]) -> None:
    assert "MFA_SMS_COUNTRIES is missing" in only_problem(**config)
    assert load(**config, MFA_SMS_COUNTRIES="US,CA").mfa_sms_countries == ("US", "CA")


def test_the_sender_and_the_issuer_come_from_the_app() -> None:
    config = {"MFA_SECRET_KEYS": [KEY], "MAIL_DEFAULT_SENDER": ("Bakery", "no-reply@example.org")}
    settings = Settings.load(config, app_name="bakery:app")
    assert settings.mfa_mail_sender == "Bakery <no-reply@example.org>"
    assert settings.mfa_issuer == settings.mfa_rp_name == "bakery app"
    assert "MAIL_DEFAULT_SENDER" in only_problem(MAIL_DEFAULT_SENDER="nobody")
    assert (
        load(MAIL_DEFAULT_SENDER="nobody", MFA_MAIL_SENDER="a@b.org").mfa_mail_sender == "a@b.org"
    )


# Clients

SYSTEM_FIVE = (
    "otp_mfa_is_required",
    "email_mfa_is_required",
    "sms_mfa_is_required",
    "allow_email_mfa_as_backup",
    "enforce_one_mfa_enrollment",
)


def five(settings: Settings) -> tuple[Any, ...]:
    return tuple(getattr(settings, name) for name in SYSTEM_FIVE)


APP = {"OTP_MFA_IS_REQUIRED": True, "MFA_REMEMBER_DEVICE_DAYS": 7}
APP_FIVE = (True, False, False, True, (OTP, EMAIL))
NONE = (False, False, False, False, ())


@pytest.mark.check("P13")
@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, APP_FIVE),
        ({"use_system_mfa_config": True}, APP_FIVE),
        ({"ENABLE_RECOVERY_CODE": True}, APP_FIVE),
        ({"use_system_mfa_config": False}, NONE),
        ({"use_system_mfa_config": "false"}, NONE),
        ({"EMAIL_MFA_IS_REQUIRED": True}, (False, True, False, False, ())),
        ({"email_mfa_is_required": "true"}, (False, True, False, False, ())),
        ({"OTP_MFA_IS_REQUIRED": False}, NONE),
        ({"ENFORCE_ONE_MFA_ENROLLMENT": ["email"]}, (False, False, False, False, (EMAIL,))),
        ({"ENFORCE_ONE_MFA_ENROLLMENT": []}, NONE),
        ({"ALLOW_EMAIL_MFA_AS_BACKUP": True}, (False, False, False, True, ())),
        (
            {
                "use_system_mfa_config": False,
                "otp_mfa_is_required": 1,
                "allow_email_mfa_as_backup": 1,
            },
            (True, False, False, True, ()),
        ),
    ],
)  # fmt: skip
def test_the_five_follow_use_system_mfa_config(
    overrides: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert five(load(**APP).for_client(overrides)) == expected
    declared = load(**APP, MFA_CLIENTS={"a": overrides})
    assert five(declared.for_client(declared.mfa_clients["a"])) == expected


@pytest.mark.check("P13")
@pytest.mark.parametrize(
    "overrides",
    [
        {"use_system_mfa_config": True, "OTP_MFA_IS_REQUIRED": True},
        {"use_system_mfa_config": True, "enforce_one_mfa_enrollment": []},
        {"use_system_mfa_config": None},
        {"OTP_MFA_REQUIRED": True},
        {"Otp_Mfa_Is_Required": True},
        {"OTP_MFA_IS_REQUIRED": "perhaps"},
        {"OTP_MFA_IS_REQUIRED": None},
        {"OTP_MFA_IS_REQUIRED": True, "otp_mfa_is_required": True},
        {"ENFORCE_ONE_MFA_ENROLLMENT": ["fax"]},
        {"ENFORCE_ONE_MFA_ENROLLMENT": None},
        {"MFA_GUARD": False},
        {"mfa_code_verify_threshold": 99},
        {"MFA_CODE_SECONDS": 5},
        {"redirect_uri": "https://a.org"},
        {"redirect_uris": ["http://a.org/"]},
        {"redirect_uris": ["https://a.org/*"]},
        {"redirect_uris": ["https://a.org/#x"]},
        {"redirect_uris": ["https://u:p@a.org/"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["/relative"]},
        {"origins": ["https://a.org/path"]},
        {"scopes": ["read_everything"]},
        {"allow_native": "sometimes"},
        {"SMS_MFA_IS_REQUIRED": True},
        {5: True},
    ],
)
def test_a_client_with_anything_unclear_is_refused(overrides: dict[Any, Any]) -> None:
    with pytest.raises(ConfigError):
        load(**APP).for_client(overrides)
    assert only_problem(MFA_CLIENTS={"a": overrides}).startswith("MFA_CLIENTS['a']: ")


def test_all_problems_of_a_client_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        load().for_client({"MFA_GUARD": 0, "nonsense": 1, "MFA_PASSKEY_IS_ENOUGH": "x"})
    assert len(raised.value.problems) == 3


def test_other_values_override_one_by_one_and_say_where_they_came_from() -> None:
    settings = load(**APP)
    client = settings.for_client(
        {"enable_recovery_code": True, "MFA_REQUIRED_FROM": date(2030, 1, 1)},
        source="client database",
    )
    assert client.enable_recovery_code
    assert client.mfa_remember_device_days == 7
    assert client.otp_mfa_is_required
    assert client.source_of("ENABLE_RECOVERY_CODE") == "client database"
    assert client.source_of("mfa_required_from") == "client database"
    assert client.source_of("OTP_MFA_IS_REQUIRED") == "app"
    assert client.source_of("EMAIL_MFA_IS_REQUIRED") == "default"
    own = settings.for_client({"EMAIL_MFA_IS_REQUIRED": True})
    assert own.source_of("OTP_MFA_IS_REQUIRED") == "client code"
    with pytest.raises(KeyError):
        settings.source_of("NO_SUCH")


def test_what_a_client_says_of_itself_is_kept_typed_and_frozen() -> None:
    uris = ["https://a.org/back", "http://127.0.0.1:9000/x", "org.example.app:/back"]
    given = {
        "name": "Billing",
        "redirect_uris": uris,
        "origins": "https://a.org:443",
        "scopes": "read_user,root",
        "allow_native": "false",
        "MFA_REQUIRED_FROM": "2030-01-01",
        "BLOCKED_POLICIES": ["reset_mfa"],
    }
    settings = load(MFA_CLIENTS={"billing": given})
    uris.append("https://evil.org/")
    client = settings.mfa_clients["billing"]
    assert client["redirect_uris"] == tuple(uris[:3])
    assert client["origins"] == ("https://a.org",)
    assert client["scopes"] == ("read_user", "root")
    assert client["allow_native"] is False
    assert settings.for_client(client).blocked_policies == ("reset_mfa",)
    with pytest.raises(TypeError):
        client["scopes"] = ()  # type: ignore[index]
    with pytest.raises(TypeError):
        settings.mfa_clients["more"] = {}  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.mfa_guard = False  # type: ignore[misc]
    assert settings.as_public_dict()["mfa_clients"]["billing"]["scopes"] == ["read_user", "root"]


# What depends on other extensions


def test_a_required_factor_without_a_sender_is_an_error() -> None:
    settings = load(EMAIL_MFA_IS_REQUIRED=True, SMS_MFA_IS_REQUIRED=True, MFA_SMS_COUNTRIES="US")
    assert late_problems(settings, mail_sender=True, sms_sender=True) == ((), (), (OTP, EMAIL))
    found, _, _ = late_problems(settings, mail_sender=False, sms_sender=False)
    assert [problem.split()[0] for problem in found] == [
        "EMAIL_MFA_IS_REQUIRED",
        "SMS_MFA_IS_REQUIRED",
    ]


def test_an_enforced_factor_without_a_sender_is_left_out_with_one_warning() -> None:
    settings = load(ENFORCE_ONE_MFA_ENROLLMENT="sms,otp,email", MFA_SMS_COUNTRIES="US")
    found, warnings, left = late_problems(settings, mail_sender=False, sms_sender=False)
    assert (found, left) == ((), (OTP,))
    assert len(warnings) == 1
    kept = settings.with_enforced(left)
    assert kept.enforce_one_mfa_enrollment == (OTP,)
    assert kept.source_of("ENFORCE_ONE_MFA_ENROLLMENT") == "app"


def test_an_enforcement_of_which_nothing_would_remain_is_an_error() -> None:
    settings = load(ENFORCE_ONE_MFA_ENROLLMENT="email")
    found, warnings, left = late_problems(settings, mail_sender=False, sms_sender=True)
    assert len(found) == 1
    assert (warnings, left) == ((), ())
    empty = load(ENFORCE_ONE_MFA_ENROLLMENT=[])
    assert late_problems(empty, mail_sender=False, sms_sender=False) == ((), (), ())


def test_a_client_that_requires_what_cannot_be_sent_is_an_error_too() -> None:
    clients = {
        "mail": {"EMAIL_MFA_IS_REQUIRED": True},
        "only": {"ENFORCE_ONE_MFA_ENROLLMENT": ["email"]},
        "same": {"MFA_REMEMBER_DEVICE_DAYS": 3},
    }
    found, warnings, left = late_problems(
        load(MFA_CLIENTS=clients), mail_sender=False, sms_sender=False
    )
    assert [problem.split(":")[0] for problem in found] == [
        "MFA_CLIENTS['mail']",
        "MFA_CLIENTS['only']",
    ]
    assert (len(warnings), left) == (1, (OTP,))


# Laws

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.dates() | st.datetimes(timezones=st.none() | st.timezones()) | st.timedeltas()
    | st.sampled_from(["otp", "true", "10", "['otp']", "https://a.org", "/x", "twilio", "US", KEY]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    | st.frozensets(st.text(), max_size=3),
    max_leaves=5,
)  # fmt: skip
NAMES = st.sampled_from(
    [
        *BY_NAME, "SECRET_KEY", "SECRET_KEY_FALLBACKS", "DEBUG", "TESTING", "SERVER_NAME",
        "PREFERRED_URL_SCHEME", "MAIL_DEFAULT_SENDER",
    ]
) | st.text()  # fmt: skip
SLOWLY = hypothesis_settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@SLOWLY
@given(st.dictionaries(NAMES, ANYTHING, max_size=8))
def test_whatever_the_config_the_answer_is_settings_or_a_list_of_problems(
    config: dict[str, Any],
) -> None:
    try:
        settings = Settings.load(config)
    except ConfigError as error:
        assert error.problems
        return
    assert 1 <= settings.mfa_code_seconds <= 600
    assert settings.mfa_code_verify_threshold >= 1
    assert settings.mfa_secret_keys
    assert settings.mfa_session_idle_seconds == 0 or settings.mfa_session_idle_seconds >= 60
    settings.as_public_dict()
    late_problems(settings, mail_sender=False, sms_sender=False)


@SLOWLY
@given(st.dictionaries(st.sampled_from([*BY_NAME, *map(str.lower, BY_NAME)]), ANYTHING, max_size=4))
def test_whatever_a_client_says_what_it_may_not_override_stays(overrides: dict[str, Any]) -> None:
    settings = load()
    try:
        client = settings.for_client(overrides)
    except ConfigError:
        return
    for setting in DECLARED:
        if not setting.overridable:
            attribute = setting.attribute
            assert getattr(client, attribute) == getattr(settings, attribute)


@given(
    st.lists(st.sampled_from(["otp", "email", "sms"]), unique=True),
    st.sampled_from(["{0}", "[{0}]", "({0})", " [ {0} , ] "]),
    st.sampled_from(["{0}", "'{0}'", '"{0}"', "  {0} "]),
    st.booleans(),
    st.integers(1, 600),
)
def test_text_means_what_the_typed_value_means(
    kinds: list[str], whole: str, item: str, flag: bool, seconds: int
) -> None:
    text = whole.format(",".join(item.format(kind) for kind in kinds)) if kinds else "[]"
    spelt = {"ENFORCE_ONE_MFA_ENROLLMENT": text, "MFA_GUARD": str(flag)}
    typed = {"ENFORCE_ONE_MFA_ENROLLMENT": kinds, "MFA_GUARD": flag}
    common = {"MFA_SMS_COUNTRIES": "US"}
    assert load(**common, **spelt, MFA_CODE_SECONDS=str(seconds)) == load(
        **common, **typed, MFA_CODE_SECONDS=timedelta(seconds=seconds)
    )

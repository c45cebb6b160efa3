"""What others may rely on by name: the package, its aids, its signals, its addresses, its hooks."""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest
from flask import url_for

import flask_melody_mfa
from flask_melody_mfa import MelodyMFA, signals, testing, testing_fixtures
from flask_melody_mfa.web.state import Hooks
from tests.host import Host

PACKAGE = {
    "Account",
    "ConfigError",
    "FactorKind",
    "MelodyMFA",
    "MfaError",
    "PolicyResult",
    "mfa_exempt",
    "mfa_required",
    "mfa_status",
}

EVENTS = [
    "challenge_started",
    "proof_accepted",
    "proof_refused",
    "proofs_failing",
    "locked",
    "unlocked",
    "factor_enrolled",
    "factor_removed",
    "factor_reset",
    "factor_disabled",
    "email_backup_used",
    "passkey_added",
    "passkey_removed",
    "passkey_clone_suspected",
    "recovery_codes_made",
    "recovery_code_used",
    "device_remembered",
    "device_revoked",
    "device_reuse_detected",
    "signed_in",
    "signed_out",
    "session_revoked",
    "sessions_ended",
    "client_changed",
    "client_secret_made",
    "keys_rotated",
    "admin_viewed_user",
    "message_sent",
    "message_failed",
]

HOOKS = [
    "describe_user",
    "load_user",
    "find_user",
    "check_password",
    "send_mail",
    "send_sms",
    "client_for",
    "is_admin",
    "vouches_for",
    "issue_token",
    "identify_token",
    "set_password_url",
    "list_users",
    "deliver_later",
]

METHODS = {
    "init_app": "(app, db, *, user_model=None)",
    "sign_in": '(user, *, remember=False, next_url=None, client=None, method="password")',
    "password_is_enough": "(user, *, client=None)",
    "verify": "(user, code, *, factor=None)",
    "required_for": (
        "(blueprint, *, factors=None, max_age=None, client=None, phishing_resistant=False)"
    ),
    "exempt": "(target)",
    "password_changed": "(user)",
    "email_changed": "(user)",
    "reset": "(user, factors=None)",
    "unlock": "(user)",
    "erase": "(user)",
    "adopt_otp": "(user, secret, *, name=None)",
    "url_for_policy": "(name, *, redirect_uri, client_id=None, state=None, locale=None)",
    "read_policy_result": "(token, max_age=300)",
}

ENDPOINTS = {
    "mfa.challenge.start": "/mfa/challenge",
    "mfa.enroll.choose": "/mfa/enroll",
    "mfa.passkey.sign_in": "/mfa/passkey/sign-in",
    "mfa.recovery_code.recover": "/mfa/recover",
    "mfa.account.overview": "/mfa/account",
    "mfa.device.list": "/mfa/devices",
    "mfa.policy.show": "/mfa/policy/reset_mfa",
    "mfa.locale": "/mfa/locale",
}
LATER = {"mfa.passkey.sign_in"}
"""Promised, and made by parts of the product that may not stand yet."""


def test_the_package_exports_what_it_promises() -> None:
    assert set(flask_melody_mfa.__all__) == PACKAGE
    assert all(hasattr(flask_melody_mfa, name) for name in PACKAGE)
    assert re.fullmatch(r"\d+\.\d+\.\d+", flask_melody_mfa.__version__)


def test_every_event_has_a_signal_with_a_sentence() -> None:
    assert sorted(signals.BY_NAME) == sorted(EVENTS)
    for name in EVENTS:
        signal = getattr(signals, name)
        assert signal is signals.BY_NAME[name]
        assert signal.name == name and str(signal.__doc__).endswith(".")


def test_the_aids_for_hosts_tests() -> None:
    names = {
        "MFAClient",
        "assert_requires_mfa",
        "enroll",
        "finish_sign_in",
        "freeze",
        "otp_code",
        "outbox",
        "recovery_codes",
    }
    assert set(testing.__all__) == names
    assert all(hasattr(testing, name) for name in names)
    assert {"mfa_clock", "mfa_outbox"} <= set(vars(testing_fixtures))


def test_every_hook_is_a_decorator_of_the_extension() -> None:
    assert {field.name for field in dataclasses.fields(Hooks)} == set(HOOKS)
    for name in HOOKS:
        mfa = MelodyMFA()

        def hook(*arguments: object) -> None: ...

        assert getattr(mfa, name)(hook) is hook
        assert getattr(mfa._hooks, name) is hook
        assert str(getattr(MelodyMFA, name).__doc__).startswith("Hook: ")


@pytest.mark.parametrize("name", METHODS)
def test_the_extension_has_its_methods_and_their_arguments(name: str) -> None:
    parameters = list(inspect.signature(getattr(MelodyMFA, name)).parameters.values())[1:]
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    said = str(inspect.Signature(plain)).replace("'", '"')
    assert said == METHODS[name]


def test_the_extension_has_no_other_public_name() -> None:
    public = {name for name in vars(MelodyMFA) if not name.startswith("_")}
    assert public - LATER == {*HOOKS, *METHODS}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_public_endpoint_has_its_address(make_host: type[Host], endpoint: str) -> None:
    host = make_host()
    if endpoint in LATER and endpoint not in host.app.view_functions:
        pytest.skip("made by another part of the product")
    with host.app.test_request_context():
        values = {"name": "reset_mfa"} if endpoint == "mfa.policy.show" else {}
        assert url_for(endpoint, **values) == ENDPOINTS[endpoint]

"""docs/settings.md says what the code does."""

from __future__ import annotations

import dataclasses
import re

from flask_melody_mfa.core.declared import DECLARED, SYSTEM
from flask_melody_mfa.core.settings import Settings
from tests.documentation.settings import default_of
from tests.make_docs import FOLDER

PAGE = (FOLDER / "settings.md").read_text(encoding="utf-8")
ROWS = {
    found[1]: (found[2], found[3])
    for found in re.finditer(r"^\| `([A-Z0-9_]+)` ?([◆●]*) \| (.*?) \|", PAGE, re.MULTILINE)
}


def test_every_setting_stands_once_on_the_page_with_its_default_and_marks() -> None:
    assert list(ROWS) == [setting.name for setting in DECLARED]
    for setting in DECLARED:
        marks, default = ROWS[setting.name]
        assert default == default_of(setting)
        assert ("◆" in marks) is setting.overridable
        assert ("●" in marks) is setting.system


def test_every_declared_setting_is_a_field_in_the_same_order_and_none_is_missing() -> None:
    fields = [field.name for field in dataclasses.fields(Settings)]
    declared = [setting.attribute for setting in DECLARED]
    assert fields[: len(declared)] == declared
    assert fields[len(declared) :] == ["secret_keys_from_app", "debug", "sources"]


def test_a_declared_default_without_a_derived_value_takes_effect() -> None:
    settings = Settings.load({"SECRET_KEY": "k" * 40})
    for setting in DECLARED:
        if not setting.derived:
            assert getattr(settings, setting.attribute) == setting.default, setting.name
        assert settings.source_of(setting.name) == "default"


def test_what_clients_may_override_does_not_grow_unseen() -> None:
    assert [setting.name for setting in DECLARED if setting.overridable] == [
        "OTP_MFA_IS_REQUIRED",
        "EMAIL_MFA_IS_REQUIRED",
        "SMS_MFA_IS_REQUIRED",
        "ENFORCE_ONE_MFA_ENROLLMENT",
        "ALLOW_EMAIL_MFA_AS_BACKUP",
        "ALLOW_PASSKEY_ENROLLMENT",
        "ENABLE_RECOVERY_CODE",
        "ENABLE_MFA_REMEMBER_DEVICE",
        "MFA_REMEMBER_DEVICE_DAYS",
        "MFA_ASK_EVERY_ENROLLED",
        "MFA_PASSKEY_IS_ENOUGH",
        "MFA_RECOVERY_CODE_IS_ENOUGH",
        "MFA_EXTERNAL_SIGN_IN_IS_ENOUGH",
        "MFA_REQUIRED_FROM",
        "BLOCKED_POLICIES",
    ]
    assert SYSTEM == (
        "OTP_MFA_IS_REQUIRED",
        "EMAIL_MFA_IS_REQUIRED",
        "SMS_MFA_IS_REQUIRED",
        "ENFORCE_ONE_MFA_ENROLLMENT",
        "ALLOW_EMAIL_MFA_AS_BACKUP",
    )

"""The gate: a named case for every sentence of section 3 of the contract."""

from __future__ import annotations

from typing import Any

import pytest

from flask_melody_mfa.core.gate import (
    Facts,
    NeedPassword,
    Prove,
    Satisfied,
    SetUp,
    SignIn,
    Step,
    StepUp,
    Stuck,
    backup_stands_for,
    decide,
    explain,
    level_of,
    next_step,
    step_up,
)
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import FactorKind, Method

SETS = frozenset(
    {"enrolled", "disabled", "must_set_up", "available", "proven", "backed_up", "device"}
)
NEED_OTP = {"OTP_MFA_IS_REQUIRED": True}
NEED_SMS = {"SMS_MFA_IS_REQUIRED": True}
NEED_EMAIL = {"EMAIL_MFA_IS_REQUIRED": True}
NO_BACKUP = {"ALLOW_EMAIL_MFA_AS_BACKUP": False}
NO_ENFORCEMENT: dict[str, Any] = {"ENFORCE_ONE_MFA_ENROLLMENT": []}
EVERY = {"MFA_ASK_EVERY_ENROLLED": True}
RECOVERY = {"ENABLE_RECOVERY_CODE": True}
DEVICES = {"ENABLE_MFA_REMEMBER_DEVICE": True}
WEAK_PASSKEY = {"MFA_PASSKEY_IS_ENOUGH": False}
WEAK_EXTERNAL = {"MFA_EXTERNAL_SIGN_IN_IS_ENOUGH": False}
STRONG_RECOVERY = {**RECOVERY, "MFA_RECOVERY_CODE_IS_ENOUGH": True}
PASSKEYS = {"ALLOW_PASSKEY_ENROLLMENT": True, "MFA_BASE_URL": "https://app.example.org"}


def settings(*parts: dict[str, Any]) -> Settings:
    config: dict[str, Any] = {"MFA_SECRET_KEYS": ["k3y-" * 10], "MFA_SMS_COUNTRIES": ["US"]}
    for part in parts:
        config |= part
    return Settings.load(config)


def facts(**given: Any) -> Facts:
    """Facts with sets given as words: `enrolled="otp sms"`."""
    return Facts(
        **{
            name: frozenset(value.split()) if name in SETS else value
            for name, value in given.items()
        }
    )


def prove(factors: str, *alternatives: str) -> Prove:
    return Prove(
        factors=tuple(FactorKind(kind) for kind in factors.split()), alternatives=alternatives
    )


def set_up(factors: str, *, may_skip: bool = False) -> SetUp:
    kinds = tuple(FactorKind(kind) for kind in factors.split())
    return SetUp(factors=kinds, may_skip=may_skip)


def case(
    sentence: str,
    step: Step,
    *parts: dict[str, Any],
    marks: tuple[pytest.MarkDecorator, ...] = (),
    **given: Any,
) -> Any:
    return pytest.param(parts, given, step, id=sentence.replace(" ", "-"), marks=marks)


reference = pytest.mark.reference
check = pytest.mark.check

HELD = [
    case(
        "a held factor that is unavailable stays held and nothing new is set up instead",
        Stuck(reason="cannot_prove"), NO_BACKUP, enrolled="otp", available="email sms",
    ),
    case(
        "a held factor that is unavailable leaves what stands in for it",
        prove("", "email_backup"), enrolled="otp", available="email sms",
    ),
    case("a passkey alone is something held", prove("passkey"), passkeys=1),
    case(
        "usable is what is held and available and not disabled",
        prove("email"), enrolled="otp sms email", disabled="otp", available="otp email",
    ),
    case("what is available but not held is never asked for", prove("sms"), NO_BACKUP,
         enrolled="sms", available="otp sms email"),
    case("factors are asked in the order otp then sms then email",
         prove("otp sms email"), enrolled="email sms otp"),
    case("required factors are asked in the order otp first", prove("otp"),
         NEED_OTP, NEED_SMS, NEED_EMAIL, enrolled="otp sms email"),
    case("required factors are asked in the order sms second", prove("sms"),
         NEED_OTP, NEED_SMS, NEED_EMAIL, enrolled="otp sms email", proven="otp"),
    case("required factors are asked in the order email last", prove("email"),
         NEED_OTP, NEED_SMS, NEED_EMAIL, enrolled="otp sms email", proven="otp sms"),
    case("a proof of a factor that is no longer held counts for nothing", prove("sms"),
         NO_BACKUP, enrolled="sms", proven="otp"),
]  # fmt: skip

RULE_1 = [
    case("an external sign-in is enough by default", Satisfied(), NEED_OTP,
         method="external", enrolled="otp"),
    case("an external sign-in that is not enough is asked like a password", prove("otp"),
         NEED_OTP, WEAK_EXTERNAL, NO_BACKUP, method="external", enrolled="otp"),
    case("an external sign-in that is not enough may set up a first factor", set_up("otp email"),
         WEAK_EXTERNAL, method="external"),
    case("a trusted sign-in is satisfied whatever is required", Satisfied(),
         NEED_OTP, NEED_SMS, EVERY, method="trusted", enrolled="otp", must_set_up="email"),
    case("a passkey sign-in is enough by default", Satisfied(),
         NEED_OTP, method="passkey", passkeys=1, enrolled="otp"),
    case("a passkey sign-in is enough even with a set-up demanded", Satisfied(),
         method="passkey", passkeys=1, must_set_up="sms"),
    case("a recovery sign-in is enough where the setting says so", Satisfied(),
         NEED_OTP, STRONG_RECOVERY, method="recovery_code", enrolled="otp"),
    case("a recovery sign-in is not enough by default", prove("otp"),
         RECOVERY, method="recovery_code", enrolled="otp"),
    case("a password is never enough where something is held", prove("otp"), NO_BACKUP,
         enrolled="otp"),
    case("a remembered sign-in is never enough where something is held", prove("otp"), NO_BACKUP,
         method="remembered", enrolled="otp"),
    case("an unknown method fails closed", Stuck(reason="unknown_method"),
         NO_ENFORCEMENT, method="magic_link", marks=(check("E11"),)),
    case("an unknown held factor fails closed", Stuck(reason="unknown_factor"),
         NO_ENFORCEMENT, enrolled="pigeon", proven="pigeon", marks=(check("E11"),)),
    case("an unknown demanded factor fails closed", Stuck(reason="unknown_factor"),
         NO_ENFORCEMENT, must_set_up="pigeon", marks=(check("E11"),)),
]  # fmt: skip

RULE_2 = [
    case("a recovery sign-in proves any held factor", prove("otp sms email"),
         RECOVERY, method="recovery_code", enrolled="otp sms email"),
    case("a recovery sign-in may prove a passkey", prove("otp", "passkey"),
         RECOVERY, method="recovery_code", enrolled="otp", passkeys=1),
    case("a recovery sign-in is satisfied once a held factor is proven", Satisfied(),
         RECOVERY, method="recovery_code", enrolled="otp sms", proven="sms"),
    case("a recovery sign-in is satisfied once a passkey is proven", Satisfied(),
         RECOVERY, method="recovery_code", enrolled="otp", passkeys=1, proven="passkey"),
    case("a recovery sign-in with nothing held reaches no set-up",
         Stuck(reason="recovery_needs_factor"), RECOVERY, method="recovery_code"),
    case("a recovery sign-in with nothing held reaches no required set-up",
         Stuck(reason="recovery_needs_factor"), RECOVERY, NEED_OTP, method="recovery_code"),
    case("a recovery sign-in with nothing held and nothing enforced does not reach rule 7",
         Stuck(reason="recovery_needs_factor"), RECOVERY, NO_ENFORCEMENT, method="recovery_code"),
    case("a recovery sign-in with nothing usable is stuck", Stuck(reason="recovery_needs_factor"),
         RECOVERY, method="recovery_code", enrolled="otp", available="email"),
    case("a recovery sign-in with nothing usable is stuck for that reason where it is required too",
         Stuck(reason="recovery_needs_factor"),
         RECOVERY, NEED_OTP, method="recovery_code", enrolled="otp", available="email"),
    case("a recovery sign-in does not free a disabled factor",
         Stuck(reason="recovery_needs_factor"),
         RECOVERY, NEED_OTP, method="recovery_code", enrolled="otp", disabled="otp"),
    case("a recovery sign-in proves what is held before a required set-up", prove("sms"),
         RECOVERY, NEED_OTP, method="recovery_code", enrolled="sms"),
    case("a recovery sign-in sets up what is required after a held factor was proven",
         set_up("otp"), RECOVERY, NEED_OTP, method="recovery_code", enrolled="sms", proven="sms"),
    case("another recovery code cannot stand for MFA in a recovery sign-in", prove("otp"),
         RECOVERY, method="recovery_code", enrolled="otp", proven="recovery_code",
         recovery_codes=9, marks=(check("E08"),)),
    case("a remembered device does not spare a recovery sign-in its proof", prove("otp"),
         RECOVERY, DEVICES, method="recovery_code", enrolled="otp", device="otp"),
    case("an email backup does not spare a recovery sign-in its proof", prove("otp"),
         RECOVERY, method="recovery_code", enrolled="otp", backed_up="otp"),
    case("a passkey sign-in that is not enough stood for the password", prove("otp"),
         WEAK_PASSKEY, NO_BACKUP, method="passkey", passkeys=1, enrolled="otp"),
    case("the passkey of a passkey sign-in does not count twice", prove("otp"),
         WEAK_PASSKEY, NO_BACKUP, method="passkey", passkeys=1, enrolled="otp", proven="passkey",
         marks=(check("E08"),)),
    case("a passkey sign-in with nothing else held needs another factor",
         Stuck(reason="passkey_needs_factor"), WEAK_PASSKEY, method="passkey", passkeys=1),
    case("a passkey sign-in with nothing else held may spend a recovery code",
         prove("", "recovery_code"), WEAK_PASSKEY, RECOVERY,
         method="passkey", passkeys=1, recovery_codes=1),
    case("a passkey sign-in stood for rule 3 and goes to a required set-up", set_up("otp"),
         WEAK_PASSKEY, NEED_OTP, method="passkey", passkeys=1),
    case("a passkey sign-in proves what is required before a set-up", prove("otp"),
         WEAK_PASSKEY, NEED_OTP, NEED_SMS, NO_BACKUP, method="passkey", passkeys=1, enrolled="otp"),
]  # fmt: skip

RULE_3 = [
    case("who holds something proves it before a required set-up", prove("sms"),
         NEED_OTP, enrolled="sms"),
    case("any usable one of what is held will do before a set-up", prove("sms email"),
         NEED_OTP, enrolled="sms email"),
    case("a factor proven before allows the set-up", set_up("otp"),
         NEED_OTP, enrolled="sms", proven="sms"),
    case("a passkey is asked before a set-up", prove("passkey"), NEED_OTP, passkeys=1),
    case("a passkey that is not enough is a choice before a set-up", prove("sms passkey"),
         NEED_OTP, WEAK_PASSKEY, enrolled="sms", passkeys=1),
    case("a passkey proven before allows the set-up", set_up("otp"),
         NEED_OTP, passkeys=1, proven="passkey"),
    case("a passkey that is not enough allows the set-up", set_up("otp"),
         NEED_OTP, WEAK_PASSKEY, passkeys=1, proven="passkey"),
    case("a recovery code is offered before a set-up", prove("sms", "recovery_code"),
         NEED_OTP, RECOVERY, enrolled="sms", recovery_codes=1),
    case("a recovery code spent in this sign-in allows the set-up", set_up("otp"),
         NEED_OTP, RECOVERY, enrolled="sms", proven="recovery_code"),
    case("an email backup is not offered before a set-up", prove("sms"),
         NEED_OTP, enrolled="sms", email_verified=True),
    case("an email backup never allows a set-up", prove("sms"),
         NEED_OTP, enrolled="sms", backed_up="sms"),
    case("a remembered device never allows a set-up", prove("sms"),
         NEED_OTP, DEVICES, enrolled="sms", device="sms"),
    case("a remembered device that covers a required factor never allows a set-up",
         prove("otp"), NEED_OTP, NEED_SMS, DEVICES, enrolled="otp", device="otp"),
    case("nothing usable before a set-up is stuck", Stuck(reason="cannot_prove"),
         NEED_OTP, enrolled="sms", available="otp email"),
    case("all proving comes before any set-up even in the order of factors", prove("email"),
         NEED_OTP, NEED_EMAIL, enrolled="email"),
]  # fmt: skip

RULE_4 = [
    case("required and held is proven", prove("otp"), NEED_OTP, NO_BACKUP, enrolled="otp",
         marks=(reference(170),)),
    case("required and proven is satisfied", Satisfied(), NEED_OTP, enrolled="otp", proven="otp"),
    case("required and not held is set up", set_up("otp"), NEED_OTP, marks=(reference(175),)),
    case("email required and not held is set up", set_up("email"), NEED_EMAIL,
         marks=(reference(178),)),
    case("sms required and not held is set up", set_up("sms"), NEED_SMS,
         marks=(reference(181),)),
    case("the proof of its own set-up counts", Satisfied(), NEED_OTP, enrolled="otp", proven="otp"),
    case("what is demanded of this user and held is proven", prove("otp"), NO_BACKUP,
         enrolled="otp sms", must_set_up="otp", proven="sms"),
    case("what is demanded of this user and not held is set up", set_up("sms"), must_set_up="sms"),
    case("what is demanded of this user replaces the enforced choice", set_up("sms"),
         NO_ENFORCEMENT, must_set_up="sms"),
    case("what is demanded of this user joins what is required", set_up("sms"),
         NEED_OTP, enrolled="otp", must_set_up="sms", proven="otp"),
    case("one is set up at a time", set_up("otp"), NEED_OTP, NEED_SMS, NEED_EMAIL),
    case("then the next one is set up", set_up("sms"),
         NEED_OTP, NEED_SMS, NEED_EMAIL, enrolled="otp", proven="otp"),
    case("then the last one is set up", set_up("email"),
         NEED_OTP, NEED_SMS, NEED_EMAIL, enrolled="otp sms", proven="otp sms"),
    case("a required set-up that is impossible is stuck", Stuck(reason="cannot_set_up"),
         NEED_SMS, available="otp email"),
    case("a required set-up that is impossible is never replaced by the enforced list",
         Stuck(reason="cannot_set_up"), NEED_SMS, available="otp"),
    case("a required set-up that is impossible waits for its turn", set_up("otp"),
         NEED_OTP, NEED_SMS, available="otp email"),
    case("a required set-up that is impossible is stuck in its turn",
         Stuck(reason="cannot_set_up"),
         NEED_OTP, NEED_SMS, enrolled="otp", proven="otp", available="otp email"),
    case("a required set-up that is impossible is not skipped for the next",
         Stuck(reason="cannot_set_up"), NEED_SMS, NEED_EMAIL, available="otp email"),
    case("what is required and what is demanded are set up in the order of factors",
         set_up("otp"), NEED_OTP, must_set_up="sms"),
    case("a required proof that is impossible is stuck", Stuck(reason="cannot_prove"),
         NEED_SMS, NO_BACKUP, enrolled="sms", available="otp email"),
    case("a required proof that is impossible is not skipped for another",
         Stuck(reason="cannot_prove"),
         NEED_SMS, NEED_EMAIL, enrolled="sms email", available="otp email"),
    case("a required proof that is impossible is not skipped after another",
         Stuck(reason="cannot_prove"), NEED_OTP, NEED_SMS, NO_BACKUP,
         enrolled="otp sms", proven="otp", available="otp email"),
    case("a required proof that is impossible may be stood for by a passkey", prove("", "passkey"),
         NEED_SMS, NO_BACKUP, enrolled="sms", passkeys=1, available="otp email"),
    case("a required proof that is impossible may be stood for by a recovery code",
         prove("", "recovery_code"), NEED_SMS, NO_BACKUP, RECOVERY,
         enrolled="sms", recovery_codes=1, available="otp email"),
    case("a factor that is held but not required spares no required one", prove("sms"),
         NEED_SMS, NO_BACKUP, enrolled="otp sms", proven="otp"),
    case("a factor that is held but not required is not asked for beside a required one",
         Satisfied(), NEED_SMS, enrolled="otp sms", proven="sms"),
    case("a passkey proven does not stand for a required set-up", set_up("sms"),
         NEED_SMS, enrolled="otp", passkeys=1, proven="passkey"),
    case("a recovery code does not stand for a required set-up", set_up("sms"),
         NEED_SMS, RECOVERY, enrolled="otp", proven="recovery_code"),
]  # fmt: skip

RULE_5 = [
    case("nothing held and a list enforced is a set-up of one", set_up("otp email")),
    case("the enforced list keeps its own order", set_up("email sms otp"),
         {"ENFORCE_ONE_MFA_ENROLLMENT": ["email", "sms", "otp"]}),
    case("what this user cannot have is not offered", set_up("otp"), available="otp sms"),
    case("what is not listed is not offered instead", set_up("sms"),
         {"ENFORCE_ONE_MFA_ENROLLMENT": ["sms"]}),
    case("none of the list left is stuck", Stuck(reason="cannot_set_up"), available="sms"),
    case("an empty list enforces nothing", Satisfied(), NO_ENFORCEMENT, marks=(reference(184),)),
    case("one of the list set up is enough", Satisfied(), enrolled="email", proven="email"),
    case("something held beside the list is enough", Satisfied(), enrolled="sms", proven="sms"),
    case("a passkey held is enough for the list", Satisfied(), passkeys=1, proven="passkey"),
    case("something required takes the place of the list", set_up("sms"), NEED_SMS),
]  # fmt: skip

RULE_6 = [
    case("any one of what is held is proven", prove("otp email"), enrolled="otp email"),
    case("the choice is the user's: the last of them will do", Satisfied(),
         enrolled="otp sms email", proven="email"),
    case("the list does not limit the choice", prove("sms"), NO_BACKUP, enrolled="sms"),
    case("an empty list does not spare what is held", prove("otp"), NO_BACKUP, NO_ENFORCEMENT,
         enrolled="otp"),
    case("ask every enrolled asks for the first", prove("otp"), EVERY, enrolled="otp sms email"),
    case("ask every enrolled asks for the second", prove("sms"), EVERY,
         enrolled="otp sms email", proven="otp"),
    case("ask every enrolled asks for the last", prove("email"), EVERY,
         enrolled="otp sms email", proven="otp sms"),
    case("ask every enrolled ends when each is proven", Satisfied(), EVERY,
         enrolled="otp sms email", proven="otp sms email"),
    case("ask every enrolled holds beside a requirement", prove("email"), EVERY, NEED_OTP,
         enrolled="otp email", proven="otp"),
    case("ask every enrolled does not skip one that cannot be proven",
         Stuck(reason="cannot_prove"), EVERY, enrolled="otp email", proven="otp", available="otp"),
    case("a passkey that is not enough alone is one of the choices", prove("otp passkey"),
         WEAK_PASSKEY, NO_BACKUP, enrolled="otp", passkeys=1),
    case("a passkey that is not enough alone will do as the choice", Satisfied(),
         WEAK_PASSKEY, enrolled="otp", passkeys=1, proven="passkey"),
    case("a passkey that is not enough alone is one of each", prove("passkey"),
         WEAK_PASSKEY, EVERY, enrolled="otp", passkeys=1, proven="otp"),
    case("a passkey that is not enough alone spares no other where each is asked", prove("otp"),
         WEAK_PASSKEY, EVERY, NO_BACKUP, enrolled="otp", passkeys=1, proven="passkey"),
    case("a passkey that is enough stands in beside the choice", prove("otp", "passkey"),
         NO_BACKUP, enrolled="otp", passkeys=1),
    case("none of what is held usable is stuck", Stuck(reason="cannot_prove"), NO_BACKUP,
         enrolled="otp sms", disabled="otp", available="otp"),
]  # fmt: skip

RULE_7 = [
    case("nothing held and nothing asked is satisfied", Satisfied(), NO_ENFORCEMENT),
    case("nothing held and nothing asked is satisfied for a remembered sign-in", Satisfied(),
         NO_ENFORCEMENT, method="remembered"),
    case("nothing held and nothing asked is satisfied for an external sign-in", Satisfied(),
         NO_ENFORCEMENT, WEAK_EXTERNAL, method="external"),
    case("the passkey prompt and new recovery codes are owed after the gate and not by it",
         Satisfied(), PASSKEYS, RECOVERY, enrolled="otp", proven="otp"),
]  # fmt: skip

FRESH_CREDENTIAL = [
    case("a remembered sign-in with nothing held goes to the login view and not to the list",
         SignIn(), method="remembered"),
    case("a remembered sign-in with nothing held goes to the login view and not to a required one",
         SignIn(), NEED_OTP, method="remembered"),
    case("a remembered sign-in with nothing held goes to the login view and not to a demanded one",
         SignIn(), NO_ENFORCEMENT, method="remembered", must_set_up="sms"),
    case("a remembered sign-in with nothing held never puts a set-up off", SignIn(),
         method="remembered", grace=True),
    case("a remembered sign-in proves what is held", prove("otp"), NO_BACKUP,
         method="remembered", enrolled="otp"),
    case("a remembered sign-in with something proven may set up what is required", set_up("otp"),
         NEED_OTP, method="remembered", enrolled="email", proven="email"),
    case("a password of this sign-in yields the first set-up", set_up("otp"), NEED_OTP),
]  # fmt: skip

DISABLED = [
    case("a disabled factor stays held: no other is set up by password alone",
         Stuck(reason="cannot_prove"), NO_BACKUP, enrolled="otp", disabled="otp"),
    case("a disabled required factor is not set up again by password alone",
         Stuck(reason="factor_disabled"), NEED_OTP, NO_BACKUP, enrolled="otp", disabled="otp"),
    case("a disabled required factor is not set up again by a passkey sign-in alone",
         Stuck(reason="factor_disabled"), NEED_OTP, NO_BACKUP, WEAK_PASSKEY,
         method="passkey", passkeys=1, enrolled="otp", disabled="otp"),
    case("a disabled factor is not proven where another will do", prove("email"),
         enrolled="otp email", disabled="otp"),
    case("a disabled required factor asks for another held one first", prove("email"),
         NEED_OTP, enrolled="otp email", disabled="otp"),
    case("a disabled required factor becomes free by proof of another", set_up("otp"),
         NEED_OTP, enrolled="otp email", disabled="otp", proven="email"),
    case("a disabled required factor becomes free by a passkey that cannot stand in",
         set_up("otp"), NEED_OTP, WEAK_PASSKEY,
         enrolled="otp", disabled="otp", passkeys=1, proven="passkey"),
    case("a disabled required factor asks for a passkey that cannot stand in", prove("passkey"),
         NEED_OTP, WEAK_PASSKEY, NO_BACKUP, enrolled="otp", disabled="otp", passkeys=1),
    case("a disabled required factor may be stood for by a passkey", Satisfied(),
         NEED_OTP, enrolled="otp", disabled="otp", passkeys=1, proven="passkey"),
    case("a disabled factor asks for a recovery code where nothing else is held",
         prove("", "recovery_code"), NEED_OTP, NO_BACKUP, RECOVERY,
         enrolled="otp", disabled="otp", recovery_codes=1),
    case("a disabled factor is free to stay so after a recovery code", Satisfied(),
         NEED_OTP, RECOVERY, enrolled="otp", disabled="otp", proven="recovery_code"),
    case("a disabled factor is not set up anew after a remembered device", prove("email"),
         NEED_OTP, DEVICES, enrolled="otp email", disabled="otp", device="email"),
    case("a disabled factor that cannot be set up anew is stuck", Stuck(reason="cannot_prove"),
         NEED_SMS, enrolled="sms email", disabled="sms", proven="email", available="otp email"),
    case("a factor proven before it was disabled stays proven", Satisfied(),
         NEED_OTP, enrolled="otp", disabled="otp", proven="otp"),
    case("a disabled factor is set up anew also where each enrolled one is asked", set_up("otp"),
         EVERY, enrolled="otp email", disabled="otp", proven="email"),
    case("a disabled factor is set up anew in the order of factors", set_up("otp"),
         NEED_OTP, NEED_SMS, enrolled="sms email", disabled="sms", proven="email"),
    case("a disabled factor is set up anew before what can be put off",
         set_up("sms"), NEED_OTP, NEED_SMS,
         enrolled="sms email", disabled="sms", proven="email", grace=True),
]  # fmt: skip

STANDING_IN = [
    case("a passkey is offered to stand in for all", prove("otp", "passkey"),
         NEED_OTP, NEED_SMS, NO_BACKUP, enrolled="otp sms", passkeys=1),
    case("a passkey stands in for all required ones", Satisfied(),
         NEED_OTP, NEED_SMS, enrolled="otp sms", passkeys=1, proven="passkey"),
    case("a passkey stands in for each enrolled one", Satisfied(), EVERY,
         enrolled="otp sms", passkeys=1, proven="passkey"),
    case("a passkey that is not enough stands in for none", prove("otp"),
         NEED_OTP, WEAK_PASSKEY, NO_BACKUP, enrolled="otp", passkeys=1, proven="passkey"),
    case("a passkey that is not enough is not offered for a required one", prove("otp"),
         NEED_OTP, WEAK_PASSKEY, NO_BACKUP, enrolled="otp", passkeys=1),
    case("a passkey that was removed since stands in for none", prove("otp"),
         NEED_OTP, NO_BACKUP, enrolled="otp", proven="passkey"),
    case("a recovery code is offered where one is left", prove("otp", "recovery_code"),
         NEED_OTP, NO_BACKUP, RECOVERY, enrolled="otp", recovery_codes=1),
    case("a recovery code is not offered where none is left", prove("otp"),
         NEED_OTP, NO_BACKUP, RECOVERY, enrolled="otp"),
    case("a recovery code is not offered where codes are off", prove("otp"),
         NEED_OTP, NO_BACKUP, enrolled="otp", recovery_codes=5),
    case("a recovery code stands in for all required ones", Satisfied(),
         NEED_OTP, NEED_SMS, RECOVERY, enrolled="otp sms", proven="recovery_code"),
    case("a recovery code stands in for each enrolled one", Satisfied(),
         EVERY, RECOVERY, enrolled="otp sms email", proven="recovery_code"),
    case("a recovery code stands in where any one is asked", Satisfied(),
         RECOVERY, enrolled="otp", proven="recovery_code"),
    case("a recovery code no longer stands in once codes are off", prove("otp"),
         NEED_OTP, NO_BACKUP, enrolled="otp", proven="recovery_code"),
    case("an email backup is offered for otp", prove("otp", "email_backup"), enrolled="otp"),
    case("an email backup is offered for sms", prove("sms", "email_backup"), enrolled="sms"),
    case("an email backup stands in for a required otp", Satisfied(),
         NEED_OTP, enrolled="otp", backed_up="otp"),
    case("an email backup stands in for a required sms", Satisfied(),
         NEED_SMS, enrolled="sms", backed_up="sms"),
    case("an email backup is not offered where it is not allowed", prove("otp"),
         NO_BACKUP, enrolled="otp"),
    case("an email backup does not count where it is not allowed any more", prove("otp"),
         NO_BACKUP, enrolled="otp", backed_up="otp"),
    case("an email backup is not offered where email is required", prove("otp"),
         NEED_OTP, NEED_EMAIL, enrolled="otp"),
    case("an email backup is not offered where email is demanded of this user", prove("otp"),
         NEED_OTP, enrolled="otp", must_set_up="email"),
    case("an email backup is not offered where email is enrolled", prove("otp"),
         NEED_OTP, enrolled="otp email"),
    case("an email backup does not count where email is enrolled", prove("otp"),
         NEED_OTP, enrolled="otp email", backed_up="otp"),
    case("an email backup is not offered where the address is not verified", prove("otp"),
         enrolled="otp", email_verified=False),
    case("an email backup is not offered where no email can be sent", prove("otp"),
         enrolled="otp", available="otp sms"),
    case("an email backup stands in for one factor only", prove("sms"),
         NEED_OTP, NEED_SMS, enrolled="otp sms", backed_up="otp"),
    case("an email backup stands in for one factor only whatever is recorded", prove("sms"),
         NEED_OTP, NEED_SMS, enrolled="otp sms", backed_up="otp sms"),
    case("an email backup is for a factor and not for a passkey", prove("passkey"),
         enrolled="", passkeys=1),
    case("an email backup stands for no factor that is not held", set_up("otp"),
         NEED_OTP, backed_up="otp"),
    case("a remembered device stands in for what it covers", Satisfied(),
         NEED_OTP, DEVICES, enrolled="otp", device="otp"),
    case("a remembered device stands in where any one is asked", Satisfied(),
         DEVICES, enrolled="otp sms", device="sms"),
    case("a remembered device stands in for nothing else", prove("sms"),
         NEED_OTP, NEED_SMS, NO_BACKUP, DEVICES, enrolled="otp sms", device="otp"),
    case("a remembered device stands in for what it covers where each is asked", prove("email"),
         EVERY, DEVICES, enrolled="otp email", device="otp"),
    case("a remembered device stands in for no factor that is no longer held", prove("sms"),
         NO_BACKUP, DEVICES, enrolled="sms", device="otp"),
    case("a remembered device stands in for nothing once devices are off", prove("otp"),
         NO_BACKUP, enrolled="otp", device="otp"),
    case("a remembered device stands in for a passkey proven when it was remembered", Satisfied(),
         WEAK_PASSKEY, DEVICES, passkeys=1, device="passkey"),
    case("a remembered device stands in for a passkey where each is asked", Satisfied(),
         WEAK_PASSKEY, DEVICES, EVERY, enrolled="otp", passkeys=1, device="otp passkey"),
    case("a remembered device with a passkey stands in for no required factor", prove("otp"),
         NEED_OTP, WEAK_PASSKEY, NO_BACKUP, DEVICES, enrolled="otp", passkeys=1, device="passkey"),
    case("alternatives come as passkey then recovery code then email backup",
         prove("otp", "passkey", "recovery_code", "email_backup"), RECOVERY,
         enrolled="otp", passkeys=1, recovery_codes=1),
]  # fmt: skip

GRACE = [
    case("before the date an enforced set-up can be put off", set_up("otp email", may_skip=True),
         grace=True),
    case("before the date a required set-up can be put off", set_up("otp", may_skip=True),
         NEED_OTP, grace=True),
    case("from the date on it can not", set_up("otp"), NEED_OTP),
    case("before the date what is enrolled is proven all the same", prove("otp"),
         NEED_OTP, NO_BACKUP, enrolled="otp", grace=True),
    case("before the date what is held is proven before a set-up that can be put off",
         prove("sms"), NEED_OTP, enrolled="sms", grace=True),
    case("before the date a set-up after a proof can be put off", set_up("otp", may_skip=True),
         NEED_OTP, enrolled="sms", proven="sms", grace=True),
    case("what an admin demands of this user can not be put off", set_up("sms"),
         must_set_up="sms", grace=True),
    case("what an admin demands comes before what can be put off", set_up("sms"),
         NEED_OTP, must_set_up="sms", grace=True),
    case("what can be put off comes after what an admin demanded", set_up("otp", may_skip=True),
         NEED_OTP, must_set_up="sms", enrolled="sms", proven="sms", grace=True),
    case("a disabled factor is enrolled and its new set-up can not be put off", set_up("otp"),
         NEED_OTP, enrolled="otp email", disabled="otp", proven="email", grace=True),
    case("a passkey sign-in that is not enough proves what is held before a set-up it may put off",
         prove("otp"), NEED_SMS, WEAK_PASSKEY, method="passkey", passkeys=1, enrolled="otp",
         grace=True),
    case("a passkey sign-in may put off a set-up after that proof", set_up("sms", may_skip=True),
         NEED_SMS, WEAK_PASSKEY, method="passkey", passkeys=1, enrolled="otp", proven="otp",
         grace=True),
    case("a passkey sign-in may not put off a set-up where that proof is impossible",
         set_up("sms"), NEED_SMS, WEAK_PASSKEY, method="passkey", passkeys=1, enrolled="otp",
         available="sms", grace=True),
    case("a passkey sign-in with nothing else held may put off a set-up",
         set_up("sms", may_skip=True),
         NEED_SMS, WEAK_PASSKEY, method="passkey", passkeys=1, grace=True),
    case("the date gives a recovery sign-in no set-up", Stuck(reason="recovery_needs_factor"),
         RECOVERY, NEED_OTP, method="recovery_code", grace=True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "given", "step"),
    [
        *HELD, *RULE_1, *RULE_2, *RULE_3, *RULE_4, *RULE_5, *RULE_6, *RULE_7,
        *FRESH_CREDENTIAL, *DISABLED, *STANDING_IN, *GRACE,
    ],
)  # fmt: skip
def test_the_gate_asks_for(parts: tuple[dict[str, Any], ...], given: Any, step: Step) -> None:
    assert next_step(settings(*parts), facts(**given)) == step


OWN = {"use_system_mfa_config": False}


@pytest.mark.parametrize(
    ("app", "client", "step"),
    [
        pytest.param({"ENFORCE_ONE_MFA_ENROLLMENT": ["otp"]}, OWN, Satisfied(),
                     marks=reference(1), id="opted-out-of-the-enforced-list"),
        pytest.param(NEED_EMAIL, OWN, Satisfied(),
                     marks=reference(2, 180), id="opted-out-of-required-email"),
        pytest.param(NEED_OTP, OWN, Satisfied(),
                     marks=reference(3, 177), id="opted-out-of-required-otp"),
        pytest.param(NEED_SMS, OWN, Satisfied(),
                     marks=reference(4, 183), id="opted-out-of-required-sms"),
        pytest.param({}, NEED_EMAIL, set_up("email"),
                     marks=reference(5, 179), id="its-own-required-email"),
        pytest.param({}, NEED_OTP, set_up("otp"),
                     marks=reference(6, 176), id="its-own-required-otp"),
        pytest.param({}, NEED_SMS, set_up("sms"),
                     marks=reference(7, 182), id="its-own-required-sms"),
        pytest.param(NEED_OTP, {"use_system_mfa_config": True}, set_up("otp"),
                     id="the-app's-where-it-says-so"),
    ],
)  # fmt: skip
def test_a_client_is_judged_by_its_own_effective_settings(
    app: dict[str, Any], client: dict[str, Any], step: Step
) -> None:
    assert next_step(settings(app).for_client(client), facts()) == step


def test_steps_name_members_that_equal_their_text_whatever_text_came_in() -> None:
    asked = next_step(settings(), facts(enrolled="otp sms"))
    assert isinstance(asked, Prove)
    assert [type(kind) for kind in asked.factors] == [FactorKind, FactorKind]
    offered = next_step(settings(), facts())
    assert isinstance(offered, SetUp)
    assert [type(kind) for kind in offered.factors] == [FactorKind, FactorKind]
    assert offered.factors == ("otp", "email")


def test_facts_left_out_are_those_of_a_new_password_sign_in() -> None:
    assert Facts() == Facts(
        method="password",
        enrolled=frozenset(),
        disabled=frozenset(),
        must_set_up=frozenset(),
        passkeys=0,
        recovery_codes=0,
        available=frozenset({"otp", "email", "sms"}),
        email_verified=True,
        proven=frozenset(),
        backed_up=frozenset(),
        device=frozenset(),
        grace=False,
    )


# What a backup would stand for


@pytest.mark.parametrize(
    ("parts", "given", "kind"),
    [
        case("the factor that is asked for", FactorKind.SMS, NEED_OTP, NEED_SMS,
             enrolled="otp sms", proven="otp"),
        case("the first that any one is asked of", FactorKind.OTP, enrolled="otp sms"),
        case("the one that cannot be proven", FactorKind.SMS,
             enrolled="sms", available="email"),
        case("the one that is disabled", FactorKind.OTP, NEED_OTP, enrolled="otp", disabled="otp"),
        case("the one that is asked for and not the disabled one before it", FactorKind.SMS,
             NEED_OTP, NEED_SMS, enrolled="otp sms", disabled="otp"),
        case("none where another was backed up", None, NEED_OTP, NEED_SMS,
             enrolled="otp sms", backed_up="otp"),
        case("none where email is enrolled", None, enrolled="otp email"),
        case("none before a set-up", None, NEED_OTP, enrolled="sms"),
        case("none where nothing is owed", None, enrolled="otp", proven="otp"),
        case("none where a set-up is owed", None),
    ],
)  # fmt: skip
def test_a_backup_stands_for(
    parts: tuple[dict[str, Any], ...], given: Any, kind: FactorKind | None
) -> None:
    assert backup_stands_for(settings(*parts), facts(**given)) is kind


# Explain


@pytest.mark.parametrize(
    ("parts", "given", "step"),
    [
        case("rule 1", ("rule 1: trusted is enough",), method="trusted"),
        case("rule 2", ("rule 2: a recovery code stood for the password only",),
             NEED_OTP, method="recovery_code", enrolled="sms"),
        case("rule 3", ("rule 3: a proof before any set-up",), NEED_OTP, enrolled="sms"),
        case("rule 4 proof", ("rule 4: otp is required",), NEED_OTP, enrolled="otp"),
        case("rule 4 set-up", ("rule 4: otp must be set up",), NEED_OTP),
        case("rule 5", ("rule 5: one must be set up",)),
        case("rule 6", ("rule 6: one of what is held",), enrolled="otp"),
        case("rule 6 each", ("rule 6: otp, as each is asked",), EVERY, enrolled="otp"),
        case("rule 6 each passkey", ("rule 6: passkey, as each is asked",), EVERY, WEAK_PASSKEY,
             enrolled="otp", passkeys=1, proven="otp"),
        case("rule 6 before what can be put off",
             ("rule 6: before a set-up that can be put off",), NEED_SMS, WEAK_PASSKEY,
             method="passkey", passkeys=1, enrolled="otp", grace=True),
        case("rule 7", ("rule 7: nothing is owed",), enrolled="otp", proven="otp"),
        case("fresh credential", ("set-up: needs a credential checked in this sign-in",),
             method="remembered"),
        case("disabled", ("disabled: otp becomes free by another proof",), NEED_OTP,
             enrolled="otp email", disabled="otp"),
        case("unknown method", ("unknown method: fails closed",), method="magic"),
        case("passkey for all", ("rule 7: nothing is owed", "stands in for all: passkey"),
             enrolled="otp", passkeys=1, proven="passkey"),
        case("recovery code for all",
             ("rule 7: nothing is owed", "stands in for all: recovery code"), RECOVERY,
             enrolled="otp", proven="recovery_code"),
        case("email backup for one",
             ("rule 4: sms is required", "stands in for otp: email backup"), NEED_OTP, NEED_SMS,
             enrolled="otp sms", backed_up="otp"),
        case("remembered device for one",
             ("rule 4: sms is required", "stands in for otp: remembered device"),
             NEED_OTP, NEED_SMS, DEVICES, enrolled="otp sms", device="otp"),
    ],
)  # fmt: skip
def test_explain_says_the_rule_and_what_stood_in(
    parts: tuple[dict[str, Any], ...], given: Any, step: tuple[str, ...]
) -> None:
    assert explain(settings(*parts), facts(**given)) == step
    assert decide(settings(*parts), facts(**given)).rule == step[0]


# Step-up


def act(
    sentence: str,
    step: StepUp,
    *parts: dict[str, Any],
    marks: tuple[pytest.MarkDecorator, ...] = (),
    asked: dict[str, Any] | None = None,
    fresh: str = "",
    **given: Any,
) -> Any:
    asked = {**(asked or {}), "fresh": frozenset(FactorKind(kind) for kind in fresh.split())}
    return pytest.param(parts, given, asked, step, id=sentence.replace(" ", "-"), marks=marks)


RESISTANT = {"phishing_resistant": True}
PASSWORD_FRESH = {"password_fresh": True}
OR_CODE = {"or_recovery_code": True}


def only(*kinds: str) -> dict[str, Any]:
    return {"factors": frozenset(FactorKind(kind) for kind in kinds)}


STEP_UPS = [
    act("any factor at the highest level", prove("otp sms"), enrolled="otp sms email"),
    act("a passkey is at the highest level too", prove("otp passkey"), enrolled="otp", passkeys=1),
    act("a passkey alone is asked for", prove("passkey"), passkeys=1),
    act("a fresh proof of any of them will do", Satisfied(), enrolled="otp sms", fresh="sms"),
    act("a fresh passkey will do", Satisfied(), enrolled="otp", passkeys=1, fresh="passkey"),
    act("a fresh email code is too weak beside a stronger factor", prove("otp"),
        enrolled="otp email", proven="email", fresh="email", marks=(check("O16", "S07", "E08"),)),
    act("a fresh email code is too weak beside a passkey", prove("passkey"),
        enrolled="email", passkeys=1, proven="email", fresh="email", marks=(check("O16", "S07"),)),
    act("an email code will do where email is the highest level", Satisfied(),
        enrolled="email", fresh="email"),
    act("an email code is asked for where email is the highest level", prove("email"),
        enrolled="email"),
    act("an old proof of this sign-in is not fresh", prove("otp"), enrolled="otp", proven="otp"),
    act("a fresh proof of a factor that is no longer held counts for nothing", prove("sms"),
        enrolled="sms", fresh="otp"),
    act("a disabled factor is not asked for", prove("sms"), enrolled="otp sms", disabled="otp"),
    act("an unavailable factor is not asked for", prove("otp"),
        enrolled="otp sms", available="otp email"),
    act("a weaker factor never does instead of an unusable one", Stuck(reason="cannot_prove"),
        enrolled="otp email", disabled="otp"),
    act("a remembered device never counts", prove("otp"), DEVICES,
        enrolled="otp", device="otp", marks=(check("S07"),)),
    act("an email backup never counts", prove("otp"), enrolled="otp", backed_up="otp",
        marks=(check("S07"),)),
    act("an email backup is not offered", prove("otp"), enrolled="otp"),
    act("a recovery code is not offered", prove("otp"), RECOVERY, enrolled="otp",
        recovery_codes=9),
    act("a session where a recovery code stood for MFA gets no step-up",
        Stuck(reason="recovery_session"), RECOVERY, enrolled="otp", proven="recovery_code",
        marks=(check("S07"),)),
    act("a session where a recovery code stood for MFA gets none by a fresh proof",
        Stuck(reason="recovery_session"), RECOVERY, enrolled="otp",
        proven="recovery_code otp", fresh="otp", marks=(check("S07"),)),
    act("a session by recovery code alone gets no step-up", Stuck(reason="recovery_session"),
        STRONG_RECOVERY, method="recovery_code", enrolled="otp", marks=(check("S07"),)),
    act("a session by recovery code and nothing held gets no step-up",
        Stuck(reason="recovery_session"), STRONG_RECOVERY, method="recovery_code",
        asked=PASSWORD_FRESH, marks=(check("S07"),)),
    act("a session by recovery code with a held factor proven is an ordinary one", prove("otp"),
        RECOVERY, method="recovery_code", enrolled="otp", proven="otp"),
    act("a session by recovery code with a passkey proven is an ordinary one", Satisfied(),
        RECOVERY, method="recovery_code", passkeys=1, proven="passkey", fresh="passkey"),
    act("nothing held asks for the password", NeedPassword()),
    act("nothing held and a fresh password will do", Satisfied(), asked=PASSWORD_FRESH),
    act("a fresh password is nothing where something is held", prove("otp"),
        enrolled="otp", asked=PASSWORD_FRESH),
    act("nothing held and a factor wanted asks for the password first", NeedPassword(),
        asked=only("otp")),
    act("nothing held and a factor wanted sets it up after the password", set_up("otp"),
        asked=only("otp") | PASSWORD_FRESH),
    act("phishing resistant asks for a passkey", prove("passkey"),
        enrolled="otp", passkeys=1, asked=RESISTANT),
    act("phishing resistant takes no other fresh proof", prove("passkey"),
        enrolled="otp", passkeys=1, fresh="otp", asked=RESISTANT),
    act("phishing resistant takes a fresh passkey", Satisfied(), passkeys=1, fresh="passkey",
        asked=RESISTANT),
    act("phishing resistant goes beyond a list of factors", prove("passkey"),
        enrolled="otp", passkeys=1, fresh="otp", asked=RESISTANT | only("otp")),
    act("phishing resistant without a passkey is a step-up first", prove("otp"), PASSKEYS,
        enrolled="otp", asked=RESISTANT),
    act("phishing resistant without a passkey is then a set-up", set_up("passkey"), PASSKEYS,
        enrolled="otp", fresh="otp", asked=RESISTANT),
    act("phishing resistant without a passkey is refused where none may be added",
        Stuck(reason="cannot_set_up"), enrolled="otp", fresh="otp", asked=RESISTANT),
    act("any one of the wanted factors that is held", prove("otp sms"),
        enrolled="otp sms email", asked=only("otp", "sms", "passkey")),
    act("any fresh one of the wanted factors will do", Satisfied(),
        enrolled="otp sms", fresh="sms", asked=only("otp", "sms")),
    act("a fresh factor that is not wanted will not do", prove("otp"),
        enrolled="otp sms", fresh="sms", asked=only("otp")),
    act("a wanted email code will do although a stronger factor is held", Satisfied(),
        enrolled="otp email", fresh="email", asked=only("email")),
    act("an email code never stands for a wanted otp", set_up("otp"),
        enrolled="email", fresh="email", asked=only("otp", "passkey"), marks=(check("O16"),)),
    act("a wanted factor that is held but unusable is refused", Stuck(reason="cannot_prove"),
        enrolled="otp sms", available="otp email", asked=only("sms")),
    act("wanting none that is held is a step-up first", prove("otp"),
        enrolled="otp email", asked=only("sms")),
    act("wanting none that is held is a step-up at the highest level", prove("otp"),
        enrolled="otp email", fresh="email", asked=only("sms")),
    act("wanting none that is held is then a set-up", set_up("sms"),
        enrolled="otp", fresh="otp", asked=only("sms")),
    act("wanting none that is held offers those that can be set up", set_up("sms passkey"),
        PASSKEYS, enrolled="otp", fresh="otp", available="otp sms",
        asked=only("email", "passkey", "sms")),
    act("wanting none that is held or allowed is refused", Stuck(reason="cannot_set_up"),
        enrolled="otp", fresh="otp", available="otp email", asked=only("sms", "passkey")),
    act("an empty list of factors is none", Satisfied(), enrolled="otp", fresh="otp",
        asked=only()),
    act("a recovery code among the wanted factors adds nothing", prove("otp"), RECOVERY,
        enrolled="otp", recovery_codes=3, asked=only("otp", "recovery_code")),
    act("to reset, a recovery code is offered beside the factors", prove("otp", "recovery_code"),
        RECOVERY, enrolled="otp", recovery_codes=3, asked=OR_CODE),
    act("to reset, a code that was spent for it will do", Satisfied(), RECOVERY,
        enrolled="otp", fresh="recovery_code", asked=OR_CODE),
    act("without that, a spent code will not do", prove("otp"), RECOVERY,
        enrolled="otp", fresh="recovery_code"),
    act("to reset from a recovery session, only a further code will do",
        prove("", "recovery_code"), RECOVERY, enrolled="otp", proven="recovery_code",
        recovery_codes=3, fresh="otp", asked=OR_CODE, marks=(check("S07"),)),
    act("to reset from a recovery session, the further code does", Satisfied(), RECOVERY,
        enrolled="otp", proven="recovery_code", fresh="recovery_code", asked=OR_CODE),
    act("to reset from a recovery session without codes is refused",
        Stuck(reason="recovery_session"), RECOVERY, enrolled="otp", proven="recovery_code",
        asked=OR_CODE),
    act("to reset with no usable factor, a recovery code is what is left",
        prove("", "recovery_code"), RECOVERY, enrolled="otp", disabled="otp", recovery_codes=3,
        asked=OR_CODE),
    act("to reset, no code will do where they are switched off", prove("otp"),
        enrolled="otp", fresh="recovery_code", recovery_codes=3, asked=OR_CODE),
    act("to reset, nobody without codes is offered one", prove("otp"), RECOVERY,
        enrolled="otp", asked=OR_CODE),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "given", "asked", "step"), STEP_UPS)
def test_a_step_up_asks_for(
    parts: tuple[dict[str, Any], ...], given: Any, asked: dict[str, Any], step: StepUp
) -> None:
    assert step_up(settings(*parts), facts(**given), **asked) == step


@pytest.mark.check("O16")
@pytest.mark.parametrize(
    ("kinds", "level"),
    [
        ("passkey", 2),
        ("otp", 2),
        ("sms", 2),
        ("email", 1),
        ("email otp", 2),
        ("recovery_code", 0),
        ("", 0),
    ],
)
def test_levels_are_two_for_passkey_otp_and_sms_and_one_for_email(kinds: str, level: int) -> None:
    assert level_of(kinds.split()) == level


def test_every_method_of_the_contract_has_an_answer_of_its_own() -> None:
    required = settings(NEED_OTP, RECOVERY)
    answers = {
        method: next_step(required, Facts(method=method, enrolled=frozenset({"sms"})))
        for method in Method
    }
    assert answers == {
        "password": prove("sms"),
        "remembered": prove("sms"),
        "passkey": Satisfied(),
        "recovery_code": prove("sms"),
        "external": Satisfied(),
        "trusted": Satisfied(),
    }

"""Every setting as data: its name, default, parser, who may override it, and one sentence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask_melody_mfa.core import origins
from flask_melody_mfa.core import setting_types as types
from flask_melody_mfa.core.setting_types import DECADE, MANY, Parse
from flask_melody_mfa.core.types import FactorKind, in_utc

POLICIES = ("reset_mfa", "manage_recovery_code", "manage_passkey", "manage_device")
"""The policies of contract section 5."""

SCOPES = ("read_user", "write_user", "read_app", "write_app", "read_log", "root")
"""The scopes of contract section 8."""

SHIPPED_LANGUAGES = ("en", "fr", "zh_Hans")
"""The languages that have texts in this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One name of `app.config`.

    `overridable` (◆): a client may override it. `system` (●): `use_system_mfa_config` governs it.
    `secret`: never shown. `derived`: in words, what takes the place of an unset value.
    """

    name: str
    default: Any
    parse: Parse = field(repr=False)
    doc: str
    overridable: bool = False
    system: bool = False
    secret: bool = False
    unit: str = ""
    derived: str = ""

    @property
    def attribute(self) -> str:
        """Its name on `Settings`."""
        return self.name.lower()

    def plain(self, value: Any) -> Any:
        """A value of it, with a point in time as RFC 3339 has it."""
        return in_utc(value) if self.unit == "date" and value is not None else value


def _flag(name: str, default: bool, doc: str, *, marks: str = "") -> Setting:
    return Setting(
        name=name, default=default, parse=types.boolean, doc=doc,
        overridable="◆" in marks, system="●" in marks,
    )  # fmt: skip


def _number(
    name: str, default: int, doc: str, *, least: int = 1, most: int = MANY, unit: str = "",
    marks: str = "",
) -> Setting:  # fmt: skip
    parse = types.whole(least, most, unit)
    return Setting(
        name=name, default=default, parse=parse, doc=doc, unit=unit, overridable="◆" in marks
    )


def _seconds(name: str, default: int, doc: str, *, least: int = 1, most: int = DECADE) -> Setting:
    return _number(name, default, doc, least=least, most=most, unit="seconds")


def _other(
    name: str, default: Any, parse: Parse, doc: str, *, marks: str = "", secret: bool = False,
    unit: str = "", derived: str = "",
) -> Setting:  # fmt: skip
    return Setting(
        name=name, default=default, parse=parse, doc=doc, secret=secret, unit=unit,
        derived=derived, overridable="◆" in marks, system="●" in marks,
    )  # fmt: skip


_words = types.items_of(types.text)
_origins = types.items_of(origins.origin)
_language = types.shaped(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*", "write a language as in 'en'")
_provider = types.shaped(
    r"twilio|console|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*[.:][A-Za-z_]\w*",
    "choose 'twilio', 'console' or the dotted name of your own",
)
_template = types.shaped(r"[^/\\].*", "write a template's name as in 'mfa/base.html'")
_issuer = types.shaped(r"[^:]{1,64}", "write at most 64 characters without a colon")

DECLARED: tuple[Setting, ...] = (
    _flag(
        "OTP_MFA_IS_REQUIRED", False, "The authenticator code is required at sign-in.", marks="◆●"
    ),
    _flag("EMAIL_MFA_IS_REQUIRED", False, "The email code is required at sign-in.", marks="◆●"),
    _flag("SMS_MFA_IS_REQUIRED", False, "The SMS code is required at sign-in.", marks="◆●"),
    _other(
        "ENFORCE_ONE_MFA_ENROLLMENT",
        (FactorKind.OTP, FactorKind.EMAIL),
        types.items_of(types.enforceable),
        "When no factor is required, a user with none must enroll one of these (otp, email, sms), "
        "shown in this order; empty: no enforcement.",
        marks="◆●",
    ),
    _flag(
        "ALLOW_EMAIL_MFA_AS_BACKUP",
        True,
        "An email code may stand for an enrolled OTP or SMS factor.",
        marks="◆●",
    ),
    _flag(
        "ALLOW_PASSKEY_ENROLLMENT",
        False,
        "Passkeys are offered and can be added; existing ones stay usable and removable.",
        marks="◆",
    ),
    _flag("ENABLE_RECOVERY_CODE", False, "Recovery codes can be made and used.", marks="◆"),
    _flag("ENABLE_MFA_REMEMBER_DEVICE", False, "“Remember this device” is offered.", marks="◆"),
    _number(
        "MFA_REMEMBER_DEVICE_DAYS",
        30,
        "How long a device is remembered.",
        most=3660,
        unit="days",
        marks="◆",
    ),
    _flag(
        "MFA_ASK_EVERY_ENROLLED",
        False,
        "Every enrolled factor is asked for, instead of one of them.",
        marks="◆",
    ),
    _flag(
        "MFA_PASSKEY_IS_ENOUGH",
        True,
        "A passkey with user verification satisfies the gate.",
        marks="◆",
    ),
    _flag(
        "MFA_RECOVERY_CODE_IS_ENOUGH",
        False,
        "Login and recovery code alone sign in, without password and MFA.",
        marks="◆",
    ),
    _flag(
        "MFA_EXTERNAL_SIGN_IN_IS_ENOUGH",
        True,
        'A sign-in by `method="external"` is not asked for MFA.',
        marks="◆",
    ),
    _other(
        "MFA_REQUIRED_FROM",
        None,
        types.or_none(types.instant),
        "A date (its midnight, UTC) or a time, before which a set-up can be put off; never a "
        "factor that is enrolled.",
        marks="◆",
        unit="date",
    ),
    _other(
        "BLOCKED_POLICIES",
        (),
        types.items_of(types.one_of(*POLICIES)),
        f"Policies that answer 404: {', '.join(POLICIES)}.",
        marks="◆",
    ),
    _number(
        "MFA_CODE_VERIFY_THRESHOLD",
        10,
        "Wrong proofs per account, over all factors and faces, before a lock of 15 minutes, "
        "doubling to 24 hours; set back by a satisfied gate.",
    ),
    _number(
        "MFA_SIGN_IN_THRESHOLD",
        10,
        "Failed embedded passwords, recovery codes and passkey sign-ins per login text in 15 "
        "minutes.",
    ),
    _number(
        "EMAIL_MFA_EMAIL_THRESHOLD",
        10,
        "Emails with codes per account and per destination in 30 minutes.",
    ),
    _number(
        "SMS_MFA_MESSAGE_THRESHOLD",
        5,
        "SMS with codes per account and per destination in 30 minutes.",
    ),
    _number("MFA_SMS_PER_HOUR", 500, "SMS of the whole app in an hour."),
    _other(
        "MFA_SMS_COUNTRIES",
        (),
        types.or_none(types.items_of(types.country)),
        'ISO 3166-1 codes of the countries that may receive SMS, as in `["US", "CA"]`.',
        derived="required with SMS",
    ),
    _seconds(
        "MFA_RESEND_SECONDS", 60, "Pause between two messages of one challenge.", least=0, most=3600
    ),
    _seconds("MFA_CODE_SECONDS", 300, "Life of an email or SMS code, at most 600.", most=600),
    _number("MFA_TRIES_PER_CODE", 5, "Tries at one code; then the challenge is over.", most=100),
    _seconds("MFA_CHALLENGE_SECONDS", 600, "Life of an unfinished sign-in.", most=86_400),
    _seconds(
        "MFA_FRESH_SECONDS",
        300,
        "How fresh a proof policies and factor changes need.",
        most=86_400,
    ),
    _seconds(
        "MFA_SESSION_MAX_SECONDS",
        0,
        "Age at which a session is asked for MFA again; 0: as long as the host's session (NIST "
        "suggests 86400).",
        least=0,
    ),
    _other(
        "MFA_SESSION_IDLE_SECONDS",
        0,
        types.idle_seconds,
        "Idle time after which a session is asked for MFA again, at least 60; 0: as long as the "
        "host's session (NIST suggests 3600).",
        unit="seconds",
    ),
    _seconds(
        "MFA_SESSION_RECHECK_SECONDS",
        10,
        "A process reads a satisfied session again at most this often; 0: at every request.",
        least=0,
        most=86_400,
    ),
    _number("MFA_RECOVERY_CODE_COUNT", 10, "Recovery codes in a set.", most=100),
    _other(
        "MFA_SECRET_KEYS",
        (),
        types.keys,
        "Keys that seal and sign, newest first, each of at least 32 characters.",
        secret=True,
        derived="from `SECRET_KEY`, `SECRET_KEY_FALLBACKS`, with one warning outside debug",
    ),
    _other(
        "MFA_ISSUER",
        None,
        types.or_none(_issuer),
        "Name shown in authenticator apps, mails and SMS.",
        derived="the app's name",
    ),
    _other(
        "MFA_BASE_URL",
        None,
        types.or_none(origins.origin),
        "Origin of every link in a mail, and of passkeys; never taken from the Host header.",
        derived="`PREFERRED_URL_SCHEME://SERVER_NAME` where set",
    ),
    _other(
        "MFA_RP_ID",
        None,
        types.or_none(origins.relying_party),
        "Domain of the WebAuthn relying party.",
        derived="from `MFA_BASE_URL`",
    ),
    _other(
        "MFA_RP_NAME",
        None,
        types.or_none(_issuer),
        "Name of the WebAuthn relying party.",
        derived="`MFA_ISSUER`",
    ),
    _other(
        "MFA_ORIGINS",
        (),
        types.or_none(_origins),
        "Origins at which passkeys may be used.",
        derived="from `MFA_BASE_URL`",
    ),
    _other("MFA_URL_PREFIX", "/mfa", origins.prefix, "Path under which our pages stand."),
    _other(
        "MFA_BASE_TEMPLATE",
        "mfa/base.html",
        _template,
        "The host's layout to extend, with the blocks `title`, `head` and `content`.",
    ),
    _other(
        "MFA_LANGUAGES",
        SHIPPED_LANGUAGES,
        types.items_of(_language, least=1),
        "Languages offered on our pages, the first where none fits.",
        derived="what ships",
    ),
    _other(
        "MFA_LOGOUT_VIEWS",
        None,
        types.or_none(_words),
        "Endpoints that stay reachable while MFA is owed, and cancel it.",
        derived="endpoints named `logout` or `*.logout`",
    ),
    _other(
        "MFA_MAIL_SENDER",
        None,
        types.or_none(types.mail_sender),
        "Sender of our mails; without it and `MAIL_DEFAULT_SENDER`, no mail sender is configured.",
        derived="`MAIL_DEFAULT_SENDER`",
    ),
    _other(
        "MFA_SMS_PROVIDER",
        None,
        types.or_none(_provider),
        '`"twilio"`, `"console"` (debug only) or a dotted name.',
    ),
    _other(
        "TWILIO_ACCOUNT_ID",
        None,
        types.or_none(types.secret_text),
        'Account at Twilio, for `MFA_SMS_PROVIDER = "twilio"`.',
        secret=True,
    ),
    _other(
        "TWILIO_AUTH_TOKEN",
        None,
        types.or_none(types.secret_text),
        'Token at Twilio, for `MFA_SMS_PROVIDER = "twilio"`.',
        secret=True,
    ),
    _other(
        "TWILIO_SENDER_NUMBER",
        None,
        types.or_none(types.text),
        'Sender at Twilio, for `MFA_SMS_PROVIDER = "twilio"`.',
    ),
    _seconds("MFA_MAIL_TIMEOUT", 5, "How long a mail server may take.", most=60),
    _seconds("MFA_SMS_TIMEOUT", 5, "How long an SMS provider may take.", most=60),
    _other(
        "MFA_RATE_LIMIT_STORAGE_URI",
        None,
        types.or_none(origins.redis_uri),
        "`redis://…` or `rediss://…` for the per-address limits; all others are in the database.",
    ),
    _other(
        "EMBEDDED_AUTH_ORIGINS",
        (),
        _origins,
        "Origins that may call the embedded API; with none, and no client with any, it answers "
        "404.",
    ),
    _flag("MFA_ADMIN_PANEL", True, "The admin panel answers (to whom `is_admin` says)."),
    _flag("MFA_S2S_API", False, "The server-to-server API answers."),
    _flag("MFA_GUARD", True, "The guard stands before every view of the app."),
    _other(
        "MFA_CLIENTS",
        {},
        types.clients,
        "Clients declared in code, each with its overrides: "
        '`{"billing": {"OTP_MFA_IS_REQUIRED": True}}`.',
    ),
)

BY_NAME = {setting.name: setting for setting in DECLARED}
SYSTEM = tuple(setting.name for setting in DECLARED if setting.system)
"""The five that `use_system_mfa_config` governs (●)."""

CLIENT_FIELDS: dict[str, Parse] = {
    "name": types.text,
    "redirect_uris": types.items_of(origins.redirect_uri),
    "origins": _origins,
    "scopes": types.items_of(types.one_of(*SCOPES)),
    "allow_native": types.boolean,
    "use_system_mfa_config": types.boolean,
}
"""What a client may say beside its overrides."""

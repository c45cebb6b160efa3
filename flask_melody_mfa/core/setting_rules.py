"""Rules between settings: what stands in for an unset one, and which ones need each other.

All work on parsed values by setting name; problems are appended as whole sentences.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask_melody_mfa.core import origins
from flask_melody_mfa.core import setting_types as types
from flask_melody_mfa.core.declared import BY_NAME, CLIENT_FIELDS, SYSTEM
from flask_melody_mfa.core.setting_names import meant
from flask_melody_mfa.core.setting_types import BadValue
from flask_melody_mfa.core.types import FactorKind

REQUIRED = {
    FactorKind.OTP: "OTP_MFA_IS_REQUIRED",
    FactorKind.SMS: "SMS_MFA_IS_REQUIRED",
    FactorKind.EMAIL: "EMAIL_MFA_IS_REQUIRED",
}

NEW_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"

_PLACEHOLDER = re.compile(
    r"change.?(?:me|this)|replace.?(?:me|this)|your.?secret|insecure|placeholder"
    r"|192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    re.IGNORECASE,
)
"""Keys that stand in templates and tutorials, so that everyone knows them."""


def is_debug(config: Mapping[str, Any]) -> bool:
    """Whether DEBUG or TESTING is on; the text "false" is not."""
    for name in ("DEBUG", "TESTING"):
        try:
            if types.boolean(config.get(name)):
                return True
        except BadValue:
            continue
    return False


def app_keys(config: Mapping[str, Any], *, debug: bool, problems: list[str]) -> tuple[str, ...]:
    """The keys that stand in for unset `MFA_SECRET_KEYS`: the app's own, newest first."""
    raw = config.get("SECRET_KEY")
    if raw is None or raw in ("", b""):
        problems.append(
            f"MFA_SECRET_KEYS is missing, and SECRET_KEY too; set one, made by {NEW_KEY}"
        )
        return ()
    # A short key stays good enough to try things out: ours are derived from it by HKDF.
    read = types.any_key if debug else types.key
    try:
        newest = read(raw)
    except BadValue as error:
        problems.append(f"SECRET_KEY {error}; or set MFA_SECRET_KEYS")
        return ()
    found = [newest]
    older = config.get("SECRET_KEY_FALLBACKS")
    if older is not None and not isinstance(older, list | tuple):
        problems.append("SECRET_KEY_FALLBACKS is no list; set a list, or MFA_SECRET_KEYS")
        return ()
    for item in older or ():
        try:
            found.append(read(item))
        except BadValue:
            # Outside debug, nothing of ours was ever sealed with a key that is refused.
            continue
    return tuple(dict.fromkeys(found))


def check_keys(keys: tuple[str, ...], name: str, *, debug: bool, problems: list[str]) -> None:
    """Refuse keys that everyone knows, outside debug."""
    if not debug and any(_PLACEHOLDER.search(key) for key in keys):
        problems.append(f"{name} holds a key from a template or tutorial; make one by {NEW_KEY}")


def complete(
    values: dict[str, Any], config: Mapping[str, Any], *, app_name: str, problems: list[str]
) -> None:
    """Put in place what the contract derives for unset values."""
    if values["MFA_ISSUER"] is None:
        values["MFA_ISSUER"] = re.sub(r"[\x00-\x1f\x7f:]+", " ", app_name).strip()[:64] or "Flask"
    if values["MFA_BASE_URL"] is None and config.get("SERVER_NAME"):
        scheme = config.get("PREFERRED_URL_SCHEME") or "http"
        try:
            values["MFA_BASE_URL"] = origins.origin(f"{scheme}://{config['SERVER_NAME']}")
        except BadValue as error:
            problems.append(
                f"MFA_BASE_URL, from PREFERRED_URL_SCHEME and SERVER_NAME, {error}; or set it"
            )
    base = values["MFA_BASE_URL"]
    if base is not None and values["MFA_RP_ID"] is None:
        host = urlsplit(base).hostname or ""
        # WebAuthn §5.1.2: an IP address is no relying party.
        values["MFA_RP_ID"] = None if origins.is_address(host) else host
    if base is not None and not values["MFA_ORIGINS"]:
        values["MFA_ORIGINS"] = (base,)
    values["MFA_ORIGINS"] = values["MFA_ORIGINS"] or ()
    values["MFA_SMS_COUNTRIES"] = values["MFA_SMS_COUNTRIES"] or ()
    values["MFA_RP_NAME"] = values["MFA_RP_NAME"] or values["MFA_ISSUER"]
    if values["MFA_MAIL_SENDER"] is None and config.get("MAIL_DEFAULT_SENDER"):
        try:
            values["MFA_MAIL_SENDER"] = types.mail_sender(config["MAIL_DEFAULT_SENDER"])
        except BadValue as error:
            problems.append(f"MAIL_DEFAULT_SENDER {error}; or set MFA_MAIL_SENDER")


def check_app(values: Mapping[str, Any], config: Mapping[str, Any], *, debug: bool) -> list[str]:
    """Rules that only the app's own values can break."""
    problems: list[str] = []
    if not debug:
        for name in ("MFA_BASE_URL", "MFA_ORIGINS", "EMBEDDED_AUTH_ORIGINS"):
            found = values[name]
            listed = (found,) if isinstance(found, str) else found or ()
            if name == "MFA_ORIGINS" and listed == (values["MFA_BASE_URL"],):
                continue
            if any(origins.is_plain(origin) for origin in listed):
                derived = name == "MFA_BASE_URL" and not config.get(name)
                remedy = ' (or PREFERRED_URL_SCHEME = "https")' if derived else ""
                problems.append(
                    f"{name} is http, which anyone on the way can read; set https{remedy}, "
                    "except on loopback or in debug"
                )
    relying_party = values["MFA_RP_ID"]
    foreign = origins.outside(relying_party, values["MFA_ORIGINS"]) if relying_party else ()
    if foreign and len(foreign) == len(values["MFA_ORIGINS"]):
        # Others may lie elsewhere: they are told to browsers as related ones.
        problems.append(
            "MFA_RP_ID is not the domain, or a parent of it, of any origin in MFA_ORIGINS (or of "
            "MFA_BASE_URL); make them agree"
        )
    provider = values["MFA_SMS_PROVIDER"]
    if provider == "console" and not debug:
        problems.append(
            "MFA_SMS_PROVIDER is 'console', which shows codes in the log; choose another outside "
            "debug"
        )
    if provider == "twilio":
        for name in ("TWILIO_ACCOUNT_ID", "TWILIO_AUTH_TOKEN", "TWILIO_SENDER_NUMBER"):
            if values[name] is None:
                alike = [key for key in config if isinstance(key, str) and key not in BY_NAME]
                near = [key for key in alike if meant(key, (name,))]
                hint = f" ({near[0]} is set: rename it)" if near else ""
                problems.append(f"{name} is missing, for MFA_SMS_PROVIDER = 'twilio'; set it{hint}")
    return problems


def needs(values: Mapping[str, Any]) -> list[str]:
    """What the effective values, of the app or of a client, lack."""
    problems = []
    reason = ""
    if values["SMS_MFA_IS_REQUIRED"]:
        reason = "SMS_MFA_IS_REQUIRED is on"
    elif FactorKind.SMS in values["ENFORCE_ONE_MFA_ENROLLMENT"]:
        reason = "ENFORCE_ONE_MFA_ENROLLMENT names sms"
    elif values["MFA_SMS_PROVIDER"] is not None:
        reason = "MFA_SMS_PROVIDER is set"
    if reason and not values["MFA_SMS_COUNTRIES"]:
        problems.append(
            f"MFA_SMS_COUNTRIES is missing, while {reason}; name the countries that may receive "
            'SMS, as in ["US"]'
        )
    if values["ALLOW_PASSKEY_ENROLLMENT"]:
        if values["MFA_BASE_URL"] is None:
            problems.append(
                "MFA_BASE_URL is missing, while ALLOW_PASSKEY_ENROLLMENT is on; set the app's "
                "origin, as in 'https://example.org'"
            )
        elif values["MFA_RP_ID"] is None:
            problems.append(
                "MFA_BASE_URL is an IP address, while ALLOW_PASSKEY_ENROLLMENT is on; set one with "
                "a domain name, which passkeys need"
            )
    return problems


def read_client(overrides: object, problems: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A client's settings as they take effect, by name, and its own fields.

    Names are those of ◆ settings, in upper or lower case. The five marked ● follow
    `use_system_mfa_config` (contract section 2).
    """
    changes: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    if not isinstance(overrides, Mapping):
        problems.append(f"is a {type(overrides).__name__}; set a dict of settings")
        return changes, fields
    named: set[str] = set()
    for raw, value in overrides.items():
        if not isinstance(raw, str):
            problems.append(f"has the name {types.shown(raw)}; names are text")
            continue
        setting = BY_NAME.get(raw.upper()) if raw in (raw.upper(), raw.lower()) else None
        name = setting.name if setting else raw.lower()
        if setting is None and name not in CLIENT_FIELDS:
            guess = meant(raw, (*BY_NAME, *(field.upper() for field in CLIENT_FIELDS)))
            hint = f"did you mean {guess}?" if guess else "remove it"
            problems.append(f"{types.shown(raw)} is nothing that a client can say; {hint}")
            continue
        if name in named:
            problems.append(f"{name} is given twice, in upper and lower case; give it once")
        named.add(name)
        if setting is not None and not setting.overridable:
            problems.append(f"{name} cannot be overridden by a client; set it for the app")
            continue
        parse = setting.parse if setting else CLIENT_FIELDS[name]
        try:
            (changes if setting else fields)[name] = parse(value)
        except BadValue as error:
            problems.append(f"{name} {error}")
    own = [name for name in SYSTEM if name in named]
    use_system = fields.get("use_system_mfa_config", not own)
    if use_system and own:
        problems.append(
            f"{', '.join(own)} cannot stand beside use_system_mfa_config = True; leave out the one "
            "or the other"
        )
    if not use_system:
        for name in SYSTEM:
            empty: Any = () if name == "ENFORCE_ONE_MFA_ENROLLMENT" else False
            changes.setdefault(name, empty)
    return changes, fields

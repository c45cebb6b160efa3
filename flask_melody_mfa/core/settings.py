"""The settings: read from `app.config` once, checked whole, then frozen (contract section 2)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Self

from flask_melody_mfa.core import origins
from flask_melody_mfa.core import setting_rules as rules
from flask_melody_mfa.core.declared import BY_NAME, DECLARED, Setting
from flask_melody_mfa.core.errors import ConfigError
from flask_melody_mfa.core.setting_names import name_problem
from flask_melody_mfa.core.setting_types import BadValue, shown
from flask_melody_mfa.core.types import FactorKind, Instant

__all__ = [
    "CLIENT_ID",
    "DECLARED",
    "Late",
    "Setting",
    "Settings",
    "Source",
    "late_problems",
    "senderless",
    "without_sender",
]

Source = Literal["default", "app", "client code", "client database"]
"""Where an effective value came from."""

Late = tuple[tuple[str, ...], tuple[str, ...], tuple[FactorKind, ...]]

CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every effective setting, under the lower-case of its name. Seconds are whole numbers.

    `secret_keys_from_app`: the keys are the app's `SECRET_KEY`. `debug`: DEBUG or TESTING is on.
    """

    otp_mfa_is_required: bool
    email_mfa_is_required: bool
    sms_mfa_is_required: bool
    enforce_one_mfa_enrollment: tuple[FactorKind, ...]
    allow_email_mfa_as_backup: bool
    allow_passkey_enrollment: bool
    enable_recovery_code: bool
    enable_mfa_remember_device: bool
    mfa_remember_device_days: int
    mfa_ask_every_enrolled: bool
    mfa_passkey_is_enough: bool
    mfa_recovery_code_is_enough: bool
    mfa_external_sign_in_is_enough: bool
    mfa_required_from: Instant | None
    blocked_policies: tuple[str, ...]
    mfa_code_verify_threshold: int
    mfa_sign_in_threshold: int
    email_mfa_email_threshold: int
    sms_mfa_message_threshold: int
    mfa_sms_per_hour: int
    mfa_sms_countries: tuple[str, ...]
    mfa_resend_seconds: int
    mfa_code_seconds: int
    mfa_tries_per_code: int
    mfa_challenge_seconds: int
    mfa_fresh_seconds: int
    mfa_session_max_seconds: int
    mfa_session_idle_seconds: int
    mfa_session_recheck_seconds: int
    mfa_recovery_code_count: int
    mfa_secret_keys: tuple[str, ...] = field(repr=False)
    mfa_issuer: str
    mfa_base_url: str | None
    mfa_rp_id: str | None
    mfa_rp_name: str
    mfa_origins: tuple[str, ...]
    mfa_url_prefix: str
    mfa_base_template: str
    mfa_languages: tuple[str, ...]
    mfa_logout_views: tuple[str, ...] | None
    mfa_mail_sender: str | None
    mfa_sms_provider: str | None
    twilio_account_id: str | None = field(repr=False)
    twilio_auth_token: str | None = field(repr=False)
    twilio_sender_number: str | None
    mfa_mail_timeout: int
    mfa_sms_timeout: int
    mfa_rate_limit_storage_uri: str | None = field(repr=False)
    embedded_auth_origins: tuple[str, ...]
    mfa_admin_panel: bool
    mfa_s2s_api: bool
    mfa_guard: bool
    mfa_clients: Mapping[str, Mapping[str, Any]] = field(hash=False)
    secret_keys_from_app: bool
    debug: bool
    sources: Mapping[str, Source] = field(repr=False, compare=False)

    @classmethod
    def load(cls, config: Mapping[str, Any], *, app_name: str = "Flask") -> Self:
        """The settings of an app, from its config.

        Raises `ConfigError` with every problem and its remedy. None of them shows a secret.
        """
        problems = [
            problem for name in config if (problem := name_problem(name, BY_NAME)) is not None
        ]
        debug = rules.is_debug(config)
        values: dict[str, Any] = {}
        sources: dict[str, Source] = {}
        bad: set[str] = set()
        for setting in DECLARED:
            values[setting.name] = setting.default
            sources[setting.name] = "default"
            raw = config.get(setting.name)
            if raw is None and (setting.name not in config or setting.name == "MFA_SECRET_KEYS"):
                continue
            try:
                value = setting.parse(raw)
            except BadValue as error:
                problems.append(f"{setting.name} {error}")
                bad.add(setting.name)
                continue
            if value is not None:
                values[setting.name] = value
                sources[setting.name] = "app"
        from_app = not values["MFA_SECRET_KEYS"] and "MFA_SECRET_KEYS" not in bad
        if from_app:
            values["MFA_SECRET_KEYS"] = rules.app_keys(config, debug=debug, problems=problems)
        rules.check_keys(
            values["MFA_SECRET_KEYS"],
            "SECRET_KEY" if from_app else "MFA_SECRET_KEYS",
            debug=debug,
            problems=problems,
        )
        rules.complete(values, config, app_name=app_name, problems=problems)
        wanting = rules.check_app(values, config, debug=debug) + rules.needs(values)
        # What could not be read is not missing as well, and is told once, not for each client.
        problems += [problem for problem in wanting if _subject(problem) not in bad]
        bad |= {_subject(problem) for problem in wanting}
        values["MFA_CLIENTS"] = _read_clients(values, bad, debug, problems)
        if problems:
            raise ConfigError(problems)
        return cls(
            **{BY_NAME[name].attribute: value for name, value in values.items()},
            secret_keys_from_app=from_app,
            debug=debug,
            sources=MappingProxyType(sources),
        )

    def for_client(
        self,
        overrides: Mapping[str, Any],
        *,
        source: Literal["client code", "client database"] = "client code",
    ) -> Self:
        """The effective settings for a client: its ◆ values over these.

        Names may be in lower case. What a client says beside settings (`redirect_uris`, …) is
        checked, and kept by whoever keeps the client. Raises `ConfigError` with every problem.
        """
        problems: list[str] = []
        changes, _ = rules.read_client(overrides, problems)
        problems += rules.needs(self._values() | changes)
        if problems:
            raise ConfigError(problems)
        given: dict[str, Source] = dict.fromkeys(changes, source)
        return dataclasses.replace(
            self,
            **{BY_NAME[name].attribute: value for name, value in changes.items()},
            sources=MappingProxyType({**self.sources, **given}),
        )

    def with_enforced(self, factors: Sequence[FactorKind]) -> Self:
        """The same, with this list enforced: what `late_problems` left of it."""
        return dataclasses.replace(self, enforce_one_mfa_enrollment=tuple(factors))

    @property
    def related_origins(self) -> tuple[str, ...]:
        """Origins on other domains that may use our passkeys (WebAuthn Level 3 §5.11).

        Those of `MFA_ORIGINS` and of clients that are declared in code.
        """
        if self.mfa_rp_id is None:
            return ()
        listed = [*self.mfa_origins]
        for said in self.mfa_clients.values():
            lower = {str(name).lower(): value for name, value in said.items()}
            listed += lower.get("origins", ())
        return tuple(dict.fromkeys(origins.outside(self.mfa_rp_id, listed)))

    def source_of(self, name: str) -> Source:
        """Where the effective value of a setting came from; `KeyError` for an unknown name."""
        return self.sources[name.upper()]

    def as_public_dict(self) -> dict[str, Any]:
        """Name → value as JSON can hold it, without keys, tokens and passwords."""
        public = {
            BY_NAME[name].attribute: _as_json(BY_NAME[name].plain(value))
            for name, value in self._values().items()
            if not BY_NAME[name].secret
        }
        if self.mfa_rate_limit_storage_uri is not None:
            uri = origins.without_password(self.mfa_rate_limit_storage_uri)
            public["mfa_rate_limit_storage_uri"] = uri
        return public

    def _values(self) -> dict[str, Any]:
        return {setting.name: getattr(self, setting.attribute) for setting in DECLARED}


def late_problems(settings: Settings, *, mail_sender: bool, sms_sender: bool) -> Late:
    """What shows only once other extensions and hooks are known: factors without a sender.

    Returns problems, warnings, and what is left of the app's `ENFORCE_ONE_MFA_ENROLLMENT`. A
    required factor without a sender is a problem; an enforceable one is left out with a warning,
    unless nothing would remain. Clients are looked at too.
    """
    without = senderless(mail_sender=mail_sender, sms_sender=sms_sender)
    problems: list[str] = []
    warnings: list[str] = []
    left = without_sender("", settings, without, problems, warnings)
    for client, overrides in settings.mfa_clients.items():
        effective = settings.for_client(overrides)
        if _asked(effective) != _asked(settings):
            where = f"MFA_CLIENTS[{client!r}]: "
            without_sender(where, effective, without, problems, warnings)
    return tuple(problems), tuple(warnings), left


def senderless(*, mail_sender: bool, sms_sender: bool) -> dict[FactorKind, str]:
    """The factors that have no sender, each with its remedy."""
    without: dict[FactorKind, str] = {}
    if not mail_sender:
        without[FactorKind.EMAIL] = "set MAIL_DEFAULT_SENDER or MFA_MAIL_SENDER, or @mfa.send_mail"
    if not sms_sender:
        without[FactorKind.SMS] = "set MFA_SMS_PROVIDER or @mfa.send_sms"
    return without


def _asked(settings: Settings) -> tuple[object, ...]:
    return (
        settings.email_mfa_is_required,
        settings.sms_mfa_is_required,
        settings.enforce_one_mfa_enrollment,
    )


def without_sender(
    where: str,
    settings: Settings,
    without: Mapping[FactorKind, str],
    problems: list[str],
    warnings: list[str],
) -> tuple[FactorKind, ...]:
    """Note what `settings` ask of factors without a sender; return what can be enforced."""
    for kind, remedy in without.items():
        name = rules.REQUIRED[kind]
        if settings._values()[name]:
            problems.append(f"{where}{name} is on, but {kind} has no sender; {remedy}")
    enforced = settings.enforce_one_mfa_enrollment
    left = tuple(kind for kind in enforced if kind not in without)
    gone = [kind for kind in enforced if kind in without]
    if gone and not left:
        problems.append(
            f"{where}ENFORCE_ONE_MFA_ENROLLMENT names only {', '.join(gone)}, without a sender; "
            f"{without[gone[0]]}, or name otp"
        )
    elif gone:
        warnings.append(
            f"{where}ENFORCE_ONE_MFA_ENROLLMENT: {', '.join(gone)} left out, for want of a sender; "
            + "; ".join(without[kind] for kind in gone)
        )
    return left


def _read_clients(
    values: Mapping[str, Any],
    told: set[str],
    debug: bool,
    problems: list[str],
) -> Mapping[str, Mapping[str, Any]]:
    """`MFA_CLIENTS`, checked whole and frozen; values stay as given, so that they read again."""
    kept: dict[str, Mapping[str, Any]] = {}
    for client, overrides in values["MFA_CLIENTS"].items():
        if not isinstance(client, str) or not CLIENT_ID.fullmatch(client):
            problems.append(
                f"MFA_CLIENTS has the client id {shown(client)}; use letters, digits, '.', '_' and "
                "'-', at most 64"
            )
            continue
        own: list[str] = []
        changes, fields = rules.read_client(overrides, own)
        wanting = rules.needs({**values, **changes})
        own += [need for need in wanting if _subject(need) not in told]
        if not debug and any(origins.is_plain(origin) for origin in fields.get("origins", ())):
            own.append("origins has one with http; set https, except on loopback or in debug")
        problems += [f"MFA_CLIENTS[{client!r}]: {problem}" for problem in own]
        if isinstance(overrides, Mapping):
            kept[client] = MappingProxyType(
                {
                    name: fields[str(name).lower()] if str(name).lower() in fields else _freeze(raw)
                    for name, raw in overrides.items()
                }
            )
    return MappingProxyType(kept)


def _subject(problem: str) -> str:
    return problem.partition(" ")[0]


def _freeze(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | set | frozenset) else value


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _as_json(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, FactorKind):
        return str(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)

"""What is wrong with an app's set-up, each finding with its remedy: for `flask mfa doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Literal
from urllib.parse import urlsplit

import flask_mail
from flask import Flask

from flask_melody_mfa.core import origins
from flask_melody_mfa.core.errors import ConfigError, MfaError
from flask_melody_mfa.core.settings import Settings, late_problems
from flask_melody_mfa.flows import keys
from flask_melody_mfa.flows import schema as schema_flow
from flask_melody_mfa.web import door
from flask_melody_mfa.web.mail import clock_for
from flask_melody_mfa.web.sms import load_provider
from flask_melody_mfa.web.smtp import Connection
from flask_melody_mfa.web.state import State, context

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault. `subject`: which part of the set-up it is in."""

    level: Level
    subject: str
    text: str


def examine(app: Flask, here: State, *, connect: bool = True) -> list[Finding]:
    """Everything that is wrong, in the order of the examinations.

    `connect`: also try the mail server and Redis. In an app context.
    """
    found = list(settings(app, here))
    if has_errors(found):
        return found
    missing = list(database(app, here))
    found += missing or sealing(app, here)
    parts: tuple[Callable[[Flask, State], Iterator[Finding]], ...]
    parts = (login, addresses, cookies, text_messages)
    if connect:
        parts += (mail_server, redis)
    for part in parts:
        found += part(app, here)
    return found


def has_errors(found: list[Finding]) -> bool:
    """Whether any finding is more than a warning."""
    return any(finding.level == "error" for finding in found)


def error(subject: str, text: str) -> Finding:
    return Finding(level="error", subject=subject, text=text)


def warning(subject: str, text: str) -> Finding:
    return Finding(level="warning", subject=subject, text=text)


def settings(app: Flask, here: State) -> Iterator[Finding]:
    """The settings themselves, and factors that nothing can deliver."""
    try:
        loaded = Settings.load(app.config, app_name=app.name)
    except ConfigError as wrong:
        yield from (error("settings", problem) for problem in wrong.problems)
        return
    problems, warnings, _ = late_problems(
        loaded, mail_sender=here.can_mail(loaded), sms_sender=here.can_sms(loaded)
    )
    yield from (error("delivery", problem) for problem in problems)
    yield from (warning("delivery", text) for text in warnings)


def database(_app: Flask, here: State) -> Iterator[Finding]:
    """The tables and their steps."""
    try:
        missing = schema_flow.missing_steps(here.store)
    except MfaError:
        yield error("database", "The database cannot be asked; see the log")
        return
    if missing:
        steps = ", ".join(str(number) for number in missing)
        yield error(
            "database",
            f"Steps {steps} of the tables are missing; run `flask mfa db revision` and `flask db "
            "upgrade`, or without Flask-Migrate `flask mfa db upgrade`",
        )


def sealing(_app: Flask, here: State) -> Iterator[Finding]:
    """The keys, and whether what is sealed can be opened."""
    if here.settings.secret_keys_from_app and not here.settings.debug:
        yield warning(
            "keys", "MFA_SECRET_KEYS is not set; set it, so that SECRET_KEY may change on its own"
        )
    try:
        counts = keys.status(context(actor="cli"))
    except MfaError:
        yield error(
            "keys", "The hash key cannot be opened; put the key that sealed it in MFA_SECRET_KEYS"
        )
        return
    known = here.vault.sealer.key_ids
    for key_id, number in counts.items():
        if key_id not in known and number:
            yield error(
                "keys",
                f"{number} rows are sealed with the key {key_id}, which MFA_SECRET_KEYS does not "
                "hold; put it back",
            )
        elif key_id != known[0] and number:
            yield warning(
                "keys", f"{number} rows have an older key ({key_id}); run `flask mfa keys rotate`"
            )


def login(_app: Flask, _here: State) -> Iterator[Finding]:
    """Flask-Login."""
    manager = door.login_manager()
    if manager is None:
        yield error("login", "This app has no Flask-Login; call login_manager.init_app(app)")
    elif not (manager.login_view or manager.blueprint_login_views):
        yield warning("login", "login_manager.login_view is not set; people are sent to / instead")


def addresses(_app: Flask, here: State) -> Iterator[Finding]:
    """The base URL, https, and the relying party."""
    settings = here.settings
    base = settings.mfa_base_url
    if base is None:
        yield warning("https", "MFA_BASE_URL is not set; mails carry no links without it")
    elif origins.is_plain(base) and not settings.debug:
        yield error("https", f"MFA_BASE_URL is {base}; set an https origin")
    if settings.allow_passkey_enrollment and base is not None:
        host = urlsplit(base).hostname or ""
        party = settings.mfa_rp_id or ""
        if host != party and not host.endswith("." + party):
            yield error(
                "relying party",
                f"MFA_RP_ID is {party}, which is neither {host} nor a domain above it",
            )


def cookies(app: Flask, here: State) -> Iterator[Finding]:
    """The cookies of the session and of Flask-Login."""
    base = here.settings.mfa_base_url
    if base is None or origins.is_plain(base) or not base.startswith("https:"):
        return
    for name in ("SESSION_COOKIE_SECURE", "REMEMBER_COOKIE_SECURE"):
        if not app.config.get(name):
            yield warning("cookies", f"{name} is off; set it to True")
    if app.config.get("SESSION_COOKIE_HTTPONLY") is False:
        yield error("cookies", "SESSION_COOKIE_HTTPONLY is off; remove that")


def text_messages(app: Flask, here: State) -> Iterator[Finding]:
    """The SMS provider."""
    if here.hooks.send_sms is not None or here.settings.mfa_sms_provider is None:
        return
    try:
        load_provider(app, here.settings)
    except ConfigError as wrong:
        yield from (error("sms", problem) for problem in wrong.problems)


def mail_server(app: Flask, here: State) -> Iterator[Finding]:
    """Whether the mail server answers, with a certificate that holds."""
    if here.hooks.send_mail is not None or not here.can_mail(here.settings):
        return
    state = app.extensions.get("mail") or flask_mail.Mail().init_mail(
        app.config, app.debug, app.testing
    )
    if state.suppress:
        return
    if not (state.use_tls or state.use_ssl) and state.server not in ("localhost", "127.0.0.1"):
        yield warning("mail", "Mail leaves without TLS; set MAIL_USE_TLS or MAIL_USE_SSL")
    try:
        Connection(state, clock_for(here.settings)).configure_host().close()
    except Exception as failed:
        yield error(
            "mail",
            f"{state.server}:{state.port} does not take mail ({type(failed).__name__}); check "
            "MAIL_SERVER, MAIL_PORT, its certificate and the password",
        )


def redis(_app: Flask, here: State) -> Iterator[Finding]:
    """Whether the per-address limits' Redis answers."""
    uri = here.settings.mfa_rate_limit_storage_uri
    if uri is None:
        return
    try:
        limits = import_module("flask_melody_mfa.web.limits")
        answers_ = limits.storage_for(uri).check()
    except Exception:
        answers_ = False
    if not answers_:
        yield warning(
            "redis",
            f"{origins.without_password(uri)} does not answer; addresses are counted in the "
            "database meanwhile",
        )

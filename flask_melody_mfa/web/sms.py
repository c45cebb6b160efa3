"""Text messages: what they say, and the providers that carry them."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from flask import Flask
from werkzeug.utils import import_string

from flask_melody_mfa.core.errors import ConfigError, NotDelivered
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import Message
from flask_melody_mfa.web.deliver import Undeliverable
from flask_melody_mfa.web.lines import one_line
from flask_melody_mfa.web.mail import Texts, validity

log = logging.getLogger("flask_melody_mfa")

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)  # ITU-T E.164
_HOST = re.compile(r"[a-z0-9.-]{1,253}", re.ASCII)


class SmsProvider(Protocol):
    """Carries text messages."""

    def send(self, to: str, text: str, *, timeout: float) -> None:
        """Hand over one message, to a number in E.164, within `timeout` seconds; never twice.

        Raises `NotDelivered` when the provider refused it, or did not say that it took it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedSms:
    """A text message ready to leave, and what `@mfa.send_sms` gets."""

    to: str = field(repr=False)
    text: str = field(repr=False)


def render_sms(message: Message, *, texts: Texts, issuer: str) -> RenderedSms:
    """Write a text message.

    `data`: `code`, `seconds` (its life), `purpose` (`sign_in`, `enroll`), `host` (of the site).
    With a host, the last line binds the code to it, so that phones fill it in there only
    (WICG, origin-bound one-time codes). Raises `Undeliverable` for no number in E.164.
    """
    if not _NUMBER.fullmatch(message.to):
        raise Undeliverable
    data = message.data
    code = one_line(data["code"], 20)
    issuer = one_line(issuer, 40)
    if data.get("purpose") in ("enroll", "confirm"):
        first = texts.mfa_text(
            "%(code)s is your code to confirm this number for %(issuer)s.", code=code, issuer=issuer
        )
    else:
        first = texts.mfa_text(
            "%(code)s is your sign-in code for %(issuer)s.", code=code, issuer=issuer
        )
    text = " ".join((first, validity(texts, data), texts.mfa_text("Never share it.")))
    host = data.get("host")
    if isinstance(host, str) and _HOST.fullmatch(host):
        text += f"\n@{host} #{code}"
    return RenderedSms(to=message.to, text=text)


class ConsoleProvider:
    """Writes messages to the app's log. Codes in a log: for development only."""

    def __init__(self, app: Flask) -> None:
        if not (app.debug or app.testing):
            raise ConfigError(
                ["MFA_SMS_PROVIDER = 'console' is for debug only; set 'twilio' or your own"]
            )
        self._app = app

    def send(self, to: str, text: str, *, timeout: float) -> None:
        """Write one log line."""
        self._app.logger.warning(
            "DEVELOPMENT ONLY, no message was sent. To %s: %s",
            one_line(to, 20),
            one_line(text, 500),
        )


class TwilioProvider:
    """Twilio's Messages API. `api_base` replaces `https://api.twilio.com`."""

    def __init__(
        self, account: str, token: str, sender: str, *, api_base: str | None = None
    ) -> None:
        try:
            import twilio.http.http_client
            import twilio.rest
            import urllib3
        except ImportError:
            raise ConfigError(
                [
                    "MFA_SMS_PROVIDER = 'twilio' needs the package twilio; "
                    "pip install 'flask-melody-mfa[twilio]'"
                ]
            ) from None
        self._http: Callable[..., Any] = twilio.http.http_client.TwilioHttpClient
        self._client: Callable[..., Any] = twilio.rest.Client
        self._limit: Callable[..., Any] = urllib3.Timeout
        self._account = account
        self._token = token
        self._sender = sender
        self._api_base = api_base

    def send(self, to: str, text: str, *, timeout: float) -> None:
        """Create one message. Nothing is tried again: the first try may have been carried out."""
        # A logger of its own that goes nowhere: Twilio's writes requests to the log.
        quiet = logging.Logger("flask_melody_mfa.twilio", logging.CRITICAL + 1)
        # A connection per message: none is shared with another thread or a forked process.
        http = self._http(max_retries=0, logger=quiet)
        http.timeout = self._limit(total=timeout)
        try:
            client = self._client(self._account, self._token, http_client=http)
            if self._api_base is not None:
                client.api.base_url = self._api_base
            client.messages.create(to=to, from_=self._sender, body=text)
        except Exception as error:
            status = getattr(error, "status", None)
            log.warning(
                "A text message was not accepted: %s %s",
                type(error).__name__,
                status if isinstance(status, int) else "",
            )
            final = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
            raise (Undeliverable if final else NotDelivered) from None
        finally:
            http.session.close()


def load_provider(app: Flask, settings: Settings) -> SmsProvider:
    """The provider that `MFA_SMS_PROVIDER` names.

    A dotted name means an object with `send`, a class (made with the app, if it takes an
    argument), or a function of the app that returns a provider. Raises `ConfigError`.
    """
    name = settings.mfa_sms_provider
    if name is None:
        raise ConfigError(["MFA_SMS_PROVIDER is not set; set it, or @mfa.send_sms"])
    if name == "console":
        return ConsoleProvider(app)
    if name == "twilio":
        return TwilioProvider(
            settings.twilio_account_id or "",
            settings.twilio_auth_token or "",
            settings.twilio_sender_number or "",
        )
    try:
        found: Any = import_string(name)
    except ImportError:
        raise ConfigError(
            [f"MFA_SMS_PROVIDER = {name!r} cannot be imported; check the dotted name"]
        ) from None
    if isinstance(found, type):
        found = found(app) if takes_app(found) else found()
    elif not hasattr(found, "send") and callable(found):
        found = found(app)
    if not callable(getattr(found, "send", None)):
        raise ConfigError([f"MFA_SMS_PROVIDER = {name!r} has no send(to, text, *, timeout)"])
    provider: SmsProvider = found
    return provider


def takes_app(provider: type) -> bool:
    """Whether a class is made with one argument."""
    try:
        inspect.signature(provider).bind(None)
    except (TypeError, ValueError):
        return False
    return True

"""After commit: signals, notices, and codes on their way out."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from flask import has_request_context

from flask_melody_mfa.core.errors import MfaError, NotDelivered
from flask_melody_mfa.core.types import Account, Event, Message
from flask_melody_mfa.flows import messages, people
from flask_melody_mfa.signals import BY_NAME
from flask_melody_mfa.web import notices, words
from flask_melody_mfa.web.mail import render_mail, send_mail
from flask_melody_mfa.web.sms import load_provider, render_sms
from flask_melody_mfa.web.state import State, context

log = logging.getLogger("flask_melody_mfa")

CHANGES = frozenset(
    {
        "factor_enrolled",
        "factor_removed",
        "factor_reset",
        "factor_disabled",
        "sessions_ended",
        "session_revoked",
        "signed_out",
        "unlocked",
        "passkey_added",
        "passkey_removed",
        "device_revoked",
    }
)
"""Events after which this process reads the account's sessions again at once."""


def tell(here: State, account: Account | None, events: tuple[Event, ...]) -> None:
    """Drop what is remembered, send signals, and queue notices. Never raises."""
    for event in events:
        if event.type in CHANGES and event.user_key is not None:
            here.cache.drop_user(event.user_key)
        signal = BY_NAME.get(event.type)
        if signal is not None:
            try:
                signal.send(here.app, event=event, account=account)
            except Exception:
                log.exception("A handler of the signal %s failed", event.type)
        if (
            account is not None
            and event.type in notices.NOTICES
            and event.detail.get("notify", True)
        ):
            queue_notice(here, account, event)


def queue_notice(here: State, account: Account, event: Event) -> None:
    """Tell the user by mail, in the background."""
    if not here.can_mail(here.settings):
        return
    locale = account.locale
    if locale is None and has_request_context():
        locale = words.current_locale(here.settings.mfa_languages)

    def job() -> None:
        with here.app.app_context():
            notice(here, account, event, locale)

    here.deliver_later(job)


def notice(here: State, account: Account, event: Event, locale: str | None) -> None:
    """Queue one notice for every address that we know of the user: none waits for another."""
    ctx = context(locale=locale, actor="system")
    for address in people.notice_addresses(ctx, account):
        message = Message(
            channel="email",
            to=address,
            template="notice",
            data={"event": event.type, **event.detail},
            locale=locale,
            purpose="notice",
        )
        here.deliver_later(partial(send_notice, here, account, event, message))


def send_notice(here: State, account: Account, event: Event, message: Message) -> None:
    """Send one notice to one address. Raises `NotDelivered`, for the queue to try again."""
    with here.app.app_context():
        try:
            deliver(here, message, event=event)
        except NotDelivered:
            messages.note_lost_notice(context(actor="system"), account.key, event.type)
            raise


def deliver(here: State, message: Message, *, event: Event | None = None) -> None:
    """Render a message and hand it to its provider now. Raises `NotDelivered`."""
    try:
        if message.channel == "sms":
            deliver_sms(here, message)
        else:
            deliver_mail(here, message, event)
    except NotDelivered:
        raise
    except MfaError:
        raise
    except Exception as error:
        log.error("A message was not sent: %s", type(error).__name__)
        raise NotDelivered from None


def locale_of(here: State, message: Message) -> str:
    """The language of a message."""
    offered = here.settings.mfa_languages
    if message.locale:
        return words.match([message.locale], offered) or offered[0]
    return words.current_locale(offered) if has_request_context() else offered[0]


def deliver_mail(here: State, message: Message, event: Event | None) -> None:
    """Mail, through the host's hook or Flask-Mail."""
    ctx = context()
    rendered = render_mail(
        here.app,
        message,
        texts=words.Texts(locale_of(here, message)),
        issuer=here.settings.mfa_issuer or here.app.name,
        when=event.at if event is not None else ctx.now,
        address=event.address if event is not None else ctx.address,
        user_agent=event.user_agent if event is not None else ctx.user_agent,
        base_url=here.settings.mfa_base_url,
    )
    keep(here, rendered)
    if here.hooks.send_mail is not None:
        here.hooks.send_mail(rendered)
    else:
        send_mail(here.app, here.settings, rendered)


def deliver_sms(here: State, message: Message) -> None:
    """SMS, through the host's hook or the provider."""
    rendered = render_sms(
        message,
        texts=words.Texts(locale_of(here, message)),
        issuer=here.settings.mfa_issuer or here.app.name,
    )
    keep(here, rendered)
    if here.hooks.send_sms is not None:
        here.hooks.send_sms(rendered)
        return
    if here.sms_provider is None:
        here.sms_provider = load_provider(here.app, here.settings)
    here.sms_provider.send(rendered.to, rendered.text, timeout=here.settings.mfa_sms_timeout)


def keep(here: State, rendered: Any) -> None:
    """Under test, what was sent can be looked at."""
    if here.app.testing:
        here.sent.append(rendered)

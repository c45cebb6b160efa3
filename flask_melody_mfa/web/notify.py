"""After commit: signals, notices, and codes on their way out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from flask import current_app, has_request_context

from flask_melody_mfa.core.errors import MfaError, NotDelivered
from flask_melody_mfa.core.types import MINUTE, Account, Event, Instant, Message
from flask_melody_mfa.flows import not_me, notices
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.signals import BY_NAME
from flask_melody_mfa.web import words
from flask_melody_mfa.web.deliver import Undeliverable
from flask_melody_mfa.web.mail import render_mail, send_mail
from flask_melody_mfa.web.notices import NOTICES
from flask_melody_mfa.web.sms import load_provider, render_sms
from flask_melody_mfa.web.state import State, context, state

log = logging.getLogger("flask_melody_mfa")

DUE_EVERY: Instant = MINUTE

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
        "device_reuse_detected",
    }
)
"""Events after which this process reads the account's sessions again at once."""


def tell(here: State, account: Account | None, events: tuple[Event, ...]) -> None:
    """Drop what is remembered, send signals, and queue notices. Never raises."""
    if events:
        send_due_sometimes(here)
    for event in events:
        if event.type in CHANGES and event.user_key is not None:
            here.cache.drop_user(event.user_key)
        if event.type == "client_changed":
            here.clients.drop(event.client)
            here.cache.drop_client(event.client)
        signal = BY_NAME.get(event.type)
        if signal is not None:
            try:
                signal.send(here.app, event=event, account=account)
            except Exception:
                log.exception("A handler of the signal %s failed", event.type)
        if account is not None and event.type in NOTICES and event.detail.get("notify", True):
            queue_notice(here, account, event)


def queue_notice(here: State, account: Account, event: Event) -> None:
    """Tell the user by mail, in the background. Never raises."""
    if not here.can_mail(here.settings):
        return
    locale = account.locale
    if locale is None and has_request_context():
        locale = words.current_locale(here.settings.mfa_languages)
    try:
        ids = notices.queue(context(locale=locale), account, event, locale)
    except MfaError as error:
        log.error("A notice of %s could not be written down (%s)", event.type, error.code)
        return
    for notice_id in ids:
        here.deliver_later(SendNotice(notice_id))


@dataclass(frozen=True, slots=True)
class SendNotice:
    """The job that sends one notice. To be called in an app context; may be pickled.

    Raises `NotDelivered` when it is worth running again soon; if nobody does, it is sent later.
    """

    notice_id: str

    def __call__(self) -> None:
        ctx = context(actor="system")
        notice = notices.take(ctx, self.notice_id)
        if notice is None:
            return
        try:
            deliver(state(), message_of(ctx, notice), event=notice.event)
        except Undeliverable:
            notices.failed(ctx, notice, final=True)
            raise
        except NotDelivered:
            notices.failed(ctx, notice, final=False)
            raise
        notices.sent(ctx, notice)


@dataclass(frozen=True, slots=True)
class SendDue:
    """The job that looks for notices whose time has come again."""

    def __call__(self) -> None:
        for notice_id in notices.due(context(actor="system")):
            state().deliver_later(SendNotice(notice_id))


def message_of(ctx: Context, notice: notices.Notice) -> Message:
    """What a notice says."""
    link = not_me_url(ctx, notice)
    return Message(
        channel="email",
        to=notice.to,
        template="notice",
        data={**notice.event.detail, "event": notice.event.type, "not_me_url": link},
        locale=notice.locale,
        purpose="notice",
    )


def not_me_url(ctx: Context, notice: notices.Notice) -> str | None:
    """The link by which the reader says that it was somebody else.

    Its host is that of `MFA_BASE_URL`, never one that a request names; without it, no link.
    """
    settings = ctx.settings
    if settings.mfa_base_url is None:
        return None
    root = str(current_app.config.get("APPLICATION_ROOT") or "").rstrip("/")
    token = not_me.token(ctx, notice.user_key, notice.event.id)
    return f"{settings.mfa_base_url}{root}{settings.mfa_url_prefix}/not-me/{token}"


def send_due_sometimes(here: State) -> None:
    """Look for due notices in the background, at most once in `DUE_EVERY` per process."""
    now = here.clock()
    if abs(now - here.looked_for_due_at) >= DUE_EVERY:
        here.looked_for_due_at = now
        here.deliver_later(SendDue())


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

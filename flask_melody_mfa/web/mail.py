"""Mails: what they say, and how they leave, to exactly one person each."""

from __future__ import annotations

import contextlib
import logging
import re
import smtplib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import Any, Protocol

import flask_mail
from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.lists import format_list
from flask import Flask, current_app, has_app_context

from flask_melody_mfa.core.errors import NotDelivered
from flask_melody_mfa.core.recovery_codes import FEW
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import SECOND, Instant, Message
from flask_melody_mfa.web import notices
from flask_melody_mfa.web.deliver import Undeliverable
from flask_melody_mfa.web.lines import browser, one_line
from flask_melody_mfa.web.smtp import Clock, Connection
from flask_melody_mfa.web.words import mfa_lazy

log = logging.getLogger("flask_melody_mfa")

ANSWER_SECONDS = 9.0
"""All operations on one mail together, unless `MFA_MAIL_TIMEOUT` allows more for each."""

# One address and nothing else: no name, list, comment, route, quoting or address literal.
_ADDRESS = re.compile(r"([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@([^\s@,;:<>()\[\]\\\"]{1,253})")
_DOMAIN = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*", re.ASCII)


class Texts(Protocol):
    """Translates into one locale (`en`, `fr`, `zh_Hans`)."""

    locale: str

    def mfa_text(self, message: str, /, **values: Any) -> str:
        """A text, filled in."""
        ...

    def mfa_ntext(self, singular: str, plural: str, num: int, /, **values: Any) -> str:
        """A text that depends on a number."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMail:
    """A mail ready to leave, and what `@mfa.send_mail` gets. Its `repr` tells nothing of it."""

    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Purpose:
    """The texts of a code mail, by what the code is for."""

    subject: str
    intro: str
    not_you: str


SIGN_IN = Purpose(
    subject=mfa_lazy("Your sign-in code for %(issuer)s"),
    intro=mfa_lazy("Enter this code to sign in to %(issuer)s:"),
    not_you=mfa_lazy(
        "If you are not signing in right now, someone knows your password: change it at once."
    ),
)
CONFIRM = Purpose(
    subject=mfa_lazy("Confirm your email address for %(issuer)s"),
    intro=mfa_lazy("Enter this code to confirm this email address for %(issuer)s:"),
    not_you=mfa_lazy(
        "If you did not ask for this, do nothing: without the code the address is not used."
    ),
)
PURPOSES = {"sign_in": SIGN_IN, "proof": SIGN_IN, "enroll": CONFIRM, "confirm": CONFIRM}


def one_address(text: object) -> str:
    """The one address in ASCII. Raises `Undeliverable` for a list, a name, or anything odd.

    The domain of a foreign script is encoded (RFC 3490) if it reads back as it was written:
    else a look-alike that IDNA folds into another domain would be somebody else's mailbox.
    """
    found = _ADDRESS.fullmatch(text) if isinstance(text, str) and len(text) <= 254 else None
    if found is None:
        raise Undeliverable
    local, domain = found.groups()
    if not domain.isascii():
        try:
            encoded = domain.encode("idna")
            if encoded.decode("idna") != domain.lower():
                raise Undeliverable
        except UnicodeError:
            raise Undeliverable from None
        domain = encoded.decode("ascii")
    if not _DOMAIN.fullmatch(domain) or local[0] == "." or local[-1] == "." or ".." in local:
        raise Undeliverable
    return f"{local}@{domain}"


def render_mail(
    app: Flask,
    message: Message,
    *,
    texts: Texts,
    issuer: str,
    when: Instant,
    address: str | None,
    user_agent: str | None,
    base_url: str | None = None,
) -> RenderedMail:
    """Write a mail: `mfa/mail/code.*` or `mfa/mail/notice.*`, as the host overrides them.

    `data` of a code: `code`, `seconds` (its life), `purpose` (`sign_in`, `enroll`); of a notice:
    `event` (a key of `NOTICES`), `factor` or `factors`, `left`, `not_me_url`. `when`, `address` and
    `user_agent` are those of the request that caused it. Raises `Undeliverable`.
    """
    to = one_address(message.to)
    data = message.data
    issuer = one_line(issuer, 64)
    locale = locale_of(texts)
    values: dict[str, Any] = {
        "lang": texts.locale.replace("_", "-"),
        "dir": "rtl" if locale.character_order == "right-to-left" else "ltr",
        "issuer": issuer,
        "base_url": web_address(base_url),
        "details": details(texts, locale, when, address, user_agent),
    }
    if message.purpose == "notice" or message.template == "notice":
        notice = notices.NOTICES.get(str(data.get("event")))
        if notice is None:
            raise Undeliverable
        named = {"issuer": issuer, "factor": factors(texts, locale, data)}
        subject = texts.mfa_text(notice.subject, **named)
        name = "notice"
        values["sentence"] = texts.mfa_text(notice.sentence, **named)
        left = data.get("left")
        if isinstance(left, int):
            values["details"].append((texts.mfa_text("Recovery codes left"), str(left)))
            if notice.few and left <= FEW:
                values["sentence"] += " " + texts.mfa_text(notice.few, **named)
        values["what_to_do"] = texts.mfa_text(notice.what_to_do, **named)
        values["not_me_url"] = web_address(data.get("not_me_url"))
    else:
        purpose = PURPOSES.get(str(data.get("purpose", "sign_in")), SIGN_IN)
        subject = texts.mfa_text(purpose.subject, issuer=issuer)
        name = "code"
        values["intro"] = texts.mfa_text(purpose.intro, issuer=issuer)
        values["code"] = one_line(data["code"], 20)
        values["validity"] = validity(texts, data)
        values["not_you"] = texts.mfa_text(purpose.not_you, issuer=issuer)
    values["subject"] = subject = one_line(subject)
    values["mfa_text"] = texts.mfa_text
    values["mfa_ntext"] = texts.mfa_ntext
    # Not `render_template`: the host's context processors expect a page and its user.
    text, html = (
        app.jinja_env.get_template(f"mfa/mail/{name}.{kind}").render(values)
        for kind in ("txt", "html")
    )
    return RenderedMail(to=to, subject=subject, text=text.strip() + "\n", html=html)


def locale_of(texts: Texts) -> Locale:
    """Babel's locale for dates and lists."""
    try:
        return Locale.parse(texts.locale.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def details(
    texts: Texts, locale: Locale, when: Instant, address: str | None, user_agent: str | None
) -> list[tuple[str, str]]:
    """When, with which browser, and from where, in words; what is not known is left out."""
    moment = datetime.fromtimestamp(when / SECOND, UTC)
    found = [(texts.mfa_text("Time"), format_datetime(moment, "long", UTC, locale))]
    if user_agent:
        name, system = browser(user_agent)
        name = name or texts.mfa_text("Unknown browser")
        if system:
            name = texts.mfa_text("%(browser)s on %(system)s", browser=name, system=system)
        found.append((texts.mfa_text("Browser"), name))
    if address:
        found.append((texts.mfa_text("Network address"), one_line(address, 64)))
    return found


def factors(texts: Texts, locale: Locale, data: Any) -> str:
    """The factors that a notice is about, in words."""
    named: Iterable[Any] = data.get("factors") or filter(None, [data.get("factor")])
    labels = [
        texts.mfa_text(notices.FACTOR_LABELS[kind])
        for kind in map(str, named)
        if kind in notices.FACTOR_LABELS
    ]
    return format_list(labels, locale=locale) if labels else texts.mfa_text("all sign-in steps")


def validity(texts: Texts, data: Any) -> str:
    """How long a code is good, in whole minutes."""
    minutes = max(1, int(data.get("seconds", 300)) // 60)
    return texts.mfa_ntext(
        "The code works once, for %(num)d minute.",
        "The code works once, for %(num)d minutes.",
        minutes,
    )


def web_address(text: Any) -> str | None:
    """A web address to show as a link, or None."""
    if isinstance(text, str) and re.match(r"https?://[!-~]+\Z", text):
        return text
    return None


class Mail(flask_mail.Message):
    """Flask-Mail's message, put together by `email.message`, which refuses line ends in headers."""

    def __init__(self, rendered: RenderedMail, sender: str) -> None:
        super().__init__(
            subject=rendered.subject,
            recipients=[one_address(rendered.to)],
            body=rendered.text,
            html=rendered.html,
            sender=sender,
        )

    def _message(self) -> Any:
        sender = flask_mail.sanitize_address(self.sender)
        mail = EmailMessage(policy=policy.SMTP)
        mail["Subject"] = self.subject
        mail["From"] = sender
        mail["To"] = one_address(self.recipients[0])
        mail["Date"] = formatdate(self.date)
        mail["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: keeps vacation replies away
        mail.set_content(self.body or "", cte="quoted-printable")
        mail.add_alternative(self.html or "", subtype="html", cte="quoted-printable")
        return mail


def clock_for(settings: Settings) -> Clock:
    """How long one mail may take: each operation, and all of them."""
    each = float(settings.mfa_mail_timeout)
    return Clock(each, max(each, ANSWER_SECONDS))


def send_mail(
    app: Flask, settings: Settings, rendered: RenderedMail, *, tls: ssl.SSLContext | None = None
) -> None:
    """Hand a mail to the host's mail server, now. Returns when the server has accepted it.

    Takes at most `MFA_MAIL_TIMEOUT` seconds for each operation and `ANSWER_SECONDS` for all.
    `tls`: how to verify the server (default: the system's authorities). Raises `NotDelivered`,
    or its `Undeliverable` when the server refused for good.
    """
    here = has_app_context() and current_app._get_current_object() is app  # type: ignore[attr-defined]
    clock = clock_for(settings)
    try:
        with contextlib.nullcontext() if here else app.app_context():
            state = app.extensions.get("mail") or flask_mail.Mail().init_mail(
                app.config, app.debug, app.testing
            )
            sender = settings.mfa_mail_sender or state.default_sender
            if not sender:
                log.error("No mail sender is configured: set MFA_MAIL_SENDER")
                raise NotDelivered
            if isinstance(sender, tuple):
                sender = f"{sender[0]} <{sender[1]}>"
            with Connection(state, clock, tls) as connection:
                connection.send(Mail(rendered, sender))
    except NotDelivered:
        raise
    except Exception as error:
        log.warning("A mail was not accepted: %s", type(error).__name__)
        raise (Undeliverable if is_final(error) else NotDelivered) from None


def is_final(error: Exception) -> bool:
    """Whether another try would end the same (RFC 5321 §4.2.1: replies 500 to 599)."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            return all(500 <= code <= 599 for code, _ in error.recipients.values())
        case smtplib.SMTPResponseException():
            return 500 <= error.smtp_code <= 599
        case _:
            return isinstance(error, ValueError | flask_mail.BadHeaderError)

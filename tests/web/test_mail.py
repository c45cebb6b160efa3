"""Mails: their words, and their way to a real server, kind or not."""

from __future__ import annotations

import io
import logging
import re
import socket
import time
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask_mail
import pytest
from babel.support import Translations
from flask import Blueprint, Flask

from flask_melody_mfa.core.errors import NotDelivered
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import Message
from flask_melody_mfa.web import mail
from flask_melody_mfa.web.deliver import Undeliverable
from flask_melody_mfa.web.lines import browser, one_line
from flask_melody_mfa.web.mail import RenderedMail, one_address, render_mail, send_mail
from flask_melody_mfa.web.notices import NOTICES
from flask_melody_mfa.web.words import Texts
from tests.servers import Authority, mail_server, make_authority

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
WHEN = 1_772_600_000_000
CODE = "493817"
TO = "ada@example.org"
RENDERED = RenderedMail(to=TO, subject="Hello", text="One\n\n.\n493817\n", html="<p>Öne</p>")


def make_app(**config: Any) -> Flask:
    app = Flask("host", template_folder=None)
    app.config.update(
        SECRET_KEY="k" * 40, MAIL_SERVER="127.0.0.1", MAIL_DEFAULT_SENDER="App <app@example.org>"
    )
    app.config.update(config)
    app.register_blueprint(Blueprint("mfa", "flask_melody_mfa", template_folder="templates"))
    return app


def settings_of(app: Flask, **changes: Any) -> Settings:
    return replace(Settings.load({**app.config, "TESTING": True}, app_name=app.name), **changes)


def send(
    app: Flask, rendered: RenderedMail = RENDERED, *, seconds: int = 1, **options: Any
) -> None:
    send_mail(app, settings_of(app, mfa_mail_timeout=seconds), rendered, **options)


def render(app: Flask | None = None, data: Any = None, **changes: Any) -> RenderedMail:
    message = Message(
        channel="email",
        to=changes.pop("to", TO),
        template="code",
        data=data or {"code": CODE, "seconds": 300, "purpose": "sign_in"},
        purpose="notice" if data and "event" in data else "code",
    )
    given: dict[str, Any] = {
        "texts": Texts("en"),
        "issuer": "Melody",
        "when": WHEN,
        "address": "192.0.2.7",
        "user_agent": FIREFOX,
    }
    return render_mail(app or make_app(), message, **(given | changes))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


# What it says


@pytest.mark.check("O14")
def test_a_code_mail_says_what_for_how_long_who_asked_and_what_to_do() -> None:
    rendered = render()
    for body in (rendered.text, rendered.html):
        assert "sign in to Melody" in body
        assert "for 5 minutes" in body
        assert "Firefox on Windows" in body
        assert "192.0.2.7" in body
        assert "March 4, 2026" in body
        assert "UTC" in body
        assert "Do not share this code" in body
        assert "change it at once" in body
    assert CODE in rendered.text.splitlines()
    assert CODE in rendered.html.splitlines()
    assert CODE not in rendered.subject
    assert CODE not in repr(rendered)
    assert TO not in repr(rendered)


def test_a_mail_that_confirms_an_address_says_so() -> None:
    rendered = render(data={"code": CODE, "seconds": 60, "purpose": "enroll"})
    assert rendered.subject == "Confirm your email address for Melody"
    assert "for 1 minute." in rendered.text


def test_a_mail_loads_nothing_from_elsewhere() -> None:
    for rendered in (
        render(),
        render(data={"event": "locked", "not_me_url": "https://a.example/x"}),
    ):
        found = re.findall(r"<(?:img|link|script|iframe)|url\(|@import", rendered.html)
        assert found == []
        assert "max-width:560px" in rendered.html


@pytest.mark.check("O14")
@pytest.mark.parametrize("field", ["issuer", "user_agent", "address"])
def test_foreign_text_is_escaped(field: str) -> None:
    foreign: dict[str, Any] = {field: "<b onload=x>&\"'"}
    rendered = render(**foreign)
    assert "<b o" not in rendered.html


@pytest.mark.check("O11")
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x00", "\u2028", "\x85"])
def test_an_issuer_cannot_add_a_header_or_a_line(end: str) -> None:
    rendered = render(issuer=f"Melody{end}Bcc: eve@example.org")
    assert len(rendered.subject.splitlines()) == 1
    assert not any(line.startswith("Bcc") for line in rendered.text.splitlines())
    app = make_app()
    with mail_server() as server:
        app.config["MAIL_PORT"] = server.port
        send(app, rendered)
    assert server.mails[0].recipients == [TO]
    assert server.mails[0].message["Bcc"] is None


@pytest.mark.parametrize("event", sorted(NOTICES))
def test_every_notice_says_what_when_where_and_what_to_do(event: str) -> None:
    rendered = render(
        data={"event": event, "factor": "otp", "notify": True}, base_url="https://a.example"
    )
    assert "Melody" in rendered.subject
    for body in (rendered.text, rendered.html):
        assert "Firefox on Windows" in body
        assert "192.0.2.7" in body
        assert "March 4, 2026" in body
        assert "%(" not in body
        assert "not me" not in body
        assert "https://a.example" in body
    todo = "Remove this passkey" if event == "passkey_clone_suspected" else "password"
    assert todo in rendered.text


def test_a_notice_names_its_factors_and_its_link() -> None:
    data = {
        "event": "factor_reset",
        "factors": ["otp", "sms"],
        "not_me_url": "https://a.example/n?t=1",
    }
    rendered = render(data=data)
    assert "Authenticator app and Text message" in rendered.text
    assert "https://a.example/n?t=1" in rendered.text.splitlines()
    assert 'href="https://a.example/n?t=1"' in rendered.html


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://a.example/\nX", "//a.example", 7])
def test_only_a_web_address_becomes_a_link(link: Any) -> None:
    rendered = render(data={"event": "locked", "not_me_url": link})
    assert "not me" not in rendered.html


def test_texts_and_dates_are_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    class French(Texts):
        def mfa_text(self, message: str, /, **values: Any) -> str:
            known = {"Your sign-in code for %(issuer)s": "Votre code de connexion à %(issuer)s"}
            return known.get(message, message) % (values or {"_": ""})

    monkeypatch.setattr(Translations, "load", lambda *args: Translations())
    rendered = render(texts=French("fr"))
    assert rendered.subject == "Votre code de connexion à Melody"
    assert "4 mars 2026" in rendered.text
    assert '<html lang="fr" dir="ltr">' in rendered.html
    assert '<html lang="ar" dir="rtl">' in render(texts=Texts("ar")).html


def test_a_host_may_override_a_template(tmp_path: Path) -> None:
    (tmp_path / "mfa/mail").mkdir(parents=True)
    (tmp_path / "mfa/mail/code.txt").write_text("Ours: {{ code }}")
    app = make_app()
    app.template_folder = str(tmp_path)
    assert render(app).text == f"Ours: {CODE}\n"


@pytest.mark.check("C08")
@pytest.mark.parametrize(
    "agent",
    [
        "curl/8.5\r\nX: y",
        "\x1b[31mred\x1b[0m",
        "Your account is locked. Call +44 20 7946 0000 now",
        "Visit https://evil.example/ now",
        "A" * 1_000_000,
        FIREFOX + "\r\n\x1b[2J" + "B" * 1_000_000,
    ],
)
def test_who_asks_for_a_code_cannot_write_into_the_mail(agent: str) -> None:
    rendered = render(user_agent=agent)
    assert len(rendered.text) < 1000
    assert len(rendered.html) < 8000
    for word in ("\x1b", "X: y", "evil", "7946", "AAAA", "BBBB"):
        assert word not in rendered.text
        assert word not in rendered.html


@pytest.mark.check("C08")
def test_a_line_stays_one_line_and_short() -> None:
    assert one_line("a\r\nb\x1b[31m\u2028\u202e\ud800") == r"a\x0d\x0ab\x1b[31m\u2028\u202e\ud800"
    assert one_line("x" * 1_000_000, 10) == "x" * 9 + "…"
    assert len(one_line("\n" * 1_000_000, 50)) <= 50
    assert one_line("Zoë 例え 🎵") == "Zoë 例え 🎵"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, ("Firefox", "Windows")),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/138.0 Safari/537.36", ("Chrome", "Linux")),
        ("Mozilla/5.0 (iPhone; like Mac OS X) Version/18.0 Safari/604.1", ("Safari", "iPhone")),
        ("Mozilla/5.0 (Macintosh) Chrome/138.0 Safari/537.36 Edg/138.0", ("Edge", "macOS")),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/130 Safari/537.36", ("Chrome", "Android")),
        ("Werkzeug/3.1.3", ("Werkzeug/3.1.3", "")),
        ("Mozilla/5.0 (nothing known)", ("", "")),
        ("", ("", "")),
        (None, ("", "")),
    ],
)
def test_a_browser_in_words(agent: str | None, words: tuple[str, str]) -> None:
    assert browser(agent) == words


# To whom


@pytest.mark.check("O11")
@pytest.mark.parametrize(
    "to",
    [
        "", "ada", "@example.org", "ada@", "a@b@c", "ada@example.org,eve@example.org",
        "ada@example.org;eve@example.org", "ada@example.org eve@example.org",
        "ada@example.org\r\nBcc: eve@example.org", "ada@example.org\n", "\x00ada@example.org",
        "ada@example.org\x00", "Ada <ada@example.org>", '"a,eve"@example.org', "ada@[192.0.2.1]",
        "ada(x)@example.org", "<ada@example.org>", "ada@exam\u200bple.org", "ada@ｅxample.org",
        "ädа@example.org", ".ada@example.org", "a..b@example.org", "ada@-example.org",
        "ada@example..org", "a" * 65 + "@example.org", "ada@" + "a" * 260, None, b"ada@example.org",
        ["ada@example.org"], ("Ada", "ada@example.org"),
    ],
)  # fmt: skip
def test_what_is_not_one_plain_address_gets_nothing(to: Any) -> None:
    with pytest.raises(Undeliverable):
        one_address(to)
    with pytest.raises(Undeliverable):
        render(to=to)
    app = make_app(TESTING=True)
    with flask_mail.Mail(app).record_messages() as outbox, pytest.raises(Undeliverable):
        send(app, replace(RENDERED, to=to))
    assert outbox == []


def test_a_foreign_domain_is_encoded() -> None:
    assert one_address("ada@bücher.example") == "ada@xn--bcher-kva.example"
    assert one_address("Ada+x@Example.ORG") == "Ada+x@Example.ORG"


# How it leaves


@pytest.mark.parametrize("extension", [True, False], ids=["Flask-Mail", "alone"])
def test_a_message_is_recorded_and_not_sent_under_test(extension: bool) -> None:
    app = make_app(TESTING=True, MAIL_PORT=1)
    recorder = flask_mail.Mail(app) if extension else flask_mail.Mail()
    with recorder.record_messages() as outbox:
        send(app)
        with app.app_context():
            send(app)
    assert [message.recipients for message in outbox] == [[TO], [TO]]
    assert outbox[0].subject == "Hello"
    assert outbox[0].body == RENDERED.text
    assert outbox[0].html == RENDERED.html
    assert "mail" in app.extensions or not extension


@pytest.mark.parametrize("extension", [True, False], ids=["Flask-Mail", "alone"])
def test_a_mail_arrives_whole(extension: bool) -> None:
    app = make_app(MAIL_MAX_EMAILS=1)
    with mail_server() as server:
        app.config["MAIL_PORT"] = server.port
        if extension:
            flask_mail.Mail(app)
        send(app)
    (got,) = server.mails
    assert got.recipients == [TO]
    assert got.sender == "app@example.org"
    assert got.message["From"] == "App <app@example.org>"
    assert got.message["Auto-Submitted"] == "auto-generated"
    assert got.message["Message-ID"].endswith("@example.org>")
    assert socket.gethostname() not in str(got.message["Message-ID"])
    assert got.part("plain") == RENDERED.text
    assert got.part("html").strip() == RENDERED.html
    assert not got.encrypted


def test_the_sender_of_our_own_setting_goes_first() -> None:
    app = make_app(MFA_MAIL_SENDER="Zoë, MFA <mfa@example.org>", TESTING=True)
    with flask_mail.Mail(app).record_messages() as outbox:
        send(app)
    assert outbox[0].sender == "Zoë, MFA <mfa@example.org>"


def test_without_a_sender_nothing_is_delivered() -> None:
    with pytest.raises(NotDelivered):
        send(make_app(MAIL_DEFAULT_SENDER=None, TESTING=True))


@pytest.mark.parametrize("wrap", ["MAIL_USE_TLS", "MAIL_USE_SSL"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_server_of_a_trusted_authority_is_accepted(
    wrap: str, host: str, authority: Authority
) -> None:
    kind = "starttls" if wrap == "MAIL_USE_TLS" else "tls"
    with mail_server(**{kind: authority.server()}) as server:  # type: ignore[arg-type]
        app = make_app(MAIL_SERVER=host, MAIL_PORT=server.port, **{wrap: True})
        send(app, seconds=3, tls=authority.client())
    assert [got.encrypted for got in server.mails] == [True]


def test_the_authorities_of_the_system_are_asked(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(starttls=authority.server()) as server:
        app = make_app(MAIL_SERVER="localhost", MAIL_PORT=server.port, MAIL_USE_TLS=True)
        with pytest.raises(NotDelivered):
            send(app, seconds=3)
        assert server.mails == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        send(app, seconds=3)
    assert len(server.mails) == 1


@pytest.mark.parametrize("wrap", ["MAIL_USE_TLS", "MAIL_USE_SSL"])
def test_a_server_of_an_unknown_authority_or_another_name_gets_nothing(
    wrap: str, authority: Authority, tmp_path: Path
) -> None:
    kind = "starttls" if wrap == "MAIL_USE_TLS" else "tls"
    with mail_server(**{kind: authority.server()}) as server:  # type: ignore[arg-type]
        app = make_app(MAIL_SERVER="localhost", MAIL_PORT=server.port, **{wrap: True})
        with pytest.raises(NotDelivered):
            send(app, seconds=3)
    other = make_authority(tmp_path, host="other.example")
    with mail_server(**{kind: other.server()}) as named:  # type: ignore[arg-type]
        app.config["MAIL_PORT"] = named.port
        with pytest.raises(NotDelivered):
            send(app, seconds=3, tls=other.client())
    assert server.mails == named.mails == []


def test_a_server_without_tls_gets_nothing_where_tls_is_set() -> None:
    with mail_server() as server:
        app = make_app(MAIL_PORT=server.port, MAIL_USE_TLS=True)
        with pytest.raises(NotDelivered):
            send(app)
    assert server.mails == []


# When it does not


@pytest.mark.check("F04")
@pytest.mark.parametrize("tls", ["", "MAIL_USE_SSL"])
def test_a_server_that_says_nothing_is_left_in_time(tls: str) -> None:
    with mail_server("hang") as server:
        app = make_app(MAIL_PORT=server.port, **({tls: True} if tls else {}))
        began = time.monotonic()
        with pytest.raises(NotDelivered):
            send(app)
        assert time.monotonic() - began < 3


@pytest.mark.check("F04")
def test_a_server_that_dribbles_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mail.ANSWER_SECONDS < 10
    monkeypatch.setattr(mail, "ANSWER_SECONDS", 1.5)
    with mail_server("dribble") as server:
        began = time.monotonic()
        with pytest.raises(NotDelivered):
            send(make_app(MAIL_PORT=server.port))
        assert 1.2 < time.monotonic() - began < 4


@pytest.mark.check("F04", "N02")
@pytest.mark.parametrize(
    ("mode", "error"), [("drop", NotDelivered), ("later", NotDelivered), ("refuse", Undeliverable)]
)
def test_what_was_not_accepted_is_not_said_to_be_sent(mode: Any, error: type[Exception]) -> None:
    with (
        flask_mail.Mail().record_messages() as outbox,
        mail_server(mode) as server,
        pytest.raises(NotDelivered) as raised,
    ):
        send(make_app(MAIL_PORT=server.port))
    assert type(raised.value) is error
    assert outbox == []


def test_no_server_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for broken in ({"MAIL_PORT": port}, {"MAIL_PORT": "x"}, {"MAIL_SERVER": "no.invalid"}):
        with pytest.raises(NotDelivered):
            send(make_app(**broken))


@pytest.mark.check("C07")
@pytest.mark.parametrize("mode", ["ok", "refuse", "drop", "hang"])
def test_no_log_no_screen_and_no_error_tells_the_code_or_the_address(
    mode: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    screen = io.StringIO()
    told = ""
    with mail_server(mode) as server, redirect_stderr(screen):
        app = make_app(MAIL_PORT=server.port, MAIL_DEBUG=True, DEBUG=True)
        try:
            send(app)
        except NotDelivered as error:
            told = repr(error) + repr(error.__cause__) + str(error.__suppress_context__)
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("flask_melody"))
    for canary in (CODE, TO, "ada"):
        assert canary not in ours + screen.getvalue() + told


@pytest.mark.check("O11")
@pytest.mark.parametrize(
    "subject", ["a\nBcc: e@example.org", "a\r\n Bcc: x", "a\r\n\r\nbody", "\r"]
)
def test_a_subject_with_a_line_end_is_refused(subject: str) -> None:
    with mail_server() as server, pytest.raises(Undeliverable):
        send(make_app(MAIL_PORT=server.port), replace(RENDERED, subject=subject))
    assert server.mails == []

"""Text messages: their words, and the providers."""

from __future__ import annotations

import logging
import socket
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from flask_melody_mfa.core.errors import ConfigError, NotDelivered
from flask_melody_mfa.core.settings import Settings
from flask_melody_mfa.core.types import Message
from flask_melody_mfa.web.deliver import Undeliverable
from flask_melody_mfa.web.sms import TwilioProvider, load_provider, render_sms
from flask_melody_mfa.web.words import Texts
from tests.servers import ApiMode, twilio_api

ACCOUNT, TOKEN, SENDER = "AC" + "0" * 32, "t" * 32, "+15005550006"
TO = "+447400123456"
CODE = "493817"
GSM = set("@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà") | set(
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


def render(issuer: str = "Melody", to: Any = TO, **data: Any) -> str:
    values = {"code": CODE, "seconds": 300, "host": "accounts.example.org", **data}
    message = Message(channel="sms", to=to, template="code", data=values)
    return render_sms(message, texts=Texts("en"), issuer=issuer).text


def app_with(provider: str | None, **config: Any) -> tuple[Flask, Settings]:
    app = Flask("host")
    app.config.update(config)
    base = Settings.load({"SECRET_KEY": "k" * 40, "TESTING": True})
    return app, replace(base, mfa_sms_provider=provider)


def twilio(url: str, mode_timeout: float = 1.0) -> None:
    provider = TwilioProvider(ACCOUNT, TOKEN, SENDER, api_base=url)
    provider.send(TO, "Hello", timeout=mode_timeout)


@pytest.mark.check("O14")
def test_the_text_says_what_for_how_long_and_ends_with_the_origin() -> None:
    text = render()
    assert text.splitlines()[-1] == f"@accounts.example.org #{CODE}"
    assert "sign-in" in text
    assert "5 minutes" in text
    assert "Never share it." in text
    assert len(text) <= 160
    assert set(text) <= GSM
    assert "confirm this number" in render(purpose="enroll")
    assert len(render(purpose="enroll")) <= 160


@pytest.mark.parametrize("host", [None, "", "a b", "a\nb", "x/y", "Ä.example"])
def test_without_a_host_there_is_no_origin_line(host: Any) -> None:
    assert len(render(host=host).splitlines()) == 1


@pytest.mark.check("O11")
def test_an_issuer_cannot_add_a_line() -> None:
    text = render(issuer=f"Melody\n@evil.example #{CODE}")
    assert len(text.splitlines()) == 2
    assert text.splitlines()[-1].startswith("@accounts")


@pytest.mark.check("O11")
@pytest.mark.parametrize(
    "to", ["", "447400123456", f"{TO},{TO}", f"{TO}\n", "+0123456789", "+1" * 20, "+٤٤٧٤٠٠١٢٣٤٥٦"]
)
def test_what_is_not_one_number_gets_nothing(to: str) -> None:
    with pytest.raises(Undeliverable):
        render(to=to)


def test_twilio_gets_one_message() -> None:
    with twilio_api() as api:
        twilio(api.url)
    assert api.messages == [{"To": TO, "From": SENDER, "Body": "Hello"}]


@pytest.mark.check("F05")
@pytest.mark.parametrize(
    ("mode", "error"), [("4xx", Undeliverable), ("429", NotDelivered), ("5xx", NotDelivered)]
)
def test_what_twilio_refuses_is_not_tried_again(mode: ApiMode, error: type[Exception]) -> None:
    with twilio_api(mode) as api, pytest.raises(NotDelivered) as raised:
        twilio(api.url)
    assert type(raised.value) is error
    assert api.requests == 1


@pytest.mark.check("F05")
def test_twilio_takes_it_and_hangs() -> None:
    with twilio_api("hang") as api:
        began = time.monotonic()
        with pytest.raises(NotDelivered):
            twilio(api.url)
        assert time.monotonic() - began < 3
    assert len(api.messages) == api.requests == 1


def test_twilio_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(NotDelivered):
        twilio(f"http://127.0.0.1:{port}")


@pytest.mark.check("C07")
@pytest.mark.parametrize("mode", ["ok", "4xx", "5xx", "hang"])
def test_no_log_tells_the_number_the_text_or_the_token(
    mode: ApiMode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with twilio_api(mode) as api:
        try:
            twilio(api.url, 0.5)
        except NotDelivered as error:
            assert TO not in repr(error)
            assert error.__suppress_context__
    for canary in (TO, TO[1:], "Hello", TOKEN):
        assert canary not in caplog.text


def test_the_console_is_for_debug_only(caplog: pytest.LogCaptureFixture) -> None:
    app, settings = app_with("console")
    with pytest.raises(ConfigError):
        load_provider(app, settings)
    app.testing = True
    load_provider(app, settings).send(TO, "Hello\nworld\x1b[2J", timeout=1)
    (record,) = caplog.records
    assert "DEVELOPMENT ONLY" in record.getMessage()
    assert r"Hello\x0aworld\x1b[2J" in record.getMessage()


class Plain:
    def send(self, to: str, text: str, *, timeout: float) -> None:
        """Take it."""


class WithApp(Plain):
    def __init__(self, app: Flask) -> None:
        self.app = app


ready = Plain()


def from_app(app: Flask) -> WithApp:
    return WithApp(app)


def no_provider(app: Flask) -> str:
    return "nothing"


@pytest.mark.parametrize("name", ["Plain", "WithApp", "ready", "from_app"])
@pytest.mark.parametrize("separator", [".", ":"])
def test_a_dotted_name_is_a_class_an_object_or_a_function(name: str, separator: str) -> None:
    app, settings = app_with(f"{__name__}{separator}{name}")
    provider = load_provider(app, settings)
    assert isinstance(provider, Plain)
    assert getattr(provider, "app", app) is app


@pytest.mark.parametrize(
    "name", [None, "no.such.thing", f"{__name__}.nothing", f"{__name__}.no_provider"]
)
def test_a_name_of_no_provider_is_told(name: str | None) -> None:
    app, settings = app_with(name)
    with pytest.raises(ConfigError, match="MFA_SMS_PROVIDER"):
        load_provider(app, settings)


def test_twilio_by_name_and_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    app, settings = app_with("twilio")
    assert isinstance(load_provider(app, settings), TwilioProvider)
    monkeypatch.setitem(sys.modules, "twilio.rest", None)
    with pytest.raises(ConfigError, match="pip install"):
        load_provider(app, settings)

"""Texts: whose language is taken, what a change of it keeps, and what the catalogues hold."""

from __future__ import annotations

import re
from collections.abc import Callable

import flask_babel
import pytest

from flask_melody_mfa.core import errors
from flask_melody_mfa.core.types import Message
from flask_melody_mfa.web import words
from flask_melody_mfa.web.sms import render_sms
from tests.catalogues import LANGUAGES, extracted, load, problems, texts_of
from tests.host import Host, Person

Make = Callable[..., Host]
SHIPPED = ("en", "fr", "zh_Hans")
HEADING = {
    "en": "Enter the code from your app",
    "fr": "Saisissez le code de votre application",
    "zh_Hans": "请输入应用中的验证码",
}
# 3GPP TS 23.038: what one octet and a half can say, without the extension table.
GSM_7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


def arrive(host: Host, accept: str | None = None) -> Person:
    """A person who gave the password and was led to the authenticator's page."""
    person = Person(host)
    if accept is not None:
        person.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = accept
    person.sign_in()
    person.follow()
    return person


def language(person: Person) -> str:
    """The language of the page that is shown."""
    found = re.search(r'<html lang="([^"]+)" dir="ltr"', person.text)
    assert found is not None
    code = found[1].replace("-", "_")
    assert HEADING[code] in person.text
    assert person.page is not None
    assert person.page.headers["Content-Language"] == found[1]
    return code


@pytest.fixture
def host(make_host: Make) -> Host:
    """A host with one user, who has an authenticator."""
    return with_user(make_host())


def with_user(host: Host) -> Host:
    """The host, with that user."""
    host.enroll(host.user(), "otp")
    return host


# Whose language


@pytest.mark.parametrize(
    ("accept", "shown"),
    [
        (None, "en"),
        ("", "en"),
        ("fr", "fr"),
        ("fr-CA,fr;q=0.8", "fr"),
        ("en-GB,en;q=0.9,fr;q=0.8", "en"),
        ("de,fr;q=0.5", "fr"),
        ("fr;q=0.3,zh-CN;q=0.7", "zh_Hans"),
        ("fr;q=0,en", "en"),
        ("fr;q=0", "en"),
        ("zh", "zh_Hans"),
        ("zh-Hans", "zh_Hans"),
        ("zh-Hans-HK", "zh_Hans"),
        ("zh-hans-cn", "zh_Hans"),
        ("zh-TW", "en"),
        ("zh-Hant-HK", "en"),
        ("*", "en"),
        ("tlh", "en"),
        (";;q=,,\u00e9", "en"),
        ("fr" * 300, "en"),
    ],
)
def test_the_browser_is_asked_for_its_language(host: Host, accept: str | None, shown: str) -> None:
    assert language(arrive(host, accept)) == shown


@pytest.mark.parametrize(
    ("theirs", "shown"), [("fr", "fr"), ("zh_Hans_CN", "zh_Hans"), ("en_GB", "en"), ("de", "fr")]
)
def test_the_hosts_babel_is_asked_before_the_browser(
    make_host: Make, theirs: str, shown: str
) -> None:
    host = with_user(make_host())
    flask_babel.Babel(host.app, locale_selector=lambda: theirs)
    assert language(arrive(host, "fr")) == shown


def test_what_was_chosen_on_our_pages_comes_first(make_host: Make) -> None:
    host = with_user(make_host())
    flask_babel.Babel(host.app, locale_selector=lambda: "fr")
    person = arrive(host)
    assert language(person) == "fr"
    choose(person, "zh_Hans")
    assert language(person) == "zh_Hans"


def test_the_first_language_on_offer_is_the_last_resort(make_host: Make) -> None:
    host = with_user(make_host(MFA_LANGUAGES=["zh_Hans", "fr"]))
    assert language(arrive(host, "de")) == "zh_Hans"


# The switcher


def choose(person: Person, wanted: str) -> None:
    """Choose a language by the form on the page, and look at what comes of it."""
    form = re.search(r'<form class="mfa-language".*?</form>', person.text, re.S)
    assert form is not None
    target = re.search(r'name="next" value="([^"]*)"', form[0])
    assert target is not None
    person.post("/mfa/locale", {"locale": wanted, "next": target[1]})
    person.follow()


@pytest.mark.check("H04")
@pytest.mark.parametrize("wanted", ["fr", "zh_Hans"])
def test_a_change_of_language_keeps_the_step_and_the_target(host: Host, wanted: str) -> None:
    person = Person(host)
    person.sign_in(next_url="/api")
    person.follow()
    choose(person, wanted)
    assert (person.at, language(person)) == ("/mfa/challenge/otp", wanted)
    assert person.code(host.otp(1), next="/api").headers["Location"] == "/api"


def test_a_change_of_language_after_a_wrong_code_keeps_them_too(host: Host) -> None:
    person = Person(host)
    person.sign_in(next_url="/api")
    person.follow()
    person.code("000000", next="/api")
    choose(person, "fr")
    assert (person.at, language(person)) == ("/mfa/challenge/otp", "fr")
    assert 'name="next" value="/api"' in person.text


def test_a_change_of_language_after_a_refused_message_leads_to_its_page(make_host: Make) -> None:
    host = make_host()
    host.enroll(host.user(), "email")
    person = arrive(host)
    assert person.post("/mfa/challenge/email/send").status_code == 429
    choose(person, "fr")
    assert person.at == "/mfa/challenge/email"


def test_the_language_lasts_to_the_next_sign_in_of_this_browser(host: Host) -> None:
    person = arrive(host)
    choose(person, "fr")
    person.code(host.otp(1))
    person.get("/logout")
    person.sign_in()
    person.follow()
    assert language(person) == "fr"


@pytest.mark.check("H04")
@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test", "/\\evil.test", "", "x"])
def test_the_switcher_leads_nowhere_else(host: Host, target: str) -> None:
    person = arrive(host)
    person.post("/mfa/locale", {"locale": "fr", "next": target})
    assert person.page is not None
    assert person.page.headers["Location"] == "/"


@pytest.mark.parametrize("wanted", ["de", "", "fr\x00", "x" * 400, "../en"])
def test_an_unknown_language_changes_nothing(host: Host, wanted: str) -> None:
    person = arrive(host)
    person.post("/mfa/locale", {"locale": wanted, "next": "/mfa/challenge/otp"})
    person.get("/mfa/challenge/otp")
    assert language(person) == "en"


@pytest.mark.check("H01")
def test_the_switcher_needs_the_token_of_its_form(make_host: Make) -> None:
    host = with_user(make_host(WTF_CSRF_ENABLED=True))
    person = arrive(host)
    answer = person.client.post(
        "/mfa/locale", data={"locale": "fr"}, headers={"Accept": "text/html"}
    )
    assert answer.status_code == 400
    person.get("/mfa/challenge/otp")
    assert language(person) == "en"


def test_one_language_needs_no_switcher(make_host: Make) -> None:
    host = with_user(make_host(MFA_LANGUAGES=["fr"]))
    person = arrive(host)
    assert language(person) == "fr"
    assert 'class="mfa-language"' not in person.text


def test_each_language_is_named_in_itself() -> None:
    assert [dict(one) for one in words.languages(SHIPPED)] == [
        {"code": "en", "name": "English"},
        {"code": "fr", "name": "Français"},
        {"code": "zh_Hans", "name": "中文 (简体)"},
    ]


def test_a_language_of_the_other_direction_turns_the_page(make_host: Make) -> None:
    host = with_user(make_host(MFA_LANGUAGES=["ar", "en"]))
    person = arrive(host, "ar")
    assert '<html lang="ar" dir="rtl"' in person.text
    assert re.search(r'<div class="mfa" lang="ar" dir="rtl"', person.text)
    assert re.search(r'name="code"[^>]* dir="ltr"', person.text), "digits are written as ever"


# What is said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogues_are_complete(language: str) -> None:
    assert problems(language, extracted()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_english_or_carelessly_spaced(language: str) -> None:
    same = {"Code QR", "SMS"}
    for message in load(language):
        for text in texts_of(message) if message.id else []:
            assert text != message.id or text in same, text
            assert text == text.strip() and "  " not in text, text
            if language == "fr":
                assert not re.search(r"[^\u00a0\u202f](?:[:;?!»](?:\s|$))|«[^\u00a0]", text), text
                assert "'" not in text, text
            else:
                assert not re.search(r"[\u4e00-\u9fff][,.:;?!()]", text), text


def test_a_number_takes_its_languages_plural() -> None:
    one, many = "It is valid for %(num)d minute.", "It is valid for %(num)d minutes."
    said = {
        code: [words.Texts(code).mfa_ntext(one, many, n) for n in (0, 1, 2)] for code in SHIPPED
    }
    assert said["en"][1:] == ["It is valid for 1 minute.", "It is valid for 2 minutes."]
    assert [text.split()[-1] for text in said["fr"]] == ["minute.", "minute.", "minutes."]
    assert said["zh_Hans"][1:] == ["1 分钟内有效。", "2 分钟内有效。"]


def all_errors(base: type[errors.MfaError] = errors.MfaError) -> list[type[errors.MfaError]]:
    """Every error below a class."""
    found: list[type[errors.MfaError]] = []
    for one in base.__subclasses__():
        found += [one, *all_errors(one)]
    return found


def test_every_error_has_a_sentence() -> None:
    codes = {one.code for one in all_errors() if one is not errors.ConfigError}
    assert codes - set(words.ERRORS) <= {errors.MfaError.code}


@pytest.mark.check("H09")
@pytest.mark.parametrize("accept", SHIPPED)
def test_what_is_filled_into_a_text_is_escaped(make_host: Make, accept: str) -> None:
    host = with_user(make_host(MFA_ISSUER="<b>Ada & Co</b>"))
    person = arrive(host, accept.replace("_", "-"))
    assert person.page is not None
    assert "<b>Ada" not in person.page.text
    assert "&lt;b&gt;Ada &amp; Co&lt;/b&gt;" in person.page.text


# Messages


@pytest.mark.parametrize(
    ("accept", "said"), [("fr", "Votre code de connexion à"), ("zh-CN", "登录验证码")]
)
def test_a_mail_speaks_the_language_of_the_page(make_host: Make, accept: str, said: str) -> None:
    host = make_host()
    host.enroll(host.user(), "email")
    person = arrive(host, accept)
    assert said in host.mails()[-1].subject
    assert (
        f'<html lang="{"fr" if accept == "fr" else "zh-Hans"}" dir="ltr">' in host.mails()[-1].html
    )
    assert person.at == "/mfa/challenge/email"


def text_message(code: str, purpose: str, issuer: str) -> str:
    """A text message in a language."""
    message = Message(
        channel="sms",
        to="+447400123456",
        template="code",
        data={"code": "123456", "seconds": 300, "purpose": purpose, "host": "example.org"},
        locale=code,
        purpose="code",
    )
    return render_sms(message, texts=words.Texts(code), issuer=issuer).text


@pytest.mark.parametrize("purpose", ["sign_in", "enroll"])
@pytest.mark.parametrize("code", SHIPPED)
def test_a_text_message_is_short(code: str, purpose: str) -> None:
    text = text_message(code, purpose, "Fernleaf")
    if code == "zh_Hans":
        assert len(text) <= 67 * 2, "two parts of 16 bits a character"
    else:
        assert set(text) <= GSM_7
        assert len(text) <= 160, "one part of 7 bits a character"


def test_countries_are_named_in_the_readers_language() -> None:
    assert words.country_names(["GB", "FR"], "fr") == ["France", "Royaume-Uni"]
    assert words.country_names(["CN"], "zh_Hans") == ["中国"]
    assert words.country_names(["GB", "XX"], "en") == ["United Kingdom", "XX"]


def test_a_lookup_without_a_translation_falls_back_to_english() -> None:
    assert words.Texts("fr").mfa_text("Never written before") == "Never written before"
    assert words.Texts("de").mfa_text("Continue") == "Continue"
    assert words.Texts("fr").mfa_text("") == ""

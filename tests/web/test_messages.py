"""Messages and pages, whoever asks for them and whatever follows their links."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.host import BROWSER, PHONE, Host, Person

Make = Callable[..., Host]

EVIL = "http://evil.example"
FORWARDED = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=http"}


@pytest.fixture
def host(make_host: Make) -> Host:
    return make_host(ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"])


@pytest.fixture
def ada(host: Host) -> int:
    """A user with all three factors."""
    user = host.user(phone=PHONE)
    host.enroll(user, "otp", "email", "sms")
    return user


def links_in(mail: Any) -> set[str]:
    """Every address in a mail, as text and as HTML."""
    found = set(re.findall(r"https?://[^\s\"'<>]+", mail.text + " " + mail.html))
    return {link.rstrip(".,)") for link in found}


def everything(host: Host) -> list[Any]:
    """Every row of ours, to be compared."""
    names = [name for name in host.db.metadata.tables if name.startswith("mfa_")]
    return [(name, host.rows(name)) for name in sorted(names)]


def send_all(host: Host, user: int, base: str = "http://localhost") -> None:
    """Make every kind of message leave: codes by mail and SMS, and notices."""
    with host.clock() as clock:
        for kind in ("email", "sms"):
            clock.tick(90)
            client = host.app.test_client()
            client.post(
                "/login", data={"email": "ada@example.org", "password": "pw"}, base_url=base
            )
            headers = {**BROWSER, **FORWARDED}
            page = client.get(f"/mfa/challenge/{kind}", headers=headers, base_url=base)
            assert page.status_code == 200
            answer = client.post(f"/mfa/challenge/{kind}/send", headers=headers, base_url=base)
            assert answer.status_code == 303
        with host.app.test_request_context(headers=FORWARDED, base_url=base):
            host.mfa.reset(host.get(user), ["sms"])


@pytest.mark.check("O12")
def test_a_poisoned_host_header_reaches_no_message(host: Host, ada: int) -> None:
    send_all(host, ada, EVIL)
    assert len(host.mails()) >= 2 and len(host.texts()) == 1
    for message in host.sent:
        assert "evil" not in message.text + getattr(message, "html", "")
    assert host.texts()[0].text.splitlines()[-1].startswith("@localhost #")
    for mail in host.mails():
        assert links_in(mail)
        assert all(link.startswith("http://localhost") for link in links_in(mail))


@pytest.mark.check("O12", "H04")
@pytest.mark.parametrize("path", ["/secret", "/mfa/challenge", "/mfa/enroll", "/fresh"])
def test_a_poisoned_host_header_leads_nowhere_else(host: Host, ada: int, path: str) -> None:
    client = host.app.test_client()
    form = {"email": "ada@example.org", "password": "pw"}
    answers = [client.post("/login", data=form, base_url=EVIL)]
    answers.append(client.get(path, headers={**BROWSER, **FORWARDED}, base_url=EVIL))
    for answer in answers:
        location = answer.headers.get("Location", "/")
        assert location.startswith("/") and not location.startswith("//")
        assert "evil" not in answer.text


@pytest.mark.check("O12")
def test_a_host_that_is_not_trusted_is_refused(host: Host, ada: int) -> None:
    host.app.config["TRUSTED_HOSTS"] = ["localhost"]
    client = host.app.test_client()
    for path in ("/mfa/challenge", "/secret", "/login"):
        assert client.get(path, headers=BROWSER, base_url=EVIL).status_code == 400
        assert client.get(path, headers=BROWSER).status_code < 400


@pytest.mark.check("O13")
def test_a_scanner_that_follows_every_link_changes_nothing(host: Host, ada: int) -> None:
    send_all(host, ada)
    before, sent = everything(host), len(host.sent)
    scanner = host.app.test_client()
    for mail in host.mails():
        for link in links_in(mail):
            for method in ("GET", "HEAD", "GET"):
                path = link.removeprefix("http://localhost")
                assert scanner.open(path or "/", method=method).status_code < 500
    assert everything(host) == before
    assert len(host.sent) == sent


@pytest.mark.check("O13", "O18")
def test_the_mail_of_a_code_has_nothing_to_click(host: Host, ada: int) -> None:
    client = host.app.test_client()
    client.post("/login", data={"email": "ada@example.org", "password": "pw"})
    client.post("/mfa/challenge/email/send", headers=BROWSER)
    (mail,) = [mail for mail in host.mails() if re.search(r"\b\d{6}\b", mail.text)]
    assert links_in(mail) <= {"http://localhost"}, "the site itself, and nothing that acts"
    assert "<form" not in mail.html


@pytest.mark.check("H13")
@pytest.mark.parametrize("kind", ["otp", "email", "sms"])
@pytest.mark.parametrize("face", ["challenge", "enroll"])
def test_a_code_goes_into_one_field_that_a_phone_can_fill(
    make_host: Make, kind: str, face: str
) -> None:
    host = make_host(ENFORCE_ONE_MFA_ENROLLMENT=["otp", "email", "sms"])
    user = host.user(phone=PHONE)
    if face == "challenge":
        host.enroll(user, kind)
    person = Person(host)
    person.sign_in()
    person.follow()
    if face == "enroll":
        person.get(f"/mfa/enroll/{kind}")
        if kind == "email":
            person.post("/mfa/enroll/email/send")
        if kind == "sms":
            person.post("/mfa/enroll/sms", {"phone_number": PHONE})
        person.follow()
    (field,) = re.findall(r'<input[^>]*name="code"[^>]*>', person.text)
    assert 'autocomplete="one-time-code"' in field
    assert 'inputmode="numeric"' in field
    assert 'type="text"' in field
    # A pasted code with blanks fits, and a wrong one is not thrown away by the browser.
    assert int(re.findall(r'maxlength="(\d+)"', field)[0]) >= 11
    assert "onpaste" not in person.text and "readonly" not in field and "disabled" not in field
    # It works without JavaScript: a form with a button, to an address of ours.
    form = next(form for form in re.findall(r"(?s)<form.*?</form>", person.text) if field in form)
    assert f'action="/mfa/{face}/{kind}"' in form and 'type="submit"' in form


@pytest.mark.check("O15", "N01")
def test_another_address_is_used_only_once_it_is_proven(host: Host) -> None:
    """The old one gets the codes till then, and a notice of the change."""
    user = host.user()
    host.enroll(user, "email")
    with host.app.app_context():
        host.get(user).email = "new@example.org"
        host.db.session.commit()
    with host.clock() as clock:
        person = Person(host)
        person.sign_in("new@example.org")
        person.follow()
        assert [mail.to for mail in host.mails()] == ["ada@example.org"]
        person.code(host.last_code())
        clock.tick(400)
        person.get("/mfa/enroll", follow=True)
        assert person.at == "/mfa/challenge/email", "a change needs a fresh proof"
        person.post("/mfa/challenge/email/send")
        assert host.mails()[-1].to == "ada@example.org"
        person.follow()
        person.code(host.last_code())
        person.follow()
        person.post("/mfa/enroll", {"factor": "email"}, follow=True)
        clock.tick(90)
        person.post("/mfa/enroll/email/send")
        assert host.mails()[-1].to == "new@example.org"
        person.follow()
        host_code = host.last_code()
        host.sent.clear()
        person.code(host_code)
        assert {mail.to for mail in host.mails()} == {"ada@example.org", "new@example.org"}
        clock.tick(90)
        again = Person(host)
        again.sign_in("new@example.org")
        assert host.mails()[-1].to == "new@example.org"

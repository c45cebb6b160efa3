"""Fernleaf, the example app: a host that knows little of MFA, with real mail and text messages."""

from __future__ import annotations

import base64
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import flask_migrate
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import example_app
from example_app import create_app
from example_app.extensions import db
from example_app.models import Book, User
from example_app.post_room import EXTENSION, Arrived, PostRoom
from flask_melody_mfa.cli import mfa_group
from flask_melody_mfa.core import otp
from flask_melody_mfa.testing import freeze

PACKAGE = Path(example_app.__file__).parent
PASSWORD = "a quiet evening with a book"
PAGE = {"Accept": "text/html"}


def make(url: str, **config: Any) -> Flask:
    made = create_app(
        {
            "DEBUG": True,
            "TESTING": True,
            "MAIL_SUPPRESS_SEND": False,  # which Flask-Mail sets where TESTING is
            "SECRET_KEY": "s" * 40,
            "MFA_SECRET_KEYS": ["m" * 40],
            "MFA_BASE_URL": "http://localhost",
            "SQLALCHEMY_DATABASE_URI": url,
            "ALLOW_PASSKEY_ENROLLMENT": False,  # would be offered after each first set-up
            **config,
        }
    )
    with made.app_context():
        flask_migrate.upgrade()
    return made


def close(app: Flask) -> None:
    if EXTENSION in app.extensions:
        app.extensions[EXTENSION].stop()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def app(sqlite_url: str) -> Iterator[Flask]:
    made = make(sqlite_url)
    yield made
    close(made)


@pytest.fixture
def room(app: Flask) -> PostRoom:
    found = app.extensions[EXTENSION]
    assert isinstance(found, PostRoom)
    return found


class Browser:
    """A test client that reads forms' tokens and follows redirects, as a browser does."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.page: TestResponse = self.get("/login")

    def get(self, path: str) -> TestResponse:
        self.page = self.client.get(path, headers=PAGE, follow_redirects=True)
        return self.page

    def post(self, path: str, **fields: str) -> TestResponse:
        """Send the page's form that leads to `path`, with its hidden fields."""
        forms = re.findall(r"<form\b([^>]*)>(.*?)</form>", self.page.text, re.S)
        own = self.page.request.full_path.rstrip("?")
        for attributes, content in forms:
            action = re.search(r'action="([^"]*)"', attributes)
            if (unescape(action[1]) if action else own) == path:
                hidden = re.findall(r'<input\b[^>]*type="hidden"[^>]*>', content)
                pairs = (dict(re.findall(r'(name|value)="([^"]*)"', one)) for one in hidden)
                values = {one["name"]: unescape(one["value"]) for one in pairs}
                break
        else:
            raise AssertionError(f"{own} has no form that leads to {path}")
        data = {**values, **fields}
        self.page = self.client.post(path, data=data, headers=PAGE, follow_redirects=True)
        return self.page

    @property
    def at(self) -> str:
        return self.page.request.path

    def join(self, name: str = "Dorothea", **fields: str) -> TestResponse:
        self.get("/join")
        email = f"{name.lower()}@example.org"
        return self.post("/join", name=name, email=email, password=PASSWORD, **fields)

    def sign_in(self, name: str = "Dorothea", query: str = "", **fields: str) -> TestResponse:
        self.get("/login" + query)
        email = f"{name.lower()}@example.org"
        return self.post("/login" + query, email=email, password=PASSWORD, **fields)

    def sign_out(self) -> TestResponse:
        self.get("/")
        return self.post("/logout")

    def without_codes(self) -> Browser:
        """Leave the recovery codes that a first sign-in offers for later."""
        assert self.at == "/mfa/enroll/recovery-codes"
        later = re.search(r'<a [^>]*href="([^"]+)"><span[^>]*>Not now<', self.page.text)
        assert later is not None
        self.get(unescape(later[1]))
        return self

    def set_up_otp(self) -> bytes:
        self.post("/mfa/enroll", factor="otp")
        key = re.search(r'<code id="mfa-key"[^>]*>(.*?)</code>', self.page.text, re.S)
        assert key is not None
        return base64.b32decode(re.sub(r"<[^>]+>|\s", "", key[1]))


def code_in(message: Arrived) -> str:
    found = re.search(r"\b\d{6}\b", message.text)
    assert found is not None, message.text
    return found[0]


def test_a_newcomer_joins_and_confirms_the_address_by_a_mail_that_came_over_smtp(
    app: Flask, room: PostRoom
) -> None:
    browser = Browser(app)
    browser.join()
    assert browser.at == "/mfa/enroll"
    for kind in ("otp", "email", "sms"):
        assert f'name="factor" value="{kind}"' in browser.page.text
    browser.post("/mfa/enroll", factor="email")
    assert room.messages == []
    browser.post("/mfa/enroll/email/send")
    (mail,) = room.wait_for(1, channel="email")
    assert mail.to == "dorothea@example.org"
    assert mail.sender == "Fernleaf <post@fernleaf.example>"
    assert code_in(mail) not in mail.subject
    assert code_in(mail) in mail.html
    browser.post("/mfa/enroll/email", code=code_in(mail))
    assert browser.without_codes().at == "/shelf"
    assert "Dorothea’s shelf" in browser.page.text

    browser.sign_out()
    assert "Join the club" in browser.page.text
    before = len(room.messages)
    browser.sign_in(query="?next=/settings")
    assert browser.at == "/mfa/challenge/email"
    newest = room.wait_for(before + 1)[-1]
    browser.post("/mfa/challenge/email", code=code_in(newest))
    assert browser.without_codes().at == "/settings"
    assert "You confirmed this sign-in with a code by email" in browser.page.text


def test_a_code_comes_by_text_message_through_the_gateway(app: Flask, room: PostRoom) -> None:
    browser = Browser(app)
    browser.join()
    browser.post("/mfa/enroll", factor="sms")
    refused = browser.post("/mfa/enroll/sms", phone_number="+31 6 12345678")
    assert refused.status_code == 400
    assert room.messages == []
    browser.post("/mfa/enroll/sms", phone_number="+44 7400 123456")
    (text,) = room.wait_for(1, channel="sms")
    assert text.to == "+447400123456"
    assert text.text.splitlines()[-1] == f"@localhost #{code_in(text)}"
    browser.post("/mfa/enroll/sms", code=code_in(text))
    assert browser.without_codes().at == "/shelf"
    browser.sign_out()
    browser.sign_in()
    assert browser.at == "/mfa/challenge/sms"
    texts = room.wait_for(2, channel="sms")
    browser.post("/mfa/challenge/sms", code=code_in(texts[-1]))
    assert browser.without_codes().at == "/shelf"


def test_another_way_to_sign_in_is_added_from_the_settings(app: Flask, room: PostRoom) -> None:
    browser = Browser(app)
    browser.join()
    secret = browser.set_up_otp()
    with freeze(app) as clock:
        browser.post("/mfa/enroll/otp", code=otp.code_at(secret, clock.now // 30_000))
        browser.get("/settings")
        browser.post("/settings", name="Dorothea", phone="+44 7400 123456", save_profile="Save")
        assert "Your profile has been saved" in browser.page.text
        assert 'href="/mfa/enroll?next=/settings"' in browser.page.text
        browser.get("/mfa/enroll?next=/settings")
        assert browser.at == "/mfa/challenge/otp", "a set-up is no fresh proof"
        clock.tick(30)
        code = otp.code_at(secret, clock.now // 30_000)
        browser.post("/mfa/challenge/otp", code=code)
        assert browser.at == "/mfa/enroll"
        browser.post("/mfa/enroll", factor="sms")
        assert 'value="+44 7400 123456"' in browser.page.text
        browser.post("/mfa/enroll/sms", phone_number="+44 7400 123456")
        code = code_in(room.wait_for(1, channel="sms")[0])
        browser.post("/mfa/enroll/sms", code=code)
        assert browser.at == "/settings"


def test_a_forgotten_password_is_replaced_with_a_recovery_code_and_a_factor(app: Flask) -> None:
    browser = Browser(app)
    browser.join()
    secret = browser.set_up_otp()
    with freeze(app) as clock:
        browser.post("/mfa/enroll/otp", code=otp.code_at(secret, clock.now // 30_000))
        browser.post("/mfa/enroll/recovery-codes")
        codes = re.findall(r'name="code" value="([^"]+)"', browser.page.text)
        browser.post("/mfa/enroll/recovery-codes", saved="1")
        assert browser.at == "/shelf"
        browser.sign_out()
        clock.tick(60)
        browser.get("/login")
        assert 'href="/mfa/recover"' in browser.page.text
        browser.get("/mfa/recover")
        browser.post("/mfa/recover", login="dorothea@example.org", code=codes[0])
        assert browser.at == "/mfa/challenge/otp"
        browser.post("/mfa/challenge/otp", code=otp.code_at(secret, clock.now // 30_000))
        assert browser.at == "/new-password"
        assert "9 are left" in browser.page.text
        new = "another quiet evening"
        browser.post("/new-password", new=new, again=new)
        assert browser.at == "/shelf" and "Your password has been changed" in browser.page.text
        browser.sign_out()
        clock.tick(60)
        browser.get("/login")
        browser.post("/login", email="dorothea@example.org", password=new)
        browser.post("/mfa/challenge/otp", code=otp.code_at(secret, clock.now // 30_000))
        browser.get("/new-password")
        assert browser.at == "/settings", "whoever signed in by password proves the old one"
    with app.app_context():
        found = User.by_email("dorothea@example.org")
        assert found is not None and found.check_password(new)


def test_a_fresh_proof_is_asked_for_before_the_plan_can_be_changed(app: Flask) -> None:
    browser = Browser(app)
    browser.join()
    secret = browser.set_up_otp()
    with freeze(app) as clock:
        browser.post("/mfa/enroll/otp", code=otp.code_at(secret, clock.now // 30_000))
        assert browser.without_codes().at == "/shelf"
        browser.post("/shelf", title="=1+1", author="Nobody", note="")
        clock.tick(301)
        browser.get("/shelf")
        assert browser.at == "/shelf", "only the page that asks for it is affected"
        browser.get("/billing")
        assert browser.at == "/mfa/challenge/otp"
        browser.post("/mfa/challenge/otp", code=otp.code_at(secret, clock.now // 30_000))
        assert browser.at == "/billing"
        browser.post("/billing", plan="Bookworm")
        assert "Your plan has been changed" in browser.page.text
        export = browser.get("/billing/export")
        assert export.mimetype == "text/csv"
        assert "'=1+1,Nobody,False" in export.text
        clock.tick(301)
        assert browser.get("/billing/export").request.path == "/mfa/challenge/otp"
    with app.app_context():
        found = User.by_email("dorothea@example.org")
        assert found is not None
        assert found.plan == "Bookworm"


def test_while_the_second_step_is_owed_only_the_outbox_and_the_way_there_are_open(
    app: Flask,
) -> None:
    browser = Browser(app)
    browser.join()
    client = browser.client
    shelf = client.get("/shelf", headers=PAGE)
    assert shelf.location.startswith("/mfa/challenge")
    api = client.get("/api/shelf", headers={"Accept": "application/json"})
    assert (api.status_code, api.get_json()["code"]) == (401, "mfa_required")
    outbox = client.get("/outbox", headers=PAGE)
    assert outbox.status_code == 200
    assert "Sign out" not in outbox.text, "nobody is signed in yet"


def test_the_remember_cookie_comes_after_the_second_step(app: Flask, room: PostRoom) -> None:
    browser = Browser(app)
    browser.join()
    browser.post("/mfa/enroll", factor="email")
    browser.post("/mfa/enroll/email/send")
    browser.post("/mfa/enroll/email", code=code_in(room.messages[-1]))
    browser.sign_out()
    before = len(room.messages)
    browser.sign_in(remember="y")
    assert browser.client.get_cookie("fernleaf_remember") is None
    message = room.wait_for(before + 1)[-1]
    browser.post("/mfa/challenge/email", code=code_in(message))
    assert browser.without_codes().at == "/shelf"
    assert browser.client.get_cookie("fernleaf_remember") is not None
    browser.sign_out()
    assert browser.client.get_cookie("fernleaf_remember") is None


def signed_in(app: Flask, name: str) -> Browser:
    browser = Browser(app)
    browser.join(name)
    secret = browser.set_up_otp()
    with freeze(app) as clock:
        browser.post("/mfa/enroll/otp", code=otp.code_at(secret, clock.now // 30_000))
    assert browser.without_codes().at == "/shelf"
    return browser


def test_members_touch_only_their_own_books(app: Flask) -> None:
    celia, will = signed_in(app, "Celia"), signed_in(app, "Will")
    celia.post("/shelf", title="Middlemarch", author="George Eliot", note="For the evening")
    assert celia.client.get("/api/shelf").get_json() == {
        "name": "Celia",
        "books": [{"title": "Middlemarch", "author": "George Eliot", "finished": False}],
    }
    will.post("/shelf", title="Adam Bede", author="George Eliot", note="")
    token = re.search(r'name="csrf_token" value="([^"]+)"', will.page.text)
    assert token is not None
    for path in ("/shelf/1/remove", "/shelf/1/finish"):
        answer = will.client.post(path, data={"csrf_token": token[1]}, headers=PAGE)
        assert answer.status_code == 404
    celia.get("/shelf")
    celia.post("/shelf/1/finish")
    assert ">Read<" in celia.page.text
    celia.post("/shelf/1/remove")
    with app.app_context():
        assert db.session.get(Book, 1) is None


def test_a_new_password_ends_the_other_sessions(app: Flask) -> None:
    here = signed_in(app, "Celia")
    there = app.test_client()
    with here.client.session_transaction() as mine, there.session_transaction() as theirs:
        theirs.update(mine)
    other = Browser(app)
    other.sign_in("Celia")
    assert other.at == "/mfa/challenge/otp"
    here.get("/settings")
    wrong = here.post(
        "/settings", current="not it", new="x" * 12, again="x" * 12, save_password="1"
    )
    assert "This is not your current password" in wrong.text
    new = "another quiet evening"
    here.post("/settings", current=PASSWORD, new=new, again=new, save_password="1")
    assert "Your password has been changed" in here.page.text
    assert here.get("/shelf").status_code == 200
    assert here.at == "/shelf", "the session in which it was changed goes on"
    assert other.get("/shelf").request.path == "/login", "what was begun with the old one is over"


@pytest.mark.parametrize(
    "target",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "/\\elsewhere.example/",
        "\\\\elsewhere.example/",
        "/\t/elsewhere.example/",
        "javascript:alert(1)",
        "settings",
        "",
    ],
)
def test_the_login_view_leads_to_pages_of_its_own_only(app: Flask, target: str) -> None:
    from example_app.auth import where_next

    with app.test_request_context("/login", query_string={"next": target}):
        assert where_next() == "/shelf"


def test_the_login_view_keeps_where_the_visitor_was_going(app: Flask) -> None:
    from example_app.auth import where_next

    with app.test_request_context("/login", query_string={"next": "/settings?a=1"}):
        assert where_next() == "/settings?a=1"


def test_a_wrong_password_and_an_unknown_address_get_one_answer(app: Flask) -> None:
    Browser(app).join()
    browser = Browser(app)

    def answer(email: str, password: str) -> str:
        browser.get("/login")
        page = browser.post("/login", email=email, password=password)
        assert page.request.path == "/login"
        # Tokens carry the second in which they were made.
        text = re.sub(r'value="[^"]*"|&#34;csrf&#34;: &#34;[^&]+', "", page.text)
        assert "is not right" in text
        return text

    known = answer("dorothea@example.org", "wrong password")
    assert known == answer("nobody@example.org", "wrong password")


def test_every_form_needs_its_token(app: Flask) -> None:
    client = app.test_client()
    for path in ("/login", "/join", "/logout"):
        assert client.post(path, data={"email": "a@example.org"}, headers=PAGE).status_code == 400


def test_the_outbox_shows_a_mail_without_letting_it_act(app: Flask, room: PostRoom) -> None:
    browser = Browser(app)
    browser.join()
    browser.post("/mfa/enroll", factor="email")
    browser.post("/mfa/enroll/email/send")
    (mail,) = room.messages
    assert code_in(mail) in browser.get("/outbox").text
    assert mail.subject in browser.get("/outbox/1").text
    html = browser.get("/outbox/1/html")
    assert code_in(mail) in html.text
    assert html.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert browser.get("/outbox/2").status_code == 404


def test_without_debug_there_is_no_outbox_and_no_server_of_ours(sqlite_url: str) -> None:
    app = make(sqlite_url, DEBUG=False, ENFORCE_ONE_MFA_ENROLLMENT=["otp"])
    try:
        assert app.test_client().get("/outbox").status_code == 404
        assert app.test_client().get("/outbox/1").status_code == 404
        assert "Outbox" not in app.test_client().get("/").text
        assert EXTENSION not in app.extensions
        assert "MFA_SMS_PROVIDER" not in app.config
    finally:
        close(app)


def test_servers_of_its_own_are_left_alone(sqlite_url: str) -> None:
    app = make(
        sqlite_url,
        MAIL_SERVER="mail.invalid",
        MAIL_DEFAULT_SENDER="club@example.org",
        MFA_SMS_PROVIDER="console",
    )
    try:
        app.test_client().get("/")
        assert app.config["MAIL_SERVER"] == "mail.invalid"
        assert "MAIL_PORT" not in app.config
        assert app.config["MFA_SMS_PROVIDER"] == "console"
    finally:
        close(app)


def test_the_environment_overrides_the_settings(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_ENFORCE_ONE_MFA_ENROLLMENT", '["otp"]')
    app = make(sqlite_url)
    try:
        browser = Browser(app)
        browser.join()
        assert browser.at == "/mfa/enroll/otp"
    finally:
        close(app)


def test_the_gateway_takes_messages_from_its_own_app_only() -> None:
    room = PostRoom()
    try:
        connection = HTTPConnection("127.0.0.1", room.texts_port, timeout=5)
        path = f"/2010-04-01/Accounts/{room.account}/Messages.json"
        body = "To=%2B447400123456&Body=hello"
        connection.request("POST", path, body, {"Authorization": "Basic bm9ib2R5Om5vYm9keQ=="})
        assert connection.getresponse().status == 401
        connection.close()
        assert room.messages == []
    finally:
        room.stop()


def test_a_post_room_that_has_stopped_listens_no_more() -> None:
    room = PostRoom()
    ports = (room.mail_port, room.texts_port)
    for port in ports:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    room.stop()
    for port in ports:
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()


def test_the_migrations_make_what_the_models_say(any_database_url: str) -> None:
    app = make(any_database_url)
    try:
        runner = app.test_cli_runner()
        checked = runner.invoke(args=["db", "check"])
        assert checked.exit_code == 0, checked.output
        again = runner.invoke(mfa_group, ["db", "revision"])
        assert "every step already" in again.output
        with app.app_context():
            flask_migrate.downgrade(revision="base")
            flask_migrate.upgrade()
    finally:
        close(app)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Web:
    """A browser as the standard library has it, on a running server."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.opener = build_opener(HTTPCookieProcessor())
        self.at, self.text = "", ""

    def open(self, path: str, fields: dict[str, str] | None = None) -> str:
        if fields is not None:
            token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.text)
            assert token is not None
            fields = {"csrf_token": token[1], **fields}
        data = None if fields is None else urlencode(fields).encode()
        with self.opener.open(Request(self.base + path, data), timeout=10) as answer:
            self.at = answer.url.removeprefix(self.base)
            self.text = answer.read().decode()
        return self.text


def test_the_command_of_the_readme_starts_it_with_nothing_else(tmp_path: Path) -> None:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name[:6] != "FLASK_"}
    environment |= {"FLASK_SECRET_KEY": "s" * 40, "FLASK_MFA_SECRET_KEYS": f'["{"m" * 40}"]'}
    environment |= {"FLASK_ALLOW_PASSKEY_ENROLLMENT": "false"}
    url = f"sqlite:///{tmp_path / 'new.db'}"
    command = [sys.executable, "-m", "example_app", f"--port={port}", f"--database-url={url}"]
    command += ["--partner-port=0"]
    with subprocess.Popen(
        command,
        cwd=PACKAGE.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            assert f"http://localhost:{port}" in running.stdout.readline()
            web = Web(f"http://localhost:{port}")
            wait_until_it_answers(port)
            web.open("/join")
            me = {"name": "Ada", "email": "ada@example.org", "password": PASSWORD}
            web.open("/join", me)
            assert web.at.startswith("/mfa/enroll")
            web.open("/mfa/enroll", {"factor": "email"})
            web.open("/mfa/enroll/email/send", {})
            page = web.text
            code = re.search(r"<pre>.*?\b(\d{6})\b", web.open("/outbox"), re.S)
            assert code is not None
            web.text = page
            web.open("/mfa/enroll/email", {"code": code[1]})
            assert web.at.startswith("/mfa/enroll/recovery-codes")
            web.open("/shelf")
            assert "Ada’s shelf" in web.text
        finally:
            running.terminate()


def wait_until_it_answers(port: int) -> None:
    ends = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("localhost", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)


def code_lines(name: str) -> list[str]:
    text = (PACKAGE / name).read_text()
    without_docs = re.sub(r'"""(?:.*?)"""', "", text, flags=re.S)
    return [line for line in without_docs.splitlines() if "mfa" in line.lower()]


def test_the_host_stays_a_host() -> None:
    for name in ("auth.py", "models.py", "forms.py"):
        assert code_lines(name) == [], "accounts and sign-in know nothing of MFA"
    lines = [
        line
        for name in ("__init__.py", "extensions.py", "club.py")
        for line in code_lines(name)
        if not line.lstrip().startswith(("@mfa_required", "from "))
    ]
    assert 2 <= len(lines) <= 8, lines

"""The two apps: one host, with the least code for authenticator codes, and with the extension."""

from __future__ import annotations

import base64
import hmac
import io
import itertools
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pyotp
from flask import Flask, redirect, render_template, request, session
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_sqlalchemy import SQLAlchemy
from jinja2 import DictLoader
from sqlalchemy import ForeignKey, String, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

KEY = "a key for benchmarks of at least thirty-two characters"
PERIOD = 30

PAGES = {
    "layout.html": """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{% block title %}{% endblock %}</title></head>
<body>
<nav><a href="/">Front page</a>
{% if current_user.is_authenticated %}<a href="/home">{{ current_user.email }}</a>
{% else %}<a href="/login">Sign in</a>{% endif %}</nav>
<main>{% block content %}{% endblock %}</main>
</body>
</html>""",
    "front.html": """\
{% extends "layout.html" %}
{% block title %}Front page{% endblock %}
{% block content %}<h1>Welcome</h1><p>There is much to read here.</p>{% endblock %}""",
    "home.html": """\
{% extends "layout.html" %}
{% block title %}Home{% endblock %}
{% block content %}<h1>Hello {{ current_user.email }}</h1>
<ul>{% for item in items %}<li>{{ item }}</li>{% endfor %}</ul>{% endblock %}""",
    "otp.html": """\
{% extends "layout.html" %}
{% block title %}Enter the code{% endblock %}
{% block content %}<h1>Enter the code</h1>{% if wrong %}<p>That code is not right.</p>{% endif %}
{% if qr %}{{ qr|safe }}<p>{{ secret }}</p>{% endif %}
<form method="post"><input name="code" autocomplete="one-time-code" inputmode="numeric">
<button>Go on</button></form>{% endblock %}""",
}


class Clock:
    """A clock that benchmarks move, so that every code of an authenticator is a new one.

    Calling it gives milliseconds since 1970-01-01 UTC.
    """

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now

    def tick(self) -> None:
        """Move on by one time step."""
        self.now += PERIOD * 1000


@dataclass(slots=True)
class Site:
    """One of the two apps, with what a benchmark needs of it."""

    app: Flask
    db: SQLAlchemy
    user_model: Any
    clock: Clock
    enroll: Callable[[Any, bytes], None]
    """Give a user an authenticator with this secret; within an app context."""

    @property
    def engine(self) -> Any:
        with self.app.app_context():
            return self.db.engine

    def users(self) -> Iterator[str]:
        """The emails of new users without an authenticator, without end."""
        while True:
            emails = [new_email() for _ in range(1000)]
            rows = [{"email": email, "password": "pw"} for email in emails]
            with self.app.app_context():
                self.db.session.execute(insert(self.user_model), rows)
                self.db.session.commit()
            yield from emails

    def user(self, email: str, secret: bytes | None = None) -> str:
        """Make a user, with an authenticator where a secret is given; returns the email."""
        with self.app.app_context():
            user = self.user_model(email=email, password="pw")
            self.db.session.add(user)
            self.db.session.commit()
            if secret is not None:
                self.enroll(user, secret)
        return email


def host(url: str, signed_in: Callable[[Any], Any] | None = None) -> tuple[Flask, SQLAlchemy, Any]:
    """The host: users, a login view, a public and a protected page.

    `signed_in(user)`: the answer to a right password; `login_user` and a redirect without it.
    """
    app = Flask("benchmark", root_path="/nonexistent")
    app.jinja_loader = DictLoader(PAGES)
    app.config.update(SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI=url)
    db = SQLAlchemy(app)
    manager = LoginManager(app)
    manager.login_view = "login"

    class User(UserMixin, db.Model):  # type: ignore[name-defined,misc]
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(String(255), unique=True)
        password: Mapped[str] = mapped_column(String(255))

    @manager.user_loader
    def load(key: str) -> Any:
        return db.session.get(User, int(key))

    @app.route("/")
    def front() -> str:
        return render_template("front.html")

    @app.route("/home")
    @login_required
    def home() -> str:
        return render_template("home.html", items=("one", "two", "three"))

    @app.route("/login", methods=["GET", "POST"])
    def login() -> Any:
        if request.method == "POST":
            user = db.session.scalar(select(User).where(User.email == request.form["email"]))
            if user is not None and hmac.compare_digest(user.password, request.form["password"]):
                if signed_in is not None:
                    return signed_in(user)
                login_user(user)
                return redirect("/home")
        return render_template("front.html")

    return app, db, User


def least(url: str) -> Site:
    """The host with the least code for authenticator codes: a row for the secret, and pyotp.

    A code works once, as RFC 6238 §5.2 demands; nothing is limited, sealed, or told.
    """
    clock = Clock()

    def signed_in(user: Any) -> Any:
        if db.session.get(OtpSecret, user.id) is None:
            login_user(user)
            return redirect("/home")
        session["waiting"] = user.id
        return redirect("/otp")

    app, db, user_model = host(url, signed_in)

    class OtpSecret(db.Model):  # type: ignore[name-defined,misc]
        user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
        secret: Mapped[str] = mapped_column(String(40))
        last_step: Mapped[int] = mapped_column(default=-1)

    def step_of(secret: str, code: str) -> int | None:
        now, codes = clock.now // 1000 // PERIOD, pyotp.HOTP(secret)
        steps = [n for n in (now, now + 1, now - 1) if hmac.compare_digest(codes.at(n), code)]
        return steps[0] if steps else None

    @app.route("/otp", methods=["GET", "POST"])
    def otp() -> Any:
        user = db.session.get(user_model, session["waiting"])
        if request.method == "GET":
            return render_template("otp.html")
        kept = db.session.get_one(OtpSecret, user.id)
        step = step_of(kept.secret, request.form["code"])
        if step is not None:
            used = update(OtpSecret).where(OtpSecret.user_id == user.id, OtpSecret.last_step < step)
            if db.session.execute(used.values(last_step=step)).rowcount:
                db.session.commit()
                session.pop("waiting")
                login_user(user)
                return redirect("/home")
        return render_template("otp.html", wrong=True), 401

    @app.route("/otp/setup", methods=["GET", "POST"])
    @login_required
    def set_up() -> Any:
        import segno

        if request.method == "GET":
            secret = session["secret"] = pyotp.random_base32()
            label = current_user.email
            uri = pyotp.TOTP(secret).provisioning_uri(name=label, issuer_name="Benchmark")
            qr = segno.make(uri, error="m", micro=False).svg_inline(scale=5)
            return render_template("otp.html", qr=qr, secret=secret)
        step = step_of(session["secret"], request.form["code"])
        if step is None:
            return render_template("otp.html", wrong=True), 401
        secret = session.pop("secret")
        db.session.add(OtpSecret(user_id=current_user.id, secret=secret, last_step=step))
        db.session.commit()
        return redirect("/home")

    def enroll(user: Any, secret: bytes) -> None:
        db.session.add(OtpSecret(user_id=user.id, secret=base64.b32encode(secret).decode()))
        db.session.commit()

    with app.app_context():
        db.create_all()
    return Site(app, db, user_model, clock, enroll)


def with_mfa(url: str, **config: Any) -> Site:
    """The host with the extension, as it runs in production."""
    from flask_melody_mfa import MelodyMFA

    clock = Clock()
    app, db, user_model = host(url)
    app.config.update(
        MFA_SECRET_KEYS=[KEY],
        MFA_ISSUER="Benchmark",
        ENFORCE_ONE_MFA_ENROLLMENT=[],
        MFA_BASE_URL="http://localhost",
    )
    app.config.update(config)
    mfa = MelodyMFA()
    mfa.deliver_later(lambda job: None)  # messages are no part of what is compared
    mfa.init_app(app, db, user_model=user_model)
    app.extensions["melody_mfa"].clock = clock

    def enroll(user: Any, secret: bytes) -> None:
        mfa.adopt_otp(user, secret)

    with app.app_context():
        db.create_all()
    return Site(app, db, user_model, clock, enroll)


HEADERS = {
    "HTTP_HOST": "localhost",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "HTTP_ACCEPT_LANGUAGE": "en-GB,en;q=0.7",
    "HTTP_SEC_FETCH_DEST": "document",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}
CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
KEY_SHOWN = re.compile(r"\b((?:[A-Z2-7]{4} ?){8})\b")


class Browser:
    """As little of a browser as will do, so that the app's own time is what is measured."""

    def __init__(self, app: Flask) -> None:
        self._serve = app.wsgi_app
        self.cookies: dict[str, str] = {}
        self.status = 0
        self.location = ""
        self.body = ""

    def get(self, path: str) -> str:
        """Open a page; returns its text."""
        return self._open("GET", path, b"")

    def post(self, path: str, **fields: str) -> str:
        """Submit a form, with the CSRF token of the last page where that had one."""
        token = CSRF.search(self.body)
        if token is not None:
            fields["csrf_token"] = token[1]
        return self._open("POST", path, urlencode(fields).encode())

    def follow(self) -> str:
        """Follow redirects to a page."""
        while self.status in (302, 303):
            self.get(self.location)
        assert self.status == 200, (self.status, self.body)
        return self.body

    def sign_in(self, email: str) -> str:
        """Open the login form, give the password, and follow to whatever page comes."""
        self.get("/login")
        self.post("/login", email=email, password="pw")
        return self.follow()

    def environ(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """A request as WSGI has it."""
        path, _, query = path.partition("?")
        return {
            **HEADERS,
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/x-www-form-urlencoded" if body else "",
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def _open(self, method: str, path: str, body: bytes) -> str:
        environ = self.environ(method, path, body)
        if not self.cookies:
            del environ["HTTP_COOKIE"]
        answer = self._serve(environ, self._started)
        try:
            self.body = b"".join(answer).decode()
        finally:
            answer.close()  # type: ignore[attr-defined]
        return self.body

    def _started(self, status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
        self.status = int(status[:3])
        self.location = ""
        for name, value in headers:
            if name == "Location":
                self.location = value.removeprefix("http://localhost")
            elif name == "Set-Cookie":
                cookie = value.partition(";")[0]
                key, _, text = cookie.partition("=")
                if text:
                    self.cookies[key] = text
                else:
                    self.cookies.pop(key, None)
        return lambda data: None


def code_of(secret: bytes | str, clock: Clock) -> str:
    """The code that an authenticator shows."""
    text = secret if isinstance(secret, str) else base64.b32encode(secret).decode()
    return str(pyotp.HOTP(text).at(clock.now // 1000 // PERIOD))


_numbers = itertools.count()


def new_email() -> str:
    """An address that no account has."""
    return f"user-{next(_numbers)}-{secrets.token_hex(4)}@example.org"

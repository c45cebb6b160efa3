"""A plain host app for tests, and a person who uses it through a browser without JavaScript."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, flash, get_flashed_messages, jsonify, redirect, request
from flask.testing import FlaskClient
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
    logout_user,
)
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.test import TestResponse

from flask_melody_mfa import MelodyMFA, mfa_exempt, mfa_required, mfa_status
from flask_melody_mfa.core import otp
from flask_melody_mfa.testing import Frozen, MFAClient, enroll, freeze, otp_code

KEY = "a test key of at least thirty-two characters"
PHONE = "+447400123456"
BROWSER = {"Sec-Fetch-Dest": "document", "Accept": "text/html,*/*"}


class Host:
    """One host app with its own database, users and views."""

    def __init__(self, url: str = "sqlite://", *, create: bool = True, **config: Any) -> None:
        self.db = db = SQLAlchemy()
        self.mfa = mfa = MelodyMFA()
        self.app = app = Flask("host", root_path="/nonexistent")
        self.seen: list[Any] = []

        class User(UserMixin, db.Model):  # type: ignore[name-defined,misc]
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str | None] = mapped_column(String(255), unique=True)
            username: Mapped[str | None] = mapped_column(String(255))
            phone: Mapped[str | None] = mapped_column(String(40))
            password: Mapped[str] = mapped_column(String(255))
            email_verified: Mapped[bool] = mapped_column(default=True)
            active: Mapped[bool] = mapped_column(default=True)

            @property
            def is_active(self) -> bool:
                return self.active

            def check_password(self, password: str) -> bool:
                return self.password == password

        self.User = User
        app.config.update(
            TESTING=True,
            SECRET_KEY=KEY,
            SQLALCHEMY_DATABASE_URI=url,
            WTF_CSRF_ENABLED=False,
            MFA_MAIL_SENDER="mfa@example.org",
            MFA_SMS_COUNTRIES=["GB", "US"],
            MAIL_SUPPRESS_SEND=True,
            MFA_BASE_URL="http://localhost",
        )
        app.config.update(config)
        app.test_client_class = MFAClient
        db.init_app(app)
        self.login_manager = LoginManager(app)
        self.login_manager.login_view = "login"

        @self.login_manager.user_loader
        def load(key: str) -> Any:
            return db.session.get(User, int(key)) if key.isdecimal() else None

        mfa.send_sms(lambda message: None)
        mfa.init_app(app, db, user_model=User)
        self.views()
        if create:
            with app.app_context():
                db.create_all()

    def views(self) -> None:
        """The host's own views."""
        app, db, user_class = self.app, self.db, self.User

        @app.route("/")
        def index() -> str:
            name = current_user.email if current_user.is_authenticated else "nobody"
            return f"index {name} {'|'.join(get_flashed_messages())}"

        @app.route("/login", methods=["GET", "POST"])
        def login() -> Any:
            if request.method == "POST":
                found = db.session.scalar(
                    db.select(user_class).filter_by(email=request.form["email"])
                )
                if found is not None and found.check_password(request.form["password"]):
                    login_user(found, remember="remember" in request.form)
                    self.seen.append(current_user.email)
                    return redirect(request.args.get("next") or "/secret")
                flash("wrong password")
                return "login failed", 401
            return f"login form {'|'.join(get_flashed_messages())}"

        @app.route("/json-login", methods=["POST"])
        def json_login() -> Any:
            found = db.session.scalar(
                db.select(user_class).filter_by(email=request.get_json()["email"])
            )
            login_user(found, remember=True)
            return jsonify(profile=found.email)

        @app.route("/secret", methods=["GET", "POST"])
        @login_required
        def secret() -> str:
            return f"secret of {current_user.email}"

        @app.route("/api")
        @login_required
        def api() -> Any:
            return jsonify(email=current_user.email)

        @app.route("/guarded")
        @mfa_required
        def guarded() -> str:
            return "guarded"

        @app.route("/fresh", methods=["GET", "POST"])
        @mfa_required(max_age=300)
        def fresh() -> str:
            return "fresh"

        @app.route("/with-otp")
        @mfa_required(factors={"otp"})
        def with_otp() -> str:
            return "with otp"

        @app.route("/open")
        @mfa_exempt
        def opened() -> str:
            return f"open {current_user.is_authenticated}"

        @app.route("/status")
        def status() -> Any:
            found = mfa_status()
            return jsonify(
                satisfied=found.satisfied,
                method=found.method,
                factors=sorted(found.factors),
                level=found.level,
                client=found.client,
            )

        @app.route("/logout", methods=["GET", "POST"])
        def logout() -> Any:
            logout_user()
            return redirect("/")

    def user(self, email: str = "ada@example.org", **values: Any) -> int:
        """Make a user with the password `pw`; returns the id."""
        with self.app.app_context():
            user = self.User(email=email, password="pw", **values)
            self.db.session.add(user)
            self.db.session.commit()
            return int(user.id)

    def get(self, user_id: int) -> Any:
        """A user, in the current app context."""
        return self.db.session.get(self.User, user_id)

    def enroll(self, user_id: int, *factors: str, **options: Any) -> None:
        """Give a user some factors."""
        with self.app.app_context():
            for factor in factors:
                enroll(self.get(user_id), factor, **options)

    def otp(self, user_id: int) -> str:
        """The next code of a user's authenticator."""
        with self.app.app_context():
            return otp_code(self.get(user_id))

    @property
    def sent(self) -> list[Any]:
        """Mails and text messages that left, oldest first."""
        sent: list[Any] = self.app.extensions["melody_mfa"].sent
        return sent

    def mails(self) -> list[Any]:
        """Mails that left."""
        return [message for message in self.sent if hasattr(message, "subject")]

    def texts(self) -> list[Any]:
        """Text messages that left."""
        return [message for message in self.sent if not hasattr(message, "subject")]

    def last_code(self) -> str:
        """The code in the last message that holds one."""
        for message in reversed(self.sent):
            found = re.search(r"\b(\d{6})\b", message.text)
            if found:
                return found.group(1)
        raise LookupError("no code was sent")

    def clock(self, at: int | None = None) -> Any:
        """Let the extension's clock stand still: `with host.clock() as clock`."""
        return freeze(self.app, at)

    def rows(self, table: str) -> list[Any]:
        """All rows of a table."""
        with self.app.app_context():
            return list(self.db.session.execute(self.db.metadata.tables[table].select()).mappings())

    def events(self, user_id: int | None = None) -> list[str]:
        """The types of the events that were recorded, oldest first."""
        return [
            row["type"]
            for row in sorted(self.rows("mfa_event"), key=lambda row: row["id"])
            if user_id is None or row["user_key"] == str(user_id)
        ]


class Person:
    """Somebody with a browser. Remembers the last page, and submits its forms."""

    def __init__(self, host: Host, **cookies: Any) -> None:
        self.host = host
        self.client: FlaskClient = host.app.test_client(**cookies)
        self.page: TestResponse | None = None

    def get(self, path: str, *, follow: bool = False, **options: Any) -> TestResponse:
        """Open a page."""
        headers = {**BROWSER, **options.pop("headers", {})}
        self.page = self.client.get(path, headers=headers, follow_redirects=follow, **options)
        return self.page

    def post(
        self,
        path: str,
        data: Mapping[str, Any] | None = None,
        *,
        follow: bool = False,
        **options: Any,
    ) -> TestResponse:
        """Submit a form, with the CSRF token of the last page."""
        headers = {**BROWSER, **options.pop("headers", {})}
        fields = dict(data or {})
        token = self.csrf_token()
        if token is not None:
            fields.setdefault("csrf_token", token)
        self.page = self.client.post(
            path, data=fields, headers=headers, follow_redirects=follow, **options
        )
        return self.page

    def csrf_token(self) -> str | None:
        """The token on the last page, if it has one."""
        if self.page is None:
            return None
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.page.text)
        return found.group(1) if found else None

    def sign_in(
        self, email: str = "ada@example.org", *, follow: bool = False, **fields: Any
    ) -> TestResponse:
        """Give the password."""
        target = "/login"
        if "next_url" in fields:
            target += f"?next={fields.pop('next_url')}"
        return self.post(target, {"email": email, "password": "pw", **fields}, follow=follow)

    def follow(self) -> TestResponse:
        """Follow redirects from the last answer to a page."""
        for _ in range(8):
            assert self.page is not None
            if self.page.status_code not in (302, 303):
                return self.page
            self.get(self.page.headers["Location"])
        raise AssertionError("too many redirects")

    @property
    def at(self) -> str:
        """The path that the last answer leads to, or came from."""
        assert self.page is not None
        location = self.page.headers.get("Location")
        return urlsplit(location).path if location else self.page.request.path

    def code(self, code: str, **fields: Any) -> TestResponse:
        """Submit a code to the page that is shown."""
        assert self.page is not None
        path = self.page.request.path.removesuffix("/send")
        return self.post(path, {"code": code, **fields})

    @property
    def text(self) -> str:
        """The last page's text, unescaped."""
        assert self.page is not None
        return html.unescape(self.page.text)

    def signed_in(self) -> bool:
        """Whether the host's protected page opens."""
        return self.client.get("/secret", headers=BROWSER).status_code == 200

    def secret(self) -> bytes:
        """The authenticator key on the last page."""
        plain = re.sub(r"<[^>]+>", "", self.text)
        found = re.search(r"\b((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})\b", plain)
        assert found is not None, "no key on this page"
        return otp.decode_secret(found.group(1))

    def cookies(self) -> dict[str, str]:
        """The browser's cookies."""
        return {key[2]: cookie.value for key, cookie in self.client._cookies.items()}


def totp(secret: bytes, clock: Frozen | None = None, steps: int = 0) -> str:
    """The code of an authenticator that holds `secret`."""
    import time

    now = clock.now if clock is not None else time.time_ns() // 1_000_000
    return otp.code_at(secret, otp.step_of(now) + steps)

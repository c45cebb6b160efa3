"""Weather stations send readings by Basic or a token; people look at them in a browser."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, Request, abort, current_app, jsonify, request
from flask_login import LoginManager, current_user, login_required, login_user, logout_user
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flask_melody_mfa import MelodyMFA  # MFA


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Account(db.Model):  # type: ignore[name-defined,misc]
    """A person or a station. Flask-Login's four properties are spelled out."""

    __tablename__ = "account"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    login: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(default="person")
    display_name: Mapped[str]
    salt: Mapped[bytes]
    digest: Mapped[bytes]
    blocked: Mapped[bool] = mapped_column(default=False)

    is_authenticated = True
    is_anonymous = False

    @property
    def is_active(self) -> bool:
        return not self.blocked

    def get_id(self) -> str:
        return self.id.hex

    @classmethod
    def make(cls, login: str, password: str, kind: str = "person") -> Account:
        salt = secrets.token_bytes(16)
        name = login.title()
        digest = scramble(password, salt)
        return cls(login=login, kind=kind, display_name=name, salt=salt, digest=digest)

    def knows(self, password: str) -> bool:
        return hmac.compare_digest(self.digest, scramble(password, self.salt))

    def profile(self) -> dict[str, str]:
        return {"login": self.login, "name": self.display_name, "kind": self.kind}


class Token(db.Model):  # type: ignore[name-defined,misc]
    __tablename__ = "token"

    value: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id"))
    account: Mapped[Account] = relationship()


class Reading(db.Model):  # type: ignore[name-defined,misc]
    __tablename__ = "reading"

    id: Mapped[int] = mapped_column(primary_key=True)
    station: Mapped[str]
    celsius: Mapped[float]
    at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


def scramble(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=4, r=1, p=1)


def who_knows(login: str | None, password: str | None) -> Account | None:
    account = db.session.scalar(select(Account).where(Account.login == login))
    return account if account is not None and account.knows(password or "") else None


logins = LoginManager()


@logins.user_loader
def from_session(key: str) -> Account | None:
    return db.session.get(Account, uuid.UUID(key))


@logins.request_loader
def from_header(request: Request) -> Account | None:
    given = request.authorization
    if given is None:
        return None
    if given.type == "basic":
        return who_knows(given.username, given.password)
    token = db.session.get(Token, given.token) if given.type == "bearer" else None
    return token.account if token is not None else None


@logins.unauthorized_handler
def unauthorized() -> Any:
    return jsonify(error="sign in first"), 401, {"WWW-Authenticate": 'Basic realm="stations"'}


def by_machine(request: Request) -> bool:
    """A token, or the password of a station."""
    given = request.authorization
    return given is not None and (given.type == "bearer" or current_user.kind == "station")


api = Blueprint("api", __name__, url_prefix="/api")


@api.before_request
def count() -> None:
    if current_user.is_authenticated and not by_machine(request):
        current_app.config["SEEN"].append(current_user.login)


@api.post("/session")
def login() -> Any:
    given = request.get_json()
    account = who_knows(given.get("login"), given.get("password"))
    if account is None or not login_user(account, remember=True):
        return jsonify(error="unknown login or wrong password"), 403
    return jsonify(account.profile())


@api.get("/session")
@login_required
def me() -> Any:
    return jsonify(current_user.profile())


@api.delete("/session")
def logout() -> Any:
    logout_user()
    return "", 204


@api.post("/tokens")
@login_required
def make_token() -> Any:
    token = Token(value=secrets.token_urlsafe(), account=current_user._get_current_object())
    db.session.add(token)
    db.session.commit()
    return jsonify(token=token.value), 201


@api.post("/readings")
@login_required
def add_reading() -> Any:
    if current_user.kind != "station":
        abort(403)
    db.session.add(Reading(station=current_user.login, celsius=request.get_json()["celsius"]))
    db.session.commit()
    return "", 201


@api.get("/readings")
@login_required
def readings() -> Any:
    return jsonify(
        [
            {"station": reading.station, "celsius": reading.celsius}
            for reading in db.session.scalars(select(Reading).order_by(Reading.id))
        ]
    )


pages = Blueprint("pages", __name__)


@pages.get("/")
@login_required
def board() -> str:
    rows = db.session.scalars(select(Reading)).all()
    return f"<!doctype html><h1>Hello {current_user.display_name}</h1><p>{len(rows)} readings</p>"


@pages.get("/about")
def about() -> str:
    return "<!doctype html><h1>About the stations</h1>"


def create_app(database: str, with_mfa: bool) -> Flask:
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=secrets.token_hex(32),
        SQLALCHEMY_DATABASE_URI=database,
        TESTING=True,
        SEEN=[],
    )
    logins.init_app(app)
    db.init_app(app)
    if with_mfa:  # MFA
        MelodyMFA(app, db, user_model=Account).vouches_for(by_machine)  # MFA
    app.register_blueprint(api)
    app.register_blueprint(pages)
    return app

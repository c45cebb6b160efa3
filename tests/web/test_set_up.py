"""Setting a host up: in any order, beside whatever other extensions, for users of any kind."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import flask_mail
import pytest
from flask import Flask, redirect, request
from flask_babel import Babel
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from flask_melody_mfa import Account, MelodyMFA, mfa_required, mfa_status
from flask_melody_mfa.cli import mfa_group
from flask_melody_mfa.testing import MFAClient, enroll, finish_sign_in, otp_code
from tests.host import BROWSER, KEY

EXTENSIONS = ("login", "csrf", "babel", "mail", "migrate")
Order = dict[str, str]
Finish = Callable[[Flask], None]


def each(place: str) -> Order:
    return dict.fromkeys(EXTENSIONS, place)


ORDERS = [
    pytest.param(each("before"), id="all before"),
    pytest.param(each("after"), id="all after"),
    pytest.param({**each("absent"), "login": "before"}, id="login alone, before"),
    pytest.param({**each("absent"), "login": "after"}, id="login alone, after"),
    *(
        pytest.param({**each(others), name: place}, id=f"{name} {place}, others {others}")
        for name in EXTENSIONS
        for others in ("before", "after")
        for place in ("before", "after", "absent")
        if place != others and (name, place) != ("login", "absent")
    ),
]


def make_app(order: Order) -> tuple[Flask, Any, Any]:
    """A host whose extensions are set up before ours, after it, or not at all."""
    app, db = Flask("ordered", root_path="/nonexistent"), SQLAlchemy()

    class User(UserMixin, db.Model):  # type: ignore[name-defined,misc]
        id: Mapped[int] = mapped_column(primary_key=True)
        email: Mapped[str] = mapped_column(String(80))
        email_verified: Mapped[bool] = mapped_column(default=True)

    app.config.update(
        TESTING=True,
        SECRET_KEY=KEY,
        SQLALCHEMY_DATABASE_URI="sqlite://",
        MAIL_DEFAULT_SENDER="host@example.org",
    )
    manager = LoginManager()
    manager.login_view = "login"
    manager.user_loader(lambda key: db.session.get(User, int(key)))
    set_up: dict[str, Callable[[], Any]] = {
        "login": lambda: manager.init_app(app),
        "csrf": lambda: CSRFProtect(app),
        "babel": lambda: Babel(app, locale_selector=lambda: "fr"),
        "mail": lambda: flask_mail.Mail(app),
        "migrate": lambda: Migrate(app, db),
    }
    for name, place in order.items():
        if place == "before":
            set_up[name]()
    MelodyMFA(app, db, user_model=User)
    db.init_app(app)
    for name, place in order.items():
        if place == "after":
            set_up[name]()

    @app.route("/login", methods=["GET", "POST"])
    def login() -> Any:
        if request.method == "POST":
            login_user(db.session.get(User, 1))
            return redirect("/private")
        token = "{{ csrf_token() }}" if order["csrf"] != "absent" else ""
        return app.jinja_env.from_string(f'<input name="csrf_token" value="{token}">').render()

    @app.route("/private")
    @login_required
    def private() -> str:
        return f"private {current_user.email}"

    @app.route("/")
    def index() -> str:
        return "index"

    with app.app_context():
        db.create_all()
        db.session.add(User(email="ada@example.org"))
        db.session.commit()
    return app, db, User


@pytest.fixture
def close() -> Iterator[Finish]:
    """Closes a database afterwards."""
    apps: list[Flask] = []
    yield apps.append
    for app in apps:
        with app.app_context():
            for engine in app.extensions["sqlalchemy"].engines.values():
                engine.dispose()


def token_of(page: Any) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', page.text)
    return found[1] if found else ""


@pytest.mark.parametrize("order", ORDERS)
def test_a_sign_in_works_in_any_order(order: Order, close: Finish) -> None:
    app, db, user_class = make_app(order)
    close(app)
    with app.app_context():
        enroll(db.session.get(user_class, 1), "email")
    client = app.test_client()
    token = token_of(client.get("/login"))
    answer = client.post("/login", data={"csrf_token": token})
    assert answer.location == "/mfa/challenge?next=/private"
    assert client.get("/private", headers=BROWSER).location.startswith("/mfa/challenge")
    page = client.get(answer.location, headers=BROWSER, follow_redirects=True)
    assert page.request.path == "/mfa/challenge/email"
    assert page.headers["Content-Language"] == ("en" if order["babel"] == "absent" else "fr")
    assert token_of(page)
    (mail,) = app.extensions["melody_mfa"].sent
    assert mail.to == "ada@example.org"
    data = {"code": re.findall(r"\b\d{6}\b", mail.text)[0]}
    assert client.post("/mfa/challenge/email", data=data).status_code == 400
    data["csrf_token"] = token_of(page)
    answer = client.post("/mfa/challenge/email", data=data)
    assert answer.location == "/private"
    assert client.get("/private").text == "private ada@example.org"


def test_a_host_without_flask_login_has_no_one_to_ask(close: Finish) -> None:
    app, _, _ = make_app(each("absent"))
    close(app)

    @app.route("/guarded")
    @mfa_required
    def guarded() -> str:
        return "guarded"

    @app.route("/status")
    def status() -> str:
        return str(mfa_status().satisfied)

    client = app.test_client()
    assert client.get("/").text == "index"
    assert client.get("/status").text == "False"
    for path in ("/guarded", "/mfa/challenge", "/mfa/enroll/otp"):
        answer = client.get(path, headers=BROWSER)
        assert answer.status_code == 303 and answer.location == "/"
        assert client.get(path, headers={"Accept": "*/*"}).status_code in (401, 410)


def test_the_guard_stands_before_what_was_registered_earlier(close: Finish) -> None:
    app, db = Flask("early"), SQLAlchemy()
    seen: list[bool] = []
    app.before_request(lambda: seen.append(current_user.is_authenticated))
    app.url_value_preprocessor(lambda *_: seen.append(current_user.is_authenticated))
    app.context_processor(lambda: {"known": seen.append(current_user.is_authenticated)})
    app.config.update(TESTING=True, SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI="sqlite://")
    people = {"1": Person("1")}
    LoginManager(app).user_loader(people.get)
    db.init_app(app)
    MelodyMFA(app, db)
    close(app)
    with app.app_context():
        db.create_all()
        enroll(people["1"], "otp")
    app.test_client_class = MFAClient
    client = app.test_client(user=people["1"])
    page = client.get("/mfa/challenge", headers=BROWSER, follow_redirects=True)
    assert page.request.path == "/mfa/challenge/otp"
    assert client.get("/nowhere", headers=BROWSER).status_code == 404
    assert seen and not any(seen)


# Users


class Person(UserMixin):
    """A user that no database knows."""

    def __init__(self, key: str) -> None:
        self.id = key
        self.email = f"{key}@example.org"


def user_with(db: Any, kind: str) -> tuple[type[Any], Any, str]:
    """A user class with a primary key of a kind, one of its keys, and that as our user key."""
    known = uuid.UUID(int=7)
    match kind:
        case "integer":

            class Integer(UserMixin, db.Model):  # type: ignore[name-defined,misc]
                number: Mapped[int] = mapped_column(primary_key=True)
                get_id = lambda self: str(self.number)  # noqa: E731

            return Integer, {"number": 41}, "41"
        case "uuid":

            class Uuid(UserMixin, db.Model):  # type: ignore[name-defined,misc]
                uid: Mapped[uuid.UUID] = mapped_column(primary_key=True)
                get_id = lambda self: self.uid.hex  # noqa: E731

            return Uuid, {"uid": known}, str(known)
        case "text":

            class Text(UserMixin, db.Model):  # type: ignore[name-defined,misc]
                handle: Mapped[str] = mapped_column(String(60), primary_key=True)
                get_id = lambda self: self.handle  # noqa: E731

            return Text, {"handle": "Zoë “z” Ω"}, "Zoë “z” Ω"
        case _:

            class Composite(UserMixin, db.Model):  # type: ignore[name-defined,misc]
                tenant: Mapped[str] = mapped_column(String(20), primary_key=True)
                number: Mapped[int] = mapped_column(primary_key=True)
                get_id = lambda self: f"{self.number}@{self.tenant}"  # noqa: E731

            return Composite, {"tenant": "a,b", "number": 3}, json.dumps(["a,b", "3"])


@pytest.mark.parametrize("given", ["class", "callable"])
@pytest.mark.parametrize("kind", ["integer", "uuid", "text", "composite"])
def test_users_may_have_keys_of_any_kind(kind: str, given: str, close: Finish) -> None:
    app, db = Flask("keys"), SQLAlchemy()
    user_class, values, key = user_with(db, kind)
    app.config.update(TESTING=True, SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI="sqlite://")
    db.init_app(app)
    mfa = MelodyMFA(app, db, user_model=user_class if given == "class" else lambda: user_class)
    manager = LoginManager(app)
    close(app)

    @manager.user_loader
    def load(flask_id: str) -> Any:
        users = db.session.scalars(db.select(user_class))
        return next((user for user in users if user.get_id() == flask_id), None)

    @app.route("/login", methods=["POST"])
    def login() -> Any:
        login_user(load(request.form["id"]))
        return redirect("/")

    @app.route("/")
    @login_required
    def index() -> str:
        return str(current_user.get_id())

    with app.app_context():
        db.create_all()
        user = user_class(**values)
        db.session.add(user)
        db.session.commit()
        flask_id = user.get_id()
        enroll(user, "otp")
        here = app.extensions["melody_mfa"]
        assert here.describe(user).key == key
        assert here.load_user(key) is user
        assert here.load_user("no such key") is None
        assert here.load_user('["a"]') is None
        assert mfa.verify(user, otp_code(user))
    client = app.test_client()
    answer = client.post("/login", data={"id": flask_id})
    assert answer.location == "/mfa/challenge?next=/"
    assert finish_sign_in(client, answer).location == "/"
    assert client.get("/").text == flask_id
    said = app.test_cli_runner().invoke(mfa_group, ["status", key, "--json"])
    assert json.loads(said.output)["user_key"] == key
    with app.app_context():
        db.session.delete(db.session.scalars(db.select(user_class)).one())
        db.session.commit()
        rows = db.session.execute(db.metadata.tables["mfa_session"].select()).all()
    assert rows == []


def test_without_a_user_model_flask_login_knows_the_users(close: Finish) -> None:
    app, db = Flask("unmodelled"), SQLAlchemy()
    people = {key: Person(key) for key in ("x-1", "x-2")}
    app.config.update(TESTING=True, SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI="sqlite://")
    LoginManager(app).user_loader(people.get)
    db.init_app(app)
    mfa = MelodyMFA(app, db)
    close(app)

    @app.route("/login/<key>", methods=["POST"])
    def login(key: str) -> Any:
        login_user(people[key])
        return redirect("/")

    @app.route("/")
    @login_required
    def index() -> str:
        return str(current_user.email)

    with app.app_context():
        db.create_all()
        enroll(people["x-1"], "otp")
        assert app.extensions["melody_mfa"].describe(people["x-1"]).key == "x-1"
        assert app.extensions["melody_mfa"].find_user("x-1@example.org") is None
    client = app.test_client()
    answer = client.post("/login/x-1")
    page = client.get(answer.location, headers=BROWSER, follow_redirects=True)
    assert page.request.path == "/mfa/challenge/otp"
    finish_sign_in(client, answer)
    assert client.get("/").text == "x-1@example.org"
    with app.app_context():
        mfa.erase(people["x-1"])
    assert client.get("/", headers=BROWSER).status_code in (302, 401)


def test_hooks_describe_load_and_find_users_of_a_host_of_its_own_kind(close: Finish) -> None:
    app, db, mfa = Flask("hooked"), SQLAlchemy(), MelodyMFA()
    people = {"p1": {"mail": "p1@example.org"}}

    class Wrapped(UserMixin):
        def __init__(self, name: str) -> None:
            self.name, self.person = name, people[name]

        def get_id(self) -> str:
            return f"session-of-{self.name}"

    @mfa.describe_user
    def describe(user: Wrapped) -> Account:
        mail = user.person["mail"]
        return Account(key=f"key-{user.name}", login=mail, email=mail, email_verified=True)

    @mfa.load_user
    def load(key: str) -> Wrapped | None:
        name = key.removeprefix("key-")
        return Wrapped(name) if name in people else None

    @mfa.find_user
    def find(login: str) -> Wrapped | None:
        return Wrapped("p1") if login == "p1@example.org" else None

    app.config.update(TESTING=True, SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI="sqlite://")
    LoginManager(app).user_loader(lambda flask_id: load(flask_id.removeprefix("session-of-")))
    db.init_app(app)
    mfa.init_app(app, db)
    close(app)

    @app.route("/login", methods=["POST"])
    def login() -> Any:
        login_user(Wrapped("p1"))
        return redirect("/")

    @app.route("/")
    @login_required
    def index() -> str:
        return str(current_user.name)

    with app.app_context():
        db.create_all()
    client = app.test_client()
    finish_sign_in(client, client.post("/login"))
    assert client.get("/").text == "p1"
    said = app.test_cli_runner().invoke(mfa_group, ["status", "p1@example.org", "--json"])
    assert json.loads(said.output)["user_key"] == "key-p1"


def test_one_extension_object_serves_several_apps(close: Finish) -> None:
    mfa = MelodyMFA()
    apps = []
    for name in ("one", "two"):
        app, db = Flask(name), SQLAlchemy()
        app.config.update(
            TESTING=True,
            SECRET_KEY=KEY,
            SQLALCHEMY_DATABASE_URI="sqlite://",
            OTP_MFA_IS_REQUIRED=name == "two",
            ENFORCE_ONE_MFA_ENROLLMENT=[],
        )
        LoginManager(app).user_loader(Person)
        db.init_app(app)
        mfa.init_app(app, db)
        close(app)
        with app.app_context():
            db.create_all()
        apps.append(app)
    for app in apps:
        with app.app_context():
            assert mfa.password_is_enough(Person("1")) is (app.name == "one")
            with pytest.raises(RuntimeError, match="once per app"):
                mfa.init_app(app, app.extensions["sqlalchemy"])


def test_a_model_may_be_named_by_a_dotted_name(close: Finish) -> None:
    from tests.hosts.library.app import Reader, db

    app = Flask("dotted")
    app.config.update(TESTING=True, SECRET_KEY=KEY, SQLALCHEMY_DATABASE_URI="sqlite://")
    LoginManager(app).user_loader(lambda key: None)
    db.init_app(app)
    MelodyMFA(app, db, user_model="tests.hosts.library.app.Reader")
    close(app)
    with app.app_context():
        assert app.extensions["melody_mfa"].users.model is Reader


def test_init_app_without_a_db_is_refused_with_advice() -> None:
    with pytest.raises(TypeError, match=r"mfa\.init_app\(app, db\)"):
        MelodyMFA().init_app(Flask("nodb"), None)

"""A members' site: blueprint hooks before every request of the app, a remembered sign-in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Flask, flash, redirect, render_template_string, request, url_for
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
    logout_user,
)
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import FlaskForm
from itsdangerous import BadSignature, URLSafeSerializer
from werkzeug.security import check_password_hash, generate_password_hash
from wtforms import BooleanField, PasswordField, StringField

from flask_melody_mfa import MelodyMFA  # MFA

db = SQLAlchemy()
login_manager = LoginManager()
login_manager.login_view = "auth.login"

LAYOUT = """<!doctype html><title>Members</title>
<nav>{% if current_user.is_authenticated %}Signed in as {{ current_user.name }}
<a href="{{ url_for('auth.logout') }}">Sign out</a>
{% else %}<a href="{{ url_for('auth.login') }}">Sign in</a>{% endif %}</nav>
{% for message in get_flashed_messages() %}<p class="flash">{{ message }}</p>{% endfor %}
"""


class User(UserMixin, db.Model):
    __tablename__ = "users"

    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(64), unique=True, index=True)
    name = db.Column(db.String(64))
    password_hash = db.Column(db.String(255))
    confirmed = db.Column(db.Boolean, default=False)
    visits = db.Column(db.Integer, default=0)
    last_seen = db.Column(db.DateTime)

    def set_password(self, password: str) -> None:
        self.password_hash = generate_password_hash(password, "pbkdf2:sha256:1000")

    def check_password(self, password: str) -> bool:
        return check_password_hash(self.password_hash, password)

    def ping(self) -> None:
        self.visits += 1
        self.last_seen = datetime.now(UTC).replace(tzinfo=None)
        db.session.add(self)
        db.session.commit()


@login_manager.user_loader
def load_user(user_id: str) -> User | None:
    return db.session.get(User, int(user_id))


class LoginForm(FlaskForm):
    email = StringField()
    password = PasswordField()
    remember = BooleanField()


auth = Blueprint("auth", __name__, url_prefix="/auth")
main = Blueprint("main", __name__)


@auth.before_app_request
def note_the_visit() -> None:
    if current_user.is_authenticated:
        current_user.ping()


@auth.before_app_request
def only_confirmed_members() -> Any:
    if (
        current_user.is_authenticated
        and not current_user.confirmed
        and request.blueprint != "auth"
        and request.endpoint != "static"
    ):
        return redirect(url_for("auth.unconfirmed"))
    return None


@auth.route("/login", methods=["GET", "POST"])
def login() -> Any:
    form = LoginForm()
    if form.validate_on_submit():
        user = db.session.execute(
            db.select(User).filter_by(email=(form.email.data or "").lower())
        ).scalar_one_or_none()
        if user is not None and user.check_password(form.password.data or ""):
            login_user(user, remember=form.remember.data)
            flash(f"Welcome, {current_user.name}.")
            target = request.args.get("next")
            if target is None or not target.startswith("/") or target.startswith("//"):
                target = url_for("main.index")
            return redirect(target)
        flash("Wrong email or password.")
    return render_template_string(LAYOUT + "<form method=post>{{ form.email() }}</form>", form=form)


@auth.route("/logout")
@login_required
def logout() -> Any:
    logout_user()
    flash("You are signed out.")
    return redirect(url_for("main.index"))


@auth.route("/unconfirmed")
def unconfirmed() -> Any:
    if current_user.is_anonymous or current_user.confirmed:
        return redirect(url_for("main.index"))
    return render_template_string(LAYOUT + "<h1>Confirm your account</h1>")


@auth.route("/confirm/<token>")
@login_required
def confirm(token: str) -> Any:
    if current_user.confirmed:
        return redirect(url_for("main.index"))
    try:
        confirms = signer().loads(token)
    except BadSignature:
        confirms = None
    if confirms == current_user.id:
        current_user.confirmed = True
        db.session.commit()
        flash("Thank you.")
    else:
        flash("The link is not valid.")
    return redirect(url_for("main.index"))


@main.route("/")
def index() -> Any:
    return render_template_string(LAYOUT + "<h1>Members</h1>")


@main.route("/secret")
@login_required
def secret() -> Any:
    return render_template_string(LAYOUT + "<h1>For members only</h1>")


@main.app_errorhandler(404)
def not_found(error: Exception) -> Any:
    return render_template_string(LAYOUT + "<h1>No such page</h1>"), 404


def signer() -> URLSafeSerializer:
    return URLSafeSerializer("k" * 40, salt="confirm")


def create_app(with_mfa: bool = False, database: str = "sqlite://") -> Flask:
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY="k" * 40,
        SQLALCHEMY_DATABASE_URI=database,
        TESTING=True,
        WTF_CSRF_ENABLED=False,
    )
    app.register_blueprint(auth)
    app.register_blueprint(main)
    db.init_app(app)
    login_manager.init_app(app)
    if with_mfa:  # MFA
        MelodyMFA(app, db, user_model=User)  # MFA
    with app.app_context():
        db.create_all()
    return app

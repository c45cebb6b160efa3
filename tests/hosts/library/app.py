"""A lending library: one application per branch, all of them on one `db`."""

from __future__ import annotations

import secrets

from flask import Flask, abort, redirect, render_template_string, request, url_for
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
)
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from flask_melody_mfa import MelodyMFA  # MFA

db = SQLAlchemy()


def new_session_id() -> str:
    return secrets.token_hex(16)


class Reader(UserMixin, db.Model):  # type: ignore[name-defined,misc]
    """`card` is printed; `session_id` is what Flask-Login knows, and changes with the PIN."""

    id: Mapped[int] = mapped_column(primary_key=True)
    card: Mapped[str] = mapped_column(unique=True)
    pin: Mapped[str]
    name: Mapped[str]
    suspended: Mapped[bool] = mapped_column(default=False)
    session_id: Mapped[str] = mapped_column(unique=True, default=new_session_id)
    loans: Mapped[list[Loan]] = relationship(back_populates="reader", cascade="all, delete-orphan")

    def get_id(self) -> str:
        return self.session_id

    @property
    def is_active(self) -> bool:
        return not self.suspended

    def change_pin(self, pin: str) -> None:
        self.pin = pin
        self.session_id = new_session_id()


class Book(db.Model):  # type: ignore[name-defined,misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    copies: Mapped[int] = mapped_column(default=1)


class Loan(db.Model):  # type: ignore[name-defined,misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    reader_id: Mapped[int] = mapped_column(ForeignKey("reader.id"))
    book_id: Mapped[int] = mapped_column(ForeignKey("book.id"))
    reader: Mapped[Reader] = relationship(back_populates="loans")
    book: Mapped[Book] = relationship()


SHELF = """<!doctype html><title>{{ config.BRANCH }}</title>
{% if current_user.is_authenticated %}<p>{{ current_user.name }}</p>{% endif %}
{% for loan in loans %}<li>{{ loan.book.title }}</li>{% else %}Nothing borrowed{% endfor %}"""


def create_app(branch: str, with_mfa: bool = False, **config: object) -> Flask:
    app = Flask(__name__)
    app.config.update(BRANCH=branch, SECRET_KEY=f"{branch} " * 20, TESTING=True)
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", **config)
    db.init_app(app)

    desk = LoginManager(app)
    desk.login_view = "sign_in"
    desk.refresh_view = "sign_in"

    @desk.user_loader
    def by_session_id(session_id: str) -> Reader | None:
        return db.session.scalars(select(Reader).filter_by(session_id=session_id)).first()

    @app.route("/")
    def catalogue():
        titles = db.session.scalars(select(Book.title).order_by(Book.title))
        return {"branch": branch, "titles": list(titles)}

    @app.route("/sign-in", methods=["GET", "POST"])
    def sign_in():
        if request.method == "GET":
            return "<!doctype html>Your card, please"
        found = db.session.scalars(select(Reader).filter_by(card=request.form["card"])).first()
        if not found or not secrets.compare_digest(found.pin, request.form["pin"]):
            abort(403)
        if not login_user(found):
            return "<!doctype html>Please come to the desk", 403
        return redirect(url_for("shelf"))

    @app.route("/sign-out", methods=["POST"], endpoint="logout")
    def sign_out():
        logout_user()
        return redirect(url_for("catalogue"))

    @app.route("/shelf")
    @login_required
    def shelf():
        return render_template_string(SHELF, loans=current_user.loans)

    @app.route("/borrow/<int:book_id>", methods=["POST"])
    @login_required
    def borrow(book_id: int):
        book = db.get_or_404(Book, book_id)
        if book.copies < 1:
            abort(409)
        book.copies -= 1
        current_user.loans.append(Loan(book=book))
        db.session.flush()
        return redirect(url_for("shelf"))

    @app.route("/pin", methods=["POST"])
    @fresh_login_required
    def pin():
        current_user.change_pin(request.form["pin"])
        db.session.flush()
        return redirect(url_for("sign_in"))

    if with_mfa:  # MFA
        MelodyMFA(app, db, user_model=Reader)  # MFA
    return app

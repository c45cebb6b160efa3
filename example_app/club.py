"""The club's pages: the front page, a member's shelf, membership, settings."""

from __future__ import annotations

import csv
import io

from flask import Blueprint, Response, abort, flash, jsonify, redirect, render_template, url_for
from flask_login import current_user, login_required
from werkzeug.wrappers import Response as BaseResponse

from example_app.extensions import db, mfa
from example_app.forms import BookForm, NewPasswordForm, PasswordForm, PlanForm, ProfileForm
from example_app.models import Book, User
from flask_melody_mfa import mfa_required, mfa_status

blueprint = Blueprint("club", __name__)

EXPORT_COLUMNS = ("title", "author", "finished", "note", "added_at")


@blueprint.get("/")
def home() -> str:
    """The front page."""
    return render_template("club/home.html")


@blueprint.route("/shelf", methods=["GET", "POST"])
@login_required  # type: ignore[untyped-decorator]
def shelf() -> str | BaseResponse:
    """A member's books, and a form to add one."""
    form = BookForm()
    if form.validate_on_submit():
        book = Book(title=form.title.data, author=form.author.data, note=form.note.data or "")
        current_user.books.append(book)
        db.session.commit()
        flash(f"“{book.title}” is on your shelf.", "success")
        return redirect(url_for("club.shelf"))
    return render_template("club/shelf.html", form=form)


def own_book(book_id: int) -> Book:
    """The member's own book. Answers 404 for any other."""
    book = db.session.get(Book, book_id)
    if book is None or book.user_id != current_user.id:
        abort(404)
    return book


@blueprint.post("/shelf/<int:book_id>/finish")
@login_required  # type: ignore[untyped-decorator]
def finish(book_id: int) -> BaseResponse:
    """Mark a book as read, or as unread again."""
    book = own_book(book_id)
    book.finished = not book.finished
    db.session.commit()
    return redirect(url_for("club.shelf"))


@blueprint.post("/shelf/<int:book_id>/remove")
@login_required  # type: ignore[untyped-decorator]
def remove(book_id: int) -> BaseResponse:
    """Take a book off the shelf."""
    book = own_book(book_id)
    db.session.delete(book)
    db.session.commit()
    flash(f"“{book.title}” is off your shelf.", "success")
    return redirect(url_for("club.shelf"))


@blueprint.get("/api/shelf")
@login_required  # type: ignore[untyped-decorator]
def api_shelf() -> Response:
    """A member's books, for programs."""
    books = [
        {"title": book.title, "author": book.author, "finished": book.finished}
        for book in current_user.books
    ]
    return jsonify(name=current_user.name, books=books)


@blueprint.route("/billing", methods=["GET", "POST"])
@mfa_required(max_age=300)
def billing() -> str | BaseResponse:
    """The member's plan. Changing it costs money, so a fresh proof is asked for."""
    form = PlanForm(obj=current_user)
    if form.validate_on_submit():
        current_user.plan = form.plan.data
        db.session.commit()
        flash("Your plan has been changed.", "success")
        return redirect(url_for("club.billing"))
    return render_template("club/billing.html", form=form)


@blueprint.get("/billing/export")
@mfa_required(max_age=300)
def export() -> Response:
    """All the member's books and notes, as CSV."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(EXPORT_COLUMNS)
    for book in current_user.books:
        rows.writerow(cell(getattr(book, name)) for name in EXPORT_COLUMNS)
    headers = {"Content-Disposition": 'attachment; filename="fernleaf.csv"'}
    return Response(text.getvalue(), mimetype="text/csv", headers=headers)


def cell(value: object) -> str:
    """A value as a spreadsheet may hold it: never a formula."""
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


@blueprint.route("/settings", methods=["GET", "POST"])
@login_required  # type: ignore[untyped-decorator]
def settings() -> str | BaseResponse:
    """Profile, password, and the way to the pages for the second step of signing in."""
    profile, password = ProfileForm(obj=current_user), PasswordForm()
    if profile.save_profile.data and profile.validate_on_submit():
        current_user.name = profile.name.data
        current_user.phone = profile.phone.data or None
        db.session.commit()
        flash("Your profile has been saved.", "success")
        return redirect(url_for("club.settings"))
    if password.save_password.data and password.validate_on_submit():
        if current_user.check_password(password.current.data):
            change_password(password.new.data)
            return redirect(url_for("club.settings"))
        password.current.errors = ["This is not your current password."]
    return render_template("club/settings.html", profile=profile, password=password)


@mfa.set_password_url
def where_to_set_a_password(_user: User) -> str:
    """Where a member goes on who signed in with a recovery code in place of the password."""
    return url_for("club.new_password")


@blueprint.route("/new-password", methods=["GET", "POST"])
@mfa_required(max_age=600)
def new_password() -> str | BaseResponse:
    """Set a password without the old one: only where a recovery code has stood in for it."""
    if mfa_status().method != "recovery_code":
        return redirect(url_for("club.settings"))
    form = NewPasswordForm()
    if form.validate_on_submit():
        change_password(form.new.data)
        return redirect(url_for("club.shelf"))
    return render_template("club/new_password.html", form=form)


def change_password(new: str) -> None:
    """Keep a new password."""
    current_user.set_password(new)
    db.session.commit()
    mfa.password_changed(current_user)
    flash("Your password has been changed.", "success")

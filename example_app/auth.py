"""Joining, signing in and signing out."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_required, login_user, logout_user
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

from example_app.extensions import db
from example_app.forms import LoginForm, RegisterForm
from example_app.models import User

blueprint = Blueprint("auth", __name__)

# Checked where there is no such member, so that both answers take the same time.
NOBODY = generate_password_hash("nobody has this password")


def where_next() -> str:
    """The page that the visitor came for, if it is one of ours, else the shelf."""
    target = request.args.get("next", "")
    parts = urlsplit(target.replace("\\", "/"))
    ours = target.startswith("/") and not parts.scheme and not parts.netloc
    return target if ours and target.isprintable() else url_for("club.shelf")


@blueprint.route("/join", methods=["GET", "POST"])
def register() -> str | Response:
    """Become a member."""
    if current_user.is_authenticated:
        return redirect(url_for("club.shelf"))
    form = RegisterForm()
    if form.validate_on_submit():
        user = User(name=form.name.data, email=form.email.data.lower())
        user.set_password(form.password.data)
        db.session.add(user)
        db.session.commit()
        login_user(user)
        flash(f"Welcome to Fernleaf, {user.name}.", "success")
        return redirect(url_for("club.shelf"))
    return render_template("auth/register.html", form=form)


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> str | Response:
    """Sign in with email and password."""
    if current_user.is_authenticated:
        return redirect(where_next())
    form = LoginForm()
    if form.validate_on_submit():
        user = User.by_email(form.email.data)
        if user is None:
            check_password_hash(NOBODY, form.password.data)
        elif user.check_password(form.password.data):
            login_user(user, remember=form.remember.data)
            return redirect(where_next())
        flash("The email address or the password is not right.", "error")
    return render_template("auth/login.html", form=form)


@blueprint.post("/logout")
@login_required  # type: ignore[untyped-decorator]
def logout() -> Response:
    """Sign out."""
    logout_user()
    flash("You have signed out.", "success")
    return redirect(url_for("club.home"))

"""Fernleaf's forms."""

from __future__ import annotations

from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    EmailField,
    PasswordField,
    RadioField,
    StringField,
    SubmitField,
    TelField,
    TextAreaField,
)
from wtforms.validators import (
    EqualTo,
    InputRequired,
    Length,
    Optional,
    Regexp,
    ValidationError,
)

from example_app.models import PLANS, User


def strip(value: Any) -> Any:
    """Leave out spaces around a text."""
    return value.strip() if isinstance(value, str) else value


class LoginForm(FlaskForm):  # type: ignore[misc]
    """Email and password."""

    email = EmailField(
        "Email address",
        filters=[strip],
        validators=[InputRequired("Enter your email address."), Length(max=254)],
        render_kw={"autocomplete": "username", "autofocus": True},
    )
    password = PasswordField(
        "Password",
        validators=[InputRequired("Enter your password."), Length(max=200)],
        render_kw={"autocomplete": "current-password"},
    )
    remember = BooleanField("Keep me signed in on this computer")
    submit = SubmitField("Sign in")


class RegisterForm(FlaskForm):  # type: ignore[misc]
    """A new member."""

    name = StringField(
        "Your name",
        filters=[strip],
        validators=[InputRequired("Tell us what to call you."), Length(max=80)],
        render_kw={"autocomplete": "name", "autofocus": True},
    )
    email = EmailField(
        "Email address",
        filters=[strip],
        validators=[
            InputRequired("Enter your email address."),
            Length(max=254),
            Regexp(r"[^@\s]+@[^@\s]+\Z", message="This is not an email address."),
        ],
        render_kw={"autocomplete": "email"},
    )
    password = PasswordField(
        "Password",
        description="At least 10 characters. A few words are easier to remember.",
        validators=[
            InputRequired("Choose a password."),
            Length(min=10, max=200, message="Use at least 10 characters."),
        ],
        render_kw={"autocomplete": "new-password"},
    )
    submit = SubmitField("Create account")

    def validate_email(self, field: Any) -> None:
        """Each address belongs to one member."""
        if User.by_email(field.data) is not None:
            raise ValidationError("There is an account with this address already.")


class BookForm(FlaskForm):  # type: ignore[misc]
    """A book for the shelf."""

    title = StringField(
        "Title",
        filters=[strip],
        validators=[InputRequired("Which book is it?"), Length(max=200)],
        render_kw={"autocomplete": "off"},
    )
    author = StringField(
        "Author",
        filters=[strip],
        validators=[InputRequired("Who wrote it?"), Length(max=120)],
        render_kw={"autocomplete": "off"},
    )
    note = TextAreaField(
        "Note",
        description="Optional: why you want to read it.",
        validators=[Length(max=2000)],
        render_kw={"rows": 2},
    )
    submit = SubmitField("Put it on the shelf")


class PlanForm(FlaskForm):  # type: ignore[misc]
    """The member's plan."""

    plan = RadioField("Your plan", choices=list(PLANS))
    submit = SubmitField("Change plan")


class ProfileForm(FlaskForm):  # type: ignore[misc]
    """What other members see, and how to reach somebody."""

    name = StringField(
        "Your name",
        filters=[strip],
        validators=[InputRequired("Tell us what to call you."), Length(max=80)],
        render_kw={"autocomplete": "name"},
    )
    phone = TelField(
        "Mobile number",
        description="Optional. With the country code, for example +44 7400 123456.",
        filters=[strip],
        validators=[
            Optional(),
            Length(max=32),
            Regexp(r"\+[0-9 ()./-]+\Z", message="Start with + and the country code."),
        ],
        render_kw={"autocomplete": "tel"},
    )
    save_profile = SubmitField("Save")


class NewPasswordForm(FlaskForm):  # type: ignore[misc]
    """A new password, for who has forgotten the old one."""

    new = PasswordField(
        "New password",
        validators=[
            InputRequired("Choose a password."),
            Length(min=10, max=200, message="Use at least 10 characters."),
        ],
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        "New password, again",
        validators=[EqualTo("new", "The two are not the same.")],
        render_kw={"autocomplete": "new-password"},
    )
    save_password = SubmitField("Change password")


class PasswordForm(NewPasswordForm):
    """A new password in place of the current one."""

    current = PasswordField(
        "Current password",
        validators=[InputRequired("Enter your current password.")],
        render_kw={"autocomplete": "current-password"},
    )

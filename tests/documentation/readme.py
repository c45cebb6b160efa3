"""What stands around the ten lines of the README."""

from __future__ import annotations

import os
from collections.abc import Callable
from unittest import mock

from flask import Flask
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy

from tests.documentation.sample import User

__all__ = ["Flask", "User", "db", "login_manager", "made"]

db = SQLAlchemy()
login_manager = LoginManager()

ENVIRONMENT = {
    "FLASK_SECRET_KEY": "a key of at least thirty-two characters",
    "FLASK_SQLALCHEMY_DATABASE_URI": "sqlite://",
    "FLASK_TESTING": "true",
}


def made(create_app: Callable[[], Flask]) -> None:
    """Make the app, and see that its page asks for a sign-in."""
    with mock.patch.dict(os.environ, ENVIRONMENT):
        app = create_app()
    answer = app.test_client().get("/transfer", headers={"Accept": "text/html"})
    assert answer.status_code == 303, answer.text

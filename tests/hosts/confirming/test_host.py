"""The members' site's own suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_melody_mfa.testing import enroll  # MFA

from .app import User, create_app, db


@pytest.fixture
def app(with_mfa: bool, tmp_path: Path) -> Iterator[Flask]:
    app = create_app(with_mfa, f"sqlite:///{tmp_path / 'members.db'}")
    yield app
    with app.app_context():
        db.engine.dispose()


def add_user(app: Flask, name: str, *, confirmed: bool = True) -> str:
    email = f"{name}@example.org"
    with app.app_context():
        user = User(email=email, name=name.title(), confirmed=confirmed)
        user.set_password("cat")
        db.session.add(user)
        db.session.commit()
        "melody_mfa" in app.extensions and enroll(user, "otp")  # MFA
    return email


def sign_in(client: FlaskClient, email: str, next_url: str = "", **form: str) -> Any:
    app = client.application
    data = {"email": email, "password": "cat", **form}
    answer = client.post("/auth/login" + next_url, data=data)
    code = {"code": second(app, email)}
    if "/mfa" in answer.location:
        answer = client.post("/mfa/challenge/otp", data=code)
    return answer


def second(app: Flask, email: str) -> str:
    return ""

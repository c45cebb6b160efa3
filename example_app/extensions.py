"""The Flask extensions that Fernleaf uses; `create_app` sets each of them up."""

from __future__ import annotations

from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.orm import DeclarativeBase

from flask_melody_mfa import MelodyMFA


class Base(DeclarativeBase):
    """The base of Fernleaf's tables."""


db = SQLAlchemy(model_class=Base)
migrate = Migrate()
csrf = CSRFProtect()
mfa = MelodyMFA()

login_manager = LoginManager()
login_manager.login_view = "auth.login"
login_manager.login_message = "Please sign in to go on."
login_manager.login_message_category = "info"

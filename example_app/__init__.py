"""Fernleaf, a book club: a small Flask app with accounts of its own, as a host of MelodyMFA.

`create_app()` reads its settings in this order; the later wins:

1. `example_app/settings.py`;
2. the environment, by Flask's own rule: `FLASK_` and the name, the value as JSON or as text, so
   `FLASK_ENFORCE_ONE_MFA_ENROLLMENT='["otp"]'`, `FLASK_OTP_MFA_IS_REQUIRED=true`,
   `FLASK_SQLALCHEMY_DATABASE_URI=postgresql+psycopg://localhost/fernleaf`;
3. the mapping that `create_app` was called with.

Unless they are set, `SECRET_KEY`, `MFA_SECRET_KEYS` and the SQLite database are kept in the
instance folder. In debug mode, mail without `MAIL_SERVER` and text messages without
`MFA_SMS_PROVIDER` are delivered to two servers in this process (`example_app/post_room.py`), and
`/outbox` shows what arrived.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, render_template
from flask_wtf.csrf import CSRFError

from example_app import auth, club, outbox, post_room
from example_app.extensions import csrf, db, login_manager, mfa, migrate
from example_app.models import User

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action %s; "
    "frame-ancestors 'none'; object-src 'none'"
)


def create_app(config: Mapping[str, Any] | None = None, *, instance: Path | None = None) -> Flask:
    """The app, configured by `example_app/settings.py`, the environment and `config`.

    `instance`: the instance folder, where it is not the one that Flask would take.
    """
    where = None if instance is None else str(instance.absolute())
    app = Flask(__name__, instance_path=where, instance_relative_config=True)
    configure(app, config or {})
    if app.debug:
        post_room.open_for(app)

    csrf.init_app(app)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(Path(__file__).parent / "migrations"))
    login_manager.init_app(app)
    mfa.init_app(app, db, user_model=User)

    app.register_blueprint(auth.blueprint)
    app.register_blueprint(club.blueprint)
    app.register_blueprint(outbox.blueprint)
    app.register_error_handler(404, not_found)
    app.register_error_handler(CSRFError, form_expired)
    app.after_request(add_headers)
    return app


def configure(app: Flask, config: Mapping[str, Any]) -> None:
    """Read the settings, and fill in what lives in the instance folder."""
    app.config.from_object("example_app.settings")
    app.config.from_prefixed_env()
    app.config.from_mapping(config)
    instance = Path(app.instance_path)
    if not app.config.get("SECRET_KEY"):
        app.config["SECRET_KEY"] = kept_secret(instance / "secret_key")
    if not app.config.get("MFA_SECRET_KEYS"):
        app.config["MFA_SECRET_KEYS"] = [kept_secret(instance / "mfa_key")]
    if not app.config.get("SQLALCHEMY_DATABASE_URI"):
        instance.mkdir(parents=True, exist_ok=True)
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{instance / 'fernleaf.db'}"


def kept_secret(path: Path) -> str:
    """A secret of this installation: made once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        pass
    else:
        path.write_text(secrets.token_hex(32))
    return path.read_text().strip()


def not_found(_error: Exception) -> tuple[str, int]:
    """The page for an address that does not exist."""
    return render_template("error.html", heading="This page is not on our shelves"), 404


def form_expired(_error: Exception) -> tuple[str, int]:
    """The page for a form without a valid CSRF token."""
    heading = "This form has expired"
    return render_template("error.html", heading=heading, hint="Go back and send it again."), 400


def partners() -> list[str]:
    """The origins of the applications that send their members here."""
    clients = current_app.config.get("MFA_CLIENTS") or {}
    addresses = (address for one in clients.values() for address in one.get("redirect_uris", ()))
    return sorted({"{0.scheme}://{0.netloc}".format(urlsplit(address)) for address in addresses})


def add_headers(response: Response) -> Response:
    """Headers for every page that has none of its own."""
    # A form may end in a redirect to an application that sent its user here.
    allowed = " ".join(("'self'", *partners()))
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY % allowed)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response

"""An auction. Every page polls for the latest bids; whatever changes something is a POST."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from flask import Flask, abort, flash, g, jsonify, redirect, render_template, request, url_for
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_login import logout_user as leave_session
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect
from werkzeug.security import check_password_hash, generate_password_hash

from flask_melody_mfa import MelodyMFA  # MFA

db = SQLAlchemy()

POLICY = (
    "default-src 'self'; style-src 'self' https://cdn.example; "
    "script-src https://cdn.example 'nonce-{nonce}'; connect-src 'self'; object-src 'none'"
)


class Bidder(UserMixin, db.Model):
    nick = db.Column(db.String(40), primary_key=True)
    pw_hash = db.Column(db.String(200), nullable=False)

    def get_id(self) -> str:
        return str(self.nick)


class Lot(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    what = db.Column(db.String(80), nullable=False)
    price = db.Column(db.Integer, nullable=False, default=1)
    by = db.Column(db.String(40))


def add_bidder(nick: str, password: str) -> Bidder:
    bidder = Bidder(nick=nick, pw_hash=generate_password_hash(password, "pbkdf2:sha256:1000"))
    db.session.add(bidder)
    db.session.commit()
    return bidder


def back(default: str) -> Any:
    target = request.args.get("next", "")
    safe = target.startswith("/") and not target.startswith(("//", "/\\"))
    return redirect(target if safe else default)


def create_app(folder: Path, with_mfa: bool) -> Flask:
    app = Flask(__name__)
    app.config["SECRET_KEY"] = secrets.token_bytes(32)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder / 'gavel.db'}"
    app.testing = True

    if with_mfa:  # MFA
        app.config["MFA_BASE_TEMPLATE"] = "page.html"  # MFA
        MelodyMFA(app, db, user_model=Bidder)  # MFA

    @app.before_request
    def new_nonce() -> None:
        g.csp_nonce = secrets.token_urlsafe(12)

    @app.after_request
    def set_policy(response: Any) -> Any:
        if "csp_nonce" in g:
            response.headers["Content-Security-Policy"] = POLICY.format(nonce=g.csp_nonce)
        return response

    @app.get("/")
    async def front() -> str:
        return render_template("front.html", lots=db.session.scalars(db.select(Lot)).all())

    @app.get("/lots/<int:lot_id>")
    async def show(lot_id: int) -> str:
        return render_template("lot.html", lot=db.get_or_404(Lot, lot_id))

    @app.post("/lots/<int:lot_id>/bid")
    @login_required
    async def bid(lot_id: int) -> Any:
        lot = db.get_or_404(Lot, lot_id)
        price = request.form.get("price", 0, type=int)
        if price <= lot.price:
            flash("Too low.")
        else:
            lot.price, lot.by = price, current_user.nick
            db.session.commit()
            flash("Your bid is the highest.")
        return redirect(url_for("show", lot_id=lot_id))

    @app.post("/lots")
    @login_required
    def add() -> Any:
        what = request.form.get("what", "").strip()
        if not what:
            abort(422)
        db.session.add(Lot(what=what))
        db.session.commit()
        return redirect(url_for("front"))

    @app.get("/latest")
    def latest() -> Any:
        lots = db.session.scalars(db.select(Lot)).all()
        mine = [lot.id for lot in lots if lot.by and lot.by == current_user.get_id()]
        return jsonify(prices={lot.id: lot.price for lot in lots}, mine=mine)

    @app.post("/enter")
    async def enter() -> Any:
        bidder = db.session.get(Bidder, request.form.get("nick", ""))
        if bidder and check_password_hash(bidder.pw_hash, request.form.get("password", "")):
            login_user(bidder)
            flash(f"Good luck, {bidder.nick}!")
            return back(url_for("front"))
        flash("No such bidder, or another password.")
        return redirect(url_for("front"))

    @app.post("/logout")
    def logout() -> Any:
        leave_session()
        return redirect(url_for("front"))

    logins = LoginManager()
    logins.login_view = "front"
    logins.user_loader(lambda nick: db.session.get(Bidder, nick))
    logins.init_app(app)
    db.init_app(app)
    CSRFProtect(app)
    return app

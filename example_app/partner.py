"""Letterbox, another application whose members sign in at Fernleaf: a client that uses policies.

It knows no passwords and no second steps. It sends its members to Fernleaf for what they want to
change, and learns from a signed result what became of it. Here it runs beside Fernleaf and reads
results through Fernleaf's own extension; one that runs elsewhere asks the server-to-server API
(`POST /mfa/s2s/v1/policy-results`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response

from flask_melody_mfa import PolicyResult

CLIENT_ID = "letterbox"

POLICIES = {
    "reset_mfa": ("Reset your sign-in steps", "A new phone? Start afresh."),
    "manage_recovery_code": ("Recovery codes", "Make new ones before you need them."),
    "manage_passkey": ("Passkeys", "Add, name or remove them."),
    "manage_device": ("Remembered devices", "Forget the ones that you gave away."),
}

SAID = {
    ("reset_mfa", "done"): "Your sign-in steps have been reset.",
    ("manage_recovery_code", "done"): "You have new recovery codes.",
    ("manage_passkey", "done"): "Your passkeys are as you want them.",
    ("manage_device", "done"): "Your devices are as you want them.",
}
UNCHANGED = "You came back without a change."

blueprint = Blueprint("letterbox", __name__)


def create_partner(
    fernleaf: str, own: str, read_result: Callable[[str], PolicyResult | None]
) -> Flask:
    """Letterbox. `fernleaf`, `own`: the addresses of both; `read_result`: reads a result token."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secrets.token_hex(32),
        SESSION_COOKIE_NAME="letterbox",
        SESSION_COOKIE_SAMESITE="Lax",
        FERNLEAF=fernleaf,
        OWN=own,
    )
    app.extensions["letterbox"] = read_result
    app.register_blueprint(blueprint)
    return app


def client_of(own: str) -> dict[str, object]:
    """What Fernleaf must know of Letterbox: an entry of `MFA_CLIENTS`."""
    return {"name": "Letterbox", "redirect_uris": [f"{own}/back"]}


@blueprint.get("/")
def home() -> str:
    """What can be changed at Fernleaf, and what became of the last visit."""
    return render_template("letterbox/home.html", policies=POLICIES, said=session.pop("said", None))


@blueprint.get("/go/<policy>")
def go(policy: str) -> Response:
    """To Fernleaf, with a state that tells afterwards that the answer is to this visit."""
    if policy not in POLICIES:
        abort(404)
    session["state"] = state = secrets.token_urlsafe(16)
    asked = {
        "client_id": CLIENT_ID,
        "redirect_uri": current_app.config["OWN"] + url_for("letterbox.back"),
        "state": state,
        "locale": "en",
    }
    return redirect(f"{current_app.config['FERNLEAF']}/mfa/policy/{policy}?{urlencode(asked)}")


@blueprint.get("/back")
def back() -> Response:
    """From Fernleaf: what the address says counts only as far as the signed result says it, too."""
    read_result: Callable[[str], PolicyResult | None] = current_app.extensions["letterbox"]
    state = session.pop("state", None)
    result = read_result(request.args.get("result_token", ""))
    if result is None or state is None or (result.client, result.state) != (CLIENT_ID, state):
        abort(400, "This answer is not to a visit of yours.")
    session["said"] = SAID.get((result.policy, result.result), UNCHANGED)
    return redirect(url_for("letterbox.home"))

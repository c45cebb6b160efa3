"""The host that each gunicorn worker of `test_two_workers.py` serves."""

from __future__ import annotations

import os
from typing import Any

from flask_login import login_user

from flask_melody_mfa import mfa_required
from tests.host import Host

host = Host(
    os.environ["MFA_TEST_DATABASE_URL"],
    create=False,
    MFA_S2S_API=True,
    ENFORCE_ONE_MFA_ENROLLMENT=[],
    MFA_SESSION_RECHECK_SECONDS=2,
    SESSION_COOKIE_SECURE=False,
)
app = host.app


@app.route("/billing")
@mfa_required(client="billing")
def billing() -> str:
    return "billing"


@app.route("/enter/<int:user>", methods=["POST"])
def enter(user: int) -> str:
    login_user(host.get(user))
    return "entered"


@app.after_request
def name_the_worker(response: Any) -> Any:
    response.headers["X-Worker"] = str(os.getpid())
    return response

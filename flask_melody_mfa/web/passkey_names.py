"""What a passkey is called where nobody says: after its browser and system."""

from __future__ import annotations

from flask import request

from flask_melody_mfa.web import answers
from flask_melody_mfa.web.lines import browser


def usual_name() -> str:
    """What a passkey is called whose maker is not known: this browser and system."""
    say = answers.texts()
    name, system = browser(request.user_agent.string)
    if name and system:
        return say.mfa_text("%(browser)s on %(system)s", browser=name, system=system)
    return name or system or say.mfa_text("Passkey")

"""What `static/mfa/passkey.js` is told by the pages, ours and the host's, that load it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import current_app, g, url_for

from flask_melody_mfa.core import limits
from flask_melody_mfa.web import door, words
from flask_melody_mfa.web.page import Page
from flask_melody_mfa.web.state import state
from flask_melody_mfa.web.urls import safe_path

TEXTS: Mapping[str, str] = {
    "cancelled": words.mfa_lazy("Nothing happened: the passkey was not used. You can try again."),
    "not_made": words.mfa_lazy("Nothing happened: no passkey was made. You can try again."),
    "timed_out": words.mfa_lazy("That took too long. Please try again."),
    "unsupported": words.mfa_lazy("This browser or device cannot use passkeys here."),
    "unsuitable": words.mfa_lazy(
        "This device cannot check that it is you. Set up a screen lock or a PIN for it, or use "
        "another device."
    ),
    "already": words.mfa_lazy("This device has a passkey for your account already."),
    "no_connection": words.mfa_lazy(
        "We could not reach the server. Check your connection and try again."
    ),
    "failed": words.mfa_lazy("Something went wrong. Please try again."),
}
"""What the script says by itself; everything else comes from the server in words."""


class PasskeyUi:
    """What the macros of `mfa/macros.html` use, without a page of ours around them."""

    def __init__(self) -> None:
        self.page = Page(current_app._get_current_object())  # type: ignore[attr-defined]
        self.mfa_text = self.page.texts.mfa_text
        self.csp_nonce = self.page.csp_nonce

    def config(self, options: str, finish: str, **more: Any) -> str:
        """The settings of one use of the script, as JSON."""
        return json.dumps(
            {
                "options": options,
                "finish": finish,
                "csrf": self.page.csrf_token,
                "seconds": limits.CEREMONY // 1000,
                "texts": {name: self.mfa_text(text) for name, text in TEXTS.items()},
                **more,
            }
        )

    def sign_in(self, *, next_url: str = "", remember: str = "", field: str = "") -> str:
        """Signing in. `remember`, `field`: selectors, of a "remember me" box and the login input.

        The browser gets the token that its ceremonies are bound to with the page, so that two
        tabs share it.
        """
        door.browser_token()
        target = safe_path(next_url) if next_url else self.page.next
        query: dict[str, Any] = {"next": target} if target else {}
        return self.config(
            url_for("mfa.passkey.options"),
            url_for("mfa.passkey.verify", **query),
            known=url_for("mfa.passkey.known"),
            rpId=self.page.settings.mfa_rp_id,
            remember=remember,
            field=field,
        )

    @property
    def script(self) -> str:
        """The address of the script."""
        return self.page.static("passkey.js")


def passkey_ui() -> PasskeyUi | None:
    """For the macros, in any template; None where the app has no relying party."""
    if not state().settings.mfa_rp_id:
        return None
    found: PasskeyUi | None = g.get("_mfa_passkey_ui")
    if found is None:
        found = g._mfa_passkey_ui = PasskeyUi()
    return found

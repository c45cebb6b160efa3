"""What the account page and the policy pages show of an account, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import url_for

from flask_melody_mfa.core.types import FactorKind, Method
from flask_melody_mfa.flows import account as flow
from flask_melody_mfa.flows import devices, passkeys, recovery
from flask_melody_mfa.web import answers, event_words, words
from flask_melody_mfa.web.lines import browser, one_line
from flask_melody_mfa.web.moments import Moments
from flask_melody_mfa.web.notices import FACTOR_LABELS
from flask_melody_mfa.web.pages import device
from flask_melody_mfa.web.pages.own import Own

Row = dict[str, Any]
"""One row of a list: values for its template."""

METHODS = {
    Method.PASSWORD: words.mfa_lazy("Password"),
    Method.REMEMBERED: words.mfa_lazy("Stayed signed in"),
    Method.PASSKEY: words.mfa_lazy("Passkey"),
    Method.RECOVERY_CODE: words.mfa_lazy("Recovery code"),
    Method.EXTERNAL: words.mfa_lazy("Another sign-in service"),
    Method.TRUSTED: words.mfa_lazy("Signed in by the application"),
}


class View:
    """Writes rows for one account. `back`: the page that its links come back to."""

    def __init__(self, mine: Own, *, back: str) -> None:
        self._mine = mine
        self._back = back
        self._say = answers.texts()
        self._times = Moments(self._say.locale)

    def credential(self, found: flow.CredentialView) -> Row:
        """A factor."""

        def url(endpoint: str) -> str:
            return url_for(endpoint, credential_id=found.id, next=self._back)

        return {
            "kind": found.kind.value,
            "label": self._say.mfa_text(FACTOR_LABELS[found.kind]),
            "name": found.name or "",
            "destination": found.destination or "",
            "added": self._times.day(found.created_at),
            "used": self._times.at(found.last_used_at),
            "disabled": found.disabled,
            "outdated": found.outdated,
            "removable": found.removable,
            "rename_url": url("mfa.account.rename_factor") if found.kind is FactorKind.OTP else "",
            # Codes by email go to the host's address: the same again would replace nothing.
            "replace_url": url("mfa.account.replace_factor")
            if found.kind is not FactorKind.EMAIL or found.outdated
            else "",
            "remove_url": url("mfa.account.remove_factor"),
        }

    def passkey(self, found: passkeys.PasskeyView, *, removable: bool = True) -> Row:
        """A passkey."""

        def url(endpoint: str) -> str:
            return url_for(endpoint, passkey_id=found.id, next=self._back)

        return {
            "kind": FactorKind.PASSKEY.value,
            "label": self._say.mfa_text(FACTOR_LABELS[FactorKind.PASSKEY]),
            "name": found.name,
            "destination": "",
            "added": self._times.day(found.created_at),
            "used": self._times.at(found.last_used_at),
            "synced": found.synced,
            "removable": removable,
            "rename_url": url("mfa.account.rename_passkey"),
            "replace_url": "",
            "remove_url": url("mfa.account.remove_passkey"),
        }

    def passkeys(self) -> list[Row]:
        """The account's passkeys."""
        ctx, account, holding = self._mine.ctx, self._mine.account, self._mine.standing.holding
        removable = passkeys.is_removable(ctx, account, holding)
        found = passkeys.listed(ctx, account.key) if holding.passkeys else ()
        return [self.passkey(one, removable=removable) for one in found]

    def signals(self) -> dict[str, Any] | None:
        """What the browser is to know of the account's passkeys, where there may be some."""
        settings, holding = self._mine.ctx.settings, self._mine.standing.holding
        if not (settings.allow_passkey_enrollment or holding.passkeys):
            return None
        return passkeys.signals(self._mine.ctx, self._mine.account)

    def add_passkey_url(self) -> str:
        """Where a passkey is added; empty where none may be."""
        if not self._mine.ctx.settings.allow_passkey_enrollment:
            return ""
        return url_for("mfa.enroll.passkey", next=self._back)

    def recovery_codes(self, found: flow.Overview) -> Row:
        """How many recovery codes are left."""
        return {
            "left": found.recovery_codes,
            "few": found.recovery_codes <= recovery.FEW,
            "possible": recovery.may_have(self._mine.ctx, found.holding),
            "make_url": url_for("mfa.enroll.recovery_codes", next=self._back),
        }

    def devices(self) -> list[Row]:
        """The remembered devices, this one marked."""
        here = device.this_one(self._mine)
        found = devices.listed(self._mine.ctx, self._mine.account.key)
        return [device.row(one, is_here=one.id == here) for one in found]

    def session(self, found: flow.SessionView) -> Row:
        """A session."""
        ways = [self._say.mfa_text(METHODS.get(Method(found.method), METHODS[Method.PASSWORD]))]
        ways += [
            self._say.mfa_text(FACTOR_LABELS[kind])
            for kind in sorted(found.factors)
            if kind != found.method
        ]
        return {
            "id": found.id,
            "is_this": found.is_this,
            "browser": self.browser(found.user_agent),
            "address": one_line(found.address or "", 64),
            "ways": ways,
            "began": self._times.at(found.created_at),
            "used": self._times.at(found.used_at) if found.used_at > found.created_at else None,
            "end_url": url_for("mfa.account.end_session", session_id=found.id, next=self._back),
        }

    def browser(self, user_agent: str | None) -> str:
        """A browser and its system, in words."""
        name, system = browser(user_agent)
        name = name or self._say.mfa_text("Unknown browser")
        if not system:
            return name
        return self._say.mfa_text("%(browser)s on %(system)s", browser=name, system=system)

    def events(self, found: Iterable[flow.EventView]) -> list[Row]:
        """What happened lately."""
        rows = []
        for one in found:
            text = event_words.sentence(self._say, one.type, one.detail)
            if text is None:
                continue
            by_user = one.actor in event_words.ACTORS
            rows.append(
                {
                    "text": text,
                    "at": self._times.at(one.at),
                    "browser": self.browser(one.user_agent) if one.user_agent and by_user else "",
                    "address": one_line(one.address or "", 64) if by_user else "",
                    "by_others": "" if by_user else self._say.mfa_text(event_words.BY_OTHERS),
                    "worrying": one.type in event_words.WORRYING,
                }
            )
        return rows

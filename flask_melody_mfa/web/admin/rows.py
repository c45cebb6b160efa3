"""Rows of the panel's tables: values for their templates, never a secret or a whole number."""

from __future__ import annotations

import json
from typing import Any

from flask import url_for

from flask_melody_mfa.core.types import Method
from flask_melody_mfa.flows.account import SessionView
from flask_melody_mfa.flows.devices import DeviceView
from flask_melody_mfa.flows.directory import AccountView, FactorView
from flask_melody_mfa.flows.events import Recorded
from flask_melody_mfa.flows.passkeys import PasskeyView
from flask_melody_mfa.web.lines import browser, one_line
from flask_melody_mfa.web.moments import Moments
from flask_melody_mfa.web.notices import FACTOR_LABELS
from flask_melody_mfa.web.pages.account_view import METHODS
from flask_melody_mfa.web.words import Texts

Row = dict[str, Any]


def user(found: AccountView, times: Moments) -> Row:
    """A user."""
    account = found.account
    return {
        "key": account.key,
        "login": one_line(account.login or account.key, 120),
        "name": one_line(account.name or "", 80),
        "active": account.active,
        "email": one_line(account.email or "", 120),
        "email_verified": account.email_verified,
        "factors": [kind.value for kind in dict.fromkeys(one.kind for one in found.factors)]
        + (["passkey"] if found.passkeys else []),
        "must_set_up": [kind.value for kind in found.must_set_up],
        "locked": found.locked_until is not None,
        "used": times.at(found.last_used_at),
        "url": url_for("mfa_admin.user", key=account.key),
    }


def factor(found: FactorView, say: Texts, times: Moments) -> Row:
    """An enrolled factor."""
    return {
        "kind": found.kind.value,
        "label": say.mfa_text(FACTOR_LABELS[found.kind.value]),
        "name": one_line(found.name or "", 64),
        "destination": found.destination or "",
        "added": times.day(found.enrolled_at),
        "used": times.at(found.last_used_at),
        "disabled": found.disabled,
    }


def passkey(found: PasskeyView, times: Moments) -> Row:
    """A passkey."""
    return {
        "id": found.id,
        "name": one_line(found.name or "", 64),
        "added": times.day(found.created_at),
        "used": times.at(found.last_used_at),
        "synced": found.synced,
    }


def browser_words(user_agent: str | None, say: Texts) -> str:
    """A browser and its system, in words."""
    name, system = browser(user_agent)
    name = name or say.mfa_text("Unknown browser")
    if not system:
        return name
    return say.mfa_text("%(browser)s on %(system)s", browser=name, system=system)


def device(found: DeviceView, say: Texts, times: Moments) -> Row:
    """A remembered device."""
    return {
        "id": found.id,
        "browser": browser_words(found.user_agent, say),
        "address": one_line(found.address or "", 64),
        "added": times.day(found.created_at),
        "used": times.at(found.last_used_at),
        "expires": times.day(found.expires_at),
    }


def session(found: SessionView, say: Texts, times: Moments) -> Row:
    """A session."""
    ways = [say.mfa_text(METHODS.get(Method(found.method), METHODS[Method.PASSWORD]))]
    ways += [say.mfa_text(FACTOR_LABELS[kind]) for kind in sorted(found.factors)]
    return {
        "id": found.id,
        "browser": browser_words(found.user_agent, say),
        "address": one_line(found.address or "", 64),
        "ways": list(dict.fromkeys(ways)),
        "began": times.at(found.created_at),
    }


def event(found: Recorded, say: Texts, times: Moments) -> Row:
    """An event, as it was recorded."""
    return {
        "at": times.at(found.at),
        "type": found.type,
        "user": found.user_key or "",
        "user_url": url_for("mfa_admin.user", key=found.user_key) if found.user_key else "",
        "actor": one_line(found.actor, 80),
        "client": found.client or "",
        "address": one_line(found.address or "", 64),
        "browser": browser_words(found.user_agent, say) if found.user_agent else "",
        "outcome": found.outcome,
        "detail": one_line(json.dumps(found.detail, ensure_ascii=False), 300)
        if found.detail
        else "",
    }

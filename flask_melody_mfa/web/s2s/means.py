"""What every operation of the server-to-server API needs: its context, and the user it names."""

from __future__ import annotations

from dataclasses import replace

from flask_melody_mfa.core.clients import Caller
from flask_melody_mfa.core.errors import NotFound
from flask_melody_mfa.core.types import Account
from flask_melody_mfa.flows.context import Context, NoAddressLimits
from flask_melody_mfa.web.operation import Call
from flask_melody_mfa.web.state import context, state

ANY = "any"
"""The access of an operation that any valid token may call."""


def context_of(call: Call, account: Account | None = None) -> Context:
    """The app's own settings, and the calling client as actor; messages in the user's language."""
    caller: Caller = call.caller
    here = context(actor=f"client:{caller.client}")
    locale = account.locale if account is not None and account.locale else None
    return replace(
        here,
        client=caller.client,
        address_limits=NoAddressLimits(),
        locale=locale or here.settings.mfa_languages[0],
    )


def account_at(call: Call) -> Account:
    """The user whose key stands in the address. Raises `NotFound`."""
    return account_with(call.path["key"])


def account_with(key: str) -> Account:
    """The user of a key, in its one spelling. Raises `NotFound`."""
    account = state().account_of(key)
    if account is None or account.key != key:
        raise NotFound
    return account

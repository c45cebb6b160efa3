"""The cookie of a remembered device: one per account, so that the users of a browser do not mix.

Its value is signed, so garbage is told from a token without a query; what counts is the row.
"""

from __future__ import annotations

from typing import Any

from flask import after_this_request, request
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.signed import Purpose
from flask_melody_mfa.flows import devices
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.flows.devices import Issued
from flask_melody_mfa.web.state import state

PREFIX = "mfa_device_"
MOST = 24
"""So many accounts per browser; the cookies of more would not fit into a request's headers."""
LONGEST_AGE = 10 * 365 * 86_400
"""Seconds. When a device ends, its row tells, and the time within the cookie."""


def is_secure() -> bool:
    """Whether browsers reach us by https, as far as the request or the settings tell."""
    return request.is_secure or (state().settings.mfa_base_url or "").startswith("https://")


def prefix() -> str:
    """What the names of our cookies begin with. `__Host-` (RFC 6265bis) needs https."""
    return f"__Host-{PREFIX}" if is_secure() else PREFIX


def name_for(user_key: str) -> str:
    """The name of an account's cookie; tells nothing of the account."""
    digest = state().vault.hasher.digest("device-cookie", user_key)
    return prefix() + digest.hex()[:16]


def opened(value: str | None) -> tuple[str, int] | None:
    """A cookie's token, and when it ends in seconds since 1970; None for what is not ours."""
    if not value:
        return None
    found: Any = state().signer(Purpose.DEVICE).loads(value, max_age=LONGEST_AGE)
    match found:
        case [str() as token, int() as ends]:
            return token, ends
    return None


def read(user_key: str) -> str | None:
    """The token that this browser holds for an account, or None."""
    found = opened(request.cookies.get(name_for(user_key)))
    return found[0] if found is not None and found[1] * 1000 > state().clock() else None


def device_id(ctx: Context, user_key: str) -> str | None:
    """The id of the account's device that this browser is, or None."""
    token = read(user_key)
    return devices.id_of(ctx, user_key, token) if token is not None else None


def write(response: BaseResponse, user_key: str, issued: Issued | None) -> None:
    """Let the browser keep a new token, where there is one."""
    if issued is None:
        return
    name = name_for(user_key)
    make_room(response, name)
    ends = issued.expires_at // 1000
    response.set_cookie(
        name,
        state().signer(Purpose.DEVICE).dumps([issued.token, ends]),
        max_age=max(0, ends - state().clock() // 1000),
        **attributes(),
    )


def keep(user_key: str, issued: Issued | None) -> None:
    """The same for whatever this request is answered with."""

    @after_this_request
    def later(response: BaseResponse) -> BaseResponse:
        write(response, user_key, issued)
        return response


def clear(response: BaseResponse, user_key: str) -> None:
    """Let the browser forget its token of an account."""
    response.delete_cookie(name_for(user_key), **attributes())


def make_room(response: BaseResponse, name: str) -> None:
    """Drop garbage and what ends soonest where there are too many; that account is asked again."""
    others = {
        other: opened(value)
        for other, value in request.cookies.items()
        if other.startswith(prefix()) and other != name
    }
    surplus = max(0, len(others) - (MOST - 1))
    ends = {other: found[1] if found else 0 for other, found in others.items()}
    for other in sorted(ends, key=lambda each: ends[each])[:surplus]:
        response.delete_cookie(other, **attributes())


def attributes() -> dict[str, Any]:
    """The attributes of the cookie."""
    return {"path": "/", "secure": is_secure(), "httponly": True, "samesite": "Lax"}

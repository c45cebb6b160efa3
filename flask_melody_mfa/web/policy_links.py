"""The address of a policy's page: made for an application, checked when somebody comes by it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import current_app, has_request_context, url_for

from flask_melody_mfa.core.clients import Client
from flask_melody_mfa.core.declared import POLICIES
from flask_melody_mfa.core.errors import ClientDisabled, InvalidRequest, UnknownClient
from flask_melody_mfa.core.limits import POLICY_STATE
from flask_melody_mfa.flows.policies import Asked
from flask_melody_mfa.web.lines import is_text
from flask_melody_mfa.web.state import state as app_state
from flask_melody_mfa.web.urls import safe_path


def checked(name: str, *, redirect_uri: str, client_id: str | None, state: str | None) -> Asked:
    """What an application asks for, if it may. Raises `InvalidRequest`; nobody is sent anywhere."""
    return Asked(
        policy=name,
        redirect_uri=allowed_redirect(redirect_uri, client_id),
        client=client_id,
        state=allowed_state(state),
    )


def allowed_redirect(address: str, client_id: str | None) -> str:
    """One that is registered for the client, letter by letter; without one, a path of this app."""
    if client_id is None:
        path = safe_path(address)
        if path is None:
            raise InvalidRequest({"redirect_uri": "invalid"})
        return path
    client = find_client(client_id)
    if client is None:
        raise InvalidRequest({"client_id": "invalid"})
    if address not in client.redirect_uris:
        raise InvalidRequest({"redirect_uri": "invalid"})
    return address


def find_client(client_id: str) -> Client | None:
    """A client that may send its users here; None for an unknown or disabled one."""
    try:
        found = app_state().clients.find(client_id)
    except (UnknownClient, ClientDisabled):
        return None
    return None if found is None else found.client


def allowed_state(text: str | None) -> str | None:
    """What the application gets back as it is."""
    if text is None:
        return None
    if len(text) > POLICY_STATE:
        raise InvalidRequest({"state": "too_long"})
    if not is_text(text):
        raise InvalidRequest({"state": "invalid"})
    return text


def url(
    name: str,
    *,
    redirect_uri: str,
    client_id: str | None,
    state: str | None,
    locale: str | None,
) -> str:
    """Where to send a user. Raises `ValueError` for what the page would refuse."""
    if name not in POLICIES:
        raise ValueError(f"name: one of {', '.join(POLICIES)}")
    try:
        checked(name, redirect_uri=redirect_uri, client_id=client_id, state=state)
    except InvalidRequest as error:
        field = next(iter(error.errors))
        raise ValueError(f"{field}: the page would refuse it") from None
    given: dict[str, Any] = {
        "redirect_uri": redirect_uri,
        "client_id": client_id,
        "state": state,
        "locale": locale,
    }
    query = {field: value for field, value in given.items() if value is not None}
    if has_request_context():
        return url_for("mfa.policy.show", name=name, **query)
    settings = app_state().settings
    if settings.mfa_base_url is None:
        raise ValueError("MFA_BASE_URL is needed for an address outside of a request")
    root = str(current_app.config.get("APPLICATION_ROOT") or "").rstrip("/")
    path = f"{root}{settings.mfa_url_prefix}/policy/{name}"
    return f"{settings.mfa_base_url}{path}?{urlencode(query)}"

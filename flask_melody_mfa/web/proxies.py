"""The objects behind Flask's proxies: the guard stands before every request and asks directly."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, current_app, g, request, session
from flask.sessions import SessionMixin


def this_app() -> Flask:
    """The current app."""
    return current_app._get_current_object()  # type: ignore[attr-defined, no-any-return]


def this_request() -> Request:
    """The current request."""
    return request._get_current_object()  # type: ignore[attr-defined, no-any-return]


def this_session() -> SessionMixin:
    """The browser's session."""
    return session._get_current_object()  # type: ignore[attr-defined, no-any-return]


def kept() -> Any:
    """What is kept for the length of this request (`g`)."""
    return g._get_current_object()

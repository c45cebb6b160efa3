"""Every rule of an app, and what stands before it: for `flask mfa routes`.

What the guard cannot see are views that authenticate by other means than Flask-Login: they are
guessed from their decorators and from what their code names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import CodeType
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from flask_melody_mfa.web import answers, endpoints
from flask_melody_mfa.web.state import State

OTHER_MEANS = re.compile(
    r"(flask_httpauth|flask_jwt|flask_jwt_extended|flask_praetorian|authlib|flask_security)\b"
)
"""Modules whose decorators authenticate without Flask-Login."""

NAMES = frozenset({"authorization", "verify_jwt_in_request", "get_jwt_identity"})
TEXTS = frozenset({"authorization", "x-api-key"})


class Stands(StrEnum):
    """What stands before a view."""

    PUBLIC = "public"
    """Anybody may come; who owes the gate is led to the challenge."""
    LOGIN = "login"
    """Asks for a user of Flask-Login; the guard adds the gate."""
    GATE = "gate"
    STEP_UP = "step-up"
    EXEMPT = "exempt"
    UNSEEN = "unseen"
    """Authenticates by other means, or by Flask-Login while the guard is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One rule. `why`: what was found in the view, where that is not plain."""

    rule: str
    methods: tuple[str, ...]
    endpoint: str
    stands: Stands
    client: str | None = None
    why: str = ""


def routes(app: Flask, here: State) -> list[Route]:
    """All rules of an app, in the order of their addresses."""
    found = [route_of(app, here, rule) for rule in app.url_map.iter_rules()]
    return sorted(found, key=lambda route: (route.rule, route.endpoint))


def route_of(app: Flask, here: State, rule: Rule) -> Route:
    """What stands before one rule."""
    view = app.view_functions.get(rule.endpoint)
    asked = getattr(view, "_mfa_requirement", None) or next(
        (here.required[name] for name in names_of(rule.endpoint) if name in here.required), None
    )
    stands, why = Stands.PUBLIC, ""
    other = other_means(view)
    if rule.endpoint.startswith(("mfa.", "mfa_")):
        why = "" if endpoints.is_static(rule.endpoint) else "checks for itself"
    elif asked is not None:
        stands = Stands.STEP_UP if asked.is_step_up else Stands.GATE
    elif other:
        stands, why = Stands.UNSEEN, other
    elif is_exempt(here, rule.endpoint, view):
        stands = Stands.EXEMPT
    elif asks_for_login(view):
        stands = Stands.LOGIN
        if not here.settings.mfa_guard:
            stands, why = Stands.UNSEEN, "MFA_GUARD is off"
    elif answers.login_views() & {rule.endpoint, rule.rule}:
        why = "login view"
    elif endpoints.is_logout(here, rule.endpoint):
        why = "logout view"
    return Route(
        rule=rule.rule,
        methods=tuple(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})),
        endpoint=rule.endpoint,
        stands=stands,
        client=asked.client if asked is not None else None,
        why=why,
    )


def names_of(endpoint: str) -> list[str]:
    """The blueprints of an endpoint, the inner one first."""
    parts = endpoint.split(".")[:-1]
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def is_exempt(here: State, endpoint: str, view: Any) -> bool:
    """Whether the guard leaves a view alone."""
    return (
        getattr(view, "_mfa_exempt", False)
        or view in here.exempt_views
        or endpoint in here.exempt
        or any(name in here.exempt for name in names_of(endpoint))
    )


def layers(view: Any) -> Iterator[Any]:
    """A view and everything that its decorators wrap; of a class-based view, its methods, too."""
    seen: set[int] = set()
    waiting = [view]
    while waiting:
        layer = waiting.pop()
        if layer is None or id(layer) in seen:
            continue
        seen.add(id(layer))
        yield layer
        waiting.append(getattr(layer, "__wrapped__", None))
        kind = getattr(layer, "view_class", None)
        if kind is not None:
            waiting += [getattr(kind, str(name).lower(), None) for name in kind.methods or ()]
            waiting += getattr(kind, "decorators", ())


def asks_for_login(view: Any) -> bool:
    """Whether Flask-Login's `login_required` or `fresh_login_required` stands before a view."""
    return any(
        (module_of(layer) == "flask_login.utils" and hasattr(layer, "__wrapped__"))
        or getattr(layer, "__name__", "") in ("login_required", "fresh_login_required")
        for layer in layers(view)
    )


def other_means(view: Any) -> str:
    """What shows that a view authenticates by other means than Flask-Login; empty for nothing."""
    for layer in layers(view):
        module = module_of(layer)
        if OTHER_MEANS.match(module):
            return f"decorated by {module}"
        code = getattr(layer, "__code__", None)
        if isinstance(code, CodeType) and not module.startswith("flask_login"):
            for name in code.co_names:
                if name in NAMES:
                    return f"names {name}"
            for constant in code.co_consts:
                if isinstance(constant, str) and constant.lower() in TEXTS:
                    return f"reads the header {constant}"
    return ""


def module_of(layer: Any) -> str:
    """The module whose code a layer is: that of the decorator, not of what it wraps."""
    space = getattr(layer, "__globals__", {})
    return str(space.get("__name__", ""))

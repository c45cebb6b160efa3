"""Every address of ours: pages from the URL map, JSON endpoints from their OpenAPI documents."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from tests.documentation.words import full_host, summary, table
from tests.host import Host

PAGES = """\
# Addresses

All of them stand under `MFA_URL_PREFIX`, here `/mfa`. Link to pages with `url_for` and the
endpoint; the public ones, for your own templates, are

{public}.

Every POST of a page carries a CSRF token, and a page's `next` is a path of your own origin.

"""

PUBLIC = (
    "mfa.challenge.start",
    "mfa.enroll.choose",
    "mfa.passkey.sign_in",
    "mfa.recovery_code.recover",
    "mfa.account.overview",
    "mfa.device.list",
    "mfa.policy.show",
    "mfa.locale",
)

FACES = (
    ("s2s", "For your backend (`MFA_S2S_API = True`)", "scope"),
    ("embedded", "For a frontend of your own (`EMBEDDED_AUTH_ORIGINS`)", ""),
)


def functions_in(view: Any) -> Iterator[Any]:
    """A view, what it wraps, and what a lambda or a closure calls: the first that is described."""
    view = inspect.unwrap(view)
    yield view
    if not inspect.isfunction(view):
        return
    for cell in view.__closure__ or ():
        if inspect.isfunction(cell.cell_contents):
            yield from functions_in(cell.cell_contents)
    names = view.__code__.co_names
    for name, after in zip(names, (*names[1:], ""), strict=True):
        called = view.__globals__.get(name)
        if inspect.ismodule(called):
            called = getattr(called, after, None)
        if inspect.isfunction(called):
            yield called


def described(view: Any) -> str:
    """What a view does; empty where nothing says so."""
    return next((text for found in functions_in(view) if (text := summary(found))), "")


def pages(host: Host) -> str:
    """The pages and the admin panel."""
    app, rows = host.app, []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if not rule.endpoint.startswith(("mfa.", "mfa_admin.")) or rule.methods is None:
            continue
        methods = ", ".join(sorted(rule.methods - {"HEAD", "OPTIONS"}))
        view = app.view_functions[rule.endpoint]
        rows.append((f"`{rule.rule}`", methods, f"`{rule.endpoint}`", described(view)))
    return table(("address", "methods", "endpoint", "what it does"), rows)


def face(host: Host, name: str, title: str, scope: str) -> str:
    """The endpoints of one JSON face."""
    answer = host.app.test_client().get(f"/mfa/{name}/v1/openapi.json")
    document: dict[str, Any] = answer.get_json()
    rows = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            row = [f"`{method.upper()} {path}`", str(operation["summary"])]
            if scope:
                asked = [one for each in operation["security"] for one in each["credential"]]
                row.append(", ".join(f"`{one}`" for one in asked) or needs(operation))
            rows.append(row)
    heads = ("endpoint", "what it does", *([scope] if scope else []))
    below = document["servers"][0]["url"]
    return (
        f"\n## {title}\n\nUnder `{below}`. The whole description, OpenAPI 3.1, is at "
        f"`{below}/openapi.json`, and as a page at `{below}/docs`.\n\n{table(heads, rows)}"
    )


def needs(operation: dict[str, Any]) -> str:
    """What a call needs that asks for no scope."""
    return "any" if operation["security"] else "none"


def page() -> str:
    """docs/addresses.md"""
    host = full_host()
    known = {rule.endpoint for rule in host.app.url_map.iter_rules()}
    public = ", ".join(f"`{name}`" for name in PUBLIC if name in known)
    return (
        PAGES.replace("{public}", public)
        + pages(host)
        + "".join(face(host, *each) for each in FACES)
    )

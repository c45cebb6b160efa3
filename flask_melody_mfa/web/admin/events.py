"""The record of events: filter, page, export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from flask import current_app, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_melody_mfa.core.errors import NotFound
from flask_melody_mfa.core.types import in_utc
from flask_melody_mfa.flows import events
from flask_melody_mfa.flows.events import Recorded
from flask_melody_mfa.signals import BY_NAME
from flask_melody_mfa.web import answers, cursors
from flask_melody_mfa.web.admin import rows
from flask_melody_mfa.web.admin.door import Admin
from flask_melody_mfa.web.moments import Moments
from flask_melody_mfa.web.pages import common

PAGE = 50
EXPORTED = 10_000
"""Events in one export at most."""

COLUMNS = (
    "id", "at", "type", "user_key", "actor", "client", "address", "user_agent", "outcome", "detail",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
"""What a spreadsheet takes for the beginning of a formula."""


def asked() -> dict[str, Any]:
    """The filters of the query."""
    given = {name: request.args.get(name, "")[:255] for name in ("user", "type", "client")}
    return {name: value if value and value.isprintable() else None for name, value in given.items()}


def show(admin: Admin) -> BaseResponse:
    """A page of events, newest first."""
    filters = asked()
    which = cursors.fingerprint("admin-events", **filters)
    at = cursors.read(which, request.args.get("cursor"))
    found, following = events.listed(
        admin.ctx,
        user_key=filters["user"],
        type_=filters["type"],
        client=filters["client"],
        before=at,
        limit=PAGE,
    )
    say = answers.texts()
    times = Moments(say.locale)
    return common.render(
        "mfa/admin/events.html",
        here="events",
        events=[rows.event(one, say, times) for one in found],
        types=sorted(BY_NAME),
        filters=filters,
        next_page_url=url_for("mfa_admin.events", **filters, cursor=cursors.write(which, following))
        if following
        else "",
        first_url=url_for("mfa_admin.events", **filters) if at else "",
        csv_url=url_for("mfa_admin.export", form="csv", **filters),
        lines_url=url_for("mfa_admin.export", form="jsonl", **filters),
        most=EXPORTED,
    )


def export(admin: Admin, form: str) -> BaseResponse:
    """The newest events that fit, as CSV or JSON lines."""
    if form not in ("csv", "jsonl"):
        raise NotFound
    filters = asked()
    found: list[Recorded] = []
    before: str | None = None
    while len(found) < EXPORTED:
        page, before = events.listed(
            admin.ctx,
            user_key=filters["user"],
            type_=filters["type"],
            client=filters["client"],
            before=before,
            limit=1000,
        )
        found += page
        if before is None:
            break
    kind = "text/csv" if form == "csv" else "application/jsonl"
    lines = as_csv(found) if form == "csv" else as_lines(found)
    response = current_app.response_class("".join(lines), mimetype=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="mfa-events.{form}"'
    return response


def values(found: Recorded) -> dict[str, Any]:
    """An event as an export has it."""
    return {
        "id": found.id,
        "at": in_utc(found.at),
        "type": found.type,
        "user_key": found.user_key,
        "actor": found.actor,
        "client": found.client,
        "address": found.address,
        "user_agent": found.user_agent,
        "outcome": found.outcome,
        "detail": dict(found.detail),
    }


def as_lines(found: list[Recorded]) -> Iterator[str]:
    """JSON lines."""
    for one in found:
        yield json.dumps(values(one)) + "\n"


def as_csv(found: list[Recorded]) -> Iterator[str]:
    """CSV (RFC 4180), in which no cell begins a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in found:
        said = values(one)
        said["detail"] = json.dumps(said["detail"]) if said["detail"] else ""
        writer.writerow([cell(said[name]) for name in COLUMNS])
    yield text.getvalue()


def cell(value: Any) -> str:
    """A value as a spreadsheet may hold it."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text

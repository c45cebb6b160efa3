"""The log, the settings in force, and the document of the API itself."""

from __future__ import annotations

from typing import Any

from flask_melody_mfa.core.errors import NotFound
from flask_melody_mfa.core.version import VERSION
from flask_melody_mfa.flows import events, policies
from flask_melody_mfa.web import cursors
from flask_melody_mfa.web.operation import Call, Operation
from flask_melody_mfa.web.s2s import shapes
from flask_melody_mfa.web.s2s.means import ANY, context_of

RESULT_LIFETIME = 300
"""Seconds for which a result token says anything."""

PRIVATE = frozenset({"mfa_clients", "mfa_rate_limit_storage_uri"})
"""Settings that an operator's own endpoints show, or nobody's."""


def list_events(call: Call) -> shapes.EventPage:
    """A page of the log, newest first."""
    asked: shapes.EventQuery = call.query
    filters: dict[str, Any] = {"user": asked.user, "type": asked.type, "client": asked.client}
    which = cursors.fingerprint("events", **filters)
    found, following = events.listed(
        context_of(call),
        user_key=asked.user,
        type_=asked.type,
        client=asked.client,
        before=cursors.read(which, asked.cursor),
        limit=asked.limit,
    )
    return shapes.EventPage(
        items=[
            shapes.Event(
                id=one.id,
                at=one.at,
                type=one.type,
                user=one.user_key,
                actor=one.actor,
                client=one.client,
                address=one.address,
                user_agent=one.user_agent,
                outcome=one.outcome,
                detail=dict(one.detail),
            )
            for one in found
        ],
        next_cursor=None if following is None else cursors.write(which, following),
    )


def policy_result(call: Call) -> shapes.PolicyResult:
    """What a result token says. Raises `NotFound` for one that is not ours or over."""
    body: shapes.ResultToken = call.body
    found = policies.read_result(context_of(call), body.result_token, max_age=RESULT_LIFETIME)
    if found is None:
        raise NotFound
    return shapes.PolicyResult(
        user=found.user_key,
        client=found.client,
        policy=found.policy,
        state=found.state,
        result=found.result,
        at=found.at,
    )


def info(call: Call) -> shapes.Info:
    """What is in force for the app."""
    settings = context_of(call).settings
    return shapes.Info(
        version=VERSION,
        settings={
            name: shapes.Effective(value=value, source=settings.source_of(name))
            for name, value in settings.as_public_dict().items()
            if name not in PRIVATE
        },
    )


OPERATIONS = (
    Operation(
        name="list_events",
        method="GET",
        path="/events",
        summary="Read the log, newest first.",
        function=list_events,
        access="read_log",
        tag="log",
        query=shapes.EventQuery,
        answer=shapes.EventPage,
        errors=(NotFound,),
    ),
    Operation(
        name="policy_result",
        method="POST",
        path="/policy-results",
        summary="Read how a visit of a policy page ended.",
        description="404 for a token that is not ours, or older than five minutes.",
        function=policy_result,
        access=ANY,
        tag="policies",
        body=shapes.ResultToken,
        answer=shapes.PolicyResult,
        errors=(NotFound,),
    ),
    Operation(
        name="info",
        method="GET",
        path="/info",
        summary="Read the settings in force, each with its source, and the version.",
        function=info,
        access=ANY,
        tag="log",
        answer=shapes.Info,
    ),
)

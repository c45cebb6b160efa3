"""“This was not me”: the link in a security mail, and what it ends.

Whoever holds it reads the user's mail. It signs nobody in and gives nothing away: all it can do is
to end what was begun, proven and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from flask_melody_mfa.core.signed import Purpose, Signer
from flask_melody_mfa.core.types import DAY, SECOND, Account, Event, Instant
from flask_melody_mfa.flows import devices
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import challenges, sessions
from flask_melody_mfa.store.log import record

LIFE: Instant = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Whose account a link is about, and which event it came with."""

    user_key: str
    event_id: str


def token(ctx: Context, user_key: str, event_id: str) -> str:
    """What the link in the mail about an event carries."""
    return signer(ctx).dumps({"user": user_key, "event": event_id, "at": ctx.now})


def read(ctx: Context, text: str) -> Claim | None:
    """What a link says; None for one that is not ours, or too old."""
    said = signer(ctx).loads(text, max_age=LIFE // SECOND)
    if not isinstance(said, dict) or not 0 <= ctx.now - said["at"] <= LIFE:
        return None
    return Claim(user_key=said["user"], event_id=said["event"])


def signer(ctx: Context) -> Signer:
    """Signs these links."""
    return Signer(ctx.settings.mfa_secret_keys, Purpose.NOT_ME)


def end_all(ctx: Context, account: Account, claim: Claim) -> int:
    """End every session, pending challenge and remembered device; how many sessions there were.

    Recorded each time, and told by mail where something ended.
    """

    def work(session: Session) -> tuple[int, tuple[Event, ...]]:
        ended = sessions.end_all(session, account.key, ctx.now)
        pending = challenges.end_all(session, account.key, ctx.now)
        events = devices.end_all(ctx, session, account.key, reason="not_me")
        told = ctx.event(
            "sessions_ended",
            account.key,
            count=ended,
            reason="not_me",
            about=claim.event_id,
            notify=bool(ended or pending or events),
        )
        events = (*events, told)
        record(session, events)
        return ended, events

    ended, events = ctx.store.run(work)
    ctx.tell(account, events)
    return ended

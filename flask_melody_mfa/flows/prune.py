"""Delete what has no use any more."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.orm import Session

from flask_melody_mfa.core.limits import REPLACED_ADDRESS_KEPT
from flask_melody_mfa.core.types import DAY, Instant
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import clients, counters, devices, passkeys
from flask_melody_mfa.store.statements import rows_changed
from flask_melody_mfa.store.tables import Address, ChallengeRow, EventRow, SessionRow

CHALLENGES_KEPT: Instant = DAY
SESSIONS_KEPT: Instant = 90 * DAY
DEVICES_KEPT: Instant = 30 * DAY
EVENTS_KEPT: Instant = 400 * DAY


def prune(ctx: Context, *, events_days: int | None = None) -> dict[str, int]:
    """Delete ended challenges after a day, dead sessions, ceremonies, counters, and old events.

    A session is dead when it ended, or was not used for 90 days. Remembered devices go 30 days
    after they expired or were revoked. Returns rows per table.
    """
    kept = EVENTS_KEPT if events_days is None else events_days * DAY

    def work(session: Session) -> dict[str, int]:
        return {
            "mfa_challenge": rows_changed(
                session,
                delete(ChallengeRow).where(ChallengeRow.expires_at < ctx.now - CHALLENGES_KEPT),
            ),
            "mfa_session": rows_changed(
                session,
                delete(SessionRow).where(
                    (SessionRow.ended_at < ctx.now - DAY)
                    | (
                        SessionRow.ended_at.is_not(None)
                        & (SessionRow.used_at < ctx.now - SESSIONS_KEPT)
                    )
                ),
            ),
            "mfa_device": devices.prune(session, ctx.now, DEVICES_KEPT),
            "mfa_ceremony": passkeys.prune(session, ctx.now),
            "mfa_counter": counters.prune(session, ctx.now),
            **clients.prune(session, ctx.now),
            "mfa_address": rows_changed(
                session,
                delete(Address).where(Address.replaced_at < ctx.now - REPLACED_ADDRESS_KEPT),
            ),
            "mfa_event": rows_changed(
                session, delete(EventRow).where(EventRow.at < ctx.now - kept)
            ),
        }

    return ctx.store.run(work)

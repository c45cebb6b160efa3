"""Notices: a row for each address, from the event until its mail has left (contract section 9).

Nothing is lost while mail is down: what fails is tried again, by whichever process comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from flask_melody_mfa.core import limits
from flask_melody_mfa.core.codes import new_id
from flask_melody_mfa.core.types import HOUR, MINUTE, Account, Event, FactorKind, Instant
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import credentials
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.statements import rows_changed
from flask_melody_mfa.store.tables import CredentialRow, NoticeRow

LEASE: Instant = 5 * MINUTE
"""How long whoever took a notice has for it, before another process may."""

PAUSES: tuple[Instant, ...] = (
    MINUTE,
    MINUTE,
    2 * MINUTE,
    10 * MINUTE,
    HOUR,
    4 * HOUR,
    12 * HOUR,
    24 * HOUR,
)
"""After each failure; after the last one it is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One mail that is to be sent: `event` to `to`."""

    id: str
    user_key: str
    to: str = field(repr=False)
    event: Event
    locale: str | None = None
    tries: int = 0


def addresses(ctx: Context, session: Session, account: Account) -> tuple[str, ...]:
    """Every verified address that we know of a user, and those replaced lately."""
    found: list[str] = []
    if account.email and account.email_verified:
        found.append(account.email)
    rows = session.scalars(
        select(CredentialRow).where(
            CredentialRow.user_key == account.key, CredentialRow.kind == FactorKind.EMAIL.value
        )
    )
    found += [ctx.vault.open_credential(row).destination or "" for row in rows]
    since = ctx.now - limits.REPLACED_ADDRESS_KEPT
    replaced = credentials.replaced_addresses(session, account.key, since)
    found += [ctx.vault.open_address(row) for row in replaced]
    return tuple(dict.fromkeys(address for address in found if address))


def queue(ctx: Context, account: Account, event: Event, locale: str | None) -> tuple[str, ...]:
    """Write down what is to be sent, for every address; returns the ids."""

    def work(session: Session) -> tuple[str, ...]:
        ids = []
        for address in addresses(ctx, session, account):
            row_id = new_id(ctx.now)
            kept = {"to": address, "event": as_json(event), "locale": locale}
            sealed, key_id = ctx.vault.seal_json("mfa_notice", row_id, account.key, kept)
            session.add(
                NoticeRow(
                    id=row_id,
                    user_key=account.key,
                    sealed=sealed,
                    key_id=key_id,
                    tries=0,
                    next_at=ctx.now + LEASE,
                    created_at=ctx.now,
                )
            )
            ids.append(row_id)
        return tuple(ids)

    return ctx.store.run(work)


def take(ctx: Context, notice_id: str) -> Notice | None:
    """Take a notice in hand; one caller wins. None when it is gone, or in other hands."""

    def work(session: Session) -> Notice | None:
        row = session.get(NoticeRow, notice_id)
        if row is None:
            return None
        taken = rows_changed(
            session,
            update(NoticeRow)
            .where(NoticeRow.id == row.id, NoticeRow.tries == row.tries)
            .values(tries=row.tries + 1, next_at=ctx.now + LEASE)
            .execution_options(synchronize_session=False),
        )
        if not taken:
            return None
        kept = ctx.vault.open_json("mfa_notice", row)
        return Notice(
            id=row.id,
            user_key=row.user_key,
            to=kept["to"],
            event=from_json(kept["event"]),
            locale=kept["locale"],
            tries=row.tries + 1,
        )

    return ctx.store.run(work)


def sent(ctx: Context, notice: Notice) -> None:
    """It has left."""
    ctx.store.run(lambda session: forget(session, notice))


def failed(ctx: Context, notice: Notice, *, final: bool) -> None:
    """It was not accepted: record that, and try again later, unless the refusal is `final`."""
    gives_up = final or notice.tries > len(PAUSES)
    outcome = "given_up" if gives_up else "failed"
    events = (
        ctx.event("message_failed", notice.user_key, outcome=outcome, notice=notice.event.type),
    )

    def work(session: Session) -> None:
        if gives_up:
            forget(session, notice)
        else:
            session.execute(
                update(NoticeRow)
                .where(NoticeRow.id == notice.id, NoticeRow.tries == notice.tries)
                .values(next_at=ctx.now + PAUSES[notice.tries - 1])
            )
        record(session, events)

    ctx.store.run(work)


def forget(session: Session, notice: Notice) -> None:
    """Delete a notice's row."""
    session.execute(delete(NoticeRow).where(NoticeRow.id == notice.id))


def due(ctx: Context, *, most: int = 50) -> tuple[str, ...]:
    """Ids of the notices whose time has come, the oldest first."""

    def work(session: Session) -> tuple[str, ...]:
        return tuple(
            session.scalars(
                select(NoticeRow.id)
                .where(NoticeRow.next_at <= ctx.now)
                .order_by(NoticeRow.next_at)
                .limit(most)
            )
        )

    return ctx.store.read(work)


def as_json(event: Event) -> dict[str, Any]:
    """An event as a notice keeps it."""
    return {
        "id": event.id,
        "type": event.type,
        "user_key": event.user_key,
        "at": event.at,
        "actor": event.actor,
        "client": event.client,
        "address": event.address,
        "user_agent": event.user_agent,
        "outcome": event.outcome,
        "detail": dict(event.detail),
    }


def from_json(kept: Mapping[str, Any]) -> Event:
    """A kept event."""
    return Event(**kept)

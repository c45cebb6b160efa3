"""Codes on their way: limits first, then the code is stored, and only then is it sent."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from flask_melody_mfa.core import limits
from flask_melody_mfa.core.codes import new_id
from flask_melody_mfa.core.errors import ChallengeOver, NotDelivered, Throttled
from flask_melody_mfa.core.types import DAY, HOUR, SECOND, Account, Event, FactorKind, Prompt
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import challenges, counters
from flask_melody_mfa.store.log import record
from flask_melody_mfa.store.tables import ChallengeRow


def send_code(
    ctx: Context, account: Account, row: ChallengeRow, kind: FactorKind, prompt: Prompt
) -> None:
    """Store a prompt's code in the challenge, then send its message.

    Raises `Throttled` before anything leaves, or `NotDelivered`: then the pause is not burnt,
    and the code stays good, since a provider may have sent what it did not confirm.
    """
    message = prompt.message
    if message is None:
        return
    code_id = new_id(ctx.now)

    def work(session: Session) -> None:
        pause = ctx.settings.mfa_resend_seconds * SECOND
        sealed, key_id = ctx.vault.seal_kept(row, prompt.kept)
        started = challenges.start_code(
            session,
            row,
            ctx.now,
            pause,
            code_id=code_id,
            code_kind=kind.value,
            sealed=sealed,
            key_id=key_id,
        )
        if not started:
            current = challenges.find(session, row.token_hash)
            if current is None or not challenges.is_open(current, ctx.now):
                raise ChallengeOver
            raise Throttled(limits.seconds(pause - (ctx.now - (current.sent_at or ctx.now))))
        charge_message(ctx, session, account.key, kind, message.to)

    try:
        ctx.store.run(work)
    except Throttled:
        note(ctx, account, "message_failed", kind, outcome="throttled")
        raise
    try:
        ctx.deliver(message)
    except NotDelivered:
        ctx.store.run(
            lambda session: (
                session.execute(
                    update(ChallengeRow)
                    .where(ChallengeRow.id == row.id, ChallengeRow.code_id == code_id)
                    .values(sent_at=None)
                )
                and None
            )
        )
        note(ctx, account, "message_failed", kind, outcome="failed")
        raise
    note(ctx, account, "message_sent", kind)


def note(
    ctx: Context, account: Account, type_: str, kind: FactorKind, *, outcome: str = "ok"
) -> None:
    """Record what became of a message."""
    events: tuple[Event, ...] = (ctx.event(type_, account.key, outcome=outcome, factor=kind.value),)
    ctx.store.run(lambda session: record(session, events))
    ctx.tell(account, events)


def charge_message(
    ctx: Context, session: Session, user_key: str, kind: FactorKind, destination: str
) -> None:
    """Count a message against every limit that it falls under; raises `Throttled`."""
    settings = ctx.settings
    if kind is FactorKind.SMS:
        few, many = settings.sms_mfa_message_threshold, limits.SMS_PER_DAY
    else:
        few, many = settings.email_mfa_email_threshold, limits.EMAILS_PER_DAY
    subjects = (
        ("account", user_key),
        ("destination", ctx.vault.destination_hash(destination)),
    )
    windows = ((few, limits.MESSAGES_WINDOW), (max(few, many), DAY))
    waits = [
        counters.count(
            session,
            ctx.vault.name("message", kind.value, *subject, window),
            ctx.now,
            window,
            limit,
        )
        for subject in subjects
        for limit, window in windows
    ]
    if kind is FactorKind.SMS:
        name = ctx.vault.name("message", "sms", "app")
        waits.append(counters.count(session, name, ctx.now, HOUR, settings.mfa_sms_per_hour))
    waits.append(
        ctx.address_limits.count(
            ctx, session, "message", limits.ADDRESS_MESSAGES, limits.ADDRESS_MESSAGES_WINDOW
        )
    )
    if any(waits):
        raise Throttled(limits.seconds(max(waits)))

"""What operators see at a glance: who holds what, and what happened in the last weeks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from flask_melody_mfa.core.types import DAY, Instant
from flask_melody_mfa.flows.context import Context
from flask_melody_mfa.store import statistics as store

DAYS = 28

SERIES: Mapping[str, tuple[str, str | None]] = {
    "enrolled": ("factor_enrolled", None),
    "passed": ("proof_accepted", None),
    "refused": ("proof_refused", None),
    "recovered": ("recovery_code_used", None),
    "locked": ("locked", None),
    "sent": ("message_sent", None),
    "not_sent": ("message_failed", None),
}
"""What is counted by day → the type of the event, and its outcome where only one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """`held`: factor → accounts that hold it. `days`: the beginnings of the days counted, UTC,
    the oldest first. `counts`: series → a number for each of `days`."""

    known: int
    locked: int
    held: Mapping[str, int]
    days: tuple[Instant, ...]
    counts: Mapping[str, tuple[int, ...]]

    def total(self, series: str) -> int:
        """A series over all days."""
        return sum(self.counts[series])


def read(ctx: Context) -> Statistics:
    """The statistics of now."""
    last = ctx.now // DAY
    first = last - DAYS + 1

    def work(session: Session) -> Statistics:
        known, locked = store.accounts(session, ctx.now)
        types = sorted({type_ for type_, _ in SERIES.values()})
        rows = store.by_day(session, types, first * DAY)
        counts = {
            name: tuple(
                sum(
                    number
                    for type_, outcome, at, number in rows
                    if at == day and type_ == wanted and only in (None, outcome)
                )
                for day in range(first, last + 1)
            )
            for name, (wanted, only) in SERIES.items()
        }
        return Statistics(
            known=known,
            locked=locked,
            held=store.held(session),
            days=tuple(day * DAY for day in range(first, last + 1)),
            counts=counts,
        )

    return ctx.store.run(work)

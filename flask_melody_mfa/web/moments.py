"""Times in words: in the reader's language, and in UTC until a script knows the reader's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from babel import Locale
from babel.dates import format_date, format_time

from flask_melody_mfa.core.types import SECOND, Instant


@dataclass(frozen=True, slots=True)
class Moment:
    """A time for a `<time>` element: `iso` for programs, `text` for people."""

    iso: str
    text: str
    is_day: bool = False


class Moments:
    """Writes times in one language."""

    def __init__(self, locale: str) -> None:
        self._locale = Locale.parse(locale.replace("-", "_"))

    def at(self, moment: Instant | None) -> Moment | None:
        """A time to the minute; None for none."""
        if moment is None:
            return None
        when = datetime.fromtimestamp(moment / SECOND, UTC)
        day = format_date(when, "medium", self._locale)
        time = format_time(when, "short", UTC, self._locale)
        return Moment(iso=when.isoformat(timespec="seconds"), text=f"{day}, {time} UTC")

    def day(self, moment: Instant | None) -> Moment | None:
        """A day; None for none."""
        if moment is None:
            return None
        when = datetime.fromtimestamp(moment / SECOND, UTC)
        return Moment(
            iso=when.isoformat(timespec="seconds"),
            text=format_date(when, "medium", self._locale),
            is_day=True,
        )

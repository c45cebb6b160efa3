"""Per-address limits in Redis, where configured; the database takes over when Redis is down."""

from __future__ import annotations

import logging
import time
from typing import Any

from limits import RateLimitItemPerSecond, storage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.orm import Session

from flask_melody_mfa.core.limits import network_of
from flask_melody_mfa.core.types import Instant
from flask_melody_mfa.flows.context import Context, DatabaseAddressLimits

log = logging.getLogger("flask_melody_mfa")

TIMEOUT = 0.25
"""Seconds that Redis may take."""
REST = 5.0
"""Seconds for which a Redis that failed is not asked again."""


def storage_for(uri: str) -> storage.RedisStorage:
    """A Redis that must answer within `TIMEOUT`."""
    options: dict[str, Any] = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
    return storage.RedisStorage(uri, **options)


class RedisAddressLimits:
    """Counts in Redis; whatever goes wrong there is counted in the database instead.

    For a window after that both are asked: a Redis that can only be read has seen nothing.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._limiter: FixedWindowRateLimiter | None = None
        self._down_until = 0.0
        self._failed_at: float | None = None
        self._database = DatabaseAddressLimits()

    def _ready(self) -> FixedWindowRateLimiter | None:
        if time.monotonic() < self._down_until:
            return None
        if self._limiter is None:
            self._limiter = FixedWindowRateLimiter(storage_for(self._uri))
        return self._limiter

    def _failed(self, error: Exception) -> None:
        self._failed_at = time.monotonic()
        self._down_until = self._failed_at + REST
        self._limiter = None
        log.warning(
            "The rate limit storage failed (%s); counting in the database", type(error).__name__
        )

    def count(
        self, ctx: Context, session: Session, what: str, limit: int, window: Instant
    ) -> Instant:
        """Count one more."""
        item = RateLimitItemPerSecond(limit, window // 1000)
        try:
            limiter = self._ready()
            if limiter is not None:
                name = network_of(ctx.address)
                if limiter.hit(item, "mfa", what, name):
                    return 0
                return self._left(limiter, item, what, name)
        except Exception as error:
            self._failed(error)
        return self._database.count(ctx, session, what, limit, window)

    def left_until(
        self, ctx: Context, session: Session, what: str, limit: int, window: Instant
    ) -> Instant:
        """Ask without counting."""
        item = RateLimitItemPerSecond(limit, window // 1000)
        try:
            limiter = self._ready()
            if limiter is not None:
                name = network_of(ctx.address)
                if not limiter.test(item, "mfa", what, name):
                    return self._left(limiter, item, what, name)
                if not self._failed_within(window):
                    return 0
        except Exception as error:
            self._failed(error)
        return self._database.left_until(ctx, session, what, limit, window)

    def _failed_within(self, window: Instant) -> bool:
        return self._failed_at is not None and time.monotonic() - self._failed_at < window / 1000

    @staticmethod
    def _left(
        limiter: FixedWindowRateLimiter, item: RateLimitItemPerSecond, what: str, name: str
    ) -> Instant:
        stats = limiter.get_window_stats(item, "mfa", what, name)
        return max(1, int((stats.reset_time - time.time()) * 1000))

"""Work that no answer waits for: a small bounded pool of threads, one per process."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

from flask_melody_mfa.core.errors import NotDelivered, Unavailable

log = logging.getLogger("flask_melody_mfa")

Job = Callable[[], None]


class Undeliverable(NotDelivered):
    """The provider refused the message for good: another try would end the same."""


class DeliverPool:
    """Runs jobs in the background; `submit` neither blocks nor raises.

    A job that raises `Unavailable` (as `NotDelivered`) runs again, up to `retries` times, after
    `pause` seconds and then twice as long; any other error, and `Undeliverable`, ends it. So a
    job must bear to run twice. When `max_queue` jobs wait, more are refused. At exit the process
    waits at most `exit_seconds` for what is left. `inline`: run each job at once, once; for tests.
    """

    def __init__(
        self,
        max_workers: int = 2,
        max_queue: int = 100,
        *,
        inline: bool = False,
        retries: int = 2,
        pause: float = 1.0,
        exit_seconds: float = 5.0,
    ) -> None:
        self._max_workers = max_workers
        self._max_queue = max_queue
        self._inline = inline
        self._retries = retries
        self._pause = pause
        self._exit_seconds = exit_seconds
        self._start_anew()
        _pools.add(self)

    def _start_anew(self) -> None:
        """Begin empty: threads do not live on in a forked process, and a lock may be held there."""
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._workers = 0
        self._idle = 0
        self._running = 0

    def submit(self, job: Job) -> bool:
        """Take a job. False when it was refused, which is logged."""
        if self._inline:
            attempt(job)
            return True
        try:
            with self._changed:
                if len(self._waiting) >= self._max_queue:
                    log.error("Too many messages are waiting; one was dropped")
                    return False
                self._waiting.append(job)
                if self._idle < len(self._waiting) and self._workers < self._max_workers:
                    try:
                        threading.Thread(target=self._work, name="mfa-deliver", daemon=True).start()
                    except RuntimeError:
                        if not self._workers:
                            self._waiting.pop()
                            raise
                    else:
                        self._workers += 1
                self._changed.notify_all()
        except RuntimeError as error:  # no more threads, or the interpreter is ending
            log.error("A message was dropped: %s", type(error).__name__)
            return False
        return True

    def drain(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until nothing waits or runs; whether that came true."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._running, max(0.0, timeout)
            )

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: bool(self._waiting))
                self._idle -= 1
                job = self._waiting.popleft()
                self._running += 1
            try:
                for again in range(self._retries, -1, -1):
                    if not attempt(job) or not again:
                        break
                    time.sleep(self._pause * 2 ** (self._retries - again))
            finally:
                del job  # it may hold a message
                with self._changed:
                    self._running -= 1
                    self._changed.notify_all()


def attempt(job: Job) -> bool:
    """Run a job. Whether it should run again. Only the kind of an error is logged."""
    try:
        job()
    except Undeliverable:
        log.warning("A message was refused for good")
    except Unavailable as error:
        log.warning("A message was not delivered: %s", type(error).__name__)
        return True
    except Exception as error:
        log.error("A background job failed: %s", type(error).__name__)
    return False


_pools: weakref.WeakSet[DeliverPool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in list(_pools):
        pool._start_anew()


def _at_exit() -> None:
    ends = time.monotonic() + max((pool._exit_seconds for pool in _pools), default=0.0)
    for pool in list(_pools):
        pool.drain(min(pool._exit_seconds, ends - time.monotonic()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)

"""The pool: bounded, patient, never in the way."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import pytest

from flask_melody_mfa.core.errors import HostBlocks, NotDelivered
from flask_melody_mfa.web.deliver import DeliverPool, Undeliverable


def failing(error: Exception, times: int, done: list[int]) -> Callable[[], None]:
    def job() -> None:
        done.append(len(done))
        if len(done) <= times:
            raise error

    return job


def test_a_job_runs_elsewhere() -> None:
    pool = DeliverPool()
    seen: list[str] = []
    assert pool.submit(lambda: seen.append(threading.current_thread().name))
    assert pool.drain(5)
    assert seen == ["mfa-deliver"]


def test_all_jobs_run_on_few_threads_that_hold_no_process_back() -> None:
    pool = DeliverPool(max_workers=2)
    seen: set[threading.Thread] = set()
    ran: list[int] = []

    def job() -> None:
        seen.add(threading.current_thread())
        time.sleep(0.005)
        ran.append(1)

    for _ in range(40):
        assert pool.submit(job)
    assert pool.drain(10)
    assert len(ran) == 40
    assert 1 <= len(seen) <= 2
    assert all(thread.daemon for thread in seen)


@pytest.mark.check("N02")
def test_a_full_queue_refuses_at_once_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    pool = DeliverPool(max_workers=1, max_queue=3)
    gate = threading.Event()
    started = threading.Event()

    def hold() -> None:
        started.set()
        gate.wait(10)

    pool.submit(hold)
    assert started.wait(5)
    began = time.monotonic()
    assert [pool.submit(lambda: None) for _ in range(5)] == [True] * 3 + [False] * 2
    assert time.monotonic() - began < 1
    assert not pool.drain(0.05)
    gate.set()
    assert pool.drain(5)
    assert caplog.text.count("one was dropped") == 2


@pytest.mark.check("N02")
@pytest.mark.parametrize(
    ("error", "times", "runs"),
    [
        (NotDelivered(), 1, 2),
        (NotDelivered(), 9, 3),
        (HostBlocks(), 2, 3),
        (Undeliverable(), 9, 1),
        (ValueError("ada@example.org"), 9, 1),
    ],
)
def test_only_what_may_pass_is_tried_again(
    error: Exception, times: int, runs: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pool = DeliverPool(pause=0.01)
    done: list[int] = []
    assert pool.submit(failing(error, times, done))
    assert pool.drain(5)
    assert len(done) == runs
    assert "ada@" not in caplog.text
    assert "flask_melody_mfa" in caplog.text
    assert pool.submit(lambda: done.append(-1))
    assert pool.drain(5)
    assert done[-1] == -1


def test_tries_are_spaced_out() -> None:
    pool = DeliverPool(pause=0.1)
    at: list[float] = []

    def job() -> None:
        at.append(time.monotonic())
        raise NotDelivered

    pool.submit(job)
    assert pool.drain(5)
    assert at[1] - at[0] >= 0.1
    assert at[2] - at[1] >= 0.2


def test_inline_runs_at_once_and_raises_nothing() -> None:
    pool = DeliverPool(inline=True)
    done: list[int] = []
    assert pool.submit(failing(NotDelivered(), 9, done))
    assert pool.submit(failing(KeyError("x"), 9, []))
    assert len(done) == 1
    assert pool.drain(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own_and_no_job_twice() -> None:
    pool = DeliverPool(max_workers=1)
    gate = threading.Event()
    reading, writing = os.pipe()

    def hold() -> None:
        gate.wait(10)

    def write(word: bytes) -> None:
        os.write(writing, word)

    pool.submit(hold)
    pool.submit(partial(write, b"parent "))
    pool._changed.acquire()  # as another thread might hold it
    child = os.fork()
    if not child:
        pool.submit(partial(write, b"child "))
        pool.drain(5)
        os._exit(0)
    pool._changed.release()
    os.waitpid(child, 0)
    gate.set()
    assert pool.drain(5)
    os.close(writing)
    assert os.read(reading, 100) == b"child parent "
    os.close(reading)


@pytest.mark.parametrize(("seconds", "text"), [(0.3, "sent"), (60, "")])
def test_exit_waits_a_little_and_never_hangs(seconds: float, text: str) -> None:
    script = f"""
import time
from flask_melody_mfa.web.deliver import DeliverPool
pool = DeliverPool(exit_seconds=1)
pool.submit(lambda: (time.sleep({seconds}), print("sent", flush=True)))
"""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == (text, "", 0)
    assert time.monotonic() - began < 15

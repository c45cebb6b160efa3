"""The race rig: two processes of sixteen threads each, let loose at one moment on one database.

    def submit(host, index, given):                 # an attempt: a generator function
        person = Person(host)                       # everyone gets ready …
        person.sign_in(given["email"])
        yield                                       # … waits for the others …
        return person.code(given["code"]).status_code   # … and goes

    def test_…(race_on):                            # the fixture: on SQLite, PostgreSQL, MariaDB
        race = race_on(plain)                       # plain(url) makes the host
        user = race.host.user("ada@example.org")    # what there is to race for is made here
        results = race.run(submit, {"email": …, "code": …})
        assert results.count(303) == 1

The processes are started once and serve every race of a test run. Hosts are made once per process,
factory and database, and their connection pools are filled before each race: what a cold pool
serializes is no race. `race.host` is this process's own host on the same database. There is one
race at a time on a machine, whoever runs tests there: it takes half of a server's connections.

A factory and an attempt are functions of a module (or its dotted name, `tests.races.x:submit`),
since another process must find them. `given` and results must be picklable.
"""

from __future__ import annotations

import fcntl
import inspect
import logging
import multiprocessing
import tempfile
import threading
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import text

PROCESSES = 2
THREADS = 16
EVERYONE = PROCESSES * THREADS

PATIENCE = 60.0
"""Seconds until a race counts as stuck."""

CONNECTIONS = 24
POOL = {"pool_size": CONNECTIONS, "max_overflow": 0}
"""Engine options for a host in a race: a thread may need the host's connection and ours at once,
so there are more than threads; and a server that others use, too, lends them all."""

Factory = Callable[[str], Any] | str
Attempt = Callable[..., Any] | str
Racing = Generator[None, None, Any]
"""What an attempt returns that gets ready first."""


@dataclass(frozen=True)
class Job:
    """What a process is told to do.

    `race`: all threads at once; `ask`: one answer; `forget`: close the host.
    """

    factory: Factory
    url: str
    what: Literal["race", "ask", "forget"]
    function: Attempt = ""
    given: Any = None


@dataclass(frozen=True)
class Failed:
    """An attempt that raised: a defect of the race, not an answer."""

    trace: str


def found(function: Any) -> Any:
    """A function, or the one of a dotted name."""
    if not isinstance(function, str):
        return function
    module, _, name = function.replace(":", ".").rpartition(".")
    return getattr(import_module(module), name)


_hosts: dict[tuple[Factory, str], Any] = {}


def host_of(factory: Factory, url: str) -> Any:
    """This process's host on a database."""
    if (factory, url) not in _hosts:
        _hosts[factory, url] = found(factory)(url)
    return _hosts[factory, url]


def forget(factory: Factory, url: str) -> None:
    """Close one of this process's hosts."""
    host = _hosts.pop((factory, url), None)
    if host is not None:
        cool(host)


def close_hosts() -> None:
    """Close this process's hosts."""
    for factory, url in list(_hosts):
        forget(factory, url)


# In the processes


def serve(orders: Connection, together: Any, number: int) -> None:
    """Take jobs until the pipe closes."""
    logging.lastResort = None  # what loses a race is logged, and is no news
    while True:
        try:
            job: Job = orders.recv()
        except EOFError:
            close_hosts()
            return
        try:
            orders.send(do(job, together, number))
        except BaseException:
            together.abort()
            orders.send([Failed(traceback.format_exc())])


def do(job: Job, together: Any, number: int) -> list[Any]:
    """Do one job; the results of this process."""
    if job.what == "forget":
        forget(job.factory, job.url)
        return []
    host = host_of(job.factory, job.url)
    if job.what == "ask":
        with host.app.app_context():
            return [found(job.function)(host, job.given)]
    warm_up(host)
    try:
        return race(host, job, together, number)
    finally:
        cool(host)  # a server has only so many connections


def warm_up(host: Any) -> None:
    """Fill the host's pool: all connections are held at once."""
    all_here = threading.Barrier(THREADS)

    def hold(thread: int) -> None:
        with host.app.app_context(), ExitStack() as held:
            for _ in range(1 + (thread < CONNECTIONS - THREADS)):
                held.enter_context(host.db.engine.connect()).execute(text("SELECT 1"))
            all_here.wait(PATIENCE)

    in_threads(hold)


def cool(host: Any) -> None:
    """Give a host's connections back."""
    with host.app.app_context():
        host.db.session.remove()
        host.db.engine.dispose()


def race(host: Any, job: Job, together: Any, number: int) -> list[Any]:
    """Let every thread make its attempt; the results in the order of the threads."""
    attempt = found(job.function)
    start = threading.Barrier(THREADS, action=lambda: together.wait(PATIENCE))
    results: list[Any] = [None] * THREADS

    def run(thread: int) -> None:
        index = number * THREADS + thread
        try:
            if not inspect.isgeneratorfunction(attempt):
                start.wait(PATIENCE)
                results[thread] = attempt(host, index, job.given)
                return
            steps = attempt(host, index, job.given)
            try:
                next(steps)
            finally:
                start.wait(PATIENCE)
            results[thread] = last_of(steps)
        except BaseException:
            results[thread] = Failed(traceback.format_exc())

    in_threads(run)
    return results


def last_of(steps: Racing) -> Any:
    """Run a generator to its end; what it returns."""
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    raise RuntimeError("an attempt yields once")


def in_threads(work: Callable[[int], None]) -> None:
    """Run `work(number)` in sixteen threads, to their end."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# In the test's process


@contextmanager
def alone() -> Iterator[None]:
    """No other race on this machine, as long as this one runs."""
    with (Path(tempfile.gettempdir()) / "flask_melody_mfa_races.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Rig:
    """The two processes."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._together = spawn.Barrier(PROCESSES)
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        for number in range(PROCESSES):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=serve, args=(theirs, self._together, number))
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def do(self, job: Job) -> list[Any]:
        """Give a job to both processes; their results, in order."""
        if self._together.broken:
            self._together.reset()
        results: list[Any] = []
        with alone():
            for pipe in self._pipes:
                pipe.send(job)
            for pipe in self._pipes:
                if not pipe.poll(2 * PATIENCE):
                    raise AssertionError("a race is stuck")
                results.extend(pipe.recv())
        failed = [result.trace for result in results if isinstance(result, Failed)]
        assert not failed, f"{len(failed)} attempts failed:\n{failed[0]}"
        return results

    def forget(self, race: Race) -> None:
        """Close a race's hosts everywhere: its database is about to go."""
        self.do(Job(race.factory, race.url, "forget"))
        forget(race.factory, race.url)

    def stop(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            if process.is_alive():
                process.kill()


@dataclass(frozen=True)
class Race:
    """Races of one host on one database. `host`: this process's own."""

    rig: Rig
    factory: Factory
    url: str

    @property
    def host(self) -> Any:
        return host_of(self.factory, self.url)

    def run(self, attempt: Attempt, given: Any = None) -> list[Any]:
        """Let 32 threads make `attempt(host, index, given)`; their results by index."""
        return self.rig.do(Job(self.factory, self.url, "race", attempt, given))

    def ask(self, question: Attempt, given: Any = None) -> list[Any]:
        """What `question(host, given)` returns in each process."""
        return self.rig.do(Job(self.factory, self.url, "ask", question, given))


@contextmanager
def running() -> Iterator[Rig]:
    """The rig, for the length of a `with` block."""
    rig = Rig()
    try:
        yield rig
    finally:
        rig.stop()

"""How benchmarks are measured: two ways to do one job, in turns, by the CPU time they take.

The two run in short alternating batches, and the median of the ratios of neighbours counts: what
else happens on the machine slows both alike, and cancels.
"""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests import databases

Job = Callable[[], object]

BATCH_SECONDS = 0.006
"""CPU seconds that one batch should take: long enough to measure, short enough to alternate."""

FEWEST_ROUNDS = 12


@dataclass(slots=True)
class Counts:
    """What one run of a job asked of its database."""

    statements: int = 0
    ours: int = 0
    """Statements about tables of the extension."""
    commits: int = 0
    rollbacks: int = 0
    texts: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def trips(self) -> int:
        """Round trips: every statement, commit and rollback is one."""
        return self.statements + self.commits + self.rollbacks


@contextmanager
def counting(engine: Engine) -> Iterator[Counts]:
    """Count what an engine is asked meanwhile."""
    counts = Counts()

    def executed(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        counts.statements += 1
        counts.ours += "mfa_" in statement
        counts.texts.append((statement, parameters))

    def committed(_: Any) -> None:
        counts.commits += 1

    def rolled_back(_: Any) -> None:
        counts.rollbacks += 1

    listeners = (
        ("before_cursor_execute", executed),
        ("commit", committed),
        ("rollback", rolled_back),
    )
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        yield counts
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)


def cpu(job: Job, times: int) -> float:
    """CPU seconds of this process per run, over some runs."""
    began = time.process_time()
    for _ in range(times):
        job()
    return (time.process_time() - began) / times


def in_turns(first: Job, second: Job, seconds: float) -> tuple[float, float, float]:
    """CPU seconds per run of both, and the ratio of the second to the first.

    `seconds`: CPU time to spend on it.
    """
    gc.collect()
    gc.freeze()  # what has been set up is no work of the jobs
    jobs = first, second
    times = [max(1, round(BATCH_SECONDS / max(cpu(job, 5), 1e-6))) for job in jobs]
    rounds: list[tuple[float, float]] = []
    until = time.process_time() + seconds
    while len(rounds) < FEWEST_ROUNDS or time.process_time() < until:
        spent = [0.0, 0.0]
        for which in (0, 1, 1, 0):  # so that a machine that slows down or speeds up is no help
            spent[which] += cpu(jobs[which], times[which]) / 2
        rounds.append((spent[0], spent[1]))
        gc.collect(0)
    return (
        median(one for one, _ in rounds),
        median(other for _, other in rounds),
        median(other / one for one, other in rounds),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the result. `at_least`: a bigger ratio is better (requests per second)."""

    title: str
    aim: float
    ratio: float
    least: str = ""
    ours: str = ""
    counts: tuple[Counts, Counts] | None = None
    most_ours: int | None = None
    """How many statements about our tables are allowed."""
    most_commits: int | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether every aim is met."""
        within = self.ratio >= self.aim if self.at_least else self.ratio <= self.aim
        return within and not self.too_many

    @property
    def too_many(self) -> bool:
        """Whether the database was asked more than is allowed: this has no noise."""
        if self.counts is None:
            return False
        mine = self.counts[1]
        return bool(
            (self.most_ours is not None and mine.ours > self.most_ours)
            or (self.most_commits is not None and mine.commits > self.most_commits)
        )

    @property
    def defect(self) -> bool:
        """Worse than twice an aim, or a count that does not hold."""
        worse = self.ratio * 2 < self.aim if self.at_least else self.ratio > 2 * self.aim
        return worse or self.too_many

    def line(self) -> str:
        """The figure as text."""
        sign = "ok  " if self.holds else "DEFECT" if self.defect else "over"
        relation = "≥" if self.at_least else "≤"
        text = (
            f"{sign:<6} {self.title:<46} {self.ratio:6.2f}×  aim {relation} {self.aim:<5.2f}"
            f"{self.least:>11} →{self.ours:>11}"
        )
        if self.counts is not None:
            one, mine = self.counts
            text += (
                f"   statements {one.statements}→{mine.statements} (ours {mine.ours}), "
                f"commits {one.commits}→{mine.commits}, round trips {one.trips}→{mine.trips}"
            )
        return text


def readable(seconds: float) -> str:
    """A duration."""
    return f"{seconds * 1e6:.0f} µs" if seconds < 0.01 else f"{seconds * 1e3:.1f} ms"


def new_folder() -> Path:
    """A folder for databases, in memory where there is such a place: no disk is measured."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="mfa-bench-", dir=memory if memory.is_dir() else None))


@dataclass(slots=True)
class Bench:
    """One run. `accounts`: the biggest number of accounts; `seconds`: CPU time per comparison."""

    accounts: int = 10_000
    seconds: float = 3.0
    database: databases.Kind = "sqlite"
    folder: Path = field(default_factory=new_folder)
    _made: int = 0
    _urls: list[str] = field(default_factory=list)

    def new_database(self) -> str:
        """The URL of an empty database."""
        self._made += 1
        if self.database == "sqlite":
            return f"sqlite:///{self.folder / f'{self._made}.sqlite'}"
        name = databases.own_name(f"bench_{self._made}")
        self._urls.append(databases.database_url(self.database, name))
        return self._urls[-1]

    def close(self) -> None:
        """Remove the databases."""
        for url in self._urls:
            databases.drop_database(url)
        shutil.rmtree(self.folder, ignore_errors=True)

    def compare(
        self,
        title: str,
        *,
        aim: float,
        least: Job,
        ours: Job,
        engines: tuple[Engine, Engine],
        most_ours: int | None = None,
        most_commits: int | None = None,
    ) -> Figure:
        """Measure two ways to do one job."""
        least(), ours()
        counts = []
        for job, engine in ((least, engines[0]), (ours, engines[1])):
            with counting(engine) as counted:
                job()
            counts.append(counted)
        one, other, ratio = in_turns(least, ours, self.seconds)
        return Figure(
            title=title,
            aim=aim,
            ratio=ratio,
            least=readable(one),
            ours=readable(other),
            counts=(counts[0], counts[1]),
            most_ours=most_ours,
            most_commits=most_commits,
        )


Benchmark = Callable[[Bench], Iterator[Figure]]
BENCHMARKS: list[Benchmark] = []


def benchmark(function: Benchmark) -> Benchmark:
    """Register a benchmark: a function that yields figures."""
    BENCHMARKS.append(function)
    return function


def run(bench: Bench, only: str = "") -> list[Figure]:
    """Run the benchmarks whose name contains `only`, printing each figure as it is known."""
    figures = []
    for function in BENCHMARKS:
        if only not in function.__name__:
            continue
        for figure in function(bench):
            print(figure.line(), flush=True)
            figures.append(figure)
    return figures


def conclude(figures: list[Figure]) -> int:
    """Say how it went; the exit status is 1 where something is a defect."""
    over = [figure for figure in figures if not figure.holds]
    defects = [figure for figure in figures if figure.defect]
    print(
        f"{len(figures)} figures, {len(figures) - len(over)} within their aims, "
        f"{len(defects)} worse than twice an aim",
        file=sys.stderr,
    )
    return 1 if defects else 0

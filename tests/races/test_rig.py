"""The rig itself: what it claims to let loose at once, it does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.host import Host
from tests.races.rig import EVERYONE, THREADS, Race, Racing

pytestmark = pytest.mark.race

Races = Callable[..., Race]


def who(host: Host, index: int, given: Any) -> Racing:
    yield
    return (os.getpid(), threading.get_ident(), index, time.monotonic(), given)


def read_and_write(host: Host, index: int, given: int) -> Racing:
    """The way that it must not be done: read, look, write."""
    users = host.db.metadata.tables["user"]
    with host.app.app_context(), host.db.engine.connect() as connection:
        yield
        row = connection.execute(users.select().where(users.c.id == given)).one()
        if row.active:
            time.sleep(0.02)
            connection.execute(users.update().where(users.c.id == given).values(active=False))
            connection.commit()
        return row.active


def stumble(host: Host, index: int, given: None) -> None:
    if index == 5:
        raise LookupError("number five")


def pid(host: Host, given: None) -> int:
    return os.getpid()


def test_thirty_two_threads_of_two_processes_start_together(race_on: Races) -> None:
    race = race_on()
    results = race.run(who, "something given")
    assert len({(process, thread) for process, thread, *_ in results}) == EVERYONE
    assert len({process for process, *_ in results} - {os.getpid()}) == 2
    assert [index for _, _, index, *_ in results] == list(range(EVERYONE))
    assert {given for *_, given in results} == {"something given"}
    starts = [at for *_, at, _ in results]
    assert max(starts) - min(starts) < 1
    assert set(race.ask(pid)) == {process for process, *_ in results}


def test_a_check_before_a_write_is_seen_to_let_many_through(race_on: Races) -> None:
    race = race_on()
    user = race.host.user(f"{race.url[-12:]}@racers.example")
    accepted = race.run(read_and_write, user)
    assert sum(accepted) > THREADS // 2, "the rig would miss a race"


def test_an_attempt_that_raises_fails_the_race_and_the_next_one_runs(race_on: Races) -> None:
    race = race_on()
    with pytest.raises(AssertionError, match="number five"):
        race.run(stumble)
    assert len(race.run(who)) == EVERYONE

"""Redis refused, silent, flushed, read-only: per-address limits never end with it (F06, F07)."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from flask_melody_mfa.core.limits import ADDRESS_FAILURES
from flask_melody_mfa.web import limits
from tests.databases import absent
from tests.faults.people import somebody
from tests.host import Host, Person

Make = Callable[..., Host]


@dataclass
class Redis:
    """A Redis of our own, to be ill-treated."""

    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self, *words: str) -> Any:
        """Say something to it."""
        import redis

        client = redis.Redis(port=self.port)
        try:
            return client.execute_command(*words)
        finally:
            client.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server for these tests alone."""
    program = shutil.which("redis-server")
    if program is None:
        absent("no redis-server on the PATH")
    port = free_port()
    command = [program or "", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(
        command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL
    ) as running:
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.05)
            yield Redis(port)
        finally:
            running.terminate()


@pytest.fixture
def redis(own_redis: Redis) -> Iterator[Redis]:
    """That server, empty and well."""
    own_redis.command("REPLICAOF", "NO", "ONE")
    own_redis.command("FLUSHALL")
    yield own_redis
    own_redis.command("REPLICAOF", "NO", "ONE")


def guesses(host: Host, times: int, address: str = "198.51.100.7") -> list[int]:
    """Wrong codes from one address, each five for another account; the statuses."""
    statuses = []
    person = Person(host)
    for number in range(times):
        if number % 5 == 0:
            _, email = somebody(host, "otp")
            person = Person(host)
            person.client.environ_base["REMOTE_ADDR"] = address
            person.sign_in(email)
        answer = person.post("/mfa/challenge/otp", {"code": f"{number:06d}"})
        statuses.append(answer.status_code)
    return statuses


def check_limit(statuses: list[int]) -> None:
    """30 guesses were judged; the rest was not."""
    assert statuses.count(401) == ADDRESS_FAILURES
    assert set(statuses[ADDRESS_FAILURES:]) == {429}


@pytest.mark.check("F06")
def test_redis_counts_while_it_is_well(make_host: Make, redis: Redis) -> None:
    host = make_host(MFA_RATE_LIMIT_STORAGE_URI=redis.url)
    check_limit(guesses(host, 34))
    assert host.rows("mfa_counter") == [], "the database did not have to"
    assert redis.command("DBSIZE") >= 1


@pytest.mark.check("F06")
def test_a_redis_that_refuses_is_replaced_by_the_database(make_host: Make) -> None:
    host = make_host(MFA_RATE_LIMIT_STORAGE_URI=f"redis://127.0.0.1:{free_port()}/0")
    check_limit(guesses(host, 34))


@pytest.mark.check("F06")
def test_a_redis_that_never_answers_holds_nobody_up(make_host: Make) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as hole:
        host = make_host(MFA_RATE_LIMIT_STORAGE_URI=f"redis://127.0.0.1:{hole.getsockname()[1]}/0")
        began = time.monotonic()
        first = guesses(host, 1)
        assert time.monotonic() - began < 2
        assert first == [401]
        check_limit(first + guesses(host, 33))


@pytest.mark.check("F06")
def test_a_redis_that_lost_everything_lets_no_account_be_guessed_further(
    make_host: Make, redis: Redis
) -> None:
    host = make_host(MFA_RATE_LIMIT_STORAGE_URI=redis.url)
    user, email = somebody(host, "otp")
    statuses = []
    for number in range(15):
        redis.command("FLUSHALL")
        if number % 5 == 0:
            person = Person(host)
            person.sign_in(email)
        statuses.append(person.post("/mfa/challenge/otp", {"code": "000000"}).status_code)
    assert statuses == [401] * 10 + [429] * 5
    assert "locked" in host.events(user)


@pytest.mark.check("F06")
def test_a_redis_that_can_only_be_read_does_not_open_the_door(
    make_host: Make, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REST", 0.0)  # asked again at once: it answers, and forgets
    host = make_host(MFA_RATE_LIMIT_STORAGE_URI=redis.url)
    redis.command("REPLICAOF", "127.0.0.1", str(free_port()))
    check_limit(guesses(host, 34))


@pytest.mark.check("F06")
def test_a_redis_that_came_back_is_used_again(
    make_host: Make, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REST", 0.0)
    host = make_host(MFA_RATE_LIMIT_STORAGE_URI=redis.url)
    redis.command("REPLICAOF", "127.0.0.1", str(free_port()))
    guesses(host, 2)
    redis.command("REPLICAOF", "NO", "ONE")
    redis.command("FLUSHALL")
    guesses(host, 2)
    assert redis.command("DBSIZE") >= 1


@pytest.mark.check("F07", "L07", "L03")
def test_without_redis_all_workers_count_in_the_database(make_host: Make, sqlite_url: str) -> None:
    workers = [make_host(sqlite_url), make_host(sqlite_url)]
    statuses = [status for worker in workers for status in guesses(worker, 15)]
    assert statuses == [401] * 30
    assert {guesses(worker, 1)[0] for worker in workers} == {429}
    assert guesses(workers[0], 1, "198.51.100.8") == [401], "another address is not concerned"


@pytest.mark.check("F07", "L07", "F09")
def test_a_lock_earned_at_one_worker_holds_at_the_other(make_host: Make, sqlite_url: str) -> None:
    here, there = make_host(sqlite_url), make_host(sqlite_url)
    user, email = somebody(here, "otp")
    for worker in (here, there):
        person = Person(worker)
        person.sign_in(email)
        for _ in range(5):
            person.post("/mfa/challenge/otp", {"code": "000000"})
    for worker in (here, there):
        person = Person(worker)
        person.sign_in(email)
        right = {"code": worker.otp(user)}
        assert person.post("/mfa/challenge/otp", right).status_code == 429


@pytest.mark.check("F09")
def test_a_sign_in_begun_at_one_worker_is_finished_at_another(
    make_host: Make, sqlite_url: str
) -> None:
    here, there = make_host(sqlite_url), make_host(sqlite_url)
    user, email = somebody(here, "otp")
    person = Person(here)
    person.sign_in(email)
    other = Person(there)
    other.client.set_cookie("session", person.cookies()["session"])
    other.post("/mfa/challenge/otp", {"code": there.otp(user)})
    assert other.signed_in()
    person.client.set_cookie("session", other.cookies()["session"])
    assert person.signed_in()

"""What a process costs: to import, to keep in memory, and behind a server."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from flask import Flask

from tests.benchmarks.apps import Browser, Site, least, new_email, with_mfa
from tests.benchmarks.rig import Bench, Figure, benchmark

LEAST_IMPORTS = "flask, flask_login, flask_sqlalchemy, pyotp"

IMPORTING = """
import time
began = time.process_time()
import {names}
print(time.process_time() - began)
"""

SERVING = """
from tests.benchmarks.apps import {kind}, Browser
site = {kind}({url!r})
browser = Browser(site.app)
for _ in range(200):
    browser.get("/login")
    browser.post("/login", email={email!r}, password="pw")
    browser.get("/home")
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""

ROUNDS = 7
WORKERS = 2
CONNECTIONS = 4
BURST_SECONDS = 1.0


def python(bench: Bench, code: str) -> float:
    """Run code in a process of its own, from compiled modules; the number that it prints."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(bench.folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


@benchmark
def importing(bench: Bench) -> Iterator[Figure]:
    """CPU time of the imports."""
    codes = [IMPORTING.format(names=LEAST_IMPORTS + more) for more in ("", ", flask_melody_mfa")]
    for code in codes:
        python(bench, code)
    pairs = [[python(bench, code) for code in codes] for _ in range(ROUNDS)]
    yield Figure(
        title="import time",
        aim=1.3,
        ratio=median(other / one for one, other in pairs),
        least=f"{median(one for one, _ in pairs) * 1e3:.0f} ms",
        ours=f"{median(other for _, other in pairs) * 1e3:.0f} ms",
    )


@benchmark
def memory(bench: Bench) -> Iterator[Figure]:
    """Resident memory of a process that has signed somebody in two hundred times."""
    sizes = []
    for kind in (least, with_mfa):
        url = bench.new_database()
        email = kind(url).user(new_email())
        sizes.append(python(bench, SERVING.format(kind=kind.__name__, url=url, email=email)))
    one, other = sizes
    yield Figure(
        title="memory of a process",
        aim=1.2,
        ratio=other / one,
        least=f"{one / 1024:.1f} MB",
        ours=f"{other / 1024:.1f} MB",
    )


def served() -> Flask:
    """The app that a worker serves: its kind and database come from the environment."""
    kind = {"least": least, "with_mfa": with_mfa}[os.environ["BENCH_KIND"]]
    return kind(os.environ["BENCH_URL"]).app


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gunicorn(kind: str, url: str) -> Iterator[int]:
    """Two workers that serve an app; yields their port."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", "--log-level", "error"),
        *("--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}"),
        "tests.benchmarks.processes:served()",
    ]
    environment = {**os.environ, "BENCH_KIND": kind, "BENCH_URL": url}
    server = subprocess.Popen(command, cwd=Path(__file__).parents[2], env=environment)
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def burst(port: int, request: bytes) -> float:
    """Requests per second over some connections at once."""
    counts = [0] * CONNECTIONS
    until = time.monotonic() + BURST_SECONDS

    def work(which: int) -> None:
        while time.monotonic() < until:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(request)
                answer = b""
                while part := connection.recv(65_536):
                    answer += part
            assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
            counts[which] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(CONNECTIONS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.monotonic() - began)


def home_request(site: Site) -> bytes:
    """A protected request of somebody who has signed in, as bytes."""
    browser = Browser(site.app)
    email = site.user(new_email())
    assert email in browser.sign_in(email)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return (
        "GET /home HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n"
        f"Cookie: {cookies}\r\nConnection: close\r\n\r\n"
    ).encode()


@benchmark
def server(bench: Bench) -> Iterator[Figure]:
    """Protected requests per second under gunicorn."""
    urls = bench.new_database(), bench.new_database()
    requests = home_request(least(urls[0])), home_request(with_mfa(urls[1]))
    with gunicorn("least", urls[0]) as one, gunicorn("with_mfa", urls[1]) as other:
        ports = one, other
        for port, request in zip(ports, requests, strict=True):
            burst(port, request)
        rounds: list[list[float]] = []
        for _ in range(ROUNDS):
            rates: list[list[float]] = [[], []]
            for which in (0, 1, 1, 0):
                rates[which].append(burst(ports[which], requests[which]))
            rounds.append([sum(each) / 2 for each in rates])
    yield Figure(
        title=f"requests per second, {WORKERS} workers",
        aim=0.95,
        at_least=True,
        ratio=median(mine / plain for plain, mine in rounds),
        least=f"{median(plain for plain, _ in rounds):.0f}/s",
        ours=f"{median(mine for _, mine in rounds):.0f}/s",
    )

"""`python -m tests.benchmarks`: run the benchmarks and print their figures."""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks import backends, growth, pages, processes, sign_ins, ways_back
from tests.benchmarks.rig import Bench, conclude, run
from tests.databases import KINDS

MODULES = (pages, sign_ins, ways_back, backends, processes, growth)


def main(arguments: list[str]) -> int:
    """The command. The exit status is 1 where a figure is worse than twice its aim."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help="benchmarks whose name contains this")
    parser.add_argument("--seconds", type=float, default=3.0, help="CPU time per comparison")
    parser.add_argument("--accounts", type=int, default=20_000, help="the biggest number of them")
    parser.add_argument("--database", default="sqlite", choices=KINDS)
    chosen = parser.parse_args(arguments)
    bench = Bench(accounts=chosen.accounts, seconds=chosen.seconds, database=chosen.database)
    try:
        return conclude(run(bench, chosen.only))
    finally:
        bench.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The table of our endpoints, or of the ratios to another server: see README.md."""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.clinic import Size
from bench.load import ENDPOINTS, READS, Measured, measure
from bench.servers import Machines, running

_HEAD = f"{'':12}{'':10}{'good/s':>8}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}{'CPU ms':>9}{'mongod':>8}"


def main() -> None:
    asked = _asked()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        size = Size(doctors=asked.doctors, days=asked.days, readers=asked.readers)
        with running(Path(name), size, asked.peer) as machines:
            print(_HEAD)
            ratios = [_compare(machines, endpoint, asked) for endpoint in asked.endpoints.split(",")]
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    if asked.peer:
        print(f"\n{'ours / peer':12}{'good/s':>8}{'p99':>8}{'CPU':>8}{'CPU + mongod':>14}", *ratios, sep="\n")


def _compare(machines: Machines, endpoint: str, asked: argparse.Namespace) -> str:
    """Measure all sides in turn (A B, B A, A B, ...), and print the medians."""
    rounds: dict[str, list[Measured]] = {side.name: [] for side in machines.sides}
    for number in range(asked.rounds + 1):
        for side in machines.sides[:: 1 if number % 2 else -1]:
            warming_up = number == 0
            if warming_up and endpoint not in READS:
                continue
            seconds = 1.0 if warming_up else asked.seconds
            found = measure(
                side, endpoint, connections=asked.connections, seconds=seconds, mongo_pid=machines.mongo_pid
            )
            if not warming_up:
                rounds[side.name].append(found)
    for name, found_by in rounds.items():
        print(_line(endpoint, name, found_by), flush=True)
    return _ratio(endpoint, *rounds.values()) if len(rounds) > 1 else ""


def _line(endpoint: str, name: str, rounds: list[Measured]) -> str:
    def of(value: Callable[[Measured], float]) -> float:
        return median(map(value, rounds))

    failed = sum(one.failed for one in rounds)
    speed = f"{of(lambda one: one.good_a_second):8.0f}{of(lambda one: one.p50):9.1f}{of(lambda one: one.p99):9.1f}"
    cost = f"{of(lambda one: one.server_cpu):9.2f}{of(lambda one: one.mongo_cpu):8.2f}"
    return f"{endpoint:12}{name:10}{speed}{failed:8}{cost}"


def _ratio(endpoint: str, ours: list[Measured], theirs: list[Measured]) -> str:
    def of(value: Callable[[Measured], float]) -> float:
        return median(map(value, ours)) / median(map(value, theirs))

    speed = f"{of(lambda one: one.good_a_second):8.2f}{of(lambda one: one.p99):8.2f}"
    all_cpu = of(lambda one: one.server_cpu + one.mongo_cpu)
    return f"{endpoint:12}{speed}{of(lambda one: one.server_cpu):8.2f}{all_cpu:14.2f}"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--peer", type=Path, help="the folder of a Node server with a server.js")
    parser.add_argument("--endpoints", default=",".join(ENDPOINTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--doctors", type=int, default=Size.doctors)
    parser.add_argument("--days", type=int, default=Size.days)
    parser.add_argument("--readers", type=int, default=Size.readers)
    parser.add_argument("--folder", help="where the data is meanwhile; a memory file system leaves the disk out of it")
    return parser.parse_args()


if __name__ == "__main__":
    main()

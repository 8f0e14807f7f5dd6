"""Throughput, latency and CPU time of our endpoints, and their ratios to a peer: see README.md."""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.clinic import Size
from bench.load import ENDPOINTS, PEERS_HAVE, READS, Measurement, measure
from bench.servers import Testbed, running_servers

_HEAD = f"{'':12}{'':10}{'good/s':>8}{'p50 ms':>9}{'p99 ms':>9}{'failed':>8}{'CPU ms':>9}{'mongod':>8}"
_WARM_UP_SECONDS = 1.0


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        size = Size(doctors=options.doctors, days=options.days, readers=options.readers)
        with running_servers(Path(name), size, options.peer) as testbed:
            print(_HEAD)
            names = options.endpoints or ",".join(PEERS_HAVE if options.peer else ENDPOINTS)
            ratios = [_compare(testbed, endpoint, options) for endpoint in names.split(",")]
    print(f"load average: {os.getloadavg()[0]:.1f}")
    if options.peer:
        print(f"\n{'ours / peer':12}{'good/s':>8}{'p99':>8}{'CPU':>8}{'CPU + mongod':>14}", *ratios, sep="\n")


def _compare(testbed: Testbed, endpoint: str, options: argparse.Namespace) -> str:
    """Measure all targets in turn (A B, B A, A B, ...), and print the medians; returns the row of ratios."""
    rounds: dict[str, list[Measurement]] = {target.name: [] for target in testbed.targets}

    def measure_round(number: int, seconds: float) -> dict[str, Measurement]:
        load = {"connections": options.connections, "seconds": seconds, "mongo_pid": testbed.mongo_pid}
        in_turn = testbed.targets[:: 1 if number % 2 else -1]
        return {target.name: measure(target, endpoint, **load) for target in in_turn}

    if endpoint in READS:
        measure_round(0, _WARM_UP_SECONDS)
    for number in range(1, options.rounds + 1):
        for name, measurement in measure_round(number, options.seconds).items():
            rounds[name].append(measurement)
    for name, measurements in rounds.items():
        print(_row(endpoint, name, measurements), flush=True)
    return _ratios(endpoint, *rounds.values()) if len(rounds) > 1 else ""


def _row(endpoint: str, name: str, rounds: list[Measurement]) -> str:
    def of(value: Callable[[Measurement], float]) -> float:
        return median(map(value, rounds))

    failed = sum(one.failed for one in rounds)
    speed = f"{of(lambda one: one.good_per_second):8.0f}{of(lambda one: one.p50):9.1f}{of(lambda one: one.p99):9.1f}"
    cost = f"{of(lambda one: one.server_cpu):9.2f}{of(lambda one: one.mongo_cpu):8.2f}"
    return f"{endpoint:12}{name:10}{speed}{failed:8}{cost}"


def _ratios(endpoint: str, ours: list[Measurement], theirs: list[Measurement]) -> str:
    def of(value: Callable[[Measurement], float]) -> float:
        return median(map(value, ours)) / median(map(value, theirs))

    speed = f"{of(lambda one: one.good_per_second):8.2f}{of(lambda one: one.p99):8.2f}"
    total_cpu = of(lambda one: one.server_cpu + one.mongo_cpu)
    return f"{endpoint:12}{speed}{of(lambda one: one.server_cpu):8.2f}{total_cpu:14.2f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--peer", type=Path, help="folder of another server with the same API, started by its server.js"
    )
    parser.add_argument("--endpoints", help=f"some of {','.join(ENDPOINTS)}; a peer has {','.join(PEERS_HAVE)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--doctors", type=int, default=Size.doctors)
    parser.add_argument("--days", type=int, default=Size.days)
    parser.add_argument("--readers", type=int, default=Size.readers)
    parser.add_argument("--folder", help="where the databases are; on a memory file system the disk does not count")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Parallel bookings of different slots of one doctor and one day: `python -m bench.same_day`.

No two of them compete for a slot, so all must succeed. They share the documents that exist once per doctor and day.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from threading import Barrier
from urllib.parse import urlsplit

from bench.clinic import SLOTS_PER_DAY, Clinic, FreeSlot, Size
from bench.servers import Target, running_servers

_DAYS_PER_DOCTOR = 5
_SIZE = Size(days=7 + _DAYS_PER_DOCTOR, readers=100, appointments=1, numbers=0)


@dataclass(frozen=True)
class Result:
    """The status of a booking, and the milliseconds until its response."""

    status: int
    milliseconds: float


class Client:
    """A patient's app: it has a connection before it books."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._send("GET", "/health")

    def book(self, slot: FreeSlot, barrier: Barrier) -> Result:
        """Book at the same moment as the other clients."""
        method, path, token, body = slot.booking().split("\t")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        barrier.wait()
        started = time.perf_counter()
        status = self._send(method, path, body, headers)
        return Result(status, (time.perf_counter() - started) * 1000)

    def close(self) -> None:
        self._connection.close()

    def _send(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> int:
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        response.read()
        return response.status


def main() -> None:
    options = _options()
    size = replace(_SIZE, doctors=-(-(options.rounds + 1) // _DAYS_PER_DOCTOR))
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as name,
        running_servers(Path(name), size, options.peer) as testbed,
    ):
        failed = sum(_measure(target, options) for target in testbed.targets)
    sys.exit(1 if failed else 0)


def _measure(target: Target, options: argparse.Namespace) -> int:
    """Book in rounds, each on another day, and print the result; returns the number of failures."""
    rounds = [_round(target, slots[: options.parallel]) for slots in _days(target.clinic, options.rounds + 1)]
    results = [result for one in rounds[1:] for result in one]  # the first round warms the server up
    statuses = Counter(result.status for result in results)
    points = quantiles([result.milliseconds for result in results], n=100)
    slowest = [max(result.milliseconds for result in one) for one in rounds[1:]]
    print(
        f"{target.name}: {statuses[201]} of {len(results)} bookings succeeded, {options.parallel} in parallel;"
        f" p50 {points[49]:.0f} ms, p99 {points[98]:.0f} ms, max {max(slowest):.0f} ms",
        *(f"; {count} with status {status}" for status, count in statuses.items() if status != 201),  # noqa: PLR2004
        sep="",
    )
    return len(results) - statuses[201]


def _days(clinic: Clinic, how_many: int) -> list[list[FreeSlot]]:
    """Group the free slots by doctor and day; each list has another patient for each slot."""
    days: dict[tuple[str, str], list[FreeSlot]] = {}
    for slot in clinic.free_slots:
        days.setdefault((slot.doctor, slot.date), []).append(slot)
    return list(days.values())[:how_many]


def _round(target: Target, slots: list[FreeSlot]) -> list[Result]:
    barrier = Barrier(len(slots))
    clients = [Client(target.url) for _ in slots]
    try:
        with ThreadPoolExecutor(len(slots)) as pool:
            return list(pool.map(lambda client, slot: client.book(slot, barrier), clients, slots))
    finally:
        for client in clients:
            client.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.same_day", description=__doc__)
    parser.add_argument(
        "--peer", type=Path, help="folder of another server with the same API, started by its server.js"
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--parallel", type=int, default=SLOTS_PER_DAY, help=f"at most {SLOTS_PER_DAY}")
    parser.add_argument("--folder", help="where the databases are; on a memory file system the disk does not count")
    return parser.parse_args()


if __name__ == "__main__":
    main()

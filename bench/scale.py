"""Whether responses slow down as the clinic grows: `python -m bench.scale [FOLDER]`; takes minutes and some 3 GB.

Two clinics of different sizes get the same requests in turn. Cache entries are invalidated all the time: otherwise the
smaller clinic would answer from its cache, and this measures queries.
"""

import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from pymongo import MongoClient

from arthomed.core.cache import COLLECTION
from bench.clinic import Clinic, Row, Size
from bench.load import cpu_seconds, run_wrk
from bench.servers import Testbed, running_servers
from tests.stack import wait_for

_SIZES = (
    Size(doctors=21, days=30, readers=200, appointments=50, numbers=0, bookable=False),
    Size(doctors=2_084, days=90, readers=20_000, appointments=50, numbers=0, bookable=False),
)
_ROUNDS, _SECONDS, _CONNECTIONS = 3, 3.0, 2
_IDLE_CPU_SECONDS = 0.05  # of a second
_DISTINCT_REQUESTS = 140  # the smaller clinic has no more
_INVALIDATION_SECONDS = 0.001  # less than a query takes


def main() -> None:
    results: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name, ExitStack() as resources:
        clinics = [resources.enter_context(_seeded(Path(name) / str(size.doctors), size)) for size in _SIZES]
        for testbed in clinics:
            wait_for(partial(_is_idle, testbed.mongo_pid), seconds=300, what="an idle mongod after seeding")
        for _ in range(_ROUNDS):
            for nth, testbed in enumerate(clinics):
                for label, p50 in _measure(testbed):
                    results.setdefault(label, [[], []])[nth].append(p50)
    print(f"{'p50 in ms, appointments:':28}{'10,000':>14}{'1,000,000':>12}{'ratio':>8}")
    for label, rounds in results.items():
        small, large = map(median, rounds)
        print(f"{label:28}{small:14.2f}{large:12.2f}{large / small:8.2f}")


@contextmanager
def _seeded(folder: Path, size: Size) -> Iterator[Testbed]:
    folder.mkdir()
    started = time.monotonic()
    with running_servers(folder, size) as testbed:
        print(f"{size} seeded in {time.monotonic() - started:.0f} s", flush=True)
        yield testbed


def _is_idle(pid: int) -> bool:
    before = cpu_seconds(pid)
    time.sleep(1)
    return cpu_seconds(pid) - before < _IDLE_CPU_SECONDS


def _measure(testbed: Testbed) -> Iterator[tuple[str, float]]:
    target = testbed.targets[0]
    with _cache_invalidated(testbed.mongo_uri):
        for label, lines in _requests(target.clinic).items():
            run_wrk(target.url, lines, connections=_CONNECTIONS, seconds=1)
            result = run_wrk(target.url, lines, connections=_CONNECTIONS, seconds=_SECONDS)
            if result["refused"] or result["broken"]:
                sys.exit(f"{label}: {result}")
            yield label, result["p50"]


@contextmanager
def _cache_invalidated(mongo_uri: str) -> Iterator[None]:
    stop = threading.Event()

    def invalidate() -> None:
        with MongoClient[Row](mongo_uri) as client:
            tags = client.get_default_database()[COLLECTION]
            while not stop.wait(_INVALIDATION_SECONDS):
                tags.update_many({}, {"$set": {"version": secrets.token_bytes(12)}})

    thread = threading.Thread(target=invalidate)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _requests(clinic: Clinic) -> dict[str, list[str]]:
    def by_receptionist(path: str) -> list[str]:
        return [f"GET\t/api/appointments{path}\t{clinic.receptionist_token}\t-"] * _CONNECTIONS

    return {
        "slots": clinic.slots()[:_DISTINCT_REQUESTS],
        "my appointments": clinic.reads("/api/appointments/my-appointments?page=1&limit=10")[:_DISTINCT_REQUESTS],
        "doctors": clinic.reads("/api/users/doctors?page=1&limit=10")[:_DISTINCT_REQUESTS],
        "pending": by_receptionist("/pending"),
        "all appointments": by_receptionist(""),
        "all, page 1,000": by_receptionist("?page=1000"),
    }


if __name__ == "__main__":
    main()

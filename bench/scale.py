"""Whether answers slow down as the clinic grows: `python -m bench.scale [FOLDER]`; takes minutes and some 3 GB.

Two clinics of different sizes are asked in turn. What the processes copied is called off all the time, or only the
larger one would have to ask the database, which is what this is about.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from redis import Redis

from bench.clinic import Clinic, Size
from bench.load import cpu_of, play
from bench.servers import Machines, running
from tests.stack import wait_for

_SIZES = (
    Size(doctors=21, days=30, readers=200, visits=50, numbers=0, can_be_booked=False),
    Size(doctors=2_084, days=90, readers=20_000, visits=50, numbers=0, can_be_booked=False),
)
_ROUNDS, _SECONDS, _CONNECTIONS = 3, 3.0, 2
_DIFFERENT = 140  # requests, as many of the larger clinic as the smaller one has
_CALLED_OFF_EVERY_SECONDS = 0.001  # less than a reading takes


def main() -> None:
    found: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name, ExitStack() as opened:
        clinics = [opened.enter_context(_seeded(Path(name) / str(size.doctors), size)) for size in _SIZES]
        for one in clinics:
            wait_for(partial(_is_idle, one.mongo_pid), seconds=300, what="the end of what seeding left to do")
        for _ in range(_ROUNDS):
            for at, one in enumerate(clinics):
                for what, p50 in _measured(one):
                    found.setdefault(what, [[], []])[at].append(p50)
    print(f"{'p50 in ms':28}{'10,000 visits':>14}{'1,000,000':>12}{'ratio':>8}")
    for what, rounds in found.items():
        small, large = map(median, rounds)
        print(f"{what:28}{small:14.2f}{large:12.2f}{large / small:8.2f}")


@contextmanager
def _seeded(folder: Path, size: Size) -> Iterator[Machines]:
    folder.mkdir()
    started = time.monotonic()
    with running(folder, size) as machines:
        print(f"{size} seeded in {time.monotonic() - started:.0f} s", flush=True)
        yield machines


def _is_idle(pid: int) -> bool:
    before = cpu_of(pid)
    time.sleep(1)
    return cpu_of(pid) - before < 0.05  # noqa: PLR2004  seconds: one in twenty


def _measured(machines: Machines) -> Iterator[tuple[str, float]]:
    side = machines.sides[0]
    with _copies_called_off(machines.redis_url):
        for what, lines in _requests(side.clinic).items():
            play(side.url, lines, connections=_CONNECTIONS, seconds=1)
            told = play(side.url, lines, connections=_CONNECTIONS, seconds=_SECONDS)
            if told["refused"] or told["broken"]:
                sys.exit(f"{what}: {told}")
            yield what, told["p50"]


@contextmanager
def _copies_called_off(redis_url: str) -> Iterator[None]:
    over = threading.Event()

    def call_off() -> None:
        with Redis.from_url(redis_url) as redis:
            while not over.wait(_CALLED_OFF_EVERY_SECONDS):
                redis.flushdb()

    thread = threading.Thread(target=call_off)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _requests(clinic: Clinic) -> dict[str, list[str]]:
    def by_staff(path: str) -> list[str]:
        return [f"GET\t/api/appointments{path}\t{clinic.staff}\t-"] * _CONNECTIONS

    return {
        "slots": clinic.slots()[:_DIFFERENT],
        "my appointments": clinic.reading("/api/appointments/my-appointments?page=1&limit=10")[:_DIFFERENT],
        "doctors": clinic.reading("/api/users/doctors?page=1&limit=10")[:_DIFFERENT],
        "pending": by_staff("/pending"),
        "all appointments": by_staff(""),
        "all, page 1,000": by_staff("?page=1000"),
    }


if __name__ == "__main__":
    main()

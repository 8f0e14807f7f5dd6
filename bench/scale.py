"""Whether answers slow down as the clinic grows: `python -m bench.scale [FOLDER]`; takes minutes and some 3 GB."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.clinic import Clinic, Size
from bench.load import play
from bench.servers import running

_SIZES = (
    Size(doctors=21, days=30, readers=200, visits=50, numbers=0, can_be_booked=False),
    Size(doctors=2_084, days=90, readers=20_000, visits=50, numbers=0, can_be_booked=False),
)
_SECONDS, _CONNECTIONS = 5.0, 2


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    found: dict[str, list[float]] = {}
    for size in _SIZES:
        for name, p50 in _measured(size, folder):
            found.setdefault(name, []).append(p50)
    print(f"{'p50 in ms':28}{'10,000 visits':>14}{'1,000,000':>12}{'ratio':>8}")
    for name, (small, large) in found.items():
        print(f"{name:28}{small:14.2f}{large:12.2f}{large / small:8.2f}")


def _measured(size: Size, folder: str | None) -> Iterator[tuple[str, float]]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=folder) as name, running(Path(name), size) as machines:
        print(f"{size} seeded in {time.monotonic() - started:.0f} s", flush=True)
        side = machines.sides[0]
        for what, lines in _requests(side.clinic).items():
            play(side.url, lines, connections=_CONNECTIONS, seconds=1)
            told = play(side.url, lines, connections=_CONNECTIONS, seconds=_SECONDS)
            if told["refused"] or told["broken"]:
                sys.exit(f"{what}: {told}")
            yield what, told["p50"]


def _requests(clinic: Clinic) -> dict[str, list[str]]:
    def by_staff(path: str) -> list[str]:
        return [f"GET\t/api/appointments{path}\t{clinic.staff}\t-"] * _CONNECTIONS

    return {
        "slots": clinic.slots(),
        "my appointments": clinic.reading("/api/appointments/my-appointments?page=1&limit=10"),
        "doctors": clinic.reading("/api/users/doctors?page=1&limit=10"),
        "pending": by_staff("/pending"),
        "all appointments": by_staff(""),
        "all, page 1,000": by_staff("?page=1000"),
    }


if __name__ == "__main__":
    main()

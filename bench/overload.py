"""What becomes of good answers when more is asked than can be done: `python -m bench.overload [FOLDER]`."""

import sys
import tempfile
from pathlib import Path

from bench.clinic import Size
from bench.load import measure
from bench.servers import running

_CONNECTIONS = (16, 64, 256, 512, 1024, 1600)
_SECONDS = 5.0


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as name, running(Path(name), Size(days=8, numbers=0)) as machines:
        side, print_as = machines.sides[0], "{:>12}{:>12.0f}{:>12.0f}{:>12.0f}"
        print(f"{'connections':>12}{'offered/s':>12}{'good/s':>12}{'p99 ms':>12}")
        for connections in _CONNECTIONS:
            told = measure(side, "slots", connections=connections, seconds=_SECONDS, mongo_pid=machines.mongo_pid)
            offered = told.good_a_second + told.failed / _SECONDS
            print(print_as.format(connections, offered, told.good_a_second, told.p99), flush=True)


if __name__ == "__main__":
    main()

"""Throughput and latency beyond the server's capacity: `python -m bench.overload [FOLDER]`."""

import sys
import tempfile
from pathlib import Path

from bench.clinic import Size
from bench.load import measure
from bench.servers import running_servers

_CONNECTIONS = (16, 64, 256, 512, 1024, 1600)
_SECONDS = 5.0


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    size = Size(days=8, numbers=0)
    with tempfile.TemporaryDirectory(dir=folder) as name, running_servers(Path(name), size) as testbed:
        target, row = testbed.targets[0], "{:>12}{:>12.0f}{:>12.0f}{:>12.0f}"
        print(f"{'connections':>12}{'offered/s':>12}{'good/s':>12}{'p99 ms':>12}")
        for connections in _CONNECTIONS:
            result = measure(target, "slots", connections=connections, seconds=_SECONDS, mongo_pid=testbed.mongo_pid)
            offered = result.good_per_second + result.failed / _SECONDS
            print(row.format(connections, offered, result.good_per_second, result.p99), flush=True)


if __name__ == "__main__":
    main()

"""Whether the memory of a web process grows without end: `python -m bench.memory [REQUESTS]`."""

import re
import sys
import tempfile
from itertools import cycle
from pathlib import Path

from bench.clinic import Size
from bench.load import children, measure
from bench.servers import running_servers

_REQUESTS, _ROWS, _SECONDS = 100_000, 10, 3
_MIXED = ("slots", "my", "doctors", "slots", "my", "doctors", "book", "send-otp", "verify-otp")


def main() -> None:
    total = int(sys.argv[1]) if len(sys.argv) > 1 else _REQUESTS
    with tempfile.TemporaryDirectory() as name, running_servers(Path(name), Size()) as testbed:
        target, endpoints, done, next_row = testbed.targets[0], cycle(_MIXED), 0, 0
        print(f"{'requests of each process':>26}{'MB of each process':>22}")
        while done < total:
            if done >= next_row:
                _print_memory(target.pid, done)
                next_row += total // _ROWS
            result = measure(target, next(endpoints), connections=16, seconds=_SECONDS, mongo_pid=testbed.mongo_pid)
            done += int(result.good_per_second * _SECONDS) // len(children(target.pid))
        _print_memory(target.pid, done)


def _print_memory(pid: int, done: int) -> None:
    """Print the proportional set size (PSS) of each process: its own memory, and its share of shared memory."""
    rollups = [Path(f"/proc/{child}/smaps_rollup").read_text() for child in children(pid)]
    sizes = [int(re.findall(r"^Pss: +(\d+)", rollup, re.MULTILINE)[0]) / 1024 for rollup in rollups]
    print(f"{done:26,}{'':10}{', '.join(f'{size:.0f}' for size in sizes):>12}", flush=True)


if __name__ == "__main__":
    main()

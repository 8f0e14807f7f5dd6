"""Whether a web process keeps what it should let go of: `python -m bench.memory [REQUESTS]`."""

import re
import sys
import tempfile
from itertools import cycle
from pathlib import Path

from bench.clinic import Size
from bench.load import children, measure
from bench.servers import running

_REQUESTS, _STEPS, _SECONDS = 100_000, 10, 3
_MIXED = ("slots", "my", "doctors", "slots", "my", "doctors", "book", "send-otp", "verify-otp")


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else _REQUESTS
    with tempfile.TemporaryDirectory() as name, running(Path(name), Size()) as machines:
        ours, endpoints, done, told = machines.sides[0], cycle(_MIXED), 0, 0
        print(f"{'requests of each process':>26}{'MB of each process':>22}")
        while done < wanted:
            if done >= told:
                _tell(ours.pid, done)
                told += wanted // _STEPS
            found = measure(ours, next(endpoints), connections=16, seconds=_SECONDS, mongo_pid=machines.mongo_pid)
            done += int(found.good_a_second * _SECONDS) // len(children(ours.pid))
        _tell(ours.pid, done)


def _tell(pid: int, done: int) -> None:
    """Print what each process has of its own, and its part of what they share (PSS)."""
    rollups = [Path(f"/proc/{child}/smaps_rollup").read_text() for child in children(pid)]
    sizes = [int(re.findall(r"^Pss: +(\d+)", one, re.MULTILINE)[0]) / 1024 for one in rollups]
    print(f"{done:26,}{'':10}{', '.join(f'{size:.0f}' for size in sizes):>12}", flush=True)


if __name__ == "__main__":
    main()

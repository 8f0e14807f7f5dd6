"""Where the time of our server goes, as a flame graph: `python -m bench.profile [ENDPOINT [FILE]]`."""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from bench.clinic import Size
from bench.load import ENDPOINTS, children, measure
from bench.servers import running

_SECONDS = 10
_BEFORE = 2  # of load before the first sample


def main() -> None:
    endpoint = sys.argv[1] if len(sys.argv) > 1 else "slots"
    drawing = Path(sys.argv[2] if len(sys.argv) > 2 else f"{endpoint}.svg")  # noqa: PLR2004
    if endpoint not in ENDPOINTS:
        sys.exit(f"one of {', '.join(ENDPOINTS)}")
    with tempfile.TemporaryDirectory() as name, running(Path(name), Size()) as machines:
        ours, worker = machines.sides[0], str(children(machines.sides[0].pid)[0])
        command: list[str | Path] = [
            Path(sys.executable).parent / "py-spy",
            "record",
            "--duration",
            str(_SECONDS),
            "--rate",
            "200",
        ]
        recorder = threading.Timer(
            _BEFORE, lambda: subprocess.run([*command, "--pid", worker, "--output", drawing], check=True)
        )
        recorder.start()
        measure(ours, endpoint, connections=16, seconds=_SECONDS + 2 * _BEFORE, mongo_pid=machines.mongo_pid)
        recorder.join()
    print(f"see {drawing}")


if __name__ == "__main__":
    main()

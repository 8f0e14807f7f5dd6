"""A flame graph of our server under load: `python -m bench.profile [ENDPOINT [FILE]]`."""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from bench.clinic import Size
from bench.load import ENDPOINTS, children, measure
from bench.servers import running_servers

_SECONDS = 10
_WARM_UP_SECONDS = 2


def main() -> None:
    endpoint = sys.argv[1] if len(sys.argv) > 1 else "slots"
    output = Path(sys.argv[2] if len(sys.argv) > 2 else f"{endpoint}.svg")  # noqa: PLR2004
    if endpoint not in ENDPOINTS:
        sys.exit(f"ENDPOINT must be one of {', '.join(ENDPOINTS)}")
    with tempfile.TemporaryDirectory() as name, running_servers(Path(name), Size()) as testbed:
        target, worker = testbed.targets[0], str(children(testbed.targets[0].pid)[0])
        command: list[str | Path] = [
            Path(sys.executable).parent / "py-spy",
            "record",
            "--duration",
            str(_SECONDS),
            "--rate",
            "200",
        ]
        recorder = threading.Timer(
            _WARM_UP_SECONDS, lambda: subprocess.run([*command, "--pid", worker, "--output", output], check=True)
        )
        recorder.start()
        seconds = _SECONDS + 2 * _WARM_UP_SECONDS
        measure(target, endpoint, connections=16, seconds=seconds, mongo_pid=testbed.mongo_pid)
        recorder.join()
    print(f"see {output}")


if __name__ == "__main__":
    main()

"""$VAR_DIR: the folder of everything that a run leaves behind, used by one run at a time."""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dev.binaries import ServerError

ROOT = Path(__file__).resolve().parent.parent
_MARKER = ".arthomed"
_LOCK = "run.lock"


class InUseError(ServerError):
    """Another run works in this folder."""


class Place:
    """A folder that is ours, or may become ours because nothing is in it."""

    def __init__(self, path: Path) -> None:
        self.path = (ROOT / path).resolve()
        self._marker = self.path / _MARKER
        self.logs = self.path / "log"
        self._lock = self.path / _LOCK

    @classmethod
    def of_environment(cls) -> "Place":
        """As $VAR_DIR says."""
        return cls(Path(os.environ.get("VAR_DIR") or "var"))

    @contextmanager
    def claimed(self, *, patience: float = 0.0) -> Iterator[int]:
        """Hold the folder for one run; the file descriptor is the lock. Raises InUseError after so many seconds."""
        if self.path.is_dir() and any(self.path.iterdir()):
            self._check_ours()
        self.path.mkdir(parents=True, exist_ok=True)
        self._marker.touch()
        with self._lock.open("a") as lock:
            self._wait_for(lock.fileno(), patience)
            lock.truncate(0)
            yield lock.fileno()

    def publish(self, servers: Mapping[str, str]) -> None:
        """Tell commands started beside the run where its servers are."""
        self._lock.write_text(json.dumps(dict(servers)))

    def published(self) -> dict[str, str]:
        """Read what the run in progress told."""
        servers: dict[str, str] = json.loads(self._lock.read_text() or "{}")
        return servers

    def reset(self) -> str:
        """Remove it with all that is in it. Raises ServerError."""
        if not self.path.is_dir():
            return f"{self.path} does not exist: nothing to remove"
        self._check_ours()
        with self.claimed():
            shutil.rmtree(self.path)
        return f"{self.path} is removed"

    def _check_ours(self) -> None:
        if not self._marker.exists() and self.path != ROOT / "var":
            raise ServerError(f"{self.path} holds files that `make run` did not put there: choose another VAR_DIR")

    def _wait_for(self, lock: int, patience: float) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise InUseError(
                        f"another `make run` uses {self.path}: stop it first, or choose another VAR_DIR"
                    ) from None
                time.sleep(0.05)
            else:
                return


def reset() -> int:
    """`make reset`."""
    try:
        print(Place.of_environment().reset())
    except ServerError as error:
        print(f"make reset: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(reset())

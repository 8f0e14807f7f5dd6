"""The folder of `make run`, $VAR_DIR: databases, logs and uploads, locked by one run at a time."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from dev.binaries import ServerError

ROOT = Path(__file__).resolve().parent.parent
_MARKER = ".arthomed"
_LOCK_FILE = "run.lock"
_POLL_SECONDS = 0.05


class FolderInUse(ServerError):
    """Another run has locked this folder."""


class DataFolder:
    """A folder that `make run` created, or an empty one that it may take. A marker file shows which ones it created."""

    def __init__(self, path: Path) -> None:
        self.path = (ROOT / path).resolve()
        self.logs = self.path / "log"
        self._marker = self.path / _MARKER
        self._lock_file = self.path / _LOCK_FILE

    @classmethod
    def from_environment(cls) -> "DataFolder":
        return cls(Path(os.environ.get("VAR_DIR") or "var"))

    @contextmanager
    def locked(self, *, timeout: float = 0.0) -> Iterator[int]:
        """Lock the folder and yield the file descriptor that holds the lock.

        Raises:
            FolderInUse: another run still holds the lock after `timeout` seconds.
            ServerError: the folder has files of another program, or can't be written.
        """
        with self._open_lock() as lock:
            self._acquire(lock.fileno(), timeout)
            lock.truncate(0)
            yield lock.fileno()

    def _open_lock(self) -> TextIO:
        try:
            if self.path.is_dir() and any(self.path.iterdir()):
                self._require_marker()
            self.path.mkdir(parents=True, exist_ok=True)
            self._marker.touch()
            return self._lock_file.open("a")
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> ServerError:
        return ServerError(
            f"{self.path} can't be written ({error.strerror}): choose another VAR_DIR, or correct its rights"
        )

    def write_servers(self, servers: Mapping[str, str]) -> None:
        """Store the addresses of this run's servers for commands that are started beside it."""
        self._lock_file.write_text(json.dumps(dict(servers)))

    def read_servers(self) -> dict[str, str]:
        """Read the addresses that the current run has stored."""
        servers: dict[str, str] = json.loads(self._lock_file.read_text() or "{}")
        return servers

    def remove(self) -> str:
        """Remove the folder with its contents; returns a message. Raises ServerError."""
        if not self.path.is_dir():
            return f"{self.path} does not exist: nothing to remove"
        self._require_marker()
        with self.locked():
            try:
                shutil.rmtree(self.path)
            except OSError as error:
                raise self._unwritable(error) from None
        return f"{self.path} is removed"

    def _require_marker(self) -> None:
        if not self._marker.exists() and self.path != ROOT / "var":
            raise ServerError(f"{self.path} holds files that `make run` did not create: choose another VAR_DIR")

    def _acquire(self, lock: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise FolderInUse(
                        f"another `make run` uses {self.path}: stop it first, or choose another VAR_DIR"
                    ) from None
                time.sleep(_POLL_SECONDS)
            else:
                return

"""Child processes that never outlive the one that started them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

# Asks the kernel to kill this process with its parent, then becomes the command. A preexec_fn would do the
# same inside a fork of a possibly threaded program, which is not safe.
_TIED = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent is gone")
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""
_POLL_SECONDS = 0.02


class Process:
    """A command in a session of its own, writing to a fresh log file, killed when its parent dies."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None
    ) -> None:
        """Start it; only the main thread may, because the kernel ties a child to the thread that forked it."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"start {name} from the main thread")
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        tied = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *map(str, command)]
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                tied, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Its id, and its process group's."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._child.poll()

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        return self._child.wait()

    def tail(self, lines: int = 15) -> str:
        """Read the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def how_it_ended(self) -> str:
        """Say in words what happened."""
        code = self.exit_code
        return f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"exited with {code}"

    def stop(self, *, within: float) -> None:
        """End it, and what it left in its group."""
        stop_together([self], within=within)


def stop_together(processes: Sequence[Process], *, within: float) -> None:
    """Ask all to end, the last one started first; kill the groups of those that do not in time."""
    for process in reversed(processes):
        if process.exit_code is None:
            os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + within
    while any(process.exit_code is None for process in processes) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    for process in reversed(processes):
        _kill_group(process.pid)
        process.wait()


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS says the second of a group of zombies
        os.killpg(group, signal.SIGKILL)


class Guard:
    """A process that kills whole groups when this one dies without a word (kill -9); it needs no system's help."""

    _SCRIPT = """
import os, signal, sys, time
groups = [int(line) for line in sys.stdin]
for _ in range(100):
    for group in reversed(groups):
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            groups.remove(group)
    if not groups:
        break
    time.sleep(0.05)
"""

    def __init__(self, *, holding: int) -> None:
        """Start it; it keeps the file descriptor `holding` (a lock) open until all is gone."""
        command = [sys.executable, "-I", "-S", "-u", "-c", self._SCRIPT]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, text=True, bufsize=1, start_new_session=True, pass_fds=[holding]
        )

    def watch(self, process: Process) -> None:
        """From now on it goes when we go."""
        if self._child.stdin:
            self._child.stdin.write(f"{process.pid}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._child.kill()  # not needed any more: all have been stopped in good order
        self._child.communicate()

"""Child processes that end when their parent ends."""

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

# Makes the kernel kill this process when its parent dies, then executes the command. A preexec_fn would do the
# same, but is not safe in a program that may have threads.
_LAUNCHER = """
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
    """A command in its own session that writes to a new log file and is killed when its parent dies."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, *, env: Mapping[str, str] | None = None
    ) -> None:
        """Start the command, in the main thread only: the kernel kills a child when the thread that forked it ends."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"start {name} from the main thread")
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *map(str, command)]
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                launcher,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """None while the process runs; negative if a signal ended it."""
        return self._child.poll()

    def wait(self) -> int:
        """Wait for the process to end; returns its exit code."""
        return self._child.wait()

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def exit_reason(self) -> str:
        """Describe the exit code in words."""
        code = self.exit_code
        return f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"exited with {code}"

    def stop(self, *, within: float) -> None:
        """Stop the process and all others of its group."""
        stop_all([self], within=within)


def stop_all(processes: Sequence[Process], *, within: float) -> None:
    """Send SIGTERM to all, the last one first, and kill their groups after `within` seconds at the latest."""
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
    with suppress(ProcessLookupError, PermissionError):  # macOS raises PermissionError for a group of zombies
        os.killpg(group, signal.SIGKILL)


class Watchdog:
    """A process that kills the watched process groups when this one dies, even by kill -9, on any UNIX."""

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

    def __init__(self, *, inherited: int) -> None:
        """Start it. It keeps the file descriptor `inherited`, a lock, open until all groups are gone."""
        command = [sys.executable, "-I", "-S", "-u", "-c", self._SCRIPT]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, text=True, bufsize=1, start_new_session=True, pass_fds=[inherited]
        )

    def watch(self, process: Process) -> None:
        """Kill the group of this process when this program dies."""
        if self._child.stdin:
            self._child.stdin.write(f"{process.pid}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._child.kill()  # all processes have been stopped
        self._child.communicate()

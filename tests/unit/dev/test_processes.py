"""Child processes end when they are stopped, and when their parent is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dev.processes import Process, stop_all
from tests.stack import ROOT, wait_for

_IGNORES_SIGTERM = "trap '' TERM; sleep 60 & echo $!; wait; wait"
_PARENT = """
import sys, tempfile, threading
from pathlib import Path
from dev.processes import Process, Watchdog
log = Path(sys.argv[1])
with log.with_name("lock").open("w") as lock, Watchdog(inherited=lock.fileno()) as watchdog:
    child = Process("child", ["sh", "-c", "sleep 60 & echo $!; wait"], log)
    watchdog.watch(child)
    print(child.pid, flush=True)
    threading.Event().wait()
"""


def _is_gone(pid: int) -> bool:
    """Whether the process has ended; a zombie, which its parent has not waited for, has."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except ProcessLookupError:
        return True
    except FileNotFoundError:  # it ended meanwhile, or this is not Linux
        return False


def _read_grandchild(log: Path) -> int:
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"), what="a line in the log")
    return int(log.read_text())


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    process = Process("process", ["sh", "-c", _IGNORES_SIGTERM], tmp_path / "log")
    grandchild = _read_grandchild(tmp_path / "log")
    started = time.monotonic()
    process.stop(within=0.2)
    assert time.monotonic() - started < 1
    assert process.exit_reason() == "was killed by SIGKILL"
    wait_for(lambda: _is_gone(grandchild), seconds=5, what="the end of the grandchild")


def test_processes_that_are_stopped_together_share_one_time_limit(tmp_path: Path) -> None:
    both = [Process(name, ["sh", "-c", _IGNORES_SIGTERM], tmp_path / name) for name in ("a", "b")]
    for process in both:
        _read_grandchild(process.log)
    started = time.monotonic()
    stop_all(both, within=0.3)
    assert time.monotonic() - started < 0.6


def test_children_and_grandchildren_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", _PARENT, str(log)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        grandchild = _read_grandchild(log)
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: _is_gone(child) and _is_gone(grandchild), seconds=5, what="the end of both")


def test_the_log_names_a_command_that_does_not_exist(tmp_path: Path) -> None:
    process = Process("missing", ["no-such-command"], tmp_path / "log")
    assert process.wait() == 1
    assert process.tail() == "no-such-command: No such file or directory"


def test_a_process_can_be_started_from_the_main_thread_only(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            Process("late", ["true"], tmp_path / "log")
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert [str(error) for error in caught] == ["start late from the main thread"]


def test_a_child_has_the_given_environment(tmp_path: Path) -> None:
    process = Process("env", ["sh", "-c", "echo $CLINIC"], tmp_path / "log", env={**os.environ, "CLINIC": "open"})
    assert process.wait() == 0
    assert process.tail() == "open"


@pytest.mark.parametrize(("lines", "tail"), [(1, "c"), (2, "b\nc")])
def test_tail_returns_the_last_lines_of_the_log(tmp_path: Path, lines: int, tail: str) -> None:
    process = Process("talker", ["printf", "a\\nb\\nc\\n"], tmp_path / "log")
    process.wait()
    assert process.tail(lines) == tail

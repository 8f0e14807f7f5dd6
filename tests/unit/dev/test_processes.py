"""Children end when they are told to, and when their parent dies without telling anybody."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dev.processes import Process, stop_together

_ROOT = Path(__file__).parents[3]
_STUBBORN = "trap '' TERM; sleep 60 & echo $!; wait; wait"
_PARENT = """
import sys, tempfile, threading
from pathlib import Path
from dev.processes import Guard, Process
log = Path(sys.argv[1])
with log.with_name("lock").open("w") as lock, Guard(holding=lock.fileno()) as guard:
    child = Process("child", ["sh", "-c", "sleep 60 & echo $!; wait"], log)
    guard.watch(child)
    print(child.pid, flush=True)
    threading.Event().wait()
"""


def _until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return met


def _is_gone(pid: int) -> bool:
    """Whether it ended; one that its parent has not asked about yet (a zombie) has."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except ProcessLookupError:
        return True
    except FileNotFoundError:  # gone in between, or no Linux
        return False


def _grandchild(log: Path) -> int:
    assert _until(lambda: log.exists() and log.read_text().endswith("\n"))
    return int(log.read_text())


def test_one_that_will_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    stubborn = Process("stubborn", ["sh", "-c", _STUBBORN], tmp_path / "log")
    grandchild = _grandchild(tmp_path / "log")
    started = time.monotonic()
    stubborn.stop(within=0.2)
    assert time.monotonic() - started < 1
    assert stubborn.how_it_ended() == "was killed by SIGKILL"
    assert _until(lambda: _is_gone(grandchild))


def test_several_share_one_time_limit(tmp_path: Path) -> None:
    both = [Process(name, ["sh", "-c", _STUBBORN], tmp_path / name) for name in ("a", "b")]
    for process in both:
        _grandchild(process.log)
    started = time.monotonic()
    stop_together(both, within=0.3)
    assert time.monotonic() - started < 0.6


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", _PARENT, str(log)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        grandchild = _grandchild(log)
        parent.send_signal(signal.SIGKILL)
    assert _until(lambda: _is_gone(child) and _is_gone(grandchild))


def test_command_that_does_not_exist_says_so(tmp_path: Path) -> None:
    process = Process("lost", ["no-such-command"], tmp_path / "log")
    assert process.wait() == 1
    assert process.tail() == "no-such-command: No such file or directory"


def test_only_the_main_thread_may_start_one(tmp_path: Path) -> None:
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


def test_environment_of_a_child_is_the_given_one(tmp_path: Path) -> None:
    process = Process("env", ["sh", "-c", "echo $CLINIC"], tmp_path / "log", env={**os.environ, "CLINIC": "open"})
    assert process.wait() == 0
    assert process.tail() == "open"


@pytest.mark.parametrize(("lines", "tail"), [(1, "c"), (2, "b\nc")])
def test_tail_is_the_end_of_the_log(tmp_path: Path, lines: int, tail: str) -> None:
    process = Process("talker", ["printf", "a\\nb\\nc\\n"], tmp_path / "log")
    process.wait()
    assert process.tail(lines) == tail

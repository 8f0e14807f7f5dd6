"""The whole of Arthomed as processes, as in production, for tests of what crosses a process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from arthomed.infra import queue
from dev.processes import Process, stop_all
from dev.servers import Mongo, Valkey, free_port
from tests.whole_suite import suite_logs

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
QUEUES = ",".join(queue.QUEUES)
T = TypeVar("T")


def wait_for(found: Callable[[], T | None], *, seconds: float = 60, what: str = "it") -> T:
    """The first true value that `found` gives; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)
    return value


class Stack:
    """Web, worker and beat on a port of their own; `env` may be changed before a restart of one.

    As a context manager it prepares the database and starts `parts`, in this order, the first time it is entered.
    """

    def __init__(
        self,
        folder: Path,
        *,
        mongodb_uri: str,
        redis_url: str,
        parts: tuple[str, ...] = ("web", "worker", "beat"),
        demo: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            **_shared_bytecode(folder.parent),
            "APP_ENV": "test",
            "MONGODB_URI": mongodb_uri,
            "REDIS_URL": redis_url,
            "VAR_DIR": str(folder / "var"),
            "UPLOADS_DIR": str(folder / "uploads"),
            "PORT": str(self.port),
            "LOG_LEVEL": "info",
            "BOOKING_HORIZON_DAYS": "30",
            "MOST_WAITING_MS": "60000",
            "RATE_LIMIT_MAX_REQUESTS": "1000000",
            "RATE_LIMIT_USER_MAX_REQUESTS": "1000000",
            "RATE_LIMIT_AUTH_MAX_REQUESTS": "1000000",
            "RATE_LIMIT_BOOKING_MAX_REQUESTS": "1000000",
            "RATE_LIMIT_STAFF_BOOKING_MAX_REQUESTS": "1000000",
            "RATE_LIMIT_UPLOAD_MAX_REQUESTS": "1000000",
            "RATE_LIMIT_STATIC_MAX_REQUESTS": "1000000",
            "RATE_LIMIT_POLL_MAX_REQUESTS": "1000000",
            "OTP_PER_ADDRESS_HOUR": "1000000",
            "OTP_TO_STRANGERS_HOUR": "1000000",
            "MESSAGE_LEASE_SECONDS": "2",
            **(env or {}),
        }
        self._parts = parts
        self._demo = demo
        self._started: list[Process] = []
        self.web: Process | None = None
        self.worker: Process | None = None
        self.beat: Process | None = None

    def __enter__(self) -> Self:
        self.flask("migrate", "up")
        if self._demo:
            self.flask("demo", "load", "--if-empty")
        for part in self._parts:
            getattr(self, f"start_{part}")()
        if "web" in self._parts:
            self.wait_until_ready() if "worker" in self._parts else self.wait_until_live()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop all that was started."""
        stop_all(self._started, within=10)
        for process in self._started:
            suite_logs.keep_process_log(process.log)

    def flask(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a flask command; its output is captured."""
        return subprocess.run(
            [BIN / "flask", *arguments],
            cwd=ROOT,
            env=self.env,
            check=check,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def start_web(self) -> None:
        self.web = self.start("web", BIN / "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")

    def start_worker(self) -> None:
        command: list[str | Path] = [
            BIN / "celery",
            "-A",
            "workers.app",
            "worker",
            "-c",
            "2",
            "-Q",
            QUEUES,
            "-n",
            f"tests-{self.port}@%h",
        ]
        self.worker = self.start("worker", *command)

    def start_beat(self) -> None:
        self.beat = self.start("beat", BIN / "celery", "-A", "workers.app", "beat")

    def start(self, name: str, *command: str | Path) -> Process:
        """Start any command in this environment; it is stopped with the rest."""
        log = self.folder / f"{name}-{time.monotonic_ns()}.log"
        process = Process(name, [str(part) for part in command], log, env=self.env)
        self._started.append(process)
        return process

    def wait_until_ready(self, seconds: float = 90) -> None:
        wait_for(lambda: self.readiness() == "ready", seconds=seconds, what="a ready stack")

    def wait_until_live(self, seconds: float = 90) -> None:
        wait_for(lambda: self._ask("/health"), seconds=seconds, what="a live web process")

    def readiness(self) -> str | None:
        """What the web process says of itself and its dependencies; None while it says nothing."""
        answer = self._ask("/health/ready")
        return str(answer.json()["status"]) if answer else None

    def mailbox(self, to: str) -> list[dict[str, Any]]:
        """What the console gateways caught for a number or an address, newest first."""
        answer = httpx.get(f"{self.url}/dev/mailbox.json", params={"to": to}, timeout=10)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def code_sent_to(self, mobile: str) -> str:
        """The newest code in the mailbox of a number."""
        caught = wait_for(lambda: [one for one in self.mailbox(mobile) if one["kind"] == "code"], what="the code's SMS")
        return str(caught[0]["text"])[:6]

    def _ask(self, path: str) -> httpx.Response | None:
        try:
            return httpx.get(self.url + path, timeout=5)
        except httpx.TransportError:
            return None


def stack_with(mongo: Mongo, valkey: Valkey, folder: Path, redis: int, **options: Any) -> Stack:
    """A stack with a database that is named after its folder, and this Redis database."""
    redis_url = valkey.url.removesuffix("/0") + f"/{redis}"
    return Stack(folder, mongodb_uri=mongo.uri(f"arthomed_{folder.name}"), redis_url=redis_url, **options)


@contextmanager
def asleep(pid: int) -> Iterator[None]:
    """A process that answers nothing meanwhile; it goes on with what it was sent as if nothing had been."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: _states_of_threads(pid) == {"T"}, what="sleep")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _states_of_threads(pid: int) -> set[str]:
    states = set()
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended in between
            states.add(stat.read_text().rpartition(")")[2].split()[0])
    return states


def children(pid: int, thread: int | None = None) -> list[int]:
    """What a thread of a process has started, the main one where no other is named."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{thread or pid}/children").read_text().split()]


def kill_group(process: Process) -> None:
    """kill -9 for a process and all its children, as when the machine loses power."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _shared_bytecode(folder: Path) -> dict[str, str]:
    """With PYTHONDONTWRITEBYTECODE, every process would spend seconds on compiling all of it."""
    if not sys.dont_write_bytecode:
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}

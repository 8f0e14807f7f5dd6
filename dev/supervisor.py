"""The supervisor of `make run`: starts the servers, prepares the database, and runs web, worker and beat."""

import json
import os
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NoReturn, Self

from arthomed.infra import redis_check
from arthomed.infra.queue import QUEUES
from dev.data_folder import DataFolder
from dev.processes import Process, Watchdog, stop_all
from dev.servers import Mongo, Server, ServerError, Valkey

_PREPARATION = {
    "migrate": ("Migrations", ("flask", "migrate", "up")),
    "demo": ("Demo clinic", ("flask", "demo", "load", "--if-empty")),
    "today": ("Demo clinic's day", ("flask", "demo", "today")),
    "slots": ("Slots", ("flask", "slots", "generate")),
}
_SERVICES = {
    "web": ("gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"),
    "worker": (
        "celery",
        "-A",
        "workers.app",
        "worker",
        "--without-gossip",
        "--without-mingle",
        "-Q",
        ",".join(QUEUES),
        "--concurrency",
        "2",
    ),
    "beat": ("celery", "-A", "workers.app", "beat"),
}
_DATABASE = "arthomed"
# All clients of a developer have the same IP address, so its limits are raised unless the environment sets them.
_ADDRESS_LIMITS = {
    "OTP_PER_ADDRESS_HOUR": "2000",
    "OTP_TO_STRANGERS_HOUR": "10000",
    "RATE_LIMIT_MAX_REQUESTS": "10000",
    "RATE_LIMIT_AUTH_MAX_REQUESTS": "10000",
}
_READY_SECONDS = 60.0
_MAX_RESTARTS = 3  # of each service
_STOP_SERVICES_SECONDS = 5.0  # together with two servers below 10 s
_STOP_SERVER_SECONDS = 2.0
_POLL_SECONDS = 0.1
_LINE_LENGTH = 200
_BAD_SETTINGS = "The configuration can't be used:"  # ConfigurationError; a line for each setting follows


class StopRequested(Exception):
    """A signal or the end of the terminal stops this run."""


class StopSignals:
    """Records Ctrl-C, SIGTERM and SIGHUP until the next point at which stopping is safe.

    It also polls the terminal for hang-up: the kernel sends SIGHUP to the session leader only, and make, when it is
    the session leader, does not pass it on.
    """

    def __init__(self) -> None:
        self.received = False
        self._terminal = select.poll()
        if sys.stdin and sys.stdin.isatty():
            self._terminal.register(sys.stdin, 0)  # reports hang-up only
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._record)

    def sleep(self) -> None:
        """Sleep for one polling interval. Raises StopRequested."""
        time.sleep(_POLL_SECONDS)
        if self.received or self._terminal.poll(0):
            raise StopRequested

    def _record(self, *_: object) -> None:
        self.received = True


class Supervisor:
    """Starts all processes in order and, as a context manager, stops them in the reverse order."""

    def __init__(self, folder: DataFolder, watchdog: Watchdog, signals: StopSignals) -> None:
        self.env = environment(folder)
        self._folder = folder
        self._watchdog = watchdog
        self._signals = signals
        self._servers: list[Server] = []
        self._processes: list[Process] = []
        self._restarts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop the processes, then the servers."""
        stop_all(self._processes, within=_STOP_SERVICES_SECONDS)
        for server in reversed(self._servers):
            server.stop(within=_STOP_SERVER_SECONDS)

    def start_servers(self) -> None:
        """Start MongoDB and Valkey unless the environment names them, and store their addresses. Raises ServerError."""
        addresses = {}
        if not self.env.get("MONGODB_URI"):
            with _progress("MongoDB"):
                mongo = Mongo(self._folder.path / "mongo", self._folder.logs)
                self._servers.append(mongo)
            addresses["MONGODB_URI"] = mongo.uri(_DATABASE)
        if not self.env.get("REDIS_URL"):
            with _progress("Valkey"):
                valkey = Valkey(self._folder.path / "valkey", self._folder.logs)
                self._servers.append(valkey)
            addresses["REDIS_URL"] = valkey.url
        for server in self._servers:
            self._watchdog.watch(server.process)
        self._folder.write_servers(addresses)
        self.env |= addresses

    def prepare(self) -> None:
        """Migrate the database, load the demo clinic and generate slots. Raises ServerError, StopRequested."""
        for name, (title, command) in _PREPARATION.items():
            with _progress(title):
                step = self._start(name, command)
                while step.exit_code is None:
                    self._signals.sleep()
                if step.exit_code:
                    raise ServerError(_failure(step))
                self._processes.remove(step)

    def start_services(self, port: int) -> None:
        """Start web, worker and beat, and wait until they are ready. Raises ServerError, StopRequested."""
        self.env["PORT"] = str(port)
        if problem := redis_check.problem_of(self.env["REDIS_URL"]):
            raise ServerError(f"{problem}: start it, correct REDIS_URL, or unset it for a Valkey of `make run`")
        with _progress("Web, worker and beat"):
            for name, command in _SERVICES.items():
                self._start(name, command)
            deadline = time.monotonic() + _READY_SECONDS
            while not _is_ready(port):
                self._signals.sleep()
                self._require([*(server.process for server in self._servers), *self._processes])
                if time.monotonic() > deadline:
                    raise ServerError(f"not ready after {_READY_SECONDS:.0f} s; the logs are in {self._folder.logs}")

    def run_until_stopped(self) -> NoReturn:
        """Wait, and restart services that end. Raises StopRequested, and ServerError when that happens too often."""
        while True:
            self._signals.sleep()
            self._require([server.process for server in self._servers])
            for process in [process for process in self._processes if process.exit_code is not None]:
                self._restart(process)

    def _start(self, name: str, command: Sequence[str]) -> Process:
        process = Process(name, in_venv(command), self._folder.logs / f"{name}.log", env=self.env)
        self._processes.append(process)
        self._watchdog.watch(process)
        return process

    def _restart(self, process: Process) -> None:
        """Start a service again that has ended. Raises ServerError after too many restarts."""
        if self._restarts[process.name] == _MAX_RESTARTS:
            raise ServerError(_failure(process))
        self._restarts[process.name] += 1
        print(f"  {_failure(process)}", flush=True)  # the new process empties the log
        print(f"  Restarting {process.name} ({self._restarts[process.name]} of {_MAX_RESTARTS})", flush=True)
        process.stop(within=0)  # its children
        self._processes.remove(process)
        self._start(process.name, _SERVICES[process.name])

    @staticmethod
    def _require(processes: Sequence[Process]) -> None:
        for process in processes:
            if process.exit_code is not None:
                raise ServerError(_failure(process))


def environment(folder: DataFolder) -> dict[str, str]:
    """Return the environment of every command, still without the addresses of the servers."""
    return {
        **_ADDRESS_LIMITS,
        **os.environ,
        "APP_ENV": "development",
        "VAR_DIR": str(folder.path),
        "UPLOADS_DIR": str(folder.path / "uploads"),
        "PYTHONUNBUFFERED": "1",
    }


def in_venv(command: Sequence[str]) -> list[str | Path]:
    """Replace the program by the one in this virtual environment, if it has one."""
    installed = Path(sys.executable).parent / command[0]
    return [installed if installed.exists() else command[0], *command[1:]]


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return bool(json.load(connection.getresponse())["status"] == "ready")
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _failure(process: Process) -> str:
    """Return the end of a process's log, or all of it where it names the cause itself."""
    lines = process.tail().splitlines()
    if lines and lines[0] == _BAD_SETTINGS:
        return f"{_BAD_SETTINGS} {'; '.join(line.strip() for line in lines[1:])}"
    if len(lines) == 1:
        return lines[0]
    tail = "\n".join(line[:_LINE_LENGTH] for line in lines)
    return f"{process.name} {process.exit_reason()}; the last lines of {process.log}:\n{tail}"


@contextmanager
def _progress(title: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"  {title:.<24} ", end="", flush=True)
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    print(f"{time.monotonic() - started:4.1f} s", flush=True)

"""The processes of one clinic on this machine: servers, preparing steps, and the parts of the application."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

from dev.place import Place
from dev.processes import Guard, Process, stop_together
from dev.servers import Mongo, Server, ServerError, Valkey

_STEPS = {
    "migrate": ("Migrations", ("flask", "migrate", "up")),
    "demo": ("Demo clinic", ("flask", "demo", "load", "--if-empty")),
    "slots": ("Slots", ("flask", "slots", "generate")),
}
_PARTS = {
    "web": ("gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"),
    "worker": (
        "celery",
        "-A",
        "workers.app",
        "worker",
        "--without-gossip",
        "--without-mingle",
        "-Q",
        "codes,sms,email,slots,files,default",
        "--concurrency",
        "2",
    ),
    "beat": ("celery", "-A", "workers.app", "beat"),
}
_DATABASE = "arthomed"
# Here everybody comes from one address; unless the environment says otherwise, that is no reason to refuse.
_LIMITS_OF_ONE_ADDRESS = {
    "OTP_PER_ADDRESS_HOUR": "2000",
    "RATE_LIMIT_MAX_REQUESTS": "10000",
    "RATE_LIMIT_AUTH_MAX_REQUESTS": "10000",
}
_READY_SECONDS = 60.0
_STOP_PARTS_SECONDS = 5.0  # with two servers below 10 s altogether
_STOP_SERVER_SECONDS = 2.0
_POLL_SECONDS = 0.1
_LINE_LENGTH = 200


class InterruptedRun(Exception):
    """Somebody asked to stop."""


class Interruption:
    """Remembers Ctrl-C, SIGTERM and SIGHUP until the next moment at which stopping is safe.

    It also looks whether the terminal is still there: the kernel tells only the first process of a terminal of its
    end, and make, when it is that process, tells nobody.
    """

    def __init__(self) -> None:
        self.asked = False
        self._terminal = select.poll()
        if sys.stdin and sys.stdin.isatty():
            self._terminal.register(sys.stdin, 0)  # no event but its end
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def pause(self) -> None:
        """Wait a moment. Raises InterruptedRun."""
        time.sleep(_POLL_SECONDS)
        if self.asked or self._terminal.poll(0):
            raise InterruptedRun

    def _ask(self, *_: object) -> None:
        self.asked = True


class Clinic:
    """Starts everything in order and, as a context manager, stops it in the reverse order."""

    def __init__(self, place: Place, guard: Guard, interruption: Interruption) -> None:
        self.env = environment(place)
        self._place = place
        self._guard = guard
        self._interruption = interruption
        self._servers: list[Server] = []
        self._parts: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop what runs; the servers last."""
        stop_together(self._parts, within=_STOP_PARTS_SECONDS)
        for server in reversed(self._servers):
            server.stop(within=_STOP_SERVER_SECONDS)

    def start_servers(self) -> None:
        """Start the servers that the environment does not bring, and tell where they are. Raises ServerError."""
        found = {}
        if not self.env.get("MONGODB_URI"):
            with _progress("MongoDB"):
                mongo = Mongo(self._place.path / "mongo", self._place.logs)
                self._servers.append(mongo)
            found["MONGODB_URI"] = mongo.uri(_DATABASE)
        if not self.env.get("REDIS_URL"):
            with _progress("Valkey"):
                valkey = Valkey(self._place.path / "valkey", self._place.logs)
                self._servers.append(valkey)
            found["REDIS_URL"] = valkey.url
        for server in self._servers:
            self._guard.watch(server.process)
        self._place.publish(found)
        self.env |= found

    def prepare(self) -> None:
        """Bring the database to where the application expects it. Raises ServerError, InterruptedRun."""
        for name, (title, command) in _STEPS.items():
            with _progress(title):
                step = self._start(name, command)
                while step.exit_code is None:
                    self._interruption.pause()
                if step.exit_code:
                    raise ServerError(_obituary(step))
                self._parts.remove(step)

    def open(self, port: int) -> None:
        """Start the application and wait until it is ready. Raises ServerError, InterruptedRun."""
        self.env["PORT"] = str(port)
        with _progress("Web, worker and beat"):
            for name, command in _PARTS.items():
                self._start(name, command)
            deadline = time.monotonic() + _READY_SECONDS
            while not _is_ready(port):
                self._check()
                if time.monotonic() > deadline:
                    raise ServerError(f"not ready after {_READY_SECONDS:.0f} s; the logs are in {self._place.logs}")

    def watch(self) -> None:
        """Stay. Raises InterruptedRun when asked to stop, ServerError when something ends by itself."""
        while True:
            self._check()

    def _start(self, name: str, command: Sequence[str]) -> Process:
        process = Process(name, in_venv(command), self._place.logs / f"{name}.log", env=self.env)
        self._parts.append(process)
        self._guard.watch(process)
        return process

    def _check(self) -> None:
        self._interruption.pause()
        for process in (*(server.process for server in self._servers), *self._parts):
            if process.exit_code is not None:
                raise ServerError(_obituary(process))


def environment(place: Place) -> dict[str, str]:
    """Make the environment of every command, before servers are known."""
    return {
        **_LIMITS_OF_ONE_ADDRESS,
        **os.environ,
        "APP_ENV": "development",
        "VAR_DIR": str(place.path),
        "UPLOADS_DIR": str(place.path / "uploads"),
        "PYTHONUNBUFFERED": "1",
    }


def in_venv(command: Sequence[str]) -> list[str | Path]:
    """Take the command that is installed beside this interpreter."""
    beside = Path(sys.executable).parent / command[0]
    return [beside if beside.exists() else command[0], *command[1:]]


def _is_ready(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return bool(json.load(connection.getresponse())["status"] == "ready")
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _obituary(process: Process) -> str:
    end = "\n".join(line[:_LINE_LENGTH] for line in process.tail().splitlines())
    return f"{process.name} {process.how_it_ended()}; the end of {process.log}:\n{end}"


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

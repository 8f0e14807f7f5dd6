"""The whole of Arthomed as processes, as in production, for tests of what crosses a process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from dev.processes import Process, stop_together
from dev.servers import free_port

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
T = TypeVar("T")


def wait_for(found: Callable[[], T | None], *, seconds: float = 20, what: str = "it") -> T:
    """The first true value that `found` gives; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)
    return value


class Stack:
    """gunicorn, worker and beat on a port of their own; `env` may be changed before a restart of one."""

    def __init__(self, folder: Path, *, mongodb_uri: str, redis_url: str, **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **os.environ,
            "APP_ENV": "test",
            "MONGODB_URI": mongodb_uri,
            "REDIS_URL": redis_url,
            "VAR_DIR": str(folder / "var"),
            "PORT": str(self.port),
            "LOG_LEVEL": "info",
            "RATE_LIMIT_MAX_REQUESTS": "1000000",
            "RATE_LIMIT_USER_MAX_REQUESTS": "1000000",
            "OTP_PER_ADDRESS_HOUR": "1000000",
            "MESSAGE_LEASE_SECONDS": "2",
            **env,
        }
        self.web: Process | None = None
        self.worker: Process | None = None
        self.beat: Process | None = None

    def __enter__(self) -> Self:
        for command in (["migrate", "up"], ["demo", "load", "--if-empty"]):
            self.flask(*command)
        self.start_web()
        self.start_worker()
        self.start_beat()
        self.wait_until_ready()
        return self

    def __exit__(self, *exc: object) -> None:
        stop_together([one for one in (self.web, self.worker, self.beat) if one is not None], within=10)

    def flask(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a flask command; its output is captured."""
        return subprocess.run(
            [BIN / "flask", *arguments], cwd=ROOT, env=self.env, check=check, capture_output=True, text=True, timeout=60
        )

    def start_web(self) -> None:
        self.web = self._start("web", BIN / "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")

    def start_worker(self) -> None:
        queues = "sms,email,slots,files,default"
        self.worker = self._start(
            "worker", BIN / "celery", "-A", "workers.app", "worker", "-c", "2", "-Q", queues, "-n", "tests@%h"
        )

    def start_beat(self) -> None:
        self.beat = self._start("beat", BIN / "celery", "-A", "workers.app", "beat")

    def wait_until_ready(self, seconds: float = 30) -> None:
        def ready() -> bool:
            try:
                return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        wait_for(ready, seconds=seconds, what="a ready stack")

    def mailbox(self, to: str) -> list[dict[str, Any]]:
        """What the console gateways caught for a number or an address, newest first."""
        answer = httpx.get(f"{self.url}/dev/mailbox.json", params={"to": to}, timeout=10)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def code_sent_to(self, mobile: str) -> str:
        """The newest code in the mailbox of a number."""
        caught = wait_for(lambda: [one for one in self.mailbox(mobile) if one["kind"] == "code"], what="the code's SMS")
        return str(caught[0]["text"])[:6]

    def _start(self, name: str, *command: str | Path) -> Process:
        log = self.folder / f"{name}-{time.monotonic_ns()}.log"
        return Process(name, [str(part) for part in command], log, env=self.env)

"""Connections that send or read as slowly as they can, through nginx with deploy/nginx.conf.

gunicorn gives a thread to each connection until the response is read, so it refuses public addresses without a
proxy: `tests/deploy/test_public_addresses.py`.
"""

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from arthomed.core.permissions import Role
from tests.deploy.nginx import in_front_of, needs_nginx
from tests.factories import picture
from tests.faults.clinic import Clinic
from tests.stack import Stack

pytestmark = needs_nginx

CONNECTIONS_OF_A_KIND = 40
MAX_SECONDS = 2
LONGER_THAN_ALL_TIMEOUTS = 25  # in seconds: nginx cuts all of them after 20, and they connect again
PAUSE_SECONDS = 0.1  # between the requests of others, so that they stay below nginx's rate limit
FILE_BYTES = 3 * 1024 * 1024  # the buffers of the connection hold 2 MB


class SlowConnection:
    """Sends the first bytes at once, one more byte at each `drip`, and reads nothing. It reconnects when it is cut."""

    def __init__(self, address: tuple[str | None, int | None], begin: bytes, *, then: bytes) -> None:
        self._address, self._begin, self._then = address, begin, then
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(self._address)
        self._socket.setblocking(False)
        self._socket.send(self._begin)

    def drip(self) -> None:
        try:
            with suppress(BlockingIOError):
                self._socket.send(self._then)
        except OSError:
            self.close()
            self._connect()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def clinic(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A clinic behind nginx, which buffers downloads: the application sends files itself."""
    with in_front_of([stack], tmp_path_factory.mktemp("nginx-slow")) as url, Clinic(stack, url=url) as running:
        yield running


@pytest.mark.parametrize("seconds", [2, pytest.param(LONGER_THAN_ALL_TIMEOUTS, marks=pytest.mark.long)])
def test_slow_connections_delay_nobody(clinic: Clinic, seconds: float) -> None:
    url = urlsplit(str(clinic.api.base_url))
    patients, doctor = clinic.patients(1000), clinic.doctor(slots=1, capacity=1000)
    until = time.monotonic() + seconds
    durations: list[float] = []

    with ExitStack() as stack:
        slow = [
            SlowConnection((str(url.hostname), url.port), begin, then=then)
            for begin, then in kinds(clinic)
            for _ in range(CONNECTIONS_OF_A_KIND)
        ]
        for connection in slow:
            stack.callback(connection.close)
        while time.monotonic() < until:
            durations.append(timed(lambda: clinic.api.get(f"http://{url.netloc}/health"), 200))
            durations.append(timed(lambda: clinic.book(patients.pop(), doctor), 201))
            for connection in slow:
                connection.drip()
            time.sleep(PAUSE_SECONDS)

    assert max(durations) < MAX_SECONDS


def timed(request: Callable[[], Any], status: int) -> float:
    started = time.monotonic()
    assert request().status_code == status
    return time.monotonic() - started


def kinds(clinic: Clinic) -> list[tuple[bytes, bytes]]:
    """What each kind of slow connection sends at once, and what it repeats."""
    person = clinic.person(Role.PATIENT)
    post = b"POST /api/auth/send-otp HTTP/1.1\r\nHost: clinic\r\nContent-Type: application/json\r\n"
    get = f"GET {large_file_of(clinic, person.headers)} HTTP/1.1\r\nHost: clinic\r\n".encode()
    authorization = f"Authorization: {person.headers['Authorization']}\r\n\r\n".encode()
    return [
        (b"", b""),
        (b"GET /health HTTP/1.1\r\nHost: clinic\r\nX-Slow: ", b"x"),
        (post + b"Content-Length: 100000\r\n\r\n{", b" "),
        (get + authorization, b""),
    ]


def large_file_of(clinic: Clinic, headers: dict[str, str]) -> str:
    """The URL of a stored picture, which is replaced by a large one: cleaning a large one takes long."""
    stream, name = picture()
    response = clinic.api.post("/files/upload/profiles", files={"files": (name, stream)}, headers=headers)
    url: str = response.json()["data"]["uploadedFiles"][0]["url"]
    [file] = clinic.database.files.find({"filename": url.rpartition("/")[2]})
    Path(clinic.stack.env["UPLOADS_DIR"], file["key"]).write_bytes(secrets.token_bytes(FILE_BYTES))
    return url

"""Connections share the threads and processes of gunicorn, and gunicorn closes them without losing responses."""

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from dev.servers import Mongo, Valkey
from tests.stack import BIN, Stack, children

TIMEOUT_SECONDS = 10
MAX_IMBALANCE = 6  # a busy machine may delay a process
IDLE_CONNECTIONS = 20  # unpatched gunicorn waits two seconds for each
PIECES = 40
MAX_OVERTAKEN = 20  # it would be hundreds without fairness
BREAKING = """
from wsgi import app as clinic

def app(environ, start_response):
    return breaking(start_response) if environ["PATH_INFO"] == "/breaks" else clinic(environ, start_response)

def breaking(start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun"
    raise RuntimeError
"""


@pytest.fixture(scope="module")
def port(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a web process with one thread."""
    with clinic(mongo, valkey, tmp_path_factory.mktemp("one-thread"), processes=1, threads=1) as stack:
        yield stack.port


def clinic(
    mongo: Mongo, valkey: Valkey, folder: Path, *, processes: int, threads: int, parts: tuple[str, ...] = ("web",)
) -> Stack:
    return Stack(
        folder,
        mongodb_uri=mongo.uri(f"arthomed_gunicorn_{processes}_{threads}"),
        redis_url=valkey.url.removesuffix("/0") + "/5",
        parts=parts,
        demo=False,
        env={"WEB_CONCURRENCY": str(processes), "WEB_THREADS": str(threads)},
    )


def test_a_connection_that_sends_without_pause_does_not_block_others(port: int) -> None:
    started, finished, responses = Event(), Event(), [0]
    address = ("127.0.0.1", port)

    def send_continuously() -> None:
        with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as eager:
            while not finished.is_set():
                request_health(eager)
                responses[0] += 1
                started.set()

    def overtaken_by(quiet: socket.socket) -> int:
        before = responses[0]
        request_health(quiet)
        return responses[0] - before

    with ThreadPoolExecutor() as pool, socket.create_connection(address, timeout=TIMEOUT_SECONDS) as quiet:
        sending = pool.submit(send_continuously)
        try:
            assert started.wait(TIMEOUT_SECONDS)
            overtaken = [overtaken_by(quiet) for _ in range(20)]
        finally:
            finished.set()
        sending.result()

    assert max(overtaken) < MAX_OVERTAKEN


@pytest.fixture
def connect(port: int) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as opened:
        address = ("127.0.0.1", port)
        yield lambda: opened.enter_context(socket.create_connection(address, timeout=TIMEOUT_SECONDS))


def test_a_client_that_does_not_close_after_the_last_response_does_not_block_others(
    connect: Callable[[], socket.socket],
) -> None:
    idle = [connect() for _ in range(IDLE_CONNECTIONS)]
    for one in idle:
        one.sendall(b"GET /health HTTP/1.1\r\nHost: clinic\r\nConnection: close\r\n\r\n")
    assert {one.recv(12) for one in idle} == {b"HTTP/1.1 200"}

    request_health(connect())


def test_a_client_that_is_still_sending_receives_the_error_response(connect: Callable[[], socket.socket]) -> None:
    piece = b" " * 1_000
    head = "POST /api/appointments/book HTTP/1.1\r\nHost: clinic\r\nConnection: close\r\n"
    sending = connect()
    sending.sendall(f"{head}Content-Length: {PIECES * len(piece)}\r\n\r\n".encode())
    for _ in range(PIECES):
        sending.sendall(piece)
        request_health(connect())  # meanwhile gunicorn handles the first request

    assert b"".join(iter(partial(sending.recv, 65536), b"")).startswith(b"HTTP/1.1 401")


def test_data_after_the_last_response_is_read_up_to_a_limit(
    connect: Callable[[], socket.socket],
) -> None:
    sending = connect()
    sending.sendall(b"GET /health HTTP/1.1\r\nHost: clinic\r\nConnection: close\r\n\r\n")
    assert sending.recv(12) == b"HTTP/1.1 200"

    with pytest.raises(ConnectionError):
        sending.sendall(bytes(64_000_000))


def request_health(connection: socket.socket) -> None:
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: clinic\r\n\r\n")
    received = b""
    while not received.endswith(b"}"):
        received += connection.recv(65536)
    assert received.startswith(b"HTTP/1.1 200")


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    paths = ["/health", "/nowhere", "/health"]
    requests = "".join(f"GET {path} HTTP/1.1\r\nHost: clinic\r\n\r\n" for path in paths)
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(requests.encode())
        received = b""
        while received.count(b"X-Request-ID") < len(paths) or not received.endswith(b"}"):
            received += connection.recv(65536)

    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"404", b"200"]


def test_connections_are_distributed_evenly_over_processes(mongo: Mongo, valkey: Valkey, tmp_path: Path) -> None:
    stack = clinic(mongo, valkey, tmp_path, processes=2, threads=2)
    with ExitStack() as opened:
        web = opened.enter_context(stack).web
        assert web is not None

        def connect() -> None:
            address = ("127.0.0.1", stack.port)
            request_health(opened.enter_context(socket.create_connection(address, timeout=TIMEOUT_SECONDS)))

        def shares() -> list[int]:
            return [connections_of(process, stack.port) for process in children(web.pid)]

        while len(shares()) < 2 or not all(shares()):  # a process may still be starting
            connect()
        for _ in range(20):
            connect()

        found = shares()

        assert max(found) - min(found) <= MAX_IMBALANCE


def connections_of(process: int, port: int) -> int:
    """The number of established connections of a process to its port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = {f"socket:[{row[9]}]" for row in rows if (int(row[1].partition(":")[2], 16), row[3]) == (port, "01")}
    names = []
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            names.append(str(file.readlink()))
    return len(established.intersection(names))


def test_a_response_that_fails_midway_does_not_end_the_process(mongo: Mongo, valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "breaking.py").write_text(BREAKING)
    with clinic(mongo, valkey, tmp_path, processes=1, threads=2, parts=()) as stack:
        command = (BIN / "gunicorn", "-c", "gunicorn.conf.py", "--pythonpath", tmp_path, "breaking:app")
        web = stack.start("web", *command)
        stack.wait_until_live()
        [process] = children(web.pid)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", stack.port), timeout=TIMEOUT_SECONDS) as connection:
                connection.sendall(b"GET /breaks HTTP/1.1\r\nHost: clinic\r\n\r\n")
                while connection.recv(65536):
                    pass
        stack.wait_until_live()

        assert children(web.pid) == [process]

"""Connections that are kept open share a web process's threads, however eagerly some of them send."""

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

PATIENCE_SECONDS = 10
SLIGHT = 6  # a busy machine may keep a process from its turn
WAITED_FOR_TWO_SECONDS_EACH = 20  # by gunicorn as it is
PIECES = 40
FEW = 20  # of hundreds, if it had to wait for a pause
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
    """Of a web process with one thread."""
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


def test_who_sends_without_a_pause_keeps_the_only_thread_from_nobody(port: int) -> None:
    begun, over, answered = Event(), Event(), [0]
    address = ("127.0.0.1", port)

    def send_on_and_on() -> None:
        with socket.create_connection(address, timeout=PATIENCE_SECONDS) as eager:
            while not over.is_set():
                ask(eager)
                answered[0] += 1
                begun.set()

    def overtaken_by(quiet: socket.socket) -> int:
        before = answered[0]
        ask(quiet)
        return answered[0] - before

    with ThreadPoolExecutor() as pool, socket.create_connection(address, timeout=PATIENCE_SECONDS) as quiet:
        sending = pool.submit(send_on_and_on)
        try:
            assert begun.wait(PATIENCE_SECONDS)
            overtaken = [overtaken_by(quiet) for _ in range(20)]
        finally:
            over.set()
        sending.result()

    assert max(overtaken) < FEW


@pytest.fixture
def connect(port: int) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as opened:
        address = ("127.0.0.1", port)
        yield lambda: opened.enter_context(socket.create_connection(address, timeout=PATIENCE_SECONDS))


def test_who_does_not_hang_up_after_the_last_answer_keeps_nobody_waiting(
    connect: Callable[[], socket.socket],
) -> None:
    staying = [connect() for _ in range(WAITED_FOR_TWO_SECONDS_EACH)]
    for one in staying:
        one.sendall(b"GET /health HTTP/1.1\r\nHost: clinic\r\nConnection: close\r\n\r\n")
    assert {one.recv(12) for one in staying} == {b"HTTP/1.1 200"}

    ask(connect())


def test_who_is_refused_while_still_sending_is_told_so(connect: Callable[[], socket.socket]) -> None:
    piece = b" " * 1_000
    head = "POST /api/appointments/book HTTP/1.1\r\nHost: clinic\r\nConnection: close\r\n"
    sending = connect()
    sending.sendall(f"{head}Content-Length: {PIECES * len(piece)}\r\n\r\n".encode())
    for _ in range(PIECES):
        sending.sendall(piece)
        ask(connect())  # meanwhile it is taken, or refused

    assert b"".join(iter(partial(sending.recv, 65536), b"")).startswith(b"HTTP/1.1 401")


def test_what_comes_after_the_last_answer_is_read_for_no_longer_than_gunicorn_would(
    connect: Callable[[], socket.socket],
) -> None:
    sending = connect()
    sending.sendall(b"GET /health HTTP/1.1\r\nHost: clinic\r\nConnection: close\r\n\r\n")
    assert sending.recv(12) == b"HTTP/1.1 200"

    with pytest.raises(ConnectionError):
        sending.sendall(bytes(64_000_000))


def ask(connection: socket.socket) -> None:
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: clinic\r\n\r\n")
    told = b""
    while not told.endswith(b"}"):
        told += connection.recv(65536)
    assert told.startswith(b"HTTP/1.1 200")


def test_requests_that_come_in_one_piece_are_answered_in_order(port: int) -> None:
    paths = ["/health", "/nowhere", "/health"]
    asked = "".join(f"GET {path} HTTP/1.1\r\nHost: clinic\r\n\r\n" for path in paths)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(asked.encode())
        told = b""
        while told.count(b"X-Request-ID") < len(paths) or not told.endswith(b"}"):
            told += connection.recv(65536)

    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200", b"404", b"200"]


def test_all_processes_have_as_many_connections(mongo: Mongo, valkey: Valkey, tmp_path: Path) -> None:
    stack = clinic(mongo, valkey, tmp_path, processes=2, threads=2)
    with ExitStack() as opened:
        web = opened.enter_context(stack).web
        assert web is not None

        def connect() -> None:
            address = ("127.0.0.1", stack.port)
            ask(opened.enter_context(socket.create_connection(address, timeout=PATIENCE_SECONDS)))

        def shares() -> list[int]:
            return [connections_of(process, stack.port) for process in children(web.pid)]

        while len(shares()) < 2 or not all(shares()):  # one of them may still be starting
            connect()
        for _ in range(20):
            connect()

        found = shares()

        assert max(found) - min(found) <= SLIGHT


def connections_of(process: int, port: int) -> int:
    """How many of a process's sockets somebody is connected to by that port of its own."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    open_ones = {f"socket:[{row[9]}]" for row in rows if (int(row[1].partition(":")[2], 16), row[3]) == (port, "01")}
    names = []
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed just now
            names.append(str(file.readlink()))
    return len(open_ones.intersection(names))


def test_answers_that_break_off_cost_no_process(mongo: Mongo, valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "breaking.py").write_text(BREAKING)
    with clinic(mongo, valkey, tmp_path, processes=1, threads=2, parts=()) as stack:
        command = (BIN / "gunicorn", "-c", "gunicorn.conf.py", "--pythonpath", tmp_path, "breaking:app")
        web = stack.start("web", *command)
        stack.wait_until_live()
        [process] = children(web.pid)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", stack.port), timeout=PATIENCE_SECONDS) as connection:
                connection.sendall(b"GET /breaks HTTP/1.1\r\nHost: clinic\r\n\r\n")
                while connection.recv(65536):
                    pass
        stack.wait_until_live()

        assert children(web.pid) == [process]

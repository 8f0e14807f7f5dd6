"""Connections that are kept open share a web process's threads, however eagerly some of them send."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from dev.servers import Mongo, Valkey
from tests.stack import Stack

PATIENCE_SECONDS = 10
FEW = 20  # of hundreds, if it had to wait for a pause


@pytest.fixture(scope="module")
def port(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a web process with one thread."""
    folder: Path = tmp_path_factory.mktemp("one-thread")
    stack = Stack(
        folder,
        mongodb_uri=mongo.uri("arthomed_one_thread"),
        redis_url=valkey.url.removesuffix("/0") + "/5",
        parts=("web",),
        demo=False,
        env={"WEB_CONCURRENCY": "1", "WEB_THREADS": "1"},
    )
    with stack:
        yield stack.port


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

"""Connections that are kept open share a web process's threads, however eagerly some of them send."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import pytest

from dev.servers import Mongo, Valkey
from tests.stack import Stack

PATIENCE_SECONDS = 10


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
    begun, over = Event(), Event()
    url = f"http://127.0.0.1:{port}/health"

    def send_on_and_on() -> None:
        with httpx.Client(timeout=PATIENCE_SECONDS) as eager:
            while not over.is_set():
                eager.get(url).raise_for_status()
                begun.set()

    with ThreadPoolExecutor() as pool, httpx.Client(timeout=PATIENCE_SECONDS) as quiet:
        sending = pool.submit(send_on_and_on)
        try:
            assert begun.wait(PATIENCE_SECONDS)
            assert [quiet.get(url).status_code for _ in range(20)] == [200] * 20
        finally:
            over.set()
        sending.result()


def test_requests_that_come_in_one_piece_are_answered_in_order(port: int) -> None:
    paths = ["/health", "/nowhere", "/health"]
    asked = "".join(f"GET {path} HTTP/1.1\r\nHost: clinic\r\n\r\n" for path in paths)
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(asked.encode())
        told = b""
        while told.count(b"X-Request-ID") < len(paths) or not told.endswith(b"}"):
            told += connection.recv(65536)

    assert re.findall(rb"HTTP/1.1 (\d+)", told) == [b"200", b"404", b"200"]

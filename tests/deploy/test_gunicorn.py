"""Connections share the threads of gunicorn, and gunicorn loses no response."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from dev.servers import Mongo, Valkey
from tests.stack import BIN, children, stack_with

pytestmark = pytest.mark.long  # they test gunicorn and its configuration, which seldom change

TIMEOUT_SECONDS = 10
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
    folder, env = tmp_path_factory.mktemp("one-thread"), {"WEB_CONCURRENCY": "1", "WEB_THREADS": "1"}
    with stack_with(mongo, valkey, folder, redis=5, parts=("web",), env=env) as stack:
        yield stack.port


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


def test_a_response_that_fails_midway_does_not_end_the_process(mongo: Mongo, valkey: Valkey, tmp_path: Path) -> None:
    (tmp_path / "breaking.py").write_text(BREAKING)
    env = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "2"}
    with stack_with(mongo, valkey, tmp_path, redis=5, parts=(), env=env) as stack:
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

"""Requests that gunicorn itself refuses: one answer in the format of the API, and no header that moves a route."""

import json
import re
import socket

import pytest

from tests.api.http.test_headers import SECURITY
from tests.stack import Stack

NUMBER = "9876543210"
"""What a refusal must not repeat."""
LONG = "x" * 9000

MALFORMED = {
    "no request line": (400, f"{NUMBER}\r\n\r\n"),
    "lower-case method": (400, f"get /{NUMBER} HTTP/1.1\r\nHost: clinic\r\n\r\n"),
    "unknown version": (400, f"GET /{NUMBER} HTTP/9.9\r\nHost: clinic\r\n\r\n"),
    "control character in the path": (400, f"GET /{NUMBER}\x01 HTTP/1.1\r\nHost: clinic\r\n\r\n"),
    "header without a colon": (400, f"GET / HTTP/1.1\r\nHost: clinic\r\n{NUMBER}\r\n\r\n"),
    "space in a header's name": (400, f"GET / HTTP/1.1\r\nHost: clinic\r\nX {NUMBER}: 1\r\n\r\n"),
    "folded header": (400, f"GET / HTTP/1.1\r\nHost: clinic\r\nX-A: 1\r\n {NUMBER}\r\n\r\n"),
    "two hosts": (400, f"GET /{NUMBER} HTTP/1.1\r\nHost: clinic\r\nHost: clinic\r\n\r\n"),
    "two lengths": (400, f"POST /{NUMBER} HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
    "long request line": (414, f"GET /{NUMBER}{LONG} HTTP/1.1\r\nHost: clinic\r\n\r\n"),
    "unknown expectation": (417, f"GET / HTTP/1.1\r\nHost: clinic\r\nExpect: {NUMBER}\r\n\r\n"),
    "long header": (431, f"GET / HTTP/1.1\r\nHost: clinic\r\nX-A: {NUMBER}{LONG}\r\n\r\n"),
    "many headers": (431, "GET / HTTP/1.1\r\nHost: clinic\r\n" + "X-A: 1\r\n" * 120 + "\r\n"),
    "unknown transfer coding": (400, f"POST / HTTP/1.1\r\nTransfer-Encoding: {NUMBER}\r\n\r\n"),
}

BAD_BODIES = {
    "invalid size": "zz\r\n",
    "invalid extension": "1;=\r\nx\r\n0\r\n\r\n",
    "missing end of a chunk": "1\r\nxyz\r\n0\r\n\r\n",
    "forbidden trailer": "0\r\nHost: other\r\n\r\n",
    "invalid trailer": "0\r\nno colon\r\n\r\n",
    "long trailer": f"0\r\nX-A: {LONG}\r\n\r\n",
}


def exchange(stack: Stack, request: str) -> bytes:
    """Send bytes to gunicorn, and read until it closes the connection."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        connection.sendall(request.encode("latin-1"))
        return b"".join(iter(lambda: connection.recv(65536), b""))


def statuses_in(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_refusal_of_gunicorn_is_in_the_format_of_the_api(stack: Stack, kind: str) -> None:
    status, request = MALFORMED[kind]

    received = exchange(stack, request)
    head, _, body = received.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines()[1:])

    assert statuses_in(received) == [status]
    assert headers["Content-Type"] == "application/json"
    assert headers["Connection"] == "close"
    assert int(headers["Content-Length"]) == len(body)
    assert SECURITY.items() <= headers.items()
    assert {"Content-Security-Policy", "Cache-Control", "X-Request-ID"} <= headers.keys()
    refusal = json.loads(body)
    assert (refusal["success"], refusal["error"]["statusCode"], refusal["errors"]) == (False, status, [])
    assert NUMBER not in received.decode()


@pytest.mark.parametrize("kind", BAD_BODIES)
@pytest.mark.parametrize("path", ["/health", "/nowhere", "/api/auth/send-otp", "/api/auth/me"])
def test_a_body_that_cannot_be_read_gets_one_answer(stack: Stack, path: str, kind: str) -> None:
    """Whether the route reads the body or not; a second answer would be taken for that of the next request."""
    headers = "Host: clinic\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    next_request = "GET /health HTTP/1.1\r\nHost: clinic\r\n\r\n"
    received = exchange(stack, f"POST {path} HTTP/1.1\r\n{headers}\r\n{BAD_BODIES[kind]}{next_request}")

    assert len(statuses_in(received)) == 1, received
    assert statuses_in(received)[0] < 500


@pytest.mark.parametrize("header", ["SCRIPT_NAME", "Script_Name", "script_name"])
def test_a_header_does_not_move_a_route(stack: Stack, header: str) -> None:
    """A proxy's rule for /dev or /metrics does not match /x/dev or /x/metrics."""
    request = f"GET /x/dev/mailbox.json HTTP/1.1\r\nHost: clinic\r\n{header}: /x\r\nConnection: close\r\n\r\n"

    assert statuses_in(exchange(stack, request)) == [404]


def test_headers_of_an_undeclared_proxy_are_ignored(stack: Stack) -> None:
    contradiction = "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n"
    request = f"GET /health HTTP/1.1\r\nHost: clinic\r\n{contradiction}Connection: close\r\n\r\n"

    assert statuses_in(exchange(stack, request)) == [200]


def test_a_refusal_of_gunicorn_is_logged_without_the_request(stack: Stack) -> None:
    exchange(stack, MALFORMED["unknown version"][1])

    assert stack.web is not None
    log = stack.web.log.read_text()
    assert "InvalidHTTPVersion" in log
    assert NUMBER not in log

"""Large bodies: at most two at once in a process, so that memory and response times stay bounded."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from dev.servers import Mongo, Valkey
from tests.factories import envelope_of, error_of
from tests.stack import Stack, children, stack_with

SEND_OTP = "/api/auth/send-otp"
MEGABYTE = 1024 * 1024
LIMIT = 10 * MEGABYTE
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
LARGE = b'{"mobileNumber": "98765"}'.ljust(MEGABYTE + 1)


class SlowBody(BytesIO):
    """A body whose end arrives when it is let go."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.is_read, self.may_end = Event(), Event()

    def readinto(self, buffer: Any, /) -> int:
        self.is_read.set()
        assert self.may_end.wait(10)
        return super().readinto(buffer)


@pytest.fixture
def two_large_bodies(app: Flask, client: FlaskClient) -> Iterator[None]:
    """Two requests that are receiving large bodies."""
    del client  # it empties the database
    slow = [SlowBody(LARGE) for _ in range(2)]
    sent: dict[str, Any] = {"content_type": JSON, "headers": {"Content-Length": str(len(LARGE))}}
    with ThreadPoolExecutor(2) as threads:
        requests = [threads.submit(app.test_client().post, SEND_OTP, input_stream=body, **sent) for body in slow]
        try:
            assert all(body.is_read.wait(10) for body in slow)
            yield
        finally:
            for body in slow:
                body.may_end.set()
        assert {error_of(one.result()) for one in requests} == {(400, "VALIDATION_ERROR")}


def post(client: FlaskClient, body: bytes, media_type: str = JSON) -> tuple[int, str]:
    return error_of(client.post(SEND_OTP, data=body, content_type=media_type))


@pytest.mark.usefixtures("two_large_bodies")
class TestThirdLargeBody:
    @pytest.mark.parametrize("media_type", [JSON, FORM])
    def test_it_is_refused_with_retry_after(self, client: FlaskClient, media_type: str) -> None:
        response = client.post(SEND_OTP, data=LARGE, content_type=media_type)

        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
        assert response.headers["Retry-After"] == "2"

    def test_bodies_up_to_one_megabyte_are_accepted(self, client: FlaskClient) -> None:
        assert post(client, LARGE[:-1]) == (400, "VALIDATION_ERROR")

    def test_a_body_of_unknown_length_counts_as_large(self, client: FlaskClient) -> None:
        response = client.post(
            SEND_OTP,
            input_stream=BytesIO(b"{}"),
            content_type=JSON,
            headers={"Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True},
        )

        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")


def test_a_place_is_free_again_after_any_end_of_a_request(client: FlaskClient) -> None:
    bodies = [LARGE, b"[" * (MEGABYTE + 1), b"\xff" * (MEGABYTE + 1), b" " * (LIMIT + 1), LARGE]

    codes = [post(client, body)[1] for body in bodies]

    assert codes == ["VALIDATION_ERROR", "MALFORMED_JSON", "MALFORMED_JSON", "PAYLOAD_TOO_LARGE", "VALIDATION_ERROR"]


@pytest.mark.parametrize(
    ("media_type", "begin", "end", "field"),
    [
        (JSON, b'{"name": "', b'"}', "name"),
        (JSON, b'{"mobileNumber": "9876543210", "name" :\t"', b'"}', "name"),
        (JSON, b'{"a": "\\\\", "b\\"": {"c": "', b'"}}', "c"),
        (JSON, b'{"list": ["', b'"]}', ""),
        (JSON, b'{"', b'": 1}', ""),
        (JSON, b'"', b'"', ""),
        (FORM, b"mobileNumber=9876543210&name=", b"&x=1", "name"),
        (FORM, b"", b"=1", "9" * 200),
    ],
    ids=lambda part: repr(part[:24]),
)
def test_a_huge_text_is_refused_before_it_is_parsed(
    client: FlaskClient, media_type: str, begin: bytes, end: bytes, field: str
) -> None:
    response = client.post(SEND_OTP, data=begin + b"9" * 1_200_001 + end, content_type=media_type)

    assert envelope_of(response)["errors"] == [{"field": field, "message": "Longer than 100000 characters."}]


def test_a_text_of_100000_escaped_characters_is_refused_by_its_field_alone(client: FlaskClient) -> None:
    body = b'{"mobileNumber": "%s"}' % (rb"\ud83e\ude77" * 100_000)

    assert envelope_of(client.post(SEND_OTP, data=body, content_type=JSON))["errors"] == [
        {"field": "mobileNumber", "message": "Mobile number must be exactly 10 digits"}
    ]


def filled(begin: bytes, unit: bytes, end: bytes) -> bytes:
    return begin + unit * ((LIMIT - len(begin) - len(end)) // len(unit)) + end


BODIES = {
    "text": (JSON, filled(b'{"mobileNumber": "', b"9", b'"}')),
    "wide text": (JSON, filled('{"mobileNumber": "\U0001f600'.encode(), b"9", b'"}')),
    "expanding text": (JSON, filled(b'{"mobileNumber": "', "\ufdfa".encode(), b'"}')),
    "escapes": (JSON, filled(b'{"mobileNumber": "', b"\\u0939", b'"}')),
    "lists": (JSON, filled(b'{"x": [', b"[" * 18 + b"]" * 18 + b",", b"1]}")),
    "objects": (JSON, filled(b'{"x": [', b'{"":{}},', b"1]}")),
    "keys": (JSON, b"{" + b",".join(b'"%d":1' % number for number in range(900_000)) + b"}"),
    "quotes": (JSON, filled(b'{"x": [', b'"",', b"1]}")),
    "number": (JSON, filled(b'{"x": ', b"9", b"}")),
    "fields": (FORM, filled(b"x=", b"&a=1", b"")),
    "percents": (FORM, filled(b"mobileNumber=", b"%39", b"")),
    "form text": (FORM, filled(b"mobileNumber=", b"9", b"")),
}


@pytest.fixture(scope="module")
def fresh(mongo: Mongo, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_with(mongo, valkey, tmp_path_factory.mktemp("large-bodies"), redis=4, parts=("web",)) as stack:
        yield stack


def peak_memory(stack: Stack) -> int:
    """The memory that the web processes have used at most, in bytes."""
    assert stack.web is not None
    status = "\n".join(Path(f"/proc/{pid}/status").read_text() for pid in _family(stack.web.pid))
    return sum(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def _family(pid: int) -> list[int]:
    return [pid, *(one for child in children(pid) for one in _family(child))]


@pytest.mark.long
@pytest.mark.parametrize("kind", BODIES)
def test_32_parallel_bodies_of_10_mb_take_less_than_600_mb_and_delay_nobody(fresh: Stack, kind: str) -> None:
    """On a busy machine the transfer of 320 MB delays others, too: the second is counted on top of it."""
    assert fresh.web is not None
    fresh.web.stop(within=10)
    fresh.start_web()
    fresh.wait_until_live()
    _, seconds_unread = send_in_parallel(fresh, "/api/nowhere", *BODIES[kind])
    before = peak_memory(fresh)

    statuses, seconds = send_in_parallel(fresh, SEND_OTP, *BODIES[kind])

    assert statuses <= {400, 413, 503}
    assert statuses != {503}
    assert peak_memory(fresh) - before < 600_000_000
    assert seconds < 1 + seconds_unread


def send_in_parallel(stack: Stack, path: str, media_type: str, body: bytes) -> tuple[set[int], float]:
    """The statuses of 32 requests, and the longest time in seconds that /health took meanwhile."""

    def send() -> int:
        headers = {"Content-Type": media_type}
        return httpx.post(stack.url + path, content=body, headers=headers, timeout=60).status_code

    slowest = 0.0
    with ThreadPoolExecutor(32) as senders:
        sent = [senders.submit(send) for _ in range(32)]
        while not all(one.done() for one in sent):
            response = httpx.get(f"{stack.url}/health", timeout=60)
            slowest = max(slowest, response.elapsed.total_seconds())
            time.sleep(0.05)
    return {one.result() for one in sent}, slowest

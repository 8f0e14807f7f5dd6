"""Which bodies are read, and how the others are refused."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories import (
    SignedIn,
    envelope_of,
    refused,
)
from tests.stack import Stack

LIMIT = 1024 * 1024
JSON = "application/json"


def put(client: FlaskClient, person: SignedIn, body: bytes, media_type: str | None = JSON) -> TestResponse:
    return client.put("/api/users/profile", data=body, content_type=media_type, headers=person.headers)


class TestJson:
    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"}",
            b" ",
            b"{'name': 'Asha'}",
            b'{"name": "Asha",}',
            b'{"name": "Asha"} x',
            b'{"name": "Asha"}{}',
            b'{"name": undefined}',
            b"// nothing\n{}",
            b'{"name": "A\nsha"}',
            b'{"name": "\\x41"}',
            b'{"name": "\\ud8"}',
            b'{"name": "\xff\xfe"}',
            b'{"name": "\xed\xa0\x80"}',
            b"\xef\xbb\xbf{}",
            '{"name": "Asha"}'.encode("utf-16"),
            b"\x00",
            b"\x1f\x8b\x08\x00",
            b'{"doctorInfo": {"experience": NaN}}',
            b'{"doctorInfo": {"experience": -Infinity}}',
            b'{"doctorInfo": {"experience": 1e999}}',
            b'{"doctorInfo": {"experience": ' + b"9" * 5000 + b"}}",
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"name": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        ],
        ids=lambda body: repr(body[:24]),
    )
    def test_what_is_no_json_is_malformed(self, client: FlaskClient, person: SignedIn, body: bytes) -> None:
        assert refused(put(client, person, body)) == (400, "MALFORMED_JSON")

    @pytest.mark.parametrize("body", [b"null", b"true", b"5", b'"name"', b"[]", b'[{"name": "Asha"}]'])
    def test_json_that_is_no_object_is_invalid(self, client: FlaskClient, person: SignedIn, body: bytes) -> None:
        response = put(client, person, body)

        assert refused(response) == (400, "VALIDATION_ERROR")
        assert envelope_of(response)["errors"] == [
            {"field": "", "message": "Invalid input type.", "value": json.loads(body)}
        ]

    @pytest.mark.parametrize("depth", [2, 50, 500, 800, *range(900, 1000, 7)])
    def test_no_depth_is_an_internal_error(self, client: FlaskClient, person: SignedIn, depth: int) -> None:
        response = put(client, person, b'{"x":' + b"[" * depth + b"]" * depth + b"}")

        assert refused(response) in {(400, "VALIDATION_ERROR"), (400, "MALFORMED_JSON")}

    @pytest.mark.parametrize(
        "text",
        ["\\ud800", "\\udc00\\ud800", "a\\u0000b", "\\u0007", "\\ufffe", "\\ue000", "line\\nbreak", "\\u001b[31m"],
    )
    def test_characters_that_are_none_are_refused(self, client: FlaskClient, person: SignedIn, text: str) -> None:
        response = put(client, person, b'{"profile": {"address": {"city": "%s"}}}' % text.encode())

        assert refused(response) == (400, "VALIDATION_ERROR")
        assert [one["field"] for one in envelope_of(response)["errors"]] == ["profile.address.city"]

    def test_an_object_whose_keys_are_hostile_is_refused_by_them(self, client: FlaskClient, person: SignedIn) -> None:
        response = put(client, person, b'{"$where": 1, "a.b": 2, "\\u0000": 3, "\\ud800": 4, "__proto__": 5, "": 6}')

        assert {one["field"] for one in envelope_of(response)["errors"]} == {
            "$where",
            "a.b",
            "\x00",
            "\ud800",
            "__proto__",
            "",
        }

    def test_of_a_key_that_comes_twice_the_last_counts(self, client: FlaskClient, person: SignedIn) -> None:
        response = put(client, person, b'{"name": "1", "name": "Asha"}')

        assert envelope_of(response)["data"]["user"]["name"] == "Asha"

    def test_every_refusal_is_json_itself(self, client: FlaskClient, person: SignedIn) -> None:
        response = put(client, person, b'{"a": 1e308, "b": -0.0, "c": 1E-400, "d": "\\ud800"}')

        assert len(json.loads(response.data, parse_constant=pytest.fail)["errors"]) == 4

    def test_an_answer_tells_a_hundred_errors_at_most(self, client: FlaskClient, person: SignedIn) -> None:
        body = json.dumps({f"k{number}": number for number in range(5000)})

        assert len(envelope_of(put(client, person, body.encode()))["errors"]) == 100


class TestMediaTypes:
    @pytest.mark.parametrize(
        "media_type",
        [
            None,
            "",
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/octet-stream",
            "application/jsonp",
            "json",
        ],
    )
    def test_a_body_of_another_type_is_unsupported(
        self, client: FlaskClient, person: SignedIn, media_type: str | None
    ) -> None:
        response = put(client, person, b'{"name": "Asha"}', media_type)

        assert refused(response) == (415, "UNSUPPORTED_MEDIA_TYPE")

    @pytest.mark.parametrize(
        "media_type",
        [JSON, "application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json", f"{JSON};"],
    )
    def test_a_body_of_json_may_say_so_in_several_ways(
        self, client: FlaskClient, person: SignedIn, media_type: str
    ) -> None:
        assert put(client, person, b'{"name": "Asha"}', media_type).status_code == 200

    @pytest.mark.parametrize("media_type", [JSON, None, "text/plain"])
    def test_no_body_is_as_good_as_an_empty_object(self, client: FlaskClient, media_type: str | None) -> None:
        response = client.post("/api/auth/send-otp", content_type=media_type)

        assert envelope_of(response)["errors"] == [
            {"field": "mobileNumber", "message": "Missing data for required field."}
        ]


class TestSize:
    def test_a_body_of_a_mebibyte_is_read(self, client: FlaskClient, person: SignedIn) -> None:
        body = b'{"name": "Asha"}'

        assert put(client, person, body.ljust(LIMIT)).status_code == 200

    def test_a_body_of_one_byte_more_is_too_large(self, client: FlaskClient, person: SignedIn) -> None:
        response = put(client, person, b'{"name": "Asha"}'.ljust(LIMIT + 1))

        assert refused(response) == (413, "PAYLOAD_TOO_LARGE")

    @pytest.mark.parametrize("size", [LIMIT + 1, 20 * LIMIT])
    def test_a_large_body_is_refused_by_the_server_before_it_is_read(self, stack: Stack, size: int) -> None:
        response = httpx.post(f"{stack.url}/api/auth/send-otp", content=b" " * size, headers={"Content-Type": JSON})

        assert (response.status_code, response.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")

    def test_a_body_in_chunks_is_read(self, stack: Stack) -> None:
        response = httpx.post(f"{stack.url}/api/auth/send-otp", content=chunks(1000), headers={"Content-Type": JSON})

        assert [one["field"] for one in response.json()["errors"]] == ["mobileNumber"]

    @pytest.mark.parametrize("size", [LIMIT + 1, 20 * LIMIT])
    def test_a_large_body_is_refused_when_it_does_not_tell_its_length(self, stack: Stack, size: int) -> None:
        """Cut off at the limit it would still be JSON, and would be taken for the whole."""
        response = httpx.post(f"{stack.url}/api/auth/send-otp", content=chunks(size), headers={"Content-Type": JSON})

        assert (response.status_code, response.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")

    @pytest.mark.parametrize(
        ("headers", "body", "status"),
        [
            (b"Transfer-Encoding: chunked", b"zz\r\n", b"400"),
            (b"Transfer-Encoding: chunked", b"5\r\n{", b"400"),
            (b"Content-Length: 100", b"{", b"400"),
            (b"Content-Length: 0", b"", b"400"),
        ],
        ids=["chunks that are none", "a chunk broken off", "a body broken off", "no body"],
    )
    def test_a_body_that_is_broken_off_is_the_client_s_fault(
        self, stack: Stack, headers: bytes, body: bytes, status: bytes
    ) -> None:
        head = b"POST /api/auth/send-otp HTTP/1.1\r\nHost: clinic\r\nContent-Type: application/json\r\n" + headers
        with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
            connection.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            connection.shutdown(socket.SHUT_WR)
            response = connection.makefile("rb").read()

        assert response.split(b" ")[1] == status
        assert b'"success":false' in response


def chunks(size: int) -> Iterator[bytes]:
    """A JSON object of a size, in pieces; the rest of it is blank."""
    yield b"{}"
    for _ in range(size // 65536 + 1):
        yield b" " * 65536

"""Request bodies: JSON, media types and size limits."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories import SignedIn, envelope_of, error_of, invalid_fields
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
    def test_a_body_that_is_not_json_is_malformed(self, client: FlaskClient, person: SignedIn, body: bytes) -> None:
        assert error_of(put(client, person, body)) == (400, "MALFORMED_JSON")

    @pytest.mark.parametrize("body", [b"null", b"true", b"5", b'"name"', b"[]", b'[{"name": "Asha"}]'])
    def test_json_that_is_not_an_object_is_invalid(self, client: FlaskClient, person: SignedIn, body: bytes) -> None:
        response = put(client, person, body)

        assert error_of(response) == (400, "VALIDATION_ERROR")
        assert envelope_of(response)["errors"] == [
            {"field": "", "message": "Invalid input type.", "value": json.loads(body)}
        ]

    @pytest.mark.parametrize("depth", [2, 50, 500, 800, *range(900, 1000, 7)])
    def test_deeply_nested_json_is_refused_without_an_internal_error(
        self, client: FlaskClient, person: SignedIn, depth: int
    ) -> None:
        response = put(client, person, b'{"x":' + b"[" * depth + b"]" * depth + b"}")

        assert error_of(response) in {(400, "VALIDATION_ERROR"), (400, "MALFORMED_JSON")}

    @pytest.mark.parametrize(
        "text",
        ["\\ud800", "\\udc00\\ud800", "a\\u0000b", "\\u0007", "\\ufffe", "\\ue000", "\\u001b[31m"],
    )
    def test_surrogates_and_control_characters_are_refused(
        self, client: FlaskClient, person: SignedIn, text: str
    ) -> None:
        response = put(client, person, b'{"profile": {"address": {"city": "%s"}}}' % text.encode())

        assert invalid_fields(response) == ["profile.address.city"]

    def test_keys_with_operators_or_control_characters_are_refused_as_unknown(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        response = put(client, person, b'{"$where": 1, "a.b": 2, "\\u0000": 3, "\\ud800": 4, "__proto__": 5, "": 6}')

        assert set(invalid_fields(response)) == {"$where", "a.b", "\x00", "\ud800", "__proto__", ""}

    def test_the_last_of_two_equal_keys_is_used(self, client: FlaskClient, person: SignedIn) -> None:
        response = put(client, person, b'{"name": "1", "name": "Asha"}')

        assert envelope_of(response)["data"]["user"]["name"] == "Asha"

    def test_a_refusal_of_odd_numbers_is_valid_json(self, client: FlaskClient, person: SignedIn) -> None:
        response = put(client, person, b'{"a": 1e308, "b": -0.0, "c": 1E-400, "d": "\\ud800"}')

        assert len(json.loads(response.data, parse_constant=pytest.fail)["errors"]) == 4

    def test_a_response_has_at_most_a_hundred_errors(self, client: FlaskClient, person: SignedIn) -> None:
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
    def test_a_body_of_another_media_type_is_unsupported(
        self, client: FlaskClient, person: SignedIn, media_type: str | None
    ) -> None:
        response = put(client, person, b'{"name": "Asha"}', media_type)

        assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")

    @pytest.mark.parametrize(
        "media_type",
        [JSON, "application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json", f"{JSON};"],
    )
    def test_variants_of_the_json_media_type_are_accepted(
        self, client: FlaskClient, person: SignedIn, media_type: str
    ) -> None:
        assert put(client, person, b'{"name": "Asha"}', media_type).status_code == 200

    @pytest.mark.parametrize("media_type", [JSON, None, "text/plain"])
    def test_a_missing_body_counts_as_an_empty_object(self, client: FlaskClient, media_type: str | None) -> None:
        response = client.post("/api/auth/send-otp", content_type=media_type)

        assert envelope_of(response)["errors"] == [
            {"field": "mobileNumber", "message": "Missing data for required field."}
        ]


class TestSize:
    def test_a_body_of_up_to_one_mebibyte_is_accepted(self, client: FlaskClient, person: SignedIn) -> None:
        responses = [put(client, person, b'{"name": "Asha"}'.ljust(LIMIT + more)) for more in range(2)]

        assert [error_of(response) for response in responses] == [(200, ""), (413, "PAYLOAD_TOO_LARGE")]

    @pytest.mark.parametrize("size", [LIMIT + 1, 20 * LIMIT])
    @pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
    def test_gunicorn_refuses_a_large_body(self, stack: Stack, size: int, *, is_chunked: bool) -> None:
        """A chunked body that is truncated at the limit would still be valid JSON."""
        body = chunks(size) if is_chunked else b" " * size
        response = httpx.post(f"{stack.url}/api/auth/send-otp", content=body, headers={"Content-Type": JSON})

        assert (response.status_code, response.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")

    def test_a_chunked_body_is_accepted(self, stack: Stack) -> None:
        response = httpx.post(f"{stack.url}/api/auth/send-otp", content=chunks(1000), headers={"Content-Type": JSON})

        assert [one["field"] for one in response.json()["errors"]] == ["mobileNumber"]

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            (b"Transfer-Encoding: chunked", b"zz\r\n"),
            (b"Transfer-Encoding: chunked", b"5\r\n{"),
            (b"Content-Length: 100", b"{"),
            (b"Content-Length: 0", b""),
        ],
        ids=["invalid chunk", "truncated chunk", "truncated body", "no body"],
    )
    def test_a_truncated_body_is_a_client_error(self, stack: Stack, headers: bytes, body: bytes) -> None:
        head = b"POST /api/auth/send-otp HTTP/1.1\r\nHost: clinic\r\nContent-Type: application/json\r\n" + headers
        with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
            connection.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            connection.shutdown(socket.SHUT_WR)
            response = connection.makefile("rb").read()

        assert response.split(b" ")[1] == b"400"
        assert b'"success":false' in response


def chunks(size: int) -> Iterator[bytes]:
    """An empty JSON object in chunks, followed by spaces up to a size."""
    yield b"{}"
    for _ in range(size // 65536 + 1):
        yield b" " * 65536

"""Request bodies: JSON, media types and size limits."""

import gzip
import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories import SignedIn, envelope_of, error_of, invalid_fields
from tests.stack import Stack

LIMIT = 10 * 1024 * 1024
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


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

    @pytest.mark.parametrize(
        ("depth", "code"),
        [(2, "VALIDATION_ERROR"), (20, "VALIDATION_ERROR"), (21, "MALFORMED_JSON"), (1000, "MALFORMED_JSON")],
    )
    @pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"\\"[": ', b"}")], ids=["lists", "objects"])
    def test_json_that_is_nested_deeper_than_20_levels_is_malformed(
        self, client: FlaskClient, person: SignedIn, depth: int, code: str, begin: bytes, end: bytes
    ) -> None:
        inner = begin * (depth - 1) + b"1" + end * (depth - 1)

        assert error_of(put(client, person, b'{"x": ' + inner + b"}")) == (400, code)

    @pytest.mark.parametrize("text", [r"[" * 50, r"{" * 50, r"\\\"[[[" * 10, r"\\" + "[" * 50])
    def test_brackets_in_a_text_are_no_nesting(self, client: FlaskClient, person: SignedIn, text: str) -> None:
        response = put(client, person, b'{"profile": {"address": {"city": "%s"}}}' % text.encode())

        assert error_of(response) in {(200, ""), (400, "VALIDATION_ERROR")}

    @pytest.mark.parametrize("body", [b'{"name": "Asha"}', b' {"name": "Asha"} \r\n'])
    def test_a_byte_order_mark_is_ignored(self, client: FlaskClient, person: SignedIn, body: bytes) -> None:
        response = put(client, person, b"\xef\xbb\xbf" + body)

        assert envelope_of(response)["data"]["user"]["name"] == "Asha"

    def test_a_byte_order_mark_alone_counts_as_an_empty_object(self, client: FlaskClient) -> None:
        response = client.post("/api/auth/send-otp", data=b"\xef\xbb\xbf", content_type=JSON)

        assert invalid_fields(response) == ["mobileNumber"]

    @pytest.mark.parametrize(("length", "is_repeated"), [(200, True), (201, False), (100_000, False)])
    @pytest.mark.parametrize("character", ["x", "\u0905"])
    def test_a_refused_value_is_repeated_up_to_200_characters(
        self, client: FlaskClient, person: SignedIn, length: int, character: str, *, is_repeated: bool
    ) -> None:
        [error] = envelope_of(put(client, person, json.dumps({"x": character * length}).encode()))["errors"]

        assert ("value" in error) == is_repeated

    @pytest.mark.parametrize("value", [["word"] * 40, {"a": "x" * 200}, 10**300], ids=["list", "object", "number"])
    def test_a_long_value_of_any_type_is_left_out(self, client: FlaskClient, person: SignedIn, value: object) -> None:
        [error] = envelope_of(put(client, person, json.dumps({"x": value}).encode()))["errors"]

        assert error == {"field": "x", "message": "Unknown field."}

    def test_an_unknown_name_is_repeated_in_part_only(self, client: FlaskClient, person: SignedIn) -> None:
        response = put(client, person, json.dumps({"n" * 500_000: 1}).encode())

        assert invalid_fields(response) == ["n" * 200]

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

    @pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate, gzip", "identity, zstd"])
    @pytest.mark.parametrize(
        ("method", "path", "media_type"),
        [
            ("PUT", "/api/users/profile", JSON),
            ("PUT", "/api/users/profile", FORM),
            ("POST", "/api/files/upload/profiles", "multipart/form-data; boundary=x"),
        ],
    )
    def test_an_encoded_body_is_unsupported(
        self, client: FlaskClient, person: SignedIn, encoding: str, method: str, path: str, media_type: str
    ) -> None:
        headers = {**person.headers, "Content-Encoding": encoding}
        body = gzip.compress(b'{"name": "Asha"}')
        response = client.open(path, method=method, data=body, content_type=media_type, headers=headers)

        assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert response.headers["Accept-Encoding"] == "identity"
        assert envelope_of(response)["message"].startswith("The request body is compressed, or ")

    @pytest.mark.parametrize("encoding", ["identity", ""])
    def test_an_identity_encoding_is_no_encoding(self, client: FlaskClient, person: SignedIn, encoding: str) -> None:
        headers = {**person.headers, "Content-Encoding": encoding}

        assert client.put("/api/users/profile", json={"name": "Asha"}, headers=headers).status_code == 200

    @pytest.mark.parametrize("media_type", [JSON, None, "text/plain"])
    def test_a_missing_body_counts_as_an_empty_object(self, client: FlaskClient, media_type: str | None) -> None:
        response = client.post("/api/auth/send-otp", content_type=media_type)

        assert envelope_of(response)["errors"] == [
            {"field": "mobileNumber", "message": "Missing data for required field."}
        ]


class TestSize:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"x": [' + b"[],[[]]," * 100_000 + b"1]}",
            b'{"x": [' + b'"",' * 300_000 + b"1]}",
            b'{"x": [' + b"1," * 100_001 + b"1]}",
            b'{"x": [' + b'{"":0},' * 100_000 + b"1]}",
        ],
        ids=["lists", "texts", "numbers", "objects"],
    )
    def test_a_body_with_more_than_100000_values_is_too_large(
        self, client: FlaskClient, person: SignedIn, body: bytes
    ) -> None:
        assert error_of(put(client, person, body)) == (413, "PAYLOAD_TOO_LARGE")

    def test_a_text_that_no_field_accepts_is_refused_before_it_is_normalized(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        response = put(client, person, json.dumps({"profile": {"address": {"city": "x" * 100_001}}}).encode())

        assert envelope_of(response)["errors"] == [
            {"field": "profile.address.city", "message": "Longer than 100000 characters."}
        ]

    def test_a_body_of_up_to_10_mebibytes_is_accepted(self, client: FlaskClient, person: SignedIn) -> None:
        responses = [put(client, person, b'{"name": "Asha"}'.ljust(LIMIT + more)) for more in range(2)]

        assert [error_of(response) for response in responses] == [(200, ""), (413, "PAYLOAD_TOO_LARGE")]

    @pytest.mark.long
    @pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT])
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

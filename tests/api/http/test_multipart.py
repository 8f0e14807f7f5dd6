"""Multipart forms: every length, parts without names, and forms that are cut off."""

import socket
from collections.abc import Iterator
from io import BytesIO
from typing import IO, cast

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse

from arthomed.core.errors import MalformedMultipart
from arthomed.core.permissions import Role
from arthomed.http.forms import StrictFormParser
from tests import factories
from tests.factories import SignedIn, data_of, envelope_of, error_of, picture
from tests.faults.clinic import Clinic
from tests.stack import Stack

PROFILES = "/api/files/upload/profiles"
BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY.decode()}"
CHUNK = 65536
MALFORMED = (400, "MALFORMED_MULTIPART")
END = b"--" + BOUNDARY + b"--\r\n"


def part(headers: bytes, content: bytes) -> bytes:
    return b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; " + headers + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, text: str) -> bytes:
    return part(b'name="%s"' % name.encode(), text.encode())


def file_part(content: bytes, headers: bytes = b'name="files"; filename="picture.png"') -> bytes:
    return part(headers, content)


def parse(
    body: bytes, *, after: bytes = b"", stream: IO[bytes] | None = None
) -> tuple[dict[str, str], dict[str, bytes]]:
    """The texts and the files of a form."""
    parser = StrictFormParser(stream_factory=lambda *_, **__: BytesIO())
    sent = stream or BytesIO(body + END.removesuffix(b"\r\n") + after)
    _, texts, files = parser.parse(sent, "multipart/form-data", None, {"boundary": BOUNDARY.decode()})
    return texts.to_dict(), {name: one.stream.read() for name, one in cast("dict[str, FileStorage]", files).items()}


class Trickle(BytesIO):
    """A stream that first gives `size` bytes, whatever is asked for."""

    def __init__(self, body: bytes, size: int) -> None:
        super().__init__(body)
        self._size: int | None = size

    def read(self, size: int | None = -1, /) -> bytes:
        first, self._size = self._size, None
        return super().read(size if first is None else first)


class TestLengths:
    @pytest.mark.parametrize("after", [b"", b"\r\n", b"\r\nepilogue", b" \t\r\n"], ids=repr)
    @pytest.mark.parametrize("chunks", [1, 2])
    def test_the_last_part_is_the_same_at_every_length_around_a_chunk_border(self, after: bytes, chunks: int) -> None:
        first, headers = field("category", "reports"), file_part(b"")[:-2]
        fixed = len(first + headers + b"\r\n" + END.removesuffix(b"\r\n") + after)

        for length in range(chunks * CHUNK - 150, chunks * CHUNK + 151):
            content = b"x" * (length - fixed)

            texts, files = parse(first + headers + content + b"\r\n", after=after)

            assert (texts, files["files"] == content) == ({"category": "reports"}, True), length

    @pytest.mark.parametrize("padding", [b"", b" ", b" \t  "], ids=repr)
    @pytest.mark.parametrize("content", [b"report", b"", b"a\r", b"\n", b"\r\n", b"-", b"\r\n--"], ids=repr)
    def test_a_border_at_every_byte_of_a_delimiter_leaves_both_parts_as_they_are(
        self, content: bytes, padding: bytes
    ) -> None:
        delimiter = b"--" + BOUNDARY
        for border in range(CHUNK - 3 * len(delimiter), CHUNK + 20):
            start = file_part(b"x" * (border - 150), b'name="files"; filename="a"')
            body = start + field("category", "reports").replace(delimiter, delimiter + padding)
            body += part(b'name="other"', content)

            texts, files = parse(body)

            assert texts == {"category": "reports", "other": content.decode()}
            assert len(files["files"]) == border - 150

    def test_a_short_read_at_every_byte_changes_nothing(self) -> None:
        body = field("category", "reports") + file_part(b"\r\n-\r\n--x\r") + field("other", "last") + END
        expected = {"category": "reports", "other": "last"}, {"files": b"\r\n-\r\n--x\r"}

        assert [parse(b"", stream=Trickle(body, size)) for size in range(1, len(body))] == [expected] * (len(body) - 1)

    @pytest.mark.usefixtures("client")
    def test_a_booking_of_an_awkward_length_has_its_own_reason(self, client: FlaskClient, person: SignedIn) -> None:
        doctor = factories.make_doctor(factories.every_day())
        fields = factories.booking_body(doctor)
        reason = str(fields.pop("reason"))
        body = b"".join(field(name, str(text)) for name, text in fields.items())
        end = field("reason", reason) + END.removesuffix(b"\r\n")
        first = file_part(b"", b'name="images"; filename=""\r\nX-Padding: ')
        padding = b"x" * (CHUNK + 3 - len(first + body + end))
        body = first.replace(b"Padding: ", b"Padding: " + padding) + body + end
        assert len(body) % CHUNK == 3

        response = client.post("/api/appointments/book", data=body, content_type=MULTIPART, headers=person.headers)

        assert data_of(response, 201)["appointment"]["reason"] == reason


class TestNames:
    def test_a_file_without_a_name_is_refused_and_its_bytes_are_not_repeated(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        content = picture()[0].read()
        response = post(client, person, file_part(content, b'name="files"') + END)

        assert error_of(response) == (400, "VALIDATION_ERROR")
        assert envelope_of(response)["errors"] == [{"field": "files", "message": "Each file needs a file name."}]

    def test_a_file_with_an_empty_name_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        response = post(client, person, file_part(b"%PDF", b'name="files"; filename=""') + END)

        assert envelope_of(response)["errors"] == [{"field": "files", "message": "Each file needs a file name."}]

    def test_one_file_without_a_name_among_others_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        content = picture()[0].read()
        response = post(client, person, file_part(content) + file_part(content, b'name="files"') + END)

        assert error_of(response) == (400, "VALIDATION_ERROR")

    def test_an_empty_file_input_of_a_browser_is_no_file(self, client: FlaskClient, person: SignedIn) -> None:
        response = post(client, person, file_part(b"", b'name="files"; filename=""') + END)

        assert envelope_of(response)["errors"] == [{"field": "files", "message": "At least one file is needed."}]

    def test_a_long_text_in_an_unknown_field_is_not_repeated(self, client: FlaskClient, person: SignedIn) -> None:
        response = post(client, person, field("image", "x" * 90_000) + END)

        assert envelope_of(response)["errors"] == [{"field": "image", "message": "Unknown field."}]

    def test_a_field_name_is_repeated_in_part_only(self, client: FlaskClient, person: SignedIn) -> None:
        response = post(client, person, field("n" * 90_000, "x") + END)

        assert len(response.data) < 1000


class TestMalformed:
    @pytest.mark.parametrize(
        "body",
        [
            b"\r\n",
            b"garbage",
            b"--another\r\n\r\n--another--",
            b"--" + BOUNDARY,
            field("category", "reports"),
            field("category", "reports") + END[:-4],
            field("category", "reports")[:-1],
            file_part(b"\x89PNG")[:-20],
            part(b'filename="picture.png"', b"x") + END,
            part(b"", b"x") + END,
            b"--" + BOUNDARY + b"\r\nContent-Type: text/plain\r\n\r\nx\r\n" + END,
            b"--" + BOUNDARY + b"\r\nno header",
            part(b'name="\xff\xfe"', b"x") + END,
            b"x" * 300_000,
            file_part(b"x" * 300_000),
            field("category", "reports").replace(BOUNDARY, BOUNDARY + b" " * 100_000) + END,
        ],
        ids=lambda body: f"{len(body)} {body[-12:]!r}",
    )
    def test_a_form_that_cannot_be_read_is_malformed_and_leaves_nothing(
        self, client: FlaskClient, person: SignedIn, body: bytes
    ) -> None:
        assert error_of(post(client, person, body)) == MALFORMED

    @pytest.mark.parametrize(
        "media_type", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\xe9"]
    )
    def test_a_form_without_a_boundary_is_malformed(
        self, client: FlaskClient, person: SignedIn, media_type: str
    ) -> None:
        assert error_of(post(client, person, file_part(b"x") + END, media_type)) == MALFORMED

    def test_a_form_that_is_cut_at_any_byte_is_malformed(self) -> None:
        body = field("category", "reports") + file_part(b"\x89PNG\r\n\x1a\n") + END.removesuffix(b"\r\n")

        for length in range(len(body)):
            with pytest.raises(MalformedMultipart):
                parse(b"", stream=BytesIO(body[:length]))

    @pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
    def test_a_form_whose_connection_is_cut_is_malformed(self, clinic: Clinic, *, is_chunked: bool) -> None:
        token = clinic.person(Role.PATIENT).headers["Authorization"]
        begin = field("category", "reports")[:-9]
        sent = b"%x\r\n%s" % (len(begin) + 5, begin) if is_chunked else begin
        length = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 500"
        head = [f"POST {PROFILES} HTTP/1.1", "Host: clinic", f"Content-Type: {MULTIPART}", length]
        head += [f"Authorization: {token}", "Connection: close", "", ""]
        with socket.create_connection(("127.0.0.1", clinic.stack.port), timeout=10) as connection:
            connection.sendall("\r\n".join(head).encode() + sent)
            connection.shutdown(socket.SHUT_WR)
            response = connection.makefile("rb").read()

        assert b'"MALFORMED_MULTIPART"' in response


@pytest.fixture
def clinic(stack: Stack) -> Iterator[Clinic]:
    with Clinic(stack) as running:
        yield running


def post(client: FlaskClient, person: SignedIn, body: bytes, media_type: str = MULTIPART) -> TestResponse:
    return client.post(PROFILES, data=body, content_type=media_type, headers=person.headers)

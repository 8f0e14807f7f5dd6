"""Refused uploads: the message is the specification's, `error.details` say what exactly is wrong."""

from io import BytesIO

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.files.rules import MAX_FILE_BYTES
from tests import factories
from tests.api.files import file_requests
from tests.api.files.file_requests import FormFile
from tests.factories import SignedIn, picture
from tests.unit.files import corpus_pdfs

TOO_LARGE = "File too large. Maximum size allowed is 10MB."
TOO_MANY = "Too many files. Maximum 5 files allowed."
WRONG_TYPE = "Invalid file type. Only JPG, PNG, and PDF files are allowed."

pytestmark = [
    pytest.mark.usefixtures("empty_storage"),
    pytest.mark.parametrize("empty_storage", ["folder"], indirect=True),
]


def refusal(response: TestResponse) -> tuple[str, str, str]:
    """Code, message and details."""
    body = factories.envelope_of(response)
    assert body["error"]["statusCode"] == response.status_code == 400
    return body["error"]["code"], body["message"], body["error"]["details"]


def large() -> FormFile:
    return BytesIO(b"\x89PNG" + bytes(MAX_FILE_BYTES)), "scan.png"


CASES: dict[str, tuple[list[FormFile], tuple[str, str, str]]] = {
    "too large": ([picture(), large()], ("FILE_TOO_LARGE", TOO_LARGE, "File 2 of 2 has 10.0 MB")),
    "too many": ([picture()] * 6, ("TOO_MANY_FILES", TOO_MANY, "6 files were sent")),
    "another type": (
        [(BytesIO(b"GIF89a"), "a.png")],
        (
            "INVALID_FILE_TYPE",
            WRONG_TYPE,
            "The file is not a JPEG, PNG or PDF, whatever its name; please save it as one of these",
        ),
    ),
    "empty": (
        [(BytesIO(b""), "a.png")],
        ("INVALID_FILE_TYPE", WRONG_TYPE, "The file is empty; please choose it again"),
    ),
}


def copies(files: list[FormFile]) -> list[FormFile]:
    return [(BytesIO(stream.getvalue()), name) for stream, name in files]


@pytest.mark.parametrize("name", CASES)
def test_an_upload_to_an_appointment_is_refused_in_the_words_of_the_specification(
    client: FlaskClient, person: SignedIn, appointment: Appointment, name: str
) -> None:
    files, expected = CASES[name]

    assert refusal(file_requests.post_files(client, person, appointment.id, *copies(files))) == expected


@pytest.mark.parametrize("name", CASES)
def test_a_booking_is_refused_in_the_words_of_the_specification(
    client: FlaskClient, person: SignedIn, name: str
) -> None:
    files, expected = CASES[name]
    body = factories.booking_body(factories.make_doctor(factories.every_day("09:00", "10:00")), images=copies(files))

    response = client.post("/api/appointments/book", data=body, headers=person.headers)
    response.request.input_stream.close()  # the test client keeps a large form in a file, and leaves it open

    assert refusal(response) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([picture()] * 2, ("TOO_MANY_FILES", "Too many files. Maximum 1 file allowed.", "2 files were sent")),
        (
            [(BytesIO(corpus_pdfs.pdf()), "me.pdf")],
            (
                "INVALID_FILE_TYPE",
                "Invalid file type. Only JPG and PNG files are allowed.",
                "A profile picture cannot be a PDF",
            ),
        ),
    ],
    ids=["two", "a PDF"],
)
def test_a_profile_picture_is_one_picture(
    client: FlaskClient, person: SignedIn, files: list[FormFile], expected: tuple[str, str, str]
) -> None:
    response = client.post("/api/files/upload/profiles", data={"files": copies(files)}, headers=person.headers)

    assert refusal(response) == expected

"""DELETE of a file with If-Match deletes the file that the client has seen, or nothing."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from arthomed.files.models import File
from tests import factories
from tests.api.files import file_requests
from tests.factories import SignedIn, data_of, error_of, picture

pytestmark = pytest.mark.usefixtures("empty_storage")  # in a folder and in a bucket, which sends its own ETags

NAMES_ANOTHER_FILE = [
    '"another"',
    '"another", W/"other"',
    "W/{etag}",
    "another",
    '"',
    "",
    ",",
    '"*"',
    '"{etag}-thumbnail"',
]
NAMES_THE_FILE = ["{etag}", '"another", {etag}', "*"]


@pytest.fixture
def url(person: SignedIn, appointment: Appointment) -> str:
    """The URL of a picture that the patient has uploaded to the appointment."""
    return f"/api/files/{factories.make_file(appointment, person.user)}"


def delete(client: FlaskClient, person: SignedIn, url: str, **conditions: str) -> TestResponse:
    """Delete a file; `{etag}` in a condition is its ETag."""
    etag = file_requests.fetch(client, person, url).headers["ETag"]
    headers = {name.replace("_", "-"): text.format(etag=etag) for name, text in conditions.items()}
    return client.delete(url, headers={**person.headers, **headers})


@pytest.mark.parametrize("condition", NAMES_ANOTHER_FILE)
def test_a_condition_that_names_another_file_deletes_nothing(
    client: FlaskClient, person: SignedIn, url: str, condition: str
) -> None:
    response = delete(client, person, url, If_Match=condition)

    assert error_of(response) == (412, "PRECONDITION_FAILED")
    assert file_requests.fetch(client, person, url).status_code == 200
    assert File.objects.get().marked_for_deletion_at is None
    assert AuditEvent.objects(kind="file", action="delete").count() == 0


@pytest.mark.parametrize("condition", NAMES_THE_FILE)
def test_a_condition_that_names_the_file_deletes_it(
    client: FlaskClient, person: SignedIn, url: str, condition: str
) -> None:
    data_of(delete(client, person, url, If_Match=condition))

    assert file_requests.fetch(client, person, url).status_code == 404
    assert File.objects.count() == 0


@pytest.mark.parametrize("condition", ["{etag}", "*", '"another"'])
def test_if_none_match_is_ignored(client: FlaskClient, person: SignedIn, url: str, condition: str) -> None:
    data_of(delete(client, person, url, If_None_Match=condition))

    assert File.objects.count() == 0


def test_a_profile_picture_is_kept_too(client: FlaskClient, person: SignedIn) -> None:
    body = {"files": [picture()]}
    uploaded = client.post("/api/files/upload/profiles", data=body, headers=person.headers)
    url = data_of(uploaded)["uploadedFiles"][0]["url"]

    assert error_of(delete(client, person, url, If_Match='"another"')) == (412, "PRECONDITION_FAILED")
    assert data_of(client.get("/api/users/profile", headers=person.headers))["user"]["avatar"] == url


def test_the_condition_is_checked_after_the_permission(
    client: FlaskClient, person: SignedIn, appointment: Appointment
) -> None:
    """RFC 9110 section 13.2.1."""
    filename = factories.make_file(appointment, factories.make_user(Role.DOCTOR))
    condition = {**person.headers, "If-Match": '"another"'}

    assert error_of(client.delete(f"/api/files/{filename}", headers=condition)) == (403, "PERMISSION_DENIED")
    assert error_of(client.delete("/api/files/unknown.png", headers=condition)) == (404, "NOT_FOUND")

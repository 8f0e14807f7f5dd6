"""Downloading and deleting files."""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_connection

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.config import settings
from arthomed.core.permissions import Role
from arthomed.files import file_store
from arthomed.files.models import File
from arthomed.files.rules import State
from arthomed.infra.storage import LocalStorage
from tests import factories
from tests.api.files import file_requests
from tests.factories import SignedIn, data_of, error_of, picture

NOT_FOUND = (404, "NOT_FOUND")

pytestmark = pytest.mark.usefixtures("empty_storage")


@pytest.fixture
def url(person: SignedIn, appointment: Appointment) -> str:
    """The URL of a picture that the patient has uploaded to the appointment."""
    return f"/api/files/{factories.make_file(appointment, person.user)}"


def size_of(url: str) -> int:
    size: int = File.objects.get(filename=url.rpartition("/")[2]).size
    return size


class TestDownload:
    def test_response_is_an_attachment_that_is_not_cached(
        self, client: FlaskClient, person: SignedIn, url: str
    ) -> None:
        response = file_requests.fetch(client, person, url)

        assert response.data.startswith(b"\x89PNG")
        assert response.headers["Content-Disposition"] == (
            "attachment; filename=\"picture.png\"; filename*=UTF-8''picture.png"
        )
        assert response.headers["Cache-Control"] == "private, no-store"

    @file_requests.folder_only
    @pytest.mark.parametrize(
        ("accept", "status"),
        [
            ("image/*", 200),
            ("image/png", 200),
            ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", 200),
            ("application/octet-stream", 200),
            ("application/json", 200),
            ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", 200),
            ("*", 200),
            ("application/pdf, image/*;q=0.1", 200),
            ("application/pdf", 406),
            ("image/jpeg", 406),
            ("image/*, image/png;q=0", 406),
            ("text/html", 406),
            ("image/*;q=0", 406),
        ],
    )
    def test_a_picture_is_sent_unless_the_client_excludes_it(
        self, client: FlaskClient, person: SignedIn, url: str, accept: str, status: int
    ) -> None:
        assert file_requests.fetch(client, person, url, Accept=accept).status_code == status

    @file_requests.folder_only
    def test_a_client_that_accepts_files_only_gets_errors_as_json(self, client: FlaskClient, url: str) -> None:
        response = client.get(url, headers={"Accept": "image/*"})

        assert error_of(response) == (401, "NO_TOKEN")

    @file_requests.folder_only
    def test_response_headers_keep_a_browser_from_running_the_content(
        self, client: FlaskClient, person: SignedIn, url: str
    ) -> None:
        response = file_requests.fetch(client, person, url)

        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]

    def test_file_name_in_any_script_is_encoded_in_the_header(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        name = factories.make_file(appointment, person.user, original_name="जाँच 1.png")

        header = file_requests.fetch(client, person, f"/api/files/{name}").headers["Content-Disposition"]
        assert unquote(header) == "attachment; filename=\"1.png\"; filename*=UTF-8''जाँच 1.png"
        assert header.isascii()

    def test_image_has_a_thumbnail(self, client: FlaskClient, person: SignedIn, appointment: Appointment) -> None:
        (uploaded,) = file_requests.upload_files(client, person, appointment.id, picture(size=(800, 400)))

        thumbnail = file_requests.fetch(client, person, f"{uploaded['url']}?thumbnail=true")
        assert (thumbnail.status_code, thumbnail.mimetype) == (200, "image/jpeg")

    def test_pdf_has_no_thumbnail(self, client: FlaskClient, person: SignedIn, appointment: Appointment) -> None:
        (uploaded,) = file_requests.upload_files(client, person, appointment.id, file_requests.pdf())

        assert file_requests.fetch(client, person, f"{uploaded['url']}?thumbnail=true").status_code == 404

    @pytest.mark.parametrize(
        ("byte_range", "expected"),
        [("bytes=0-3", slice(0, 4)), ("bytes=4-", slice(4, None)), ("bytes=-5", slice(-5, None))],
    )
    def test_range_request_returns_the_range(
        self, client: FlaskClient, person: SignedIn, url: str, byte_range: str, expected: slice
    ) -> None:
        whole = file_requests.fetch(client, person, url).data
        part = file_requests.fetch(client, person, url, Range=byte_range)

        assert (part.status_code, part.data) == (206, whole[expected])
        assert part.headers["Content-Range"].endswith(f"/{len(whole)}")

    def test_range_beyond_the_end_is_rejected(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        assert file_requests.fetch(client, person, url, Range=f"bytes={size_of(url)}-").status_code == 416

    @file_requests.folder_only
    @pytest.mark.parametrize(
        "headers",
        [
            *(
                {"Range": one}
                for one in ("lines=0-3", "bytes", "bytes=-9999999", "bytes=3-1", "bytes=0-1,3-4", "bytes=a-b")
            ),
            {"Range": "bytes=0-3", "If-Range": '"another"'},  # S3 ignores If-Range, but the content never changes
        ],
        ids=str,
    )
    def test_unsupported_range_and_range_of_changed_content_return_the_whole_file(
        self, client: FlaskClient, person: SignedIn, url: str, headers: dict[str, str]
    ) -> None:
        response = file_requests.fetch(client, person, url, **headers)

        assert (response.status_code, len(response.data)) == (200, size_of(url))

    def test_missing_content_is_not_found(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        file_store.current().storage.delete(File.objects.get().key)

        assert file_requests.fetch(client, person, url).status_code == 404

    def test_matching_etag_returns_not_modified(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        etag = file_requests.fetch(client, person, url).headers["ETag"]

        response = file_requests.fetch(client, person, url, **{"If-None-Match": etag})
        assert (response.status_code, response.data) == (304, b"")

    @file_requests.folder_only
    def test_head_request_returns_the_size(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        response = client.head(url, headers=person.headers)

        assert (response.content_length, response.data) == (size_of(url), b"")

    @file_requests.folder_only
    def test_web_server_in_front_sends_the_file_if_configured(
        self, client: FlaskClient, person: SignedIn, url: str
    ) -> None:
        behind_nginx = LocalStorage(settings().uploads.folder, accel_prefix="/protected")
        file_store.use(replace(file_store.current(), storage=behind_nginx))

        response = file_requests.fetch(client, person, url)
        file = File.objects.get(filename=url.rpartition("/")[2])
        assert (response.headers["X-Accel-Redirect"], response.data) == (f"/protected/{file.key}", b"")

    @pytest.mark.parametrize(
        ("state", "refusal"),
        [(State.WAITING, (409, "FILE_NOT_READY")), (State.INFECTED, NOT_FOUND), (State.MISSING, NOT_FOUND)],
    )
    def test_only_a_ready_file_can_be_downloaded(
        self, client: FlaskClient, person: SignedIn, url: str, state: State, refusal: Any
    ) -> None:
        File.objects.update(set__state=state)

        assert error_of(file_requests.fetch(client, person, url)) == refusal

    @pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "%00", "nothing.png", "a" * 5000])
    def test_unknown_file_name_is_not_found(self, client: FlaskClient, person: SignedIn, name: str) -> None:
        assert file_requests.fetch(client, person, f"/api/files/{name}").status_code == 404

    def test_each_download_is_audited(self, app: Flask, client: FlaskClient, person: SignedIn, url: str) -> None:
        admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
        for reader in (admin, person):
            file_requests.fetch(client, reader, url)
        audit.flush()

        events = AuditEvent.objects(kind="file", action="read").order_by("id")
        assert [(event.actor, event.subjects) for event in events] == [
            (reader.user.id, [person.user.id]) for reader in (admin, person)
        ]


class TestProfilePictures:
    @pytest.fixture
    def picture_url(self, client: FlaskClient, person: SignedIn) -> str:
        body = {"files": [picture()]}
        response = client.post("/api/files/upload/profiles", data=body, headers=person.headers)
        url: str = data_of(response)["uploadedFiles"][0]["url"]
        return url

    @pytest.mark.parametrize(
        ("role", "status"), [(Role.PATIENT, 404), (Role.DOCTOR, 404), (Role.RECEPTIONIST, 200), (Role.ADMIN, 200)]
    )
    def test_only_staff_can_see_the_picture_of_another_patient(
        self, app: Flask, client: FlaskClient, picture_url: str, role: Role, status: int
    ) -> None:
        stranger = factories.sign_in(app, factories.make_user(role))

        assert file_requests.fetch(client, stranger, picture_url).status_code == status

    def test_doctor_can_see_the_picture_of_a_patient_with_an_appointment(
        self, app: Flask, client: FlaskClient, person: SignedIn, picture_url: str
    ) -> None:
        doctor = factories.make_doctor()
        factories.make_appointment(person.user, doctor)

        assert file_requests.fetch(client, factories.sign_in(app, doctor), picture_url).status_code == 200

    def test_deleted_picture_is_removed_from_the_profile(
        self, client: FlaskClient, person: SignedIn, picture_url: str
    ) -> None:
        data_of(client.delete(picture_url, headers=person.headers))

        assert data_of(client.get("/api/users/profile", headers=person.headers))["user"]["avatar"] is None


class TestDelete:
    def test_uploader_can_delete_the_file(self, client: FlaskClient, person: SignedIn, url: str) -> None:
        data_of(client.delete(url, headers=person.headers))

        assert file_requests.fetch(client, person, url).status_code == 404
        assert File.objects.count() == 0
        assert file_requests.problems_after_purge() == []

    def test_patient_cannot_delete_a_file_after_the_appointment_is_completed(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment, url: str
    ) -> None:
        Appointment.objects(id=appointment.id).update(set__status=Status.COMPLETED)

        assert error_of(client.delete(url, headers=person.headers)) == (403, "PERMISSION_DENIED")

    def test_deletion_waits_for_a_transaction_that_completes_the_appointment(
        self, app: Flask, person: SignedIn, appointment: Appointment, url: str
    ) -> None:
        completed = {"$set": {"status": Status.COMPLETED}}
        with get_connection().start_session() as session, ThreadPoolExecutor(1) as threads:
            with session.start_transaction():
                Appointment.collection().update_one({"_id": appointment.id}, completed, session=session)
                response = threads.submit(app.test_client().delete, url, headers=person.headers)
                assert wait([response], timeout=0.2).not_done
            assert error_of(response.result()) == (403, "PERMISSION_DENIED")

    def test_patient_cannot_delete_a_file_of_the_doctor(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        filename = factories.make_file(appointment, factories.make_user(Role.DOCTOR))

        assert error_of(client.delete(f"/api/files/{filename}", headers=person.headers)) == (403, "PERMISSION_DENIED")

    def test_second_deletion_is_not_found_and_not_audited(
        self, client: FlaskClient, person: SignedIn, url: str
    ) -> None:
        statuses = [client.delete(url, headers=person.headers).status_code for _ in range(2)]

        assert statuses == [200, 404]
        assert AuditEvent.objects(kind="file", action="delete").count() == 1

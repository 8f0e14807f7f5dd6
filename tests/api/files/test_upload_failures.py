"""Uploads that fail because of the disk, the request body or the rate limit."""

import shutil

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.config import settings
from arthomed.files.models import File
from tests import factories
from tests.api.files import file_requests
from tests.factories import SignedIn, error_of, picture

pytestmark = [pytest.mark.usefixtures("empty_storage"), file_requests.folder_only]


class TestUnavailableStorage:
    def test_upload_is_unavailable_while_the_disk_is_not_mounted(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        file_requests.upload_files(client, person, appointment.id)
        shutil.rmtree(settings().uploads.folder)

        response = file_requests.post_files(client, person, appointment.id, picture())
        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
        assert not settings().uploads.folder.exists()

    def test_first_upload_initializes_an_empty_folder(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        shutil.rmtree(settings().uploads.folder)

        assert len(file_requests.upload_files(client, person, appointment.id)) == 1

    def test_upload_to_a_folder_that_is_not_writable_is_unavailable_and_stores_nothing(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        root = settings().uploads.folder
        file_requests.upload_files(client, person, appointment.id)
        before = File.objects.count()
        shutil.rmtree(root / "appointments")
        (root / "appointments").write_text("no folder")

        response = file_requests.post_files(client, person, appointment.id, picture())
        assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
        assert File.available().count() == before


class TestRejectedRequests:
    def test_json_body_is_rejected(self, client: FlaskClient, person: SignedIn) -> None:
        response = client.post("/api/files/upload/appointments", json={}, headers=person.headers)

        assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")

    def test_route_without_files_rejects_a_multipart_body(self, client: FlaskClient, person: SignedIn) -> None:
        response = client.put("/api/users/profile", data={"name": picture()}, headers=person.headers)

        assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")
        assert file_requests.is_store_empty()

    def test_too_large_body_is_rejected_before_it_is_read(self, client: FlaskClient, person: SignedIn) -> None:
        response = client.post(
            "/api/files/upload/appointments",
            data=b"",
            content_type="multipart/form-data; boundary=x",
            headers=person.headers,
            environ_overrides={"CONTENT_LENGTH": str(100 * 1024 * 1024)},
        )

        assert error_of(response) == (413, "PAYLOAD_TOO_LARGE")

    def test_truncated_body_is_rejected_and_stores_nothing(self, client: FlaskClient, person: SignedIn) -> None:
        part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n\x89PNG'
        response = client.post(
            "/api/files/upload/appointments",
            data=part,
            content_type="multipart/form-data; boundary=x",
            headers=person.headers,
        )

        assert response.status_code == 400
        assert file_requests.is_store_empty()

    def test_uploads_have_their_own_rate_limit(self, app: Flask, person: SignedIn, appointment: Appointment) -> None:
        del app
        with factories.another_app(rate_limits=factories.rate_limits(upload=1)) as strict:
            statuses = [
                file_requests.post_files(strict.test_client(), person, appointment.id, picture()).status_code
                for _ in range(2)
            ]

        assert statuses == [200, 429]

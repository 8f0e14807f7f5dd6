"""Uploading files to an appointment: all files of a request are stored, or none."""

from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.config import settings
from arthomed.core.permissions import Role
from arthomed.files import file_store
from arthomed.files.models import File
from arthomed.files.rules import State
from tests import factories
from tests.api.files import file_requests
from tests.factories import SignedIn, data_of, error_of, in_parallel, invalid_fields, picture

pytestmark = pytest.mark.usefixtures("empty_storage")


class TestUpload:
    def test_response_describes_the_stored_files(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        png, pdf = file_requests.upload_files(
            client, person, appointment.id, picture(name="scan.jpg"), file_requests.pdf("../../blood.test.pdf")
        )

        assert (png["originalName"], png["mimeType"], png["status"]) == ("scan.png", "image/png", "ready")
        assert (pdf["originalName"], pdf["mimeType"]) == ("blood_test.pdf", "application/pdf")
        assert pdf["url"] == f"/api/files/{pdf['filename']}"

    def test_metadata_has_the_patient_the_appointment_and_the_uploader(
        self, app: Flask, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
        file_requests.upload_files(client, desk, appointment.id, category="prescriptions")

        file = File.objects.get()
        assert (file.owner, file.record, file.uploader) == (person.user.id, appointment.id, desk.user.id)
        assert file.key.startswith("appointments/prescriptions/")

    @file_requests.folder_only
    def test_stored_file_is_readable_only_by_its_owner(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        file_requests.upload_files(client, person, appointment.id)

        stored = settings().uploads.folder / File.objects.get().key
        assert stored.stat().st_mode & 0o777 == 0o600

    def test_appointment_lists_its_files(self, client: FlaskClient, person: SignedIn, appointment: Appointment) -> None:
        uploaded = file_requests.upload_files(client, person, appointment.id)

        shown = data_of(client.get(f"/api/appointments/{appointment.id}", headers=person.headers))["appointment"]
        assert shown["images"] == uploaded

    @pytest.mark.parametrize("invalid", [b"", b"MZ\x90\0", b"<svg/>", b"\xff\xd8\xff\0"])
    def test_one_invalid_file_rejects_the_whole_request(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment, invalid: bytes
    ) -> None:
        response = file_requests.post_files(client, person, appointment.id, picture(), (BytesIO(invalid), "photo.jpg"))

        assert error_of(response) == (400, "INVALID_FILE_TYPE")
        assert file_requests.is_store_empty()

    @pytest.mark.parametrize(
        ("sizes", "code"),
        [([1] * 6, "TOO_MANY_FILES"), ([10 * 1024 * 1024 + 1], "FILE_TOO_LARGE")],
        ids=["six", "11 MB"],
    )
    def test_too_many_or_too_large_files_are_rejected(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment, sizes: list[int], code: str
    ) -> None:
        uploads = [(BytesIO(bytes(size)), "a.png") for size in sizes]

        assert error_of(file_requests.post_files(client, person, appointment.id, *uploads)) == (400, code)
        assert file_requests.is_store_empty()

    def test_request_without_a_file_is_rejected(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        assert invalid_fields(file_requests.post_files(client, person, appointment.id)) == ["files"]

    @pytest.mark.parametrize(
        ("field", "make"),
        [("path", lambda: "/etc"), ("category", lambda: "avatars"), ("photo", picture)],
        ids=["path", "category", "photo"],
    )
    def test_unknown_field_or_category_is_rejected(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment, field: str, make: Callable[[], object]
    ) -> None:
        response = file_requests.post_files(client, person, appointment.id, picture(), **{field: make()})
        assert invalid_fields(response) == [field]
        assert file_requests.is_store_empty()

    def test_cancelled_appointment_accepts_no_files(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        transitions.cancel(factories.actor_of(person.user), appointment.id, reason=None)

        assert error_of(file_requests.post_files(client, person, appointment.id, picture())) == (400, "TOO_LATE")
        assert file_requests.is_store_empty()

    def test_concurrent_cancellation_and_upload_are_serialized(
        self, app: Flask, person: SignedIn, appointment: Appointment
    ) -> None:
        def act(number: int) -> int:
            if number:
                transitions.cancel(factories.actor_of(person.user), appointment.id, reason=None)
                return 200
            return file_requests.post_files(app.test_client(), person, appointment.id, picture()).status_code

        upload_status, _ = in_parallel(2, act)
        assert Appointment.objects.get(id=appointment.id).status is Status.CANCELLED
        assert File.available().count() == (1 if upload_status == 200 else 0)

    def test_concurrent_uploads_cannot_exceed_fifty_files_per_appointment(
        self, app: Flask, person: SignedIn, appointment: Appointment
    ) -> None:
        for _ in range(48):
            factories.make_file(appointment, person.user)

        def send(number: int) -> TestResponse:
            pictures = (picture(size=(8, height)) for height in (number + 1, number + 3))
            return file_requests.post_files(app.test_client(), person, appointment.id, *pictures)

        responses = in_parallel(2, send)

        assert sorted(response.status_code for response in responses) == [200, 400]
        assert File.available().count() == 50

    def test_repeated_upload_returns_the_existing_file(
        self, app: Flask, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
        (first,) = file_requests.upload_files(client, person, appointment.id, picture())
        again = file_requests.upload_files(client, person, appointment.id, picture(), picture(), picture(size=(9, 9)))
        (of_other_uploader,) = file_requests.upload_files(client, desk, appointment.id, picture())
        (of_other_category,) = file_requests.upload_files(
            client, person, appointment.id, picture(), category="prescriptions"
        )

        names = [one["filename"] for one in (*again, of_other_uploader, of_other_category)]
        assert [name == first["filename"] for name in names] == [True, True, False, False, False]
        assert File.objects.count() == 4
        assert file_requests.problems_after_purge() == []

    @pytest.mark.parametrize("problem", ["marked as missing", "not stored", "infected"])
    def test_missing_or_infected_file_can_be_uploaded_again(
        self, client: FlaskClient, person: SignedIn, appointment: Appointment, problem: str
    ) -> None:
        file_requests.upload_files(client, person, appointment.id, picture())
        file = File.objects.get()
        if problem == "infected":
            File.objects(id=file.id).update(set__state=State.INFECTED)
        else:
            file_store.current().storage.delete(file.key)
        if problem == "marked as missing":
            File.objects(id=file.id).update(set__state=State.MISSING)
        (again,) = file_requests.upload_files(client, person, appointment.id, picture())

        assert again["filename"] != file.filename
        assert file_requests.fetch(client, person, again["url"]).status_code == 200

    def test_response_tells_files_of_the_patient_from_those_of_the_clinic(
        self, app: Flask, client: FlaskClient, person: SignedIn, appointment: Appointment
    ) -> None:
        desk = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
        (of_patient,) = file_requests.upload_files(client, person, appointment.id, category="prescriptions")
        (of_clinic,) = file_requests.upload_files(client, desk, appointment.id, category="prescriptions")

        assert [(one["category"], one["fromPatient"]) for one in (of_patient, of_clinic)] == [
            ("prescriptions", True),
            ("prescriptions", False),
        ]

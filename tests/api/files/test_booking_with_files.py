"""Booking an appointment together with its files."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.errors import WTimeoutError

from arthomed.appointments.models import Appointment
from arthomed.core import batcher, clock
from arthomed.core.documents import transaction
from arthomed.files import cleaning_queue
from arthomed.files.models import File
from tests import factories
from tests.api.files import file_requests
from tests.factories import SignedIn, data_of, error_of, in_parallel, picture

HOUR = factories.every_day("09:00", "10:00")

pytestmark = pytest.mark.usefixtures("empty_storage")


class TestBookingWithFiles:
    def test_booking_stores_its_images(self, client: FlaskClient, person: SignedIn) -> None:
        body = factories.booking_body(factories.make_doctor(HOUR), images=[picture(), file_requests.pdf()])
        booked = data_of(client.post("/api/appointments/book", data=body, headers=person.headers), 201)["appointment"]

        assert [one["mimeType"] for one in booked["images"]] == ["image/png", "application/pdf"]
        assert File.available().count() == 2

    @pytest.mark.parametrize(
        ("form", "category"),
        [({}, "reports"), ({"category": "reports"}, "reports"), ({"category": "prescriptions"}, "prescriptions")],
    )
    def test_images_are_reports_or_prescriptions(
        self, client: FlaskClient, person: SignedIn, form: dict[str, str], category: str
    ) -> None:
        body = factories.booking_body(factories.make_doctor(HOUR), images=[picture()], **form)
        booked = data_of(client.post("/api/appointments/book", data=body, headers=person.headers), 201)["appointment"]

        assert [one["category"] for one in booked["images"]] == [category]

    @pytest.mark.parametrize("category", ["avatars", "Reports", "x"])
    def test_other_categories_are_refused(self, client: FlaskClient, person: SignedIn, category: str) -> None:
        body = factories.booking_body(factories.make_doctor(HOUR), images=[picture()], category=category)

        response = client.post("/api/appointments/book", data=body, headers=person.headers)

        assert factories.invalid_fields(response) == ["category"]
        assert file_requests.is_store_empty()

    def test_same_key_with_another_category_is_rejected(self, client: FlaskClient, person: SignedIn) -> None:
        doctor, headers = factories.make_doctor(HOUR), {**person.headers, "Idempotency-Key": "the-same-key"}
        bodies = [
            factories.booking_body(doctor, images=[picture()], category=one) for one in ("reports", "prescriptions")
        ]

        responses = [client.post("/api/appointments/book", data=body, headers=headers) for body in bodies]

        assert [response.status_code for response in responses] == [201, 422]

    def test_rejected_booking_stores_no_file(self, client: FlaskClient, person: SignedIn) -> None:
        doctor = factories.make_doctor(HOUR)
        factories.make_appointment(doctor=doctor)
        body = factories.booking_body(doctor, images=[picture()])

        response = client.post("/api/appointments/book", data=body, headers=person.headers)

        assert error_of(response) == (400, "SLOT_UNAVAILABLE")
        assert file_requests.is_store_empty()

    def test_rejected_file_prevents_the_booking(self, client: FlaskClient, person: SignedIn) -> None:
        body = factories.booking_body(factories.make_doctor(HOUR), images=[(BytesIO(b"no"), "a.png")])

        response = client.post("/api/appointments/book", data=body, headers=person.headers)
        assert error_of(response) == (400, "INVALID_FILE_TYPE")
        assert Appointment.objects.count() == 0

    def test_repeated_booking_with_the_same_key_stores_its_files_once(self, app: Flask, person: SignedIn) -> None:
        doctor, headers = factories.make_doctor(HOUR), {**person.headers, "Idempotency-Key": "the-same-key"}

        def book(_: int) -> Any:
            body = factories.booking_body(doctor, images=[picture()])
            response = app.test_client().post("/api/appointments/book", data=body, headers=headers)
            return data_of(response, 201)["appointment"]

        first, second = in_parallel(2, book)
        assert first["_id"] == second["_id"]
        assert File.objects.count() == 1

    def test_same_key_with_other_files_is_rejected(self, client: FlaskClient, person: SignedIn) -> None:
        doctor, headers = factories.make_doctor(HOUR), {**person.headers, "Idempotency-Key": "the-same-key"}
        responses = [
            client.post("/api/appointments/book", data=factories.booking_body(doctor, images=[image]), headers=headers)
            for image in (picture(), picture(size=(9, 9)))
        ]

        assert [response.status_code for response in responses] == [201, 422]
        assert File.objects.count() == 1

    def test_booking_without_files_does_not_wait_for_file_cleaning(self, client: FlaskClient, person: SignedIn) -> None:
        body = factories.booking_body(factories.make_doctor(HOUR))
        with cleaning_queue.queue.admit("another sender") as other, cleaning_queue.queue.slot(other):
            data_of(client.post("/api/appointments/book", json=body, headers=person.headers), 201)


class TestInterruptedBooking:
    def test_files_stay_if_the_response_to_the_commit_is_lost(
        self, client: FlaskClient, person: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def commit_without_response(work: Callable[[Any], Any], **options: Any) -> Any:
            transaction(work, **options)
            raise WTimeoutError("the commit succeeded, but its response was lost")

        monkeypatch.setattr(batcher, "transaction", commit_without_response)
        body = factories.booking_body(factories.make_doctor(HOUR), images=[picture()])

        assert client.post("/api/appointments/book", data=body, headers=person.headers).status_code == 503
        assert (Appointment.objects.count(), File.available().count()) == (1, 1)

    def test_booking_fails_if_the_purge_marks_its_files_in_the_meantime(
        self, client: FlaskClient, person: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def after_a_purge(work: Callable[[Any], Any], **options: Any) -> Any:
            File.mark_for_deletion({}, now=clock.now())
            return transaction(work, **options)

        monkeypatch.setattr(batcher, "transaction", after_a_purge)
        body = factories.booking_body(factories.make_doctor(HOUR), images=[picture()])

        assert error_of(client.post("/api/appointments/book", data=body, headers=person.headers))[0] == 503
        assert Appointment.objects.count() == 0

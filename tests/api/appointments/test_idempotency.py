"""Idempotency keys: a repeated booking returns the first appointment."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.service import consistency, transitions
from arthomed.core.permissions import Role
from tests import factories
from tests.api.appointments.bookings import MORNING, book
from tests.factories import Records

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


def test_repeated_request_with_its_key_returns_the_same_appointment(app: Flask, database: Records) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)

    responses = [book(app, patient, doctor, "a-key-of-mine") for _ in range(3)]

    assert len({factories.data_of(response, 201)["appointment"]["_id"] for response in responses}) == 1
    assert database.appointments.count_documents({}) == 1
    assert database.notifications.count_documents({}) == 1


def test_parallel_requests_with_one_key_return_the_same_appointment(app: Flask, database: Records) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)

    responses = factories.in_parallel(5, lambda _: book(app, patient, doctor, "a-key-of-mine"))

    appointments = [factories.data_of(response, 201)["appointment"] for response in responses]
    assert appointments == [appointments[0]] * 5
    assert database.appointments.count_documents({}) == 1
    assert list(consistency.violations()) == []


@pytest.mark.parametrize(
    "other", [{"reason": "Fever"}, {"appointmentTime": "10:00"}, {"symptoms": "Cough"}], ids=lambda one: next(iter(one))
)
def test_key_of_another_booking_is_refused(app: Flask, other: dict[str, str]) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    factories.data_of(book(app, patient, doctor, "a-key-of-mine"), 201)

    response = book(app, patient, doctor, "a-key-of-mine", **other)

    assert factories.error_of(response) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_key_used_by_two_different_parallel_bookings_books_one(app: Flask) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)

    responses = factories.in_parallel(
        2, lambda number: book(app, patient, doctor, "a-key-of-mine", reason="AB"[number])
    )

    assert sorted(response.status_code for response in responses) == [201, 422]


def test_two_patients_may_use_the_same_key(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.data_of(book(app, factories.sign_in(app), doctor, "a-key-of-mine"), 201)

    response = book(app, factories.sign_in(app), doctor, "a-key-of-mine", appointmentTime="10:00")

    assert response.status_code == 201


def test_key_of_a_refused_booking_can_be_used_again(app: Flask) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    other = factories.make_appointment(doctor=doctor)
    assert book(app, patient, doctor, "a-key-of-mine").status_code == 400
    transitions.cancel(factories.actor_of(factories.make_user(Role.ADMIN)), other.id, reason=None)

    assert book(app, patient, doctor, "a-key-of-mine").status_code == 201


def test_repeated_request_returns_the_present_status(app: Flask, client: FlaskClient) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    appointment = factories.data_of(book(app, patient, doctor, "a-key-of-mine"), 201)["appointment"]
    factories.data_of(client.put(f"/api/appointments/{appointment['_id']}/cancel", headers=patient.headers))

    again = factories.data_of(book(app, patient, doctor, "a-key-of-mine"), 201)["appointment"]

    assert (again["_id"], again["status"]) == (appointment["_id"], "cancelled")


@pytest.mark.parametrize("key", ["short", "k" * 129, "with space", "käse-käse"])
def test_malformed_key_is_refused(app: Flask, key: str) -> None:
    response = book(app, factories.sign_in(app), factories.make_doctor(MORNING), key)

    assert factories.error_of(response) == (400, "VALIDATION_ERROR")

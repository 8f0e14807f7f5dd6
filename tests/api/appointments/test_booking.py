"""Booking: the response, the refusals and the limits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.service import consistency, transitions
from arthomed.core.errors import NotFound
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, MORNING, TUESDAY, alternatives, book, is_nothing_stored
from tests.factories import Records

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


def test_booking_returns_the_whole_appointment(app: Flask) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)

    appointment = factories.data_of(book(app, patient, doctor, symptoms="Since Sunday"), 201)["appointment"]

    assert appointment["patient"] == {
        "_id": str(patient.user.id),
        "name": patient.user.name,
        "mobileNumber": patient.user.mobile_number,
    }
    assert appointment["doctor"] == {
        "_id": str(doctor.id),
        "name": doctor.name,
        "doctorInfo": {"specialization": "Cardiology", "consultationFee": 500},
    }
    assert (appointment["appointmentDate"], appointment["appointmentTime"]) == ("2026-12-01", "09:00")
    assert (appointment["startsAt"], appointment["status"]) == ("2026-12-01T03:30:00.000Z", "pending")
    assert (appointment["purposeOfVisit"], appointment["symptoms"]) == ("consultation", "Since Sunday")
    assert appointment["paymentInfo"] == {"amount": 500, "status": "pending", "paidAmount": 0}
    assert appointment["createdBy"] == str(patient.user.id)
    assert "cancellation" not in appointment
    read = app.test_client().get(f"/api/appointments/{appointment['_id']}", headers=patient.headers)
    assert factories.data_of(read)["appointment"] == appointment


def test_response_has_no_internal_fields(app: Flask) -> None:
    appointment = factories.data_of(book(app, factories.sign_in(app), factories.make_doctor(MORNING)), 201)[
        "appointment"
    ]

    assert not {"slot", "seat", "takenSeats", "idempotencyKey", "endsAt", "otp"} & set(appointment)


def test_pending_appointment_holds_its_seat(app: Flask, database: Records) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.data_of(book(app, factories.sign_in(app), doctor), 201)

    [slot] = database.slots.find({"bookedPatients": 1})
    assert (slot["startTime"], slot["takenSeats"], slot["isAvailable"]) == ("09:00", [1], False)


def test_taken_slot_is_refused_with_the_three_nearest_free_slots(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.make_appointment(doctor=doctor, time="10:00")

    response = book(app, factories.sign_in(app), doctor, appointmentTime="10:00")

    assert factories.error_of(response) == (400, "SLOT_UNAVAILABLE")
    assert factories.envelope_of(response)["message"] == "Time slot already booked"
    assert alternatives(response) == ["2026-12-01 10:30", "2026-12-01 09:30", "2026-12-01 11:00"]


def test_blocked_slot_is_not_available(app: Flask, database: Records) -> None:
    doctor = factories.make_doctor(MORNING)
    blocked = {"isBlocked": True, "isAvailable": False}
    database.slots.update_one({"doctor": doctor.id, "startTime": "09:00"}, {"$set": blocked})

    response = book(app, factories.sign_in(app), doctor)

    assert factories.error_of(response) == (400, "SLOT_UNAVAILABLE")
    assert factories.envelope_of(response)["message"] == "Selected time slot is not available"


def test_the_last_of_several_seats_is_booked_before_the_slot_is_already_booked(app: Flask) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=2))

    responses = [book(app, factories.sign_in(app), doctor) for _ in range(3)]

    assert [response.status_code for response in responses] == [201, 201, 400]
    assert factories.envelope_of(responses[2])["message"] == "Time slot already booked"


def test_of_parallel_bookings_the_losers_learn_that_the_slot_is_booked(app: Flask) -> None:
    doctor, patients = factories.make_doctor(MORNING), [factories.sign_in(app) for _ in range(4)]

    responses = factories.in_parallel(4, lambda number: book(app, patients[number], doctor))

    messages = sorted(factories.envelope_of(response)["message"] for response in responses)
    assert messages == ["Appointment booked successfully", *["Time slot already booked"] * 3]


def test_alternatives_can_be_booked(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.make_appointment(doctor=doctor, time="10:00")
    refused: Any = book(app, factories.sign_in(app), doctor, appointmentTime="10:00").json

    responses = [book(app, factories.sign_in(app), doctor, **one) for one in refused["error"]["alternatives"]]

    assert {response.status_code for response in responses} == {201}


@pytest.mark.parametrize(
    ("day", "time"),
    [
        ("2026-11-30", "11:00"),  # today, but past
        ("2026-11-29", "09:00"),
        ("2026-12-30", "09:00"),  # the day after the horizon
        ("2999-12-31", "09:00"),
        ("1000-01-01", "09:00"),
        ("2026-12-01", "09:15"),  # no slot begins then
        ("2026-12-01", "12:00"),
        ("2026-12-01", "08:30"),
    ],
)
def test_time_without_a_bookable_slot_is_refused_and_nothing_is_stored(
    app: Flask, database: Records, day: str, time: str
) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)

    response = book(app, factories.sign_in(app), doctor, "some-key-1", appointmentDate=day, appointmentTime=time)

    assert factories.error_of(response) == (400, "SLOT_UNAVAILABLE")
    assert factories.envelope_of(response)["message"] == "Selected time slot is not available"
    assert len(alternatives(response)) == 3
    assert is_nothing_stored(database)


def test_last_day_of_the_horizon_can_be_booked(app: Flask) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)

    assert book(app, factories.sign_in(app), doctor, appointmentDate="2026-12-29").status_code == 201


@pytest.mark.parametrize(("time", "status"), [("10:00", 400), ("10:30", 201)])
def test_slot_can_be_booked_until_it_starts(app: Flask, time: str, status: int) -> None:
    doctor = factories.make_doctor(MORNING)
    details = {"appointmentDate": TUESDAY.isoformat(), "appointmentTime": time}
    with time_machine.travel(factories.at_clinic(TUESDAY, "10:00"), tick=False):
        assert book(app, factories.sign_in(app), doctor, **details).status_code == status


def test_existing_slot_after_the_horizon_is_refused(app: Flask, database: Records) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)
    with time_machine.travel(datetime(2026, 11, 29, 14, 0, tzinfo=UTC), tick=True):
        response = book(app, factories.sign_in(app), doctor, appointmentDate="2026-12-29")

    assert database.slots.count_documents({"date": datetime(2026, 12, 29, tzinfo=UTC)}) > 0
    assert factories.error_of(response) == (400, "SLOT_UNAVAILABLE")


def test_blocked_slot_is_refused(app: Flask, database: Records) -> None:
    doctor = factories.make_doctor(MORNING)
    database.slots.update_many({"startTime": "09:00"}, {"$set": {"isBlocked": True, "isAvailable": False}})

    assert factories.error_of(book(app, factories.sign_in(app), doctor)) == (400, "SLOT_UNAVAILABLE")


@pytest.mark.parametrize("parts", [{"is_active": False}, {"is_verified": False}], ids=str)
def test_doctor_who_is_not_active_and_verified_is_not_found(
    app: Flask, database: Records, parts: dict[str, bool]
) -> None:
    doctor = factories.make_doctor(MORNING, **parts)

    assert factories.error_of(book(app, factories.sign_in(app), doctor)) == (404, "NOT_FOUND")
    assert is_nothing_stored(database)


def test_user_who_is_no_doctor_is_not_found(app: Flask) -> None:
    assert factories.error_of(book(app, factories.sign_in(app), factories.make_user())) == (404, "NOT_FOUND")


def test_deactivated_patient_cannot_book(database: Records) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.make_user(is_active=False)
    with pytest.raises(NotFound):
        factories.make_appointment(patient, doctor)

    assert is_nothing_stored(database)


def test_patient_has_one_appointment_per_doctor_and_day(app: Flask) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    factories.data_of(book(app, patient, doctor), 201)

    assert factories.error_of(book(app, patient, doctor, appointmentTime="11:00")) == (400, "DUPLICATE_VALUE")


def test_patient_may_book_one_doctor_on_two_days(app: Flask) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    factories.data_of(book(app, patient, doctor), 201)

    assert book(app, patient, doctor, appointmentDate="2026-12-02").status_code == 201


def test_patient_cannot_book_two_doctors_at_one_time(app: Flask) -> None:
    patient = factories.sign_in(app)
    factories.data_of(book(app, patient, factories.make_doctor(MORNING)), 201)

    assert factories.error_of(book(app, patient, factories.make_doctor(MORNING))) == (400, "DUPLICATE_VALUE")


def test_patient_gets_one_seat_of_a_slot(app: Flask) -> None:
    doctor, patient = (
        factories.make_doctor(factories.every_day("09:00", "09:30", max_patients=2)),
        factories.sign_in(app),
    )
    factories.data_of(book(app, patient, doctor), 201)

    assert factories.error_of(book(app, patient, doctor)) == (400, "DUPLICATE_VALUE")
    assert list(consistency.violations()) == []


def test_slot_of_a_cancelled_appointment_can_be_booked_again(app: Flask, client: FlaskClient) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    appointment = factories.data_of(book(app, patient, doctor), 201)["appointment"]
    factories.data_of(client.put(f"/api/appointments/{appointment['_id']}/cancel", headers=patient.headers))

    assert book(app, patient, doctor).status_code == 201


def test_eleventh_open_appointment_is_refused(app: Flask) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    days = [(TUESDAY + timedelta(days=ahead)).isoformat() for ahead in range(11)]

    responses = [book(app, patient, doctor, appointmentDate=day) for day in days]

    assert [response.status_code for response in responses[:10]] == [201] * 10
    assert factories.error_of(responses[10]) == (400, "BOOKING_LIMIT_REACHED")


def test_cancelled_appointments_do_not_count_as_open(app: Flask) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    for ahead in range(10):
        appointment = factories.make_appointment(patient.user, doctor, day=TUESDAY + timedelta(days=ahead))
    transitions.cancel(factories.actor_of(patient.user), appointment.id, reason=None)

    assert book(app, patient, doctor, appointmentDate="2026-12-20").status_code == 201


@pytest.mark.parametrize(
    "wrong",
    [
        {"doctorId": 1},
        {"doctorId": ""},
        {"doctorId": None},
        {"appointmentDate": "01-12-2026"},
        {"appointmentDate": "2026-02-30"},
        {"appointmentTime": "9:00"},
        {"appointmentTime": "24:00"},
        {"appointmentTime": {"$gt": ""}},
        {"reason": ""},
        {"reason": "x" * 501},
        {"symptoms": "x" * 1001},
        {"status": "confirmed"},
        {"patientId": "672b1234a1b2c3d4e5f60718"},
    ],
    ids=str,
)
def test_invalid_field_is_refused_by_its_name(app: Flask, database: Records, wrong: dict[str, Any]) -> None:
    response = book(app, factories.sign_in(app), factories.make_doctor(MORNING), **wrong)

    assert factories.invalid_fields(response) == list(wrong)
    assert is_nothing_stored(database)

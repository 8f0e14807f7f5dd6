"""Staff book for themselves, and are patients in their own appointments."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.core.permissions import Role
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, MORNING, TUESDAY, book
from tests.api.appointments.clinic import move
from tests.factories import SignedIn, data_of, error_of, invalid_fields

STAFF = [Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN]
NOT_FOUND, DENIED = (404, "NOT_FOUND"), (403, "PERMISSION_DENIED")

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


@pytest.fixture(params=STAFF)
def member(request: pytest.FixtureRequest, app: Flask, monday_evening: None) -> SignedIn:
    del monday_evening
    return factories.sign_in(app, factories.make_user(request.param))


def own_appointment(app: Flask, member: SignedIn) -> str:
    doctor = factories.make_doctor(MORNING)
    return str(data_of(book(app, member, doctor, appointmentDate=TUESDAY.isoformat()), 201)["appointment"]["_id"])


def put(app: Flask, member: SignedIn, path: str, **body: str) -> TestResponse:
    return app.test_client().put(f"/api/appointments/{path}", json=body, headers=member.headers)


def test_staff_book_list_read_edit_and_export_their_own_appointment(app: Flask, member: SignedIn) -> None:
    appointment_id = own_appointment(app, member)
    client = app.test_client()

    [listed] = data_of(client.get("/api/appointments/my-appointments", headers=member.headers))["items"]
    read = data_of(client.get(f"/api/appointments/{appointment_id}", headers=member.headers))["appointment"]
    event = client.get(f"/api/appointments/{appointment_id}/calendar.ics", headers=member.headers)
    edited = data_of(put(app, member, appointment_id, symptoms="Worse at night"))["appointment"]

    assert listed["_id"] == read["_id"] == appointment_id
    assert read["patient"]["_id"] == str(member.user.id)
    assert b"Appointment with" in event.data
    assert edited["symptoms"] == "Worse at night"


def test_staff_cancel_their_own_pending_appointment(app: Flask, member: SignedIn) -> None:
    cancelled = put(app, member, f"{own_appointment(app, member)}/cancel")

    assert data_of(cancelled)["appointment"]["status"] == "cancelled"


def test_staff_give_notice_and_get_the_refund_of_patients(app: Flask, member: SignedIn) -> None:
    appointment_id = own_appointment(app, member)
    appointment = move(Appointment.objects.get(id=appointment_id), Status.CONFIRMED)
    with time_machine.travel(appointment.starts_at - timedelta(minutes=30), tick=True):
        headers = factories.sign_in(app, member.user)
        assert error_of(put(app, headers, f"{appointment_id}/cancel")) == (400, "TOO_LATE")


def test_doctor_treats_nobody_as_a_patient(app: Flask) -> None:
    doctor = factories.sign_in(app, factories.make_doctor([]))
    appointment_id = own_appointment(app, doctor)
    move(Appointment.objects.get(id=appointment_id), Status.CONFIRMED)

    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        member = factories.sign_in(app, doctor.user)
        assert error_of(put(app, member, f"{appointment_id}/status", status="in-progress")) == DENIED
        assert error_of(put(app, member, appointment_id, notes="Fine")) == DENIED


def test_list_of_a_doctor_has_the_appointments_of_patients_only(app: Flask) -> None:
    doctor = factories.sign_in(app, factories.make_doctor(MORNING))
    own_appointment(app, doctor)
    treated = factories.make_appointment(doctor=doctor.user, day=TUESDAY)
    client = app.test_client()

    listed = data_of(client.get("/api/appointments", headers=doctor.headers))["items"]
    stats = data_of(client.get("/api/appointments/stats", headers=doctor.headers))

    assert [one["_id"] for one in listed] == [str(treated.id)]
    assert stats["total"] == 1


def test_doctor_cannot_book_an_appointment_with_themselves(app: Flask) -> None:
    doctor = factories.sign_in(app, factories.make_doctor(MORNING))

    assert invalid_fields(book(app, doctor, doctor.user)) == ["doctorId"]


@pytest.mark.parametrize("role", [Role.RECEPTIONIST, Role.ADMIN])
def test_calendar_files_of_others_are_not_found(app: Flask, role: Role) -> None:
    appointment, member = factories.make_appointment(), factories.sign_in(app, factories.make_user(role))

    response = app.test_client().get(f"/api/appointments/{appointment.id}/calendar.ics", headers=member.headers)

    assert error_of(response) == NOT_FOUND


def test_staff_have_at_most_ten_open_appointments_of_their_own(app: Flask) -> None:
    member, doctor = factories.sign_in(app, factories.make_user(Role.ADMIN)), factories.make_doctor(EVERY_MORNING)
    for ahead in range(10):
        factories.make_appointment(member.user, doctor, day=TUESDAY + timedelta(days=ahead))

    eleventh = book(app, member, doctor, appointmentDate=(TUESDAY + timedelta(days=11)).isoformat())

    assert error_of(eleventh) == (400, "BOOKING_LIMIT_REACHED")

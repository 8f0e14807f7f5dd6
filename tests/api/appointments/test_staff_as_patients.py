"""Staff book, read, change and cancel their own appointments as patients."""

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core.permissions import Role
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, MORNING, TUESDAY, book
from tests.api.appointments.clinic import sign_in_staff
from tests.factories import SignedIn, data_of, error_of

pytestmark = pytest.mark.usefixtures("database", "monday_evening")

ROLES = pytest.mark.parametrize("role", list(Role))


def make_caller(app: Flask, role: Role) -> SignedIn:
    return factories.sign_in(app, factories.make_doctor(MORNING) if role is Role.DOCTOR else factories.make_user(role))


@ROLES
def test_every_role_books_reads_changes_and_cancels_the_own_appointment(
    app: Flask, client: FlaskClient, role: Role
) -> None:
    caller, doctor = make_caller(app, role), factories.make_doctor(MORNING)

    booked = data_of(book(app, caller, doctor), 201)["appointment"]

    assert (booked["patient"]["_id"], booked["createdBy"]) == (str(caller.user.id), str(caller.user.id))
    assert booked["status"] == "pending"
    listed = data_of(client.get("/api/appointments/my-appointments", headers=caller.headers))["items"]
    assert [one["_id"] for one in listed] == [booked["_id"]]
    path = f"/api/appointments/{booked['_id']}"
    assert data_of(client.get(path, headers=caller.headers))["appointment"]["_id"] == booked["_id"]
    edited = data_of(client.put(path, json={"symptoms": "Fever"}, headers=caller.headers))["appointment"]
    assert edited["symptoms"] == "Fever"
    cancelled = data_of(client.put(f"{path}/cancel", headers=caller.headers))["appointment"]
    assert cancelled["status"] == "cancelled"


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN])
def test_staff_cancel_their_own_confirmed_appointment_with_the_notice_of_a_patient(
    app: Flask, client: FlaskClient, role: Role
) -> None:
    caller = make_caller(app, role)
    booked = data_of(book(app, caller, factories.make_doctor(MORNING)), 201)["appointment"]
    path = f"/api/appointments/{booked['_id']}"
    data_of(client.put(f"{path}/status", json={"status": "confirmed"}, headers=sign_in_staff(app).headers))

    with time_machine.travel(factories.at_clinic(TUESDAY, "07:30"), tick=True):
        response = client.put(f"{path}/cancel", headers=factories.sign_in(app, caller.user).headers)

    assert error_of(response) == (400, "TOO_LATE")


def test_doctor_cannot_start_the_own_appointment_with_another_doctor(app: Flask, client: FlaskClient) -> None:
    caller = make_caller(app, Role.DOCTOR)
    booked = data_of(book(app, caller, factories.make_doctor(MORNING)), 201)["appointment"]
    path = f"/api/appointments/{booked['_id']}"
    data_of(client.put(f"{path}/status", json={"status": "confirmed"}, headers=sign_in_staff(app).headers))

    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        again = factories.sign_in(app, caller.user)
        started = client.put(f"{path}/status", json={"status": "in-progress"}, headers=again.headers)
        noted = client.put(path, json={"notes": "Healthy"}, headers=again.headers)

    assert (error_of(started), error_of(noted)) == ((403, "PERMISSION_DENIED"), (403, "PERMISSION_DENIED"))


def test_doctor_cannot_book_an_appointment_with_themselves(app: Flask) -> None:
    caller = make_caller(app, Role.DOCTOR)

    assert factories.invalid_fields(book(app, caller, caller.user)) == ["doctorId"]


def test_a_doctors_list_of_work_has_no_own_appointments(app: Flask, client: FlaskClient) -> None:
    caller = make_caller(app, Role.DOCTOR)
    data_of(book(app, caller, factories.make_doctor(MORNING)), 201)

    assert data_of(client.get("/api/appointments", headers=caller.headers))["items"] == []
    assert data_of(client.get("/api/appointments/stats", headers=caller.headers))["total"] == 0


@pytest.mark.parametrize("role", [Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN])
def test_limits_of_patients_hold_for_staff(app: Flask, role: Role) -> None:
    caller, doctor = make_caller(app, role), factories.make_doctor(EVERY_MORNING)
    data_of(book(app, caller, doctor), 201)

    assert error_of(book(app, caller, doctor, appointmentTime="10:00")) == (400, "DUPLICATE_VALUE")

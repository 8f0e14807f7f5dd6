"""`slots.appointment` names the appointment that holds a slot, while it is only one; no response shows it."""

from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core.permissions import Role
from tests import factories
from tests.api.appointments.case import CONFIRM, MISS, RECEPTIONIST, Case
from tests.api.appointments.clinic import move
from tests.factories import Records

FOR_THREE = factories.every_day("09:00", "10:00", max_patients=3)


def holder(database: Records, appointment: Appointment) -> ObjectId | None:
    slot: Any = database.slots.find_one({"_id": appointment.slot})
    return slot.get("appointment")  # type: ignore[no-any-return]


def test_booked_slot_names_its_appointment_until_the_seat_is_free(case: Case, database: Records) -> None:
    assert holder(database, case.appointment) == case.appointment.id

    factories.data_of(case.cancel(RECEPTIONIST))

    assert holder(database, case.appointment) is None


@pytest.mark.parametrize("target", [Status.REJECTED, Status.CANCELLED])
def test_slot_of_several_patients_names_its_appointment_only_while_it_is_one(database: Records, target: Status) -> None:
    doctor = factories.make_doctor(FOR_THREE)
    first = factories.make_appointment(doctor=doctor)
    assert holder(database, first) == first.id

    second, third = (factories.make_appointment(doctor=doctor) for _ in range(2))
    assert holder(database, first) is None
    move(second, target)
    assert holder(database, first) is None
    move(first, target)
    assert holder(database, first) == third.id
    move(third, target)
    assert holder(database, first) is None


@pytest.mark.parametrize("named", [None, ObjectId()], ids=["nobody", "another"])
def test_check_of_the_database_finds_a_slot_that_does_not_name_its_appointment(
    case: Case, database: Records, named: ObjectId | None
) -> None:
    assert list(consistency.violations()) == []
    database.slots.update_one({"_id": case.appointment.slot}, {"$set": {"appointment": named}})

    expected = f"slot {case.appointment.slot}: appointment is not its only active appointment"
    assert list(consistency.violations()) == [expected]


def test_slot_names_a_no_show_again_when_it_is_undone(case: Case, database: Records) -> None:
    for step in (CONFIRM, MISS):
        factories.data_of(case.put(*step))
    assert holder(database, case.appointment) is None

    factories.data_of(case.put(RECEPTIONIST, "confirmed", "09:40"))

    assert holder(database, case.appointment) == case.appointment.id


def test_parallel_bookings_and_cancellations_leave_the_right_holder(app: Flask, database: Records) -> None:
    doctor, admin = factories.make_doctor(FOR_THREE), factories.actor_of(factories.make_user(Role.ADMIN))
    with app.app_context():
        before = [factories.make_appointment(doctor=doctor) for _ in range(2)]

    def change(number: int) -> object:
        if number < len(before):
            return transitions.change_status(admin, before[number].id, Status.CANCELLED)
        return factories.make_appointment(doctor=doctor)

    factories.in_parallel(3, change)

    [remaining] = Appointment.objects(slot=before[0].slot, status=Status.PENDING)
    assert holder(database, before[0]) == remaining.id


@pytest.mark.parametrize("role", list(Role))
def test_no_response_tells_who_holds_a_slot(app: Flask, client: FlaskClient, database: Records, role: Role) -> None:
    del database  # an empty one
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00"))
    appointment = factories.make_appointment(doctor=doctor)
    caller = factories.sign_in(app, factories.make_user(role))

    query = {"doctorId": str(doctor.id), "date": factories.tomorrow().isoformat()}
    response = client.get("/api/appointments/slots", query_string=query, headers=caller.headers)

    [booked] = factories.data_of(response)["bookedSlots"]
    fields = {"_id", "startTime", "endTime", "isAvailable", "consultationFee", "maxPatients", "bookedPatients"}
    assert set(booked) == fields
    assert str(appointment.id) not in response.text
    assert str(appointment.patient_id) not in response.text

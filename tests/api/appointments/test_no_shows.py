"""No-shows can be undone on their day while the seat is free."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from pymongo.database import Database

from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency
from arthomed.scheduling import service as scheduling
from tests import factories
from tests.api.appointments.case import (
    ADMIN,
    CONFIRM,
    DOCTOR,
    MISS,
    PATIENT,
    RECEPTIONIST,
    TUESDAY,
    Case,
)

Records = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("database", "tuesday_at_seven")


def test_no_show_undone_on_its_day_takes_its_seat_again(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    assert case.slot.taken_seats == []

    factories.told(case.put(RECEPTIONIST, "confirmed", "11:00"))

    assert (case.status, case.slot.taken_seats) == (Status.CONFIRMED, [1])
    assert list(consistency.violations()) == []


def test_no_show_cannot_be_undone_on_the_next_day(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    with time_machine.travel(datetime(2026, 12, 1, 18, 30, tzinfo=UTC), tick=True):
        assert factories.refused(case.put(RECEPTIONIST, "confirmed")) == (400, "INVALID_STATUS_TRANSITION")


def test_no_show_can_be_undone_after_the_weekly_hours_changed(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "10:00"), tick=True):
        scheduling.save_schedule(factories.acting(case.people[DOCTOR]), case.people[DOCTOR].id, [])

    assert factories.told(case.put(ADMIN, "confirmed", "10:30"))["appointment"]["status"] == "confirmed"
    assert list(consistency.violations()) == []


def test_no_show_cannot_be_undone_after_its_seat_was_taken(case: Case, database: Records) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    taken = {"takenSeats": [1], "bookedPatients": 1, "isAvailable": False}
    database.slots.update_one({"_id": case.appointment.slot}, {"$set": taken})

    assert factories.refused(case.put(RECEPTIONIST, "confirmed", "10:00")) == (400, "SLOT_UNAVAILABLE")
    assert case.status is Status.NO_SHOW


def test_no_show_cannot_be_undone_after_the_patient_booked_the_doctor_again(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:40"), tick=True):
        factories.make_visit(case.people[PATIENT], case.people[DOCTOR], day=TUESDAY, time="11:00")

    assert factories.refused(case.put(RECEPTIONIST, "confirmed", "10:00")) == (400, "DUPLICATE_VALUE")
    assert (case.status, case.slot.taken_seats) == (Status.NO_SHOW, [])
    assert list(consistency.violations()) == []

"""Slots that a person blocks and unblocks."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from arthomed.appointments.service import consistency
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.core.permissions import Role
from arthomed.scheduling import service
from arthomed.scheduling.models import Slot
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, book
from tests.api.appointments.clinic import sign_in_staff
from tests.api.scheduling.single_slots import (
    SLOTS,
    TUESDAY,
    add,
    block,
    put_slot,
    save_hours,
    set_active,
    slot_at,
    starts,
)
from tests.factories import data_of, error_of

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


@pytest.mark.parametrize("reason", ["break", "emergency", "maintenance", "personal", "other"])
def test_blocked_slot_cannot_be_booked_until_it_is_unblocked(app: Flask, reason: str) -> None:
    doctor, desk, patient = factories.make_doctor(EVERY_MORNING), sign_in_staff(app), factories.sign_in(app)
    slot = slot_at(doctor, "09:00")

    blocked = block(app, desk, slot, reason)["slot"]

    assert (blocked["isBlocked"], blocked["blockReason"], blocked["isAvailable"]) == (True, reason, False)
    assert error_of(book(app, patient, doctor)) == (400, "SLOT_UNAVAILABLE")
    unblocked = data_of(put_slot(app, desk, slot, isBlocked=False))["slot"]
    assert (unblocked["isBlocked"], unblocked["blockReason"], unblocked["isAvailable"]) == (False, None, True)
    data_of(book(app, patient, doctor), 201)


def test_bookings_of_a_blocked_slot_are_listed_and_stay(app: Flask) -> None:
    doctor, desk = factories.make_doctor(factories.every_day("09:00", "12:00", max_patients=2)), sign_in_staff(app)
    appointment = factories.make_appointment(None, doctor, day=TUESDAY)

    answer = block(app, desk, slot_at(doctor, "09:00"))

    assert [(one["_id"], one["status"]) for one in answer["appointments"]] == [(str(appointment.id), "pending")]
    assert answer["appointments"][0]["patient"]["_id"] == str(appointment.patient_id)
    assert answer["slot"]["bookedPatients"] == 1
    shown = app.test_client().get(f"{SLOTS}/{appointment.slot}", headers=desk.headers)
    assert data_of(shown)["appointments"] == answer["appointments"]
    assert error_of(book(app, factories.sign_in(app), doctor)) == (400, "SLOT_UNAVAILABLE")
    assert list(consistency.violations()) == []


def test_block_survives_the_night_and_changes_of_the_hours(app: Flask) -> None:
    doctor, desk = factories.make_doctor(EVERY_MORNING), sign_in_staff(app)
    slot = slot_at(doctor, "10:00")
    block(app, desk, slot)

    service.generate()
    save_hours(doctor, "09:00", "12:00", max_patients=2)
    save_hours(doctor, "09:15", "11:45")
    save_hours(doctor, "16:00", "17:00")

    kept = Slot.objects.get(id=slot.id)
    assert (kept.is_blocked, str(kept.block_reason)) == (True, "emergency")
    assert starts(doctor) == ["10:00", "16:00", "16:30"]
    save_hours(doctor, "09:15", "11:45")
    assert starts(doctor) == ["09:15", "10:00", "10:45", "11:15"]


def test_unblocked_slot_follows_the_hours_again(app: Flask) -> None:
    doctor, desk = factories.make_doctor(EVERY_MORNING), sign_in_staff(app)
    outside, within = slot_at(doctor, "11:30"), slot_at(doctor, "10:00")
    block(app, desk, outside)
    block(app, desk, within)
    save_hours(doctor, "09:00", "11:00", max_patients=3)

    removed = data_of(put_slot(app, desk, outside, isBlocked=False))["slot"]
    kept = data_of(put_slot(app, desk, within, isBlocked=False))["slot"]

    assert removed["isAvailable"] is False
    assert (kept["isAvailable"], kept["maxPatients"]) == (True, 3)
    assert starts(doctor) == ["09:00", "09:30", "10:00", "10:30"]


def test_unblocked_booked_slot_outside_the_hours_takes_no_further_patients(app: Flask) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "12:00", max_patients=2))
    appointment = factories.make_appointment(None, doctor, day=TUESDAY, time="11:30")
    slot = slot_at(doctor, "11:30")
    block(app, sign_in_staff(app), slot)
    conflicts = save_hours(doctor, "09:00", "11:00").conflicts

    shown = data_of(put_slot(app, sign_in_staff(app), slot, isBlocked=False))

    assert [one.id for one in conflicts] == [slot.id]
    assert (shown["slot"]["isBlocked"], shown["slot"]["blockReason"]) == (True, None)
    assert [one["_id"] for one in shown["appointments"]] == [str(appointment.id)]


def test_block_and_extra_slots_survive_that_the_doctor_is_away(app: Flask) -> None:
    doctor, desk = factories.make_doctor(EVERY_MORNING), sign_in_staff(app)
    block(app, desk, slot_at(doctor, "10:00"))
    data_of(add(app, desk, doctor), 201)

    set_active(doctor, is_active=False)
    still = data_of(put_slot(app, desk, slot_at(doctor, "09:00"), isBlocked=False))["slot"]
    set_active(doctor, is_active=True)

    assert still["isBlocked"] is True
    blocked = [slot.start_time for slot in factories.slots_of(doctor, TUESDAY) if slot.is_blocked]
    assert (blocked, slot_at(doctor, "14:00").is_available) == (["10:00"], True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"isBlocked": True}, "blockReason"),
        ({"isBlocked": False, "blockReason": "break"}, "blockReason"),
        ({"isBlocked": True, "blockReason": "holiday"}, "blockReason"),
        ({"blockReason": "break"}, "isBlocked"),
    ],
)
def test_a_block_has_a_known_reason(app: Flask, body: dict[str, object], field: str) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)

    response = put_slot(app, sign_in_staff(app), slot_at(doctor, "09:00"), **body)

    assert factories.invalid_fields(response) == [field]


def test_slot_that_is_over_cannot_be_blocked(app: Flask) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)
    slot = slot_at(doctor, "09:00")
    with time_machine.travel(slot.starts_at + timedelta(minutes=29), tick=True):
        block(app, sign_in_staff(app), slot)
    with time_machine.travel(slot.starts_at + timedelta(minutes=30), tick=True):
        response = put_slot(app, sign_in_staff(app), slot, isBlocked=False)

    assert factories.invalid_fields(response) == ["isBlocked"]


def test_block_is_in_the_audit_trail_of_the_doctor(app: Flask) -> None:
    doctor, desk = factories.make_doctor(EVERY_MORNING), sign_in_staff(app, Role.ADMIN)
    slot = slot_at(doctor, "09:00")

    block(app, desk, slot)

    event = AuditEvent.objects(kind=Kind.SLOT, action=Action.CHANGE).get()
    assert (event.actor, event.records, event.subjects) == (desk.user.id, [slot.id], [doctor.id])
    assert {"field": "blockReason", "from": None, "to": "emergency"} in event.changes


def test_booking_and_block_at_once_never_book_a_blocked_slot(app: Flask) -> None:
    doctor, desk = factories.make_doctor(EVERY_MORNING), sign_in_staff(app)
    times = [slot.start_time for slot in factories.slots_of(doctor, TUESDAY)]
    slots = {time: slot_at(doctor, time) for time in times}
    patients = [factories.sign_in(app) for _ in times]

    def act(number: int) -> int:
        time = times[number // 2]
        if number % 2:
            return len(block(app, desk, slots[time])["appointments"])
        return book(app, patients[number // 2], doctor, appointmentTime=time).status_code

    outcomes = factories.in_parallel(2 * len(times), act)

    for booked, listed in zip(outcomes[::2], outcomes[1::2], strict=True):
        assert (booked, listed) in ((201, 1), (400, 0))
    assert list(consistency.violations()) == []

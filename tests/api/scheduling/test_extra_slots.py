"""Single slots besides the weekly hours, and why a time cannot be booked."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from arthomed.config import settings
from arthomed.core import clock
from arthomed.scheduling import service
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, book
from tests.api.appointments.clinic import sign_in_staff
from tests.api.scheduling.single_slots import (
    TUESDAY,
    add,
    block,
    explain,
    put_slot,
    save_hours,
    set_active,
    slot_at,
    starts,
)
from tests.factories import data_of, error_of

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


def test_extra_slot_can_be_booked_and_has_the_usual_length_and_fee(app: Flask) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)

    slot = data_of(add(app, factories.sign_in(app, doctor), doctor, maxPatients=2), 201)["slot"]

    assert (slot["startTime"], slot["endTime"], slot["startsAt"]) == ("14:00", "14:30", "2026-12-01T08:30:00.000Z")
    assert (slot["isExtra"], slot["isAvailable"]) == (True, True)
    assert (slot["consultationFee"], slot["maxPatients"]) == (factories.FEE, 2)
    data_of(book(app, factories.sign_in(app), doctor, appointmentTime="14:00"), 201)


def test_extra_slot_survives_the_night_and_changes_of_the_hours(app: Flask) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)
    data_of(add(app, sign_in_staff(app), doctor, endTime="14:45"), 201)

    service.generate()
    save_hours(doctor, "13:45", "15:45")

    assert starts(doctor) == ["14:00", "14:45", "15:15"]
    save_hours(doctor, "09:00", "10:00")
    assert starts(doctor) == ["09:00", "09:30", "14:00"]
    extra = slot_at(doctor, "14:00")
    assert (extra.is_extra, extra.is_blocked, extra.end_time) == (True, False, "14:45")


@pytest.mark.parametrize(
    ("start", "end"), [("09:00", None), ("08:45", "09:15"), ("11:59", "12:30"), ("08:00", "13:00")]
)
def test_extra_slot_overlaps_no_other(app: Flask, start: str, end: str | None) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)

    response = add(app, sign_in_staff(app), doctor, startTime=start, endTime=end)

    assert factories.invalid_fields(response) == ["startTime"]
    assert "Overlaps with the slot from" in response.text


@pytest.mark.parametrize(("start", "end"), [("08:30", None), ("12:00", "12:05"), ("23:30", "24:00")])
def test_extra_slot_may_touch_another_and_end_at_midnight(app: Flask, start: str, end: str | None) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)

    added = data_of(add(app, sign_in_staff(app), doctor, startTime=start, endTime=end), 201)["slot"]

    assert (added["startTime"], added["isAvailable"]) == (start, True)


@pytest.mark.parametrize(("start", "end"), [("23:45", None), ("14:00", "14:00"), ("14:00", "13:00")])
def test_extra_slot_ends_after_its_start_on_the_same_day(app: Flask, start: str, end: str | None) -> None:
    response = add(app, sign_in_staff(app), factories.make_doctor([]), startTime=start, endTime=end)

    assert factories.invalid_fields(response) == ["endTime"]


def test_extra_slot_lies_within_the_bookable_days(app: Flask) -> None:
    doctor, desk = factories.make_doctor([]), sign_in_staff(app)
    today = clock.today(settings().policy.timezone)
    beyond = today + timedelta(days=settings().policy.horizon_days)

    assert factories.invalid_fields(add(app, desk, doctor, date=(today - timedelta(days=1)).isoformat())) == ["date"]
    assert factories.invalid_fields(add(app, desk, doctor, date=beyond.isoformat())) == ["date"]
    passed = add(app, desk, doctor, date=today.isoformat(), startTime="19:30")
    assert factories.invalid_fields(passed) == ["startTime"]
    data_of(add(app, desk, doctor, date=today.isoformat(), startTime="19:45"), 201)
    data_of(add(app, desk, doctor, date=(beyond - timedelta(days=1)).isoformat()), 201)


def test_parallel_requests_add_one_slot(app: Flask) -> None:
    doctor, desk = factories.make_doctor(EVERY_MORNING), sign_in_staff(app)

    responses = factories.in_parallel(4, lambda number: add(app, desk, doctor, startTime=f"14:0{number}"))

    assert sorted(one.status_code for one in responses) == [201, 400, 400, 400]


def test_doctor_who_cannot_be_booked_gets_no_slot(app: Flask) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)
    set_active(doctor, is_active=False)

    assert error_of(add(app, sign_in_staff(app), doctor)) == (404, "NOT_FOUND")
    assert error_of(add(app, sign_in_staff(app), factories.make_user())) == (404, "NOT_FOUND")


def test_doctor_adds_and_explains_own_slots_only(app: Flask) -> None:
    doctor, other = factories.make_doctor(EVERY_MORNING), factories.sign_in(app, factories.make_doctor([]))

    assert error_of(add(app, other, doctor)) == (404, "NOT_FOUND")
    query = f"?doctorId={doctor.id}&date={TUESDAY}&time=09:00"
    response = app.test_client().get(f"/api/appointments/explain{query}", headers=other.headers)
    assert error_of(response) == (404, "NOT_FOUND")


def test_explanation_agrees_with_the_booking(app: Flask) -> None:
    doctor, desk = factories.make_doctor(EVERY_MORNING), sign_in_staff(app)
    factories.make_appointment(None, doctor, day=TUESDAY, time="10:00")
    block(app, desk, slot_at(doctor, "11:00"))
    expected = {"09:00": [], "10:00": ["FULL"], "11:00": ["BLOCKED"], "12:00": ["OUTSIDE_HOURS"]}

    for time, reasons in expected.items():
        assert explain(app, desk, doctor, time) == reasons
        booked = book(app, factories.sign_in(app), doctor, appointmentTime=time)
        assert booked.status_code == (400 if reasons else 201)


@pytest.mark.parametrize(
    ("ahead", "expected"), [(-1, ["PAST"]), (0, ["PAST"]), (90, ["BEYOND_HORIZON"]), (9999, ["BEYOND_HORIZON"])]
)
def test_days_outside_the_horizon_are_explained(app: Flask, ahead: int, expected: list[str]) -> None:
    doctor, day = factories.make_doctor(EVERY_MORNING), TUESDAY + timedelta(days=ahead)
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        assert explain(app, sign_in_staff(app), doctor, "09:00", day) == expected


def test_inactive_doctor_is_explained(app: Flask) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)
    set_active(doctor, is_active=False)

    assert explain(app, sign_in_staff(app), doctor, "09:00") == ["DOCTOR_INACTIVE", "BLOCKED"]


def test_explanation_names_no_patient_but_the_reason_of_a_block(app: Flask) -> None:
    doctor, desk, patient = factories.make_doctor(EVERY_MORNING), sign_in_staff(app), factories.make_user(name="Asha V")
    factories.make_appointment(patient, doctor, day=TUESDAY)
    put_slot(app, desk, slot_at(doctor, "09:00"), isBlocked=True, blockReason="maintenance")
    query = f"?doctorId={doctor.id}&date={TUESDAY}&time=09:00"

    answer = app.test_client().get(f"/api/appointments/explain{query}", headers=desk.headers)

    assert "maintenance" in answer.text
    assert not any(secret in answer.text for secret in ("Asha", str(patient.id), patient.mobile_number))

"""Saving a doctor's weekly hours: free slots change at once, booked slots stay."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import SlotUnavailable, Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.scheduling.rules import WEEK
from arthomed.users.models import User
from tests import factories

TUESDAY = date(2026, 12, 1)
WEEKDAYS = slice(1, 3)  # Tuesday and Wednesday
MORNING = factories.every_day("09:00", "11:00")[WEEKDAYS]

pytestmark = pytest.mark.usefixtures("monday_evening")


def hours(day: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    return {"day": day, "startTime": start, "endTime": end, **more}


def two_days(start: str, end: str, **more: Any) -> list[dict[str, Any]]:
    return [hours(day, start, end, **more) for day in WEEK[WEEKDAYS]]


def save(app: Flask, client: FlaskClient, doctor: User, week: list[dict[str, Any]]) -> TestResponse:
    headers = factories.sign_in(app, doctor).headers
    return client.put(f"/api/users/doctors/{doctor.id}/schedule", json={"schedule": week}, headers=headers)


def slots_on(doctor: User, day: date = TUESDAY) -> list[str]:
    return [slot.start_time for slot in factories.slots_of(doctor, day)]


def slot_at(doctor: User, time: str, day: date = TUESDAY) -> Slot:
    return next(slot for slot in factories.slots_of(doctor, day) if slot.start_time == time)


def cancel_as_receptionist(appointment: Appointment) -> Appointment:
    return transitions.cancel(factories.actor_of(factories.make_user(Role.RECEPTIONIST)), appointment.id, reason=None)


@pytest.mark.parametrize(
    ("week", "field"),
    [
        ([hours("monday", "09:00", "11:00"), hours("monday", "10:30", "12:00")], "schedule.1"),
        ([hours("monday", "09:00", "11:00"), hours("monday", "09:00", "11:00")], "schedule.1"),
        ([hours("monday", "09:00", "10:45")], "schedule.0"),
        ([hours("monday", "09:00", "09:00")], "schedule.0"),
        ([hours("monday", "11:00", "09:00")], "schedule.0"),
        ([hours("funday", "09:00", "11:00")], "schedule.0.day"),
        ([hours("Monday", "09:00", "11:00")], "schedule.0.day"),
        ([hours("monday", "9:00", "11:00")], "schedule.0.startTime"),
        ([hours("monday", "24:00", "24:00")], "schedule.0.startTime"),
        ([hours("monday", "09:00", "24:30")], "schedule.0.endTime"),
        ([hours("monday", "22:00", "00:00")], "schedule.0"),
        ([hours("monday", "22:00", "02:00")], "schedule.0"),
        ([hours("monday", "09:00", "11:00", maxPatients=0)], "schedule.0.maxPatients"),
        ([hours("monday", "09:00", "11:00", maxPatients=51)], "schedule.0.maxPatients"),
        ([hours("monday", "09:00", "11:00", isAvailable="yes")], "schedule.0.isAvailable"),
        ([hours("monday", "09:00", "11:00", room="3")], "schedule.0.room"),
    ],
)
def test_invalid_schedule_is_refused_and_the_old_one_stays(
    app: Flask, client: FlaskClient, week: list[dict[str, Any]], field: str
) -> None:
    doctor = factories.make_doctor(MORNING)

    answer = save(app, client, doctor, week)

    assert factories.invalid_fields(answer) == [field]
    assert slots_on(doctor) == ["09:00", "09:30", "10:00", "10:30"]


def test_saving_replaces_the_whole_schedule_and_the_free_slots(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)

    saved = factories.data_of(save(app, client, doctor, [hours("tuesday", "14:00", "15:00")]))

    assert [one["day"] for one in saved["doctor"]["doctorInfo"]["schedule"]] == ["tuesday"]
    assert slots_on(doctor) == ["14:00", "14:30"]
    assert slots_on(doctor, TUESDAY + timedelta(days=1)) == []
    assert saved["conflicts"] == []


def test_unavailable_hours_create_no_slots(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor([])
    factories.data_of(save(app, client, doctor, two_days("09:00", "10:00", isAvailable=False)))

    assert slots_on(doctor) == []


def test_slots_of_another_doctor_do_not_change(app: Flask, client: FlaskClient) -> None:
    doctor, other = factories.make_doctor(MORNING), factories.make_doctor(MORNING)

    factories.data_of(save(app, client, doctor, []))

    assert slots_on(other) == ["09:00", "09:30", "10:00", "10:30"]


@pytest.mark.parametrize("user", [factories.UNKNOWN_ID, "patient"], ids=str)
def test_schedule_of_a_user_who_is_no_doctor_is_not_found(app: Flask, client: FlaskClient, user: object) -> None:
    admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
    user_id = factories.make_user().id if user == "patient" else user

    answer = client.put(f"/api/users/doctors/{user_id}/schedule", json={"schedule": []}, headers=admin.headers)

    assert factories.error_of(answer) == (404, "NOT_FOUND")


def test_booked_slots_outside_the_new_hours_stay_and_are_returned_as_conflicts(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)
    appointment = factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:30")

    saved = factories.data_of(save(app, client, doctor, two_days("14:00", "15:00")))

    assert saved["conflicts"] == [
        {
            "slotId": str(appointment.slot),
            "date": "2026-12-01",
            "startTime": "09:30",
            "endTime": "10:00",
            "bookedPatients": 1,
        }
    ]
    assert slots_on(doctor) == ["09:30", "14:00", "14:30"]
    assert list(consistency.violations()) == []


def test_conflicting_slot_takes_no_bookings_even_after_a_cancellation(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=3)[WEEKDAYS])
    appointments = [factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00") for _ in range(2)]
    factories.data_of(save(app, client, doctor, []))
    cancel_as_receptionist(appointments[0])

    with pytest.raises(SlotUnavailable):
        factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00")


def test_next_sync_removes_a_conflicting_slot_without_appointments(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)
    appointment = factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:30")
    factories.data_of(save(app, client, doctor, []))
    cancel_as_receptionist(appointment)
    assert slots_on(doctor) == ["09:30"]

    scheduling.sync_doctor(doctor.id)

    assert slots_on(doctor) == []


def test_conflicting_slot_can_be_booked_again_when_the_hours_include_it_again(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=2)[WEEKDAYS])
    factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00")
    factories.data_of(save(app, client, doctor, []))

    saved = factories.data_of(save(app, client, doctor, two_days("09:00", "10:00", maxPatients=2)))

    assert saved["conflicts"] == []
    assert factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00").seat == 2


def test_no_new_slot_overlaps_an_appointment_in_progress(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:30")
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:40"), tick=True):
        factories.data_of(save(app, client, doctor, two_days("09:15", "11:15")))

    assert slots_on(doctor) == ["09:00", "09:30", "10:15", "10:45"]


def test_past_slots_do_not_change(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)
    with time_machine.travel(factories.at_clinic(TUESDAY, "12:00"), tick=True):
        factories.data_of(save(app, client, doctor, []))

    assert slots_on(doctor) == ["09:00", "09:30", "10:00", "10:30"]


def test_higher_maximum_of_patients_reopens_a_full_slot(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00")

    factories.data_of(save(app, client, doctor, two_days("09:00", "11:00", maxPatients=2)))

    assert factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00").seat == 2


def test_lower_maximum_of_patients_never_falls_below_the_bookings(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=3)[WEEKDAYS])
    appointments = [factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00") for _ in range(2)]

    factories.data_of(save(app, client, doctor, two_days("09:00", "10:00", maxPatients=1)))

    slot = slot_at(doctor, "09:00")
    assert (slot.max_patients, slot.booked_patients, slot.is_available) == (2, 2, False)
    cancel_as_receptionist(appointments[0])
    scheduling.sync_doctor(doctor.id)
    assert (slot_at(doctor, "09:00").max_patients, slot_at(doctor, "09:30").max_patients) == (1, 1)
    assert list(consistency.violations()) == []


def test_seat_above_the_new_maximum_can_be_freed_and_booked_again(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00", max_patients=2)[WEEKDAYS])
    first, second = (factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00") for _ in range(2))
    cancel_as_receptionist(first)
    factories.data_of(save(app, client, doctor, two_days("09:00", "10:00", maxPatients=1)))
    assert slot_at(doctor, "09:00").taken_seats == [second.seat]
    cancel_as_receptionist(second)

    assert factories.make_appointment(doctor=doctor, day=TUESDAY, time="09:00").seat == 1
    assert list(consistency.violations()) == []


def test_concurrent_saves_leave_the_slots_of_exactly_one_schedule(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    weeks = [two_days("08:00", "09:00"), two_days("14:00", "15:00")] * 4
    headers = factories.sign_in(app, doctor).headers

    def put(number: int) -> int:
        path = f"/api/users/doctors/{doctor.id}/schedule"
        return app.test_client().put(path, json={"schedule": weeks[number]}, headers=headers).status_code

    assert set(factories.in_parallel(len(weeks), put)) == {200}

    saved_starts = {one.start_time for one in User.objects.get(id=doctor.id).doctor_info.schedule}
    expected = {"08:00": ["08:00", "08:30"], "14:00": ["14:00", "14:30"]}[saved_starts.pop()]
    assert [slots_on(doctor, TUESDAY + timedelta(weeks=ahead)) for ahead in range(4)] == [expected] * 4


def test_concurrent_bookings_and_saves_lose_no_appointment(app: Flask) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "13:00")[WEEKDAYS])
    patients = [factories.sign_in(app) for _ in range(8)]
    times = [f"{9 + half // 2:02}:{half % 2 * 30:02}" for half in range(8)]

    def book(number: int) -> int:
        body = factories.booking_body(doctor, appointmentDate=TUESDAY.isoformat(), appointmentTime=times[number])
        headers = patients[number].headers
        return app.test_client().post("/api/appointments/book", json=body, headers=headers).status_code

    def put(number: int) -> int:
        week = [[], factories.every_day("09:15", "12:45")[WEEKDAYS]][number % 2]
        scheduling.save_schedule(factories.actor_of(doctor), doctor.id, week)
        return 200

    with ThreadPoolExecutor(12) as threads:
        bookings = [threads.submit(book, number) for number in range(8)]
        saves = [threads.submit(put, number) for number in range(4)]
        answers = [one.result() for one in bookings]
        assert {one.result() for one in saves} == {200}

    assert set(answers) <= {201, 400}
    assert Appointment.objects(doctor_id=doctor.id, status=Status.PENDING).count() == answers.count(201)
    assert list(consistency.violations()) == []

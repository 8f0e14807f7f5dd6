"""Appointments that end at midnight or run past it, and appointments that nobody finished."""

from datetime import date, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from icalendar import Calendar

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core.permissions import Role
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, book
from tests.api.appointments.clinic import move
from tests.factories import Records, data_of, error_of

TUESDAY, WEDNESDAY = date(2026, 12, 1), date(2026, 12, 2)
LATE = factories.every_day("22:00", "24:00")[1:2]  # Tuesdays

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


def put_status(app: Flask, user: User, appointment: Appointment, status: str, at: datetime) -> tuple[int, str]:
    with time_machine.travel(at, tick=True):
        headers = factories.sign_in(app, user).headers
        body = {"status": status, **({"notes": "Rest"} if status == "completed" else {})}
        return error_of(app.test_client().put(f"/api/appointments/{appointment.id}/status", json=body, headers=headers))


def late_appointment(doctor: User, patient: User | None = None) -> Appointment:
    return move(factories.make_appointment(patient, doctor, day=TUESDAY, time="23:30"), Status.CONFIRMED)


def test_hours_until_midnight_make_slots_that_end_at_24_00(app: Flask) -> None:
    doctor, admin = factories.make_doctor([]), factories.sign_in(app, factories.make_user(Role.ADMIN))
    week = [{"day": "tuesday", "startTime": "22:00", "endTime": "24:00"}]
    path, client = f"/api/users/doctors/{doctor.id}", app.test_client()

    saved = data_of(client.put(f"{path}/schedule", json={"schedule": week}, headers=admin.headers))["doctor"]
    slots = data_of(client.get(f"/api/appointments/slots?doctorId={doctor.id}&date={TUESDAY}", headers=admin.headers))[
        "availableSlots"
    ]

    assert saved["doctorInfo"]["schedule"][0]["endTime"] == "24:00"
    assert [(one["startTime"], one["endTime"]) for one in slots][-1] == ("23:30", "24:00")
    assert len(slots) == 4
    assert client.get(path, headers=admin.headers).status_code == 200
    assert Slot.objects(doctor=doctor.id, start_time__gte="24:00").count() == 0


def test_last_slot_before_midnight_can_be_booked_and_is_in_the_calendar(app: Flask) -> None:
    doctor, patient = factories.make_doctor(LATE), factories.sign_in(app)

    booked = data_of(book(app, patient, doctor, appointmentDate="2026-12-01", appointmentTime="23:30"), 201)
    event_file = app.test_client().get(
        f"/api/appointments/{booked['appointment']['_id']}/calendar.ics", headers=patient.headers
    )

    [event] = Calendar.from_ical(event_file.data).walk("VEVENT")
    assert event.decoded("dtend") == factories.at_clinic(WEDNESDAY, "00:00")
    assert booked["appointment"]["startsAt"] == "2026-12-01T18:00:00.000Z"
    [message] = Notification.objects(subject=booked["appointment"]["_id"])
    assert message.useful_until == factories.at_clinic(WEDNESDAY, "00:00")
    assert list(consistency.violations()) == []


def test_a_slot_until_midnight_and_one_from_midnight_do_not_overlap(app: Flask) -> None:
    doctor = factories.make_doctor([*LATE, *factories.every_day("00:00", "01:00")])
    patient = factories.sign_in(app)

    for day, time in ((TUESDAY, "23:30"), (WEDNESDAY, "00:00")):
        response = book(app, patient, doctor, appointmentDate=day.isoformat(), appointmentTime=time)
        assert response.status_code == 201


@pytest.mark.parametrize("minutes", [1, 20, 200])
def test_an_appointment_before_midnight_can_start_and_end_after_it(app: Flask, minutes: int) -> None:
    doctor = factories.make_doctor(LATE)
    appointment = late_appointment(doctor)
    after_midnight = appointment.ends_at + timedelta(minutes=minutes)

    assert put_status(app, doctor, appointment, "in-progress", after_midnight) == (200, "")
    assert put_status(app, doctor, appointment, "completed", after_midnight + timedelta(hours=10)) == (200, "")


def test_a_no_show_before_midnight_can_be_undone_after_it(app: Flask) -> None:
    doctor, desk = factories.make_doctor(LATE), factories.make_user(Role.RECEPTIONIST)
    appointment = late_appointment(doctor)
    with time_machine.travel(appointment.ends_at + timedelta(minutes=61), tick=True):
        assert transitions.mark_no_shows() == 1

    assert put_status(app, desk, appointment, "confirmed", appointment.ends_at + timedelta(minutes=90)) == (200, "")
    assert put_status(app, doctor, appointment, "in-progress", appointment.ends_at + timedelta(minutes=95)) == (200, "")


@pytest.mark.parametrize(
    ("day_is_over", "expected"), [(False, (400, "BOOKING_LIMIT_REACHED")), (True, (201, ""))], ids=["before", "after"]
)
def test_appointments_in_progress_of_earlier_days_do_not_count_as_open(
    app: Flask, database: Records, *, day_is_over: bool, expected: tuple[int, str]
) -> None:
    patient, doctor = factories.make_user(), factories.make_doctor(EVERY_MORNING)
    for ahead in range(10):
        factories.make_appointment(patient, doctor, day=TUESDAY + timedelta(days=ahead))
    database.appointments.update_many({}, {"$set": {"status": "in-progress"}})  # and nobody completes them
    second_day = factories.at_clinic(WEDNESDAY, "00:00")

    with time_machine.travel(second_day + timedelta(minutes=1 if day_is_over else -1), tick=True):
        response = book(app, factories.sign_in(app, patient), doctor, appointmentDate="2026-12-20")

    assert error_of(response) == expected

"""Days begin at midnight at the clinic, in every time zone of the server."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories

MONDAY, TUESDAY = date(2026, 11, 30), date(2026, 12, 1)
BEFORE_MIDNIGHT = datetime(2026, 11, 30, 18, 29, tzinfo=UTC)  # Monday 23:59 at the clinic
AFTER_MIDNIGHT = datetime(2026, 11, 30, 18, 31, tzinfo=UTC)  # Tuesday 00:01
IDS = ["before midnight", "after midnight"]
NIGHT_AND_DAY = [*factories.every_day("00:00", "01:00"), *factories.every_day("23:00", "23:30")]

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"], autouse=True)
def server_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test with another local time zone of the process."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def slot_times(app: Flask, doctor: User, day: date) -> tuple[list[str], list[str]]:
    """The start times of the available and of the booked slots."""
    query = {"doctorId": str(doctor.id), "date": day.isoformat()}
    headers = factories.sign_in(app).headers
    found = factories.data_of(app.test_client().get("/api/appointments/slots", query_string=query, headers=headers))
    free, booked = found["availableSlots"], found["bookedSlots"]
    return [slot["startTime"] for slot in free], [slot["startTime"] for slot in booked]


def book(app: Flask, doctor: User, day: date, at: str) -> tuple[int, str]:
    body = factories.booking_body(doctor, appointmentDate=day.isoformat(), appointmentTime=at)
    headers = factories.sign_in(app).headers
    return factories.error_of(app.test_client().post("/api/appointments/book", json=body, headers=headers))


def test_server_zone_is_set(server_zone: str) -> None:
    hours = {"UTC": 0, "America/New_York": -5, "Asia/Kolkata": 5.5}[server_zone]

    assert time.localtime(AFTER_MIDNIGHT.timestamp()).tm_gmtoff == hours * 3600


@pytest.mark.parametrize(
    ("now", "tuesday"), [(BEFORE_MIDNIGHT, ["00:00", "00:30", "23:00"]), (AFTER_MIDNIGHT, ["00:30", "23:00"])], ids=IDS
)
def test_available_slots_have_not_started(app: Flask, now: datetime, tuesday: list[str]) -> None:
    with time_machine.travel(now - timedelta(hours=12), tick=True):
        doctor = factories.make_doctor(NIGHT_AND_DAY)
    with time_machine.travel(now, tick=False):
        assert slot_times(app, doctor, MONDAY)[0] == []
        assert slot_times(app, doctor, TUESDAY)[0] == tuesday


@pytest.mark.parametrize(("now", "booked"), [(BEFORE_MIDNIGHT, ["23:00"]), (AFTER_MIDNIGHT, [])], ids=IDS)
def test_day_is_past_from_midnight_at_the_clinic_on(app: Flask, now: datetime, booked: list[str]) -> None:
    with time_machine.travel(BEFORE_MIDNIGHT - timedelta(hours=2), tick=True):
        doctor = factories.make_doctor(NIGHT_AND_DAY)
        factories.make_appointment(doctor=doctor, day=MONDAY, time="23:00")
    with time_machine.travel(now, tick=False):
        assert slot_times(app, doctor, MONDAY) == ([], booked)


@pytest.mark.parametrize(
    ("now", "first", "last"),
    [(BEFORE_MIDNIGHT, TUESDAY, date(2026, 12, 29)), (AFTER_MIDNIGHT, TUESDAY, date(2026, 12, 30))],
    ids=IDS,
)
def test_horizon_moves_at_midnight_at_the_clinic(app: Flask, now: datetime, first: date, last: date) -> None:
    with time_machine.travel(now, tick=False):
        doctor = factories.make_doctor(factories.every_day("10:00", "10:30"))
        dates = sorted(slot.date.date() for slot in Slot.objects(doctor=doctor.id))
        assert (dates[0], dates[-1]) == (first, last)
        assert book(app, doctor, last, "10:00") == (201, "")
        assert book(app, doctor, last + timedelta(days=1), "10:00") == (400, "SLOT_UNAVAILABLE")


@pytest.mark.parametrize(
    ("now", "at", "expected"),
    [
        (BEFORE_MIDNIGHT, "00:00", (201, "")),
        (AFTER_MIDNIGHT, "00:00", (400, "SLOT_UNAVAILABLE")),
        (AFTER_MIDNIGHT, "00:30", (201, "")),
    ],
)
def test_first_slot_of_a_day_can_be_booked_until_midnight(
    app: Flask, now: datetime, at: str, expected: tuple[int, str]
) -> None:
    with time_machine.travel(BEFORE_MIDNIGHT, tick=True):
        doctor = factories.make_doctor(NIGHT_AND_DAY)
    with time_machine.travel(now, tick=False):
        assert book(app, doctor, TUESDAY, at) == expected


def test_appointment_after_midnight_belongs_to_the_new_day(app: Flask) -> None:
    with time_machine.travel(BEFORE_MIDNIGHT, tick=True):
        patient = factories.sign_in(app)
        appointment = factories.make_appointment(
            patient.user, factories.make_doctor(NIGHT_AND_DAY), day=TUESDAY, time="00:00"
        )
        path = "/api/appointments/my-appointments"

        def listed(**query: str) -> list[str]:
            answer = app.test_client().get(path, query_string=query, headers=patient.headers)
            return [one["appointmentDate"] for one in factories.data_of(answer)["items"]]

        assert appointment.starts_at == datetime(2026, 11, 30, 18, 30, tzinfo=UTC)
        assert listed(startDate="2026-12-01", endDate="2026-12-01") == ["2026-12-01"]
        assert listed(endDate="2026-11-30") == []


@pytest.mark.parametrize(("day", "at"), [(MONDAY, "23:00"), (TUESDAY, "00:00")])
@pytest.mark.parametrize("now", [BEFORE_MIDNIGHT, AFTER_MIDNIGHT], ids=IDS)
def test_appointment_near_midnight_can_start_on_both_sides_of_it(app: Flask, now: datetime, day: date, at: str) -> None:
    expected = (200, "")
    with time_machine.travel(BEFORE_MIDNIGHT - timedelta(hours=2), tick=True):
        doctor = factories.make_doctor(NIGHT_AND_DAY)
        appointment = factories.make_appointment(doctor=doctor, day=day, time=at)
        transitions.change_status(factories.actor_of(factories.make_user(Role.ADMIN)), appointment.id, Status.CONFIRMED)
    with time_machine.travel(now, tick=False):
        headers = factories.sign_in(app, doctor).headers
        path = f"/api/appointments/{appointment.id}/status"
        assert (
            factories.error_of(app.test_client().put(path, json={"status": "in-progress"}, headers=headers)) == expected
        )


@pytest.mark.parametrize(("now", "new"), [(BEFORE_MIDNIGHT, 0), (AFTER_MIDNIGHT, 3)], ids=IDS)
def test_nightly_generation_adds_the_new_last_day(now: datetime, new: int) -> None:
    with time_machine.travel(BEFORE_MIDNIGHT - timedelta(minutes=1), tick=False):
        factories.make_doctor(NIGHT_AND_DAY)
    with time_machine.travel(now, tick=False):
        assert scheduling.generate() == new


def test_doctor_is_free_today_only_with_an_upcoming_slot(app: Flask) -> None:
    with time_machine.travel(BEFORE_MIDNIGHT, tick=False):
        factories.make_doctor(NIGHT_AND_DAY)

        def free_on(day: date) -> int:
            query: dict[str, Any] = {"date": day.isoformat()}
            headers = factories.sign_in(app).headers
            answer = app.test_client().get("/api/users/doctors", query_string=query, headers=headers)
            return len(factories.data_of(answer)["items"])

        assert [free_on(day) for day in (MONDAY, TUESDAY)] == [0, 1]

"""A time that cannot be booked: the three nearest in place, and for each reason a sentence with what to do."""

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.service import staff
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.scheduling import single_slots
from arthomed.scheduling.bookability import BlockReason
from arthomed.users.models import User
from tests import factories
from tests.factories import Browser

NEW = "/dashboard/appointments/new"
_OPTION = re.compile(r'name="when" value="\w+/([\d-]+/[\d:]+)"')


@pytest.fixture
def browser(app: Flask, client: FlaskClient) -> Browser:
    del client  # the database is empty now
    return Browser(app, factories.make_user(Role.RECEPTIONIST))


@pytest.fixture
def doctor(browser: Browser) -> User:
    """From nine to eleven, but not on the day after tomorrow."""
    del browser
    week = factories.every_day(end="11:00")
    del week[day_after_tomorrow().weekday()]
    return factories.make_doctor(week)


def today() -> date:
    return clock.today(settings().policy.timezone)


def day_after_tomorrow() -> date:
    return factories.tomorrow() + timedelta(days=1)


def _nothing(_doctor: User) -> None:
    """The time is as it is."""


def _take(doctor: User) -> None:
    factories.make_appointment(doctor=doctor, time="10:00")


def _block(doctor: User) -> None:
    slot = next(one for one in factories.slots_of(doctor, factories.tomorrow()) if one.start_time == "10:00")
    single_slots.set_blocked(factories.actor_of(doctor), slot.id, is_blocked=True, reason=BlockReason.BREAK)


def _block_the_day(doctor: User) -> None:
    for slot in factories.slots_of(doctor, factories.tomorrow()):
        single_slots.set_blocked(factories.actor_of(doctor), slot.id, is_blocked=True, reason=BlockReason.PERSONAL)


def _deactivate(doctor: User) -> None:
    admin = factories.make_user(Role.ADMIN)
    staff.set_active(factories.actor_of(admin), doctor.id, is_active=False)


_CASES = [
    pytest.param(_nothing, -1, "10:00", "This time has passed. Please choose a later one.", id="past"),
    pytest.param(_nothing, 2, "10:00", "The doctor has no hours on this day. Please choose another day", id="day off"),
    pytest.param(
        _nothing, 1, "10:10", "No appointment of the doctor begins at this time. Please choose one", id="between"
    ),
    pytest.param(_nothing, 1, "20:00", "No appointment of the doctor begins at this time. Please", id="evening"),
    pytest.param(_block, 1, "10:00", "The doctor is not available at this time. Please choose", id="break"),
    pytest.param(_block_the_day, 1, "10:00", "The doctor is away on this day. Please choose another day", id="leave"),
    pytest.param(_take, 1, "10:00", "All places of this time are taken. Please choose one of these times.", id="full"),
    pytest.param(_nothing, 400, "10:00", "days can be booked. Please choose an earlier day.", id="too far ahead"),
    pytest.param(_deactivate, 1, "10:00", "The account of the doctor is closed. Please choose another", id="closed"),
    pytest.param(_nothing, 1, "10:00", "This time is free now. Please enter it again.", id="free"),
]


@pytest.mark.parametrize(("prepare", "days", "time", "sentence"), _CASES)
def test_a_time_is_explained_with_what_to_do(
    browser: Browser, doctor: User, prepare: Callable[[User], None], days: int, time: str, sentence: str
) -> None:
    prepare(doctor)
    asked = {"askedDoctor": str(doctor.id), "askedDate": str(today() + timedelta(days=days)), "askedTime": time}

    page = browser.post(f"{NEW}/explain", **asked).text

    assert sentence in page
    assert page.count("<li>") == 1


@pytest.mark.parametrize(
    ("prepare", "days", "time"),
    [pytest.param(*case.values[:3], id=str(case.id)) for case in _CASES if case.id not in ("closed", "free")],
)
def test_a_time_that_is_not_free_shows_the_three_nearest_in_place(
    browser: Browser, doctor: User, prepare: Callable[[User], None], days: int, time: str
) -> None:
    prepare(doctor)
    asked = today() + timedelta(days=days)

    page = browser.post(f"{NEW}/times", doctors=str(doctor.id), onDate=str(asked), atTime=time).text

    assert f"{time} is not free. The nearest times:" in page
    assert "Why not?" in page
    shown = [one.split("/") for one in _OPTION.findall(page)]
    assert len(shown) == 3
    assert shown == sorted(shown)
    assert {(day, hhmm) for day, hhmm in shown} == {one[1:] for one in sorted(distances(doctor, asked, time))[:3]}


def distances(doctor: User, asked: date, time: str) -> list[tuple[timedelta, str, str]]:
    """Each free slot of the doctor with its distance from the time."""
    days = (today() + timedelta(days=offset) for offset in range(settings().policy.horizon_days))
    slots = (slot for day in days for slot in factories.slots_of(doctor, day) if slot.is_available)
    wanted, now = factories.at_clinic(asked, time), clock.now()
    return [
        (abs(slot.starts_at - wanted), f"{slot.date:%Y-%m-%d}", slot.start_time)
        for slot in slots
        if slot.starts_at > now
    ]


def test_a_patient_who_has_an_appointment_is_told_so_with_what_to_do(browser: Browser, doctor: User) -> None:
    patient = factories.make_user(name="Asha Verma")
    factories.make_appointment(patient, doctor, time="09:00")
    other = factories.make_doctor()
    form = {
        "key": "a-key-of-the-form",
        "mobileNumber": patient.mobile_number,
        "patientId": str(patient.id),
        "person": "self",
    }
    day = factories.tomorrow()

    same_day = browser.post(NEW, **form, when=f"{doctor.id}/{day}/10:00")
    same_time = browser.post(NEW, **form, when=f"{other.id}/{day}/09:00")

    remedy = "Please choose another time or day."
    assert (same_day.status_code, same_time.status_code) == (400, 400)
    assert f"The patient already has an appointment with this doctor on that day. {remedy}" in same_day.text
    assert f"The patient already has an appointment at that time. {remedy}" in same_time.text

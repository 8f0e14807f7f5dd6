"""The polled list of requests: each thing that it shows changes its version."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import desk, rescheduling, transitions
from arthomed.appointments.service.desk import DeskBooking
from arthomed.appointments.service.rescheduling import NewTime
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role
from arthomed.frontdesk.service.requests import MAX_SHOWN
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.api.auth.sign_in import Now
from tests.factories import Browser

POLL = "/dashboard/requests/live"


Poll = Callable[..., str | None]


@pytest.fixture
def poll(app: Flask, client: FlaskClient) -> Poll:
    """Poll as the page does; None while the version is the same. The session begins with the first request."""
    del client  # it empties the database
    versions: dict[str, str] = {}

    @cache
    def receptionist() -> Browser:
        return Browser(app, factories.make_user(Role.RECEPTIONIST))

    def poll(*shown: Appointment) -> str | None:
        address = f"{POLL}?shown={','.join(str(one.id) for one in shown)}"
        response = receptionist().get(address, is_partial=True, headers={"X-Version": versions.get(address, "")})
        if response.status_code == 204:
            return None
        versions[address] = response.headers["X-Version"]
        return response.text

    return poll


@pytest.fixture
def doctor(poll: Poll) -> User:
    del poll  # the database is empty now
    return factories.make_doctor(factories.every_day("09:00", "11:00", max_patients=30))


@pytest.fixture
def admin(poll: Poll) -> Actor:
    del poll
    return factories.actor_of(factories.make_user(Role.ADMIN, name="Kavita Desai"))


def test_the_name_of_who_decided(poll: Poll, doctor: User, admin: Actor) -> None:
    asked = factories.make_appointment(None, doctor)
    transitions.change_status(admin, asked.id, Status.CONFIRMED)
    assert "Kavita Desai" in str(poll(asked))
    assert poll(asked) is None

    users.update(admin.signed_in_user_id, {"name": "Kavita Rao"}, by=admin)

    assert "Kavita Rao" in str(poll(asked))


def test_the_name_of_a_patient_whose_request_is_decided(poll: Poll, doctor: User, admin: Actor) -> None:
    asked = factories.make_appointment(factories.make_user(name="Asha Verma"), doctor)
    transitions.change_status(admin, asked.id, Status.CONFIRMED)
    poll(asked)

    users.update(asked.patient_id, {"name": "Asha Rao"}, by=admin)

    assert "Asha Rao" in str(poll(asked))


def test_the_time_of_a_request_that_is_decided(poll: Poll, doctor: User, admin: Actor) -> None:
    asked = factories.make_appointment(None, doctor)
    transitions.change_status(admin, asked.id, Status.CONFIRMED)
    poll(asked)

    rescheduling.reschedule(admin, asked.id, NewTime(factories.tomorrow(), "10:30", doctor.id))

    assert '<b class="time">10:30' in str(poll(asked))


def walk_in(doctor: User, actor: Actor) -> Appointment:
    """A confirmed appointment of today in an overflow place."""
    booking = DeskBooking(doctor.id, "consultation", patient_id=factories.make_user().id)
    return desk.book(actor, booking).appointment


def test_an_overflow_place_of_the_day_that_is_cancelled(poll: Poll, now: Now, admin: Actor) -> None:
    day, doctor = factories.tomorrow(), factories.make_doctor(factories.every_day("10:00", "11:00"))
    now.move_to(factories.at_clinic(day, "09:50"))
    for time in ("10:00", "10:30"):
        asked = factories.make_appointment(None, doctor, day=day, time=time)
    placed = walk_in(doctor, admin)
    assert placed.is_overflow
    assert str(poll(asked)).count("Others that day: 2") == 2

    transitions.cancel(admin, placed.id, reason=None)

    assert str(poll(asked)).count("Others that day: 1") == 2


def test_a_neighbour_beyond_the_oldest_that_is_confirmed(poll: Poll, doctor: User, admin: Actor) -> None:
    first = factories.make_appointment(None, doctor, time="09:30")
    for _ in range(MAX_SHOWN):
        factories.make_appointment(None, doctor, time="09:00")
    last = factories.make_appointment(None, doctor, time="10:00")
    before = str(poll(first))

    transitions.change_status(admin, last.id, Status.CONFIRMED)

    after = poll(first)
    assert '<span class="time asked">10:00</span>' in before
    assert after is not None
    assert '<span class="time asked">10:00</span>' not in after


def test_the_age_on_the_next_day(poll: Poll, now: Now, doctor: User) -> None:
    now.move_to(factories.at_clinic(factories.tomorrow(), "23:59"))
    tomorrow = factories.tomorrow()
    born = date(tomorrow.year - 30, tomorrow.month, tomorrow.day)
    patient = factories.make_user(profile={"date_of_birth": born})
    asked = factories.make_appointment(patient, doctor, day=tomorrow + timedelta(days=1))
    assert "29 years" in str(poll(asked))

    now.shift(timedelta(minutes=1))

    assert "30 years" in str(poll(asked))


def test_nothing_else(poll: Poll, doctor: User) -> None:
    asked = factories.make_appointment(None, doctor)
    other = factories.make_appointment(None, factories.make_doctor())
    poll(asked)
    assert poll(asked) is None

    transitions.change_status(factories.actor_of(factories.make_user(Role.ADMIN)), other.id, Status.CONFIRMED)

    assert poll(asked) is not None
    assert poll(asked) is None

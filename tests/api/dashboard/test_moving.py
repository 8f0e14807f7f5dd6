"""An appointment is moved from the dashboard: to another time, or to another doctor of the same specialization."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core.permissions import Role
from arthomed.users import service as users
from arthomed.users.models import User
from tests import factories
from tests.factories import Browser

KEY = "a-key-of-the-form"


@pytest.fixture
def browser(app: Flask, client: FlaskClient) -> Browser:
    return Browser(app, factories.make_user(Role.RECEPTIONIST))


@pytest.fixture
def doctor(client: FlaskClient) -> User:
    return factories.make_doctor(factories.every_day("09:00", "12:00"), name="Dr Meera Iyer", fee=300)


@pytest.fixture
def booked(doctor: User) -> Appointment:
    """Tomorrow at ten."""
    return factories.make_appointment(factories.make_user(name="Asha Verma"), doctor, time="10:00")


def path(appointment: Appointment, more: str = "") -> str:
    return f"/dashboard/appointments/{appointment.id}/move{more}"


def times(page: str) -> list[str]:
    return [value.rpartition("/")[2] for value in re.findall(r'name="when" value="([^"]*)"', page)]


def at(doctor: User, time: str) -> str:
    return f"{doctor.id}/{factories.tomorrow()}/{time}"


def test_the_times_around_the_present_one_are_offered_without_it(
    browser: Browser, booked: Appointment, doctor: User
) -> None:
    page = browser.get(path(booked), is_partial=True).text

    offered = re.findall(r'name="when" value="([^"]*)"', page)
    assert {at(doctor, time) for time in ("09:00", "09:30", "10:30", "11:00", "11:30")} < set(offered)
    assert at(doctor, "10:00") not in offered
    assert len(offered) == 6
    assert f'value="{at(doctor, "10:30")}" id="when-chosen" checked' in page
    assert "Asha Verma" in page
    assert "10:00 · Dr Meera Iyer · ₹300" in page


def test_a_move_is_said_and_the_screen_below_shows_it(browser: Browser, booked: Appointment, doctor: User) -> None:
    response = browser.post(path(booked), key=KEY, when=at(doctor, "10:30"))

    assert response.status_code == 204
    assert "Asha Verma is moved to" in response.headers["HX-Trigger"]
    assert "changed" in response.headers["HX-Trigger"]
    assert Appointment.objects.get(id=booked.id).appointment_time == "10:30"


def test_a_time_that_is_taken_meanwhile_shows_the_nearest(browser: Browser, booked: Appointment, doctor: User) -> None:
    factories.make_appointment(None, doctor, time="11:00")

    response = browser.post(path(booked), key=KEY, when=at(doctor, "11:00"))

    assert (response.status_code, response.headers["HX-Retarget"]) == (400, "#dialog")
    assert times(response.text) == ["09:30", "10:30", "11:30"]
    assert f'value="{KEY}"' in response.text
    assert Appointment.objects.get(id=booked.id).appointment_time == "10:00"


def test_a_form_that_is_sent_twice_moves_once(browser: Browser, booked: Appointment, doctor: User) -> None:
    sent = {"key": KEY, "when": at(doctor, "10:30")}

    assert [browser.post(path(booked), **sent).status_code for _ in range(2)] == [204, 204]
    assert len(Appointment.objects.get(id=booked.id).history) == 2


def test_a_form_that_was_sent_and_then_changed_says_so(browser: Browser, booked: Appointment, doctor: User) -> None:
    browser.post(path(booked), key=KEY, when=at(doctor, "10:30"))

    changed = browser.post(path(booked), key=KEY, when=at(doctor, "09:30"))

    assert (changed.status_code, "The first attempt was done" in changed.text) == (422, True)
    assert Appointment.objects.get(id=booked.id).appointment_time == "10:30"


@pytest.mark.parametrize(("fee", "says"), [(500, "₹500 (₹200 more)"), (250, "₹250 (₹50 less)"), (300, "₹300")])
def test_another_doctor_says_the_difference_of_the_fee(
    browser: Browser, booked: Appointment, fee: int, says: str
) -> None:
    other = factories.make_doctor(name="Dr Arjun Rao", fee=fee)

    panel = browser.get(path(booked), is_partial=True).text
    page = browser.post(path(booked, "/times"), doctors=str(other.id)).text

    assert f'value="{other.id}"' in panel
    assert says in re.sub(r"\s+", " ", page)
    assert browser.post(path(booked), key=KEY, when=at(other, "09:30")).status_code == 204
    assert Appointment.objects.get(id=booked.id).payment.amount == fee


def test_doctors_of_another_specialization_are_not_offered_and_are_refused(
    browser: Browser, booked: Appointment
) -> None:
    skin = factories.make_doctor(name="Dr Leela Nair")
    users.update(skin.id, {"doctor_info": {"specialization": "Dermatology"}}, by=factories.actor_of(skin))

    assert str(skin.id) not in browser.get(path(booked), is_partial=True).text
    response = browser.post(path(booked), key=KEY, when=at(skin, "09:30"))
    assert response.status_code == 400
    assert "Must be a doctor of the same specialization." in response.text


def test_another_day_can_be_asked_for(browser: Browser, booked: Appointment) -> None:
    page = browser.post(path(booked, "/times"), onDate=str(factories.tomorrow()), atTime="10:10").text

    assert "10:10 is not free" in page
    assert times(page) == ["09:30", "10:30", "11:00"]


def test_an_appointment_that_is_over_is_not_moved_any_more(browser: Browser, booked: Appointment) -> None:
    transitions.cancel(factories.actor_of(booked.patient), booked.id, reason=None)

    response = browser.get(path(booked), is_partial=True)

    assert response.status_code == 400
    assert response.headers["HX-Retarget"] == "#problem"
    assert "Only a pending or confirmed appointment can be rescheduled" in response.text


def test_a_walk_in_is_no_time_to_move_to(browser: Browser, booked: Appointment, doctor: User) -> None:
    assert browser.post(path(booked), key=KEY, when=str(doctor.id)).status_code == 400


def test_the_day_and_the_requests_offer_to_move_what_can_be_moved(browser: Browser, booked: Appointment) -> None:
    day = f"/dashboard/day?date={factories.tomorrow()}"

    assert f'id="move-{booked.id}"' in browser.get(day).text
    assert f'id="move-{booked.id}"' in browser.get("/dashboard/requests").text
    transitions.change_status(factories.actor_of(browser.user), booked.id, Status.REJECTED, reason="Away")
    assert f'id="move-{booked.id}"' not in browser.get(day).text

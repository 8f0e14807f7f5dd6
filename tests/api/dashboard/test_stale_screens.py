"""A step from a screen that shows an earlier state: it is refused when it would undo what others did meanwhile."""

import json
import re
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import rescheduling, transitions
from arthomed.appointments.service.rescheduling import NewTime
from arthomed.core.permissions import Role
from arthomed.frontdesk.service import queue
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import ADMIN, Doctor
from tests.factories import Browser

DAY, REQUESTS, MY_DAY = "/dashboard/day", "/dashboard/requests", "/dashboard/my-day"


@pytest.fixture
def admin(app: Flask, client: FlaskClient) -> Browser:
    del client  # it empties the database
    return Browser(app, factories.make_user(Role.ADMIN))


@pytest.fixture
def meera(admin: Browser) -> Doctor:
    del admin  # with it the database is empty
    return clinic.make_doctor()


def what_is_sent(page: str, action: str, appointment: Appointment) -> tuple[str, dict[str, str]]:
    """The address and the values of a button, as the page has them."""
    [button] = re.findall(rf'<button[^>]*id="{action}-{appointment.id}"[^>]*>', page)
    values = re.findall(r"hx-vals='(.*?)'", button)
    return re.findall(r'hx-post="(.*?)"', button)[0], json.loads(unescape(values[0])) if values else {}


def stored(appointment: Appointment) -> Appointment:
    found: Appointment = Appointment.objects.get(id=appointment.id)
    return found


@pytest.mark.parametrize("page", [DAY, REQUESTS])
def test_confirm_does_not_undo_a_start(admin: Browser, meera: Doctor, page: str) -> None:
    appointment = meera.add("Asha Verma")
    url, values = what_is_sent(admin.get(page).text, "confirm", appointment)
    for step in ("confirm", "arrive", "call", "start"):
        clinic.take(step, appointment)

    for sent in (values, {}):
        admin.post(url, **sent)

    assert stored(appointment).status is Status.IN_PROGRESS


@pytest.mark.parametrize("page", [DAY, REQUESTS])
def test_confirm_does_not_undo_a_no_show(admin: Browser, meera: Doctor, page: str) -> None:
    appointment = meera.add("Asha Verma")
    url, values = what_is_sent(admin.get(page).text, "confirm", appointment)
    for step in ("confirm", "no-show"):
        clinic.take(step, appointment)

    for sent in (values, {}):
        admin.post(url, **sent)

    assert stored(appointment).status is Status.NO_SHOW


def test_a_confirmation_that_comes_too_late_is_refused_in_place(admin: Browser, meera: Doctor) -> None:
    appointment = meera.add("Asha Verma", "confirm")

    response = admin.post(f"/dashboard/appointments/{appointment.id}/confirm")

    assert (response.status_code, response.headers["HX-Retarget"]) == (400, "#problem")
    assert response.text == "<p>The appointment does not wait for confirmation any more</p>"


@pytest.mark.parametrize("page", [f"{DAY}?date={{tomorrow}}", REQUESTS])
def test_a_request_that_was_moved_is_not_confirmed_unseen(admin: Browser, page: str) -> None:
    appointment = factories.make_appointment(time="09:00")
    address = page.format(tomorrow=factories.tomorrow())
    url, values = what_is_sent(admin.get(address).text, "confirm", appointment)
    new_time = NewTime(factories.tomorrow(), "10:00", appointment.doctor_id)
    rescheduling.reschedule(factories.actor_of(appointment.patient), appointment.id, new_time)

    refused = admin.post(url, **values)
    status = stored(appointment).status
    url, values = what_is_sent(admin.get(address).text, "confirm", appointment)
    confirmed = admin.post(url, **values)

    assert (refused.status_code, status) == (400, Status.PENDING)
    assert "changed in the meantime" in refused.text
    assert confirmed.status_code == 200
    assert stored(appointment).status is Status.CONFIRMED


@pytest.mark.parametrize(
    ("shown", "later", "said"),
    [
        (("arrive",), ("call",), "The patient is called"),
        (("arrive", "call"), ("skip",), "The patient is waiting"),
        (("arrive", "call"), ("start",), "The consultation has begun"),
        (("arrive",), ("start",), "The consultation has begun"),
    ],
)
def test_undo_undoes_only_the_step_that_was_shown(
    admin: Browser, meera: Doctor, shown: tuple[str, ...], later: tuple[str, ...], said: str
) -> None:
    appointment = meera.add("Asha Verma", "confirm", *shown)
    url, values = what_is_sent(admin.get(DAY).text, "undo", appointment)
    for step in later:
        clinic.take(step, appointment)
    before = stored(appointment)

    response = admin.post(url, **values)

    after = stored(appointment)
    assert (response.status_code, response.text) == (400, f"<p>{said}</p>")
    assert (after.status, after.last_step_at) == (before.status, before.last_step_at)


@pytest.mark.parametrize("steps", [("arrive",), ("arrive", "call"), ("arrive", "call", "start"), ("no-show",)])
def test_undo_undoes_the_step_that_is_shown(admin: Browser, meera: Doctor, steps: tuple[str, ...]) -> None:
    appointment = meera.add("Asha Verma", "confirm", *steps)
    before = stored(appointment).last_step_at
    url, values = what_is_sent(admin.get(DAY).text, "undo", appointment)

    assert admin.post(url, **values).status_code == 200
    assert stored(appointment).last_step_at != before


def test_a_patient_who_has_arrived_meanwhile_is_no_no_show(admin: Browser, meera: Doctor) -> None:
    appointment = meera.add("Asha Verma", "confirm")
    url, values = what_is_sent(admin.get(DAY).text, "no-show", appointment)
    clinic.take("arrive", appointment)

    assert admin.post(url, **values).status_code == 400
    assert stored(appointment).status is Status.CONFIRMED


def test_a_patient_who_has_arrived_meanwhile_is_not_cancelled_unseen(admin: Browser, meera: Doctor) -> None:
    appointment = meera.add("Asha Verma", "confirm")
    path = f"/dashboard/appointments/{appointment.id}/cancel"

    def values() -> dict[str, str]:
        dialog = admin.get(path, is_partial=True).text
        return json.loads(unescape(re.findall(r"hx-vals='(.*?)'", dialog)[0]))  # type: ignore[no-any-return]

    former = values()
    clinic.take("arrive", appointment)
    refused, status = admin.post(path, **former), stored(appointment).status
    cancelled = admin.post(path, **values())

    assert (refused.status_code, status, cancelled.status_code) == (400, Status.CONFIRMED, 200)
    assert stored(appointment).status is Status.CANCELLED


def test_a_patient_who_is_called_meanwhile_is_not_skipped(admin: Browser, meera: Doctor) -> None:
    appointment = meera.add("Asha Verma", "confirm", "arrive")
    url, values = what_is_sent(admin.get(DAY).text, "skip", appointment)
    clinic.take("call", appointment)

    response = admin.post(url, **values)

    assert (response.status_code, response.text) == (400, "<p>The patient is called</p>")
    assert stored(appointment).queue.called_at is not None


def test_a_doctors_own_day_sends_what_it_shows_too(app: Flask, meera: Doctor) -> None:
    appointment, doctor = meera.add("Asha Verma", "confirm", "arrive", "call"), Browser(app, meera.user)
    url, values = what_is_sent(doctor.get(MY_DAY).text, "undo", appointment)
    queue.skip(ADMIN, appointment.id)

    assert doctor.post(url, **values).status_code == 400
    assert stored(appointment).queue.skipped_at is not None


def test_a_start_is_undone_by_the_api_as_before(meera: Doctor) -> None:
    appointment = meera.add("Asha Verma", "confirm", "arrive", "call", "start")

    transitions.change_status(ADMIN, appointment.id, Status.CONFIRMED)

    assert stored(appointment).status is Status.CONFIRMED

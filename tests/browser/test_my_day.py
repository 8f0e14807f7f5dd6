"""A doctor's day on a phone: without a mouse, with a bad connection, and on a screen that is locked."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.auth.models import Session
from arthomed.core import clock
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import Doctor
from tests.browser.conftest import NARROW, set_hidden
from tests.browser.keyboard import Keyboard
from tests.stack import wait_for

OpenPage = Callable[..., Page]
OpenKeyboard = Callable[..., Keyboard]


def test_done_and_next_without_a_mouse(open_keyboard: OpenKeyboard) -> None:
    doctor = clinic.make_doctor()
    first = doctor.add("Asha Verma", "confirm", "arrive")
    doctor.add("Ravi Kumar", "confirm", "arrive", minutes=1)
    keyboard = open_keyboard(doctor.user, "/dashboard/my-day", size=NARROW)
    page = keyboard.page

    expect(page.get_by_role("heading", name="Asha Verma")).to_be_visible()
    keyboard.press("s")
    page.get_by_label("Notes").focus()
    keyboard.type("Throat is red")
    keyboard.press("Tab")
    keyboard.type("Paracetamol 500 mg")
    keyboard.press("Tab", "Enter")

    expect(page.get_by_role("heading", name="Ravi Kumar")).to_be_visible()
    found = Appointment.objects.get(id=first.id)
    assert (found.status, found.notes, found.prescription) == (
        Status.COMPLETED,
        "Throat is red",
        "Paracetamol 500 mg",
    )


def test_what_is_typed_stays_when_a_request_fails(open_page: OpenPage) -> None:
    doctor = clinic.make_doctor()
    doctor.add("Asha Verma", "confirm", "arrive", "start")
    page = open_page(doctor.user, "/dashboard/my-day", expects_errors=True)
    page.route("**/my-day/appointments/**", lambda route: route.abort())

    page.get_by_label("Notes").fill("Throat is red")
    page.get_by_role("button", name="Done and next").click()
    expect(page.locator("#connection")).to_be_visible()
    expect(page.get_by_label("Notes")).to_have_value("Throat is red")
    page.unroute("**/my-day/appointments/**")
    page.get_by_role("button", name="Done and next").click()

    expect(page.get_by_text("Nobody is waiting.")).to_be_visible()
    assert Appointment.objects.first().notes == "Throat is red"


def test_who_arrives_appears_by_itself_and_typing_is_not_disturbed(open_page: OpenPage) -> None:
    doctor = clinic.make_doctor()
    doctor.add("Asha Verma", "confirm", "arrive", "start")
    page = open_page(doctor.user, "/dashboard/my-day")
    page.get_by_label("Notes").click()
    page.keyboard.type("Throat ")

    doctor.add("Ravi Kumar", "confirm", "arrive", minutes=1)
    expect(page.locator(".queue")).to_contain_text("Ravi Kumar", timeout=15_000)
    page.keyboard.type("is red")

    expect(page.get_by_label("Notes")).to_have_value("Throat is red")


def test_a_patient_is_called_started_and_taken_back_with_single_keys(open_keyboard: OpenKeyboard) -> None:
    doctor = clinic.make_doctor()
    doctor.add("Asha Verma", "confirm", "arrive")
    keyboard = open_keyboard(doctor.user, "/dashboard/my-day", size=NARROW)

    for key, state in (("c", "Called"), ("u", "Waiting"), ("c", "Called"), ("s", "In consultation"), ("u", "Called")):
        keyboard.press(key)
        expect(keyboard.page.locator(".patient .chip").first).to_have_text(state)


@pytest.mark.parametrize("then", ["nothing", "Done and next"])
def test_notes_are_not_lost_when_the_screen_is_locked(open_page: OpenPage, then: str) -> None:
    doctor = clinic.make_doctor()
    doctor.add("Asha Verma", "confirm", "arrive", "start")
    page = open_page(doctor.user, "/dashboard/my-day", size=NARROW, expects_errors=True)

    page.get_by_label("Notes").fill("Throat is red")
    _leave_for_eleven_minutes(doctor)
    if then != "nothing":
        page.get_by_role("button", name=then).click()
    expect(page.get_by_role("heading", name="Locked")).to_be_visible()
    shown_while_locked = page.content()
    page.get_by_role("button", name="Send code").click()
    page.get_by_label("Code").wait_for()
    page.get_by_label("Code").fill(factories.code_for(doctor.user.mobile_number))
    page.get_by_role("button", name="Unlock").click()

    expect(page.get_by_label("Notes")).to_have_value("Throat is red")
    assert "Asha Verma" not in shown_while_locked
    assert Appointment.objects.get().status is Status.IN_PROGRESS


def test_notes_are_stored_when_the_screen_is_left(open_page: OpenPage) -> None:
    doctor = clinic.make_doctor()
    doctor.add("Asha Verma", "confirm", "arrive", "start")
    page = open_page(doctor.user, "/dashboard/my-day")

    page.get_by_label("Notes").fill("Throat is red")
    set_hidden(page, is_hidden=True)

    wait_for(lambda: Appointment.objects.get().notes == "Throat is red", seconds=5, what="stored notes")


def _leave_for_eleven_minutes(doctor: Doctor) -> None:
    Session.objects(user=doctor.user.id).update(set__last_input_at=clock.now() - timedelta(minutes=11))

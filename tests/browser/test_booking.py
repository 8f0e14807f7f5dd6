"""A new appointment in a browser, with the keyboard only."""

from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import Route, expect

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Source
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.browser.clinic import row
from tests.browser.keyboard import Keyboard
from tests.browser.morning import NUMBER

_MAX_PRESSES = 14


@pytest.fixture
def keyboard(open_keyboard: Callable[..., Keyboard], receptionist: User, doctor: User) -> Keyboard:
    """Somebody at the day, who has no mouse."""
    del doctor
    return open_keyboard(receptionist, expects_errors=True)


def find(keyboard: Keyboard, number: str = NUMBER) -> None:
    keyboard.press("n")
    expect(keyboard.page.get_by_label("Mobile number")).to_be_focused()
    keyboard.type(number)
    keyboard.press("Enter")
    expect(keyboard.page.get_by_role("group", name="When")).to_be_visible()


def test_a_patient_who_walked_in_is_booked_with_thirteen_keys(keyboard: Keyboard, patient: User) -> None:
    find(keyboard)
    keyboard.press("Enter")

    expect(keyboard.page.get_by_role("heading", name="Booked")).to_be_visible()
    assert keyboard.presses <= _MAX_PRESSES
    appointment = Appointment.objects.get()
    assert (appointment.patient_id, appointment.source) == (patient.id, Source.WALK_IN)
    keyboard.press("Enter")
    expect(keyboard.page.get_by_role("dialog")).to_be_hidden()
    expect(row(keyboard.page, appointment)).to_have_attribute("data-state", "waiting")


def test_the_first_free_time_is_one_key_away(keyboard: Keyboard, patient: User) -> None:
    find(keyboard)
    keyboard.press("ArrowDown", "Enter")

    expect(keyboard.page.get_by_role("heading", name="Booked")).to_be_visible()
    assert Appointment.objects.get().source is Source.DESK
    assert keyboard.presses <= _MAX_PRESSES


def test_a_new_member_of_the_family_is_added_on_the_way(keyboard: Keyboard, patient: User) -> None:
    family.add(factories.actor_of(patient), patient.id, {"name": "Sunita Verma", "relationship": "mother"})
    page = keyboard.page

    find(keyboard)
    expect(page.get_by_label("Asha Verma")).to_be_focused()
    keyboard.press("ArrowDown", "ArrowDown", "Tab")
    expect(page.get_by_label("Name of the member")).to_be_focused()
    keyboard.press("Enter")
    expect(page.get_by_label("Name of the member")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name of the member")).to_be_focused()
    keyboard.type("Aarav Verma")
    keyboard.press("Tab")
    keyboard.type("son")
    keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Booked")).to_be_visible()
    member = family.members(patient.id)[0]
    assert (member.name, Appointment.objects.get().dependent_id) == ("Aarav Verma", member.id)


def test_an_unknown_number_becomes_a_patient_and_likely_duplicates_are_shown(keyboard: Keyboard) -> None:
    factories.make_user(name="Ravi Kumar", mobile_number="9000003210")

    find(keyboard)
    expect(keyboard.page.get_by_label("Name", exact=True)).to_be_focused()
    keyboard.type("Ravi Kumaar")
    expect(keyboard.page.get_by_text("Perhaps registered already:")).to_be_visible()
    keyboard.press("Enter")

    expect(keyboard.page.get_by_role("heading", name="Booked")).to_be_visible()


def test_a_time_that_another_desk_takes_shows_the_nearest_and_why(
    keyboard: Keyboard, patient: User, doctor: User
) -> None:
    page = keyboard.page

    find(keyboard)
    keyboard.press("ArrowDown", "ArrowDown")
    day, time = str(page.locator("[name=when]:checked").get_attribute("value")).split("/")[1:]
    factories.make_appointment(None, doctor, day=date.fromisoformat(day), time=time)
    keyboard.press("Enter")
    expect(page.get_by_text("Time slot already booked")).to_be_visible()
    expect(page.locator("[name=when]")).to_have_count(3)
    expect(page.locator("[name=when]").first).to_be_focused()
    expect(page.locator("[name=when]:checked")).to_have_count(0)
    keyboard.press("Shift+Tab", "Enter")
    expect(page.get_by_text("All places of this time are taken.")).to_be_visible()
    keyboard.press("Tab", "Space", "Enter")

    expect(page.get_by_role("heading", name="Booked")).to_be_visible()


def test_a_lost_answer_never_books_twice(keyboard: Keyboard, patient: User) -> None:
    page = keyboard.page
    lost: list[str] = []

    def lose_the_first(route: Route) -> None:
        if not lost:
            lost.append(route.fetch().text())
            route.abort()
        else:
            route.continue_()

    find(keyboard)
    page.route("**/dashboard/appointments/new", lose_the_first)
    keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("No connection. Please try again.")).to_be_visible()
    keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Booked")).to_be_visible()
    assert Appointment.objects.count() == 1

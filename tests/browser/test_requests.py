"""Requests in a browser, with the keyboard only."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.browser.clinic import row
from tests.browser.keyboard import Keyboard

OpenKeyboard = Callable[..., Keyboard]
_MAX_PRESSES = 12


def ask(doctor: User, name: str, time: str) -> Appointment:
    return factories.make_appointment(factories.make_user(name=name), doctor, time=time)


@pytest.fixture
def doctor(receptionist: User) -> User:
    del receptionist  # the database is empty before it
    return factories.make_doctor(factories.every_day("09:00", "17:00"), name="Dr Meera Iyer")


def test_ten_requests_are_confirmed_with_enter_alone(
    open_keyboard: OpenKeyboard, receptionist: User, doctor: User
) -> None:
    asked = [ask(doctor, f"Asha {letter}", f"{9 + at // 2:02}:{at % 2 * 3}0") for at, letter in enumerate("ABCDEFGHIJ")]
    keyboard = open_keyboard(receptionist)
    page = keyboard.page

    keyboard.press("q")
    for one in asked:
        expect(page.locator(f"#confirm-{one.id}")).to_be_focused()
        keyboard.press("Enter")
    expect(page.get_by_text("Nothing waits for confirmation.")).to_be_visible()

    assert {one.status for one in Appointment.objects} == {Status.CONFIRMED}
    assert keyboard.presses <= _MAX_PRESSES


def test_a_request_is_rejected_with_a_reason_and_the_next_one_has_the_focus(
    open_keyboard: OpenKeyboard, receptionist: User, doctor: User
) -> None:
    asked = [ask(doctor, name, time) for name, time in (("Asha", "09:00"), ("Ravi", "09:30"), ("Deepa", "10:00"))]
    keyboard = open_keyboard(receptionist, "/dashboard/requests", expects_errors=True)
    page = keyboard.page

    keyboard.press("ArrowDown", "j")
    expect(page.get_by_label("Reason")).to_be_focused()
    keyboard.press("Enter")
    expect(page.get_by_text("A reason is needed.")).to_be_visible()
    keyboard.type("The doctor is away")
    keyboard.press("Enter")

    expect(page.locator(f"#confirm-{asked[2].id}")).to_be_focused()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert Appointment.objects.get(id=asked[1].id).status is Status.REJECTED


def test_enter_on_a_chosen_row_confirms_it(open_keyboard: OpenKeyboard, receptionist: User, doctor: User) -> None:
    first, second = ask(doctor, "Asha", "09:00"), ask(doctor, "Ravi", "09:30")
    keyboard = open_keyboard(receptionist, "/dashboard/requests")
    page = keyboard.page

    keyboard.press("ArrowDown", "Enter")

    expect(page.locator(f"#confirm-{first.id}")).to_be_focused()
    assert Appointment.objects.get(id=second.id).status is Status.CONFIRMED


def test_what_another_desk_decides_appears_and_enter_decides_nothing_else(
    open_keyboard: OpenKeyboard, receptionist: User, doctor: User
) -> None:
    first, second = ask(doctor, "Asha", "09:00"), ask(doctor, "Ravi", "09:30")
    keyboard = open_keyboard(receptionist, "/dashboard/requests")
    page = keyboard.page
    admin = factories.make_user(Role.ADMIN, name="Kavita Desai")

    transitions.change_status(factories.actor_of(admin), first.id, Status.CONFIRMED)
    expect(row(page, first)).to_have_attribute("data-state", "confirmed")
    expect(row(page, first)).to_contain_text("Kavita Desai")
    keyboard.press("Enter")
    ask(doctor, "Deepa", "10:00")
    expect(page.locator("tr[data-appointment]")).to_have_count(3)

    assert Appointment.objects.get(id=second.id).status is Status.PENDING

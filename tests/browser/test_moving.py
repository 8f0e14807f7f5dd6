"""An appointment is moved with the keyboard only."""

from collections.abc import Callable

from playwright.sync_api import expect

from arthomed.appointments.models import Appointment
from arthomed.users.models import User
from tests import factories
from tests.browser.clinic import row
from tests.browser.keyboard import Keyboard

OpenKeyboard = Callable[..., Keyboard]
_MAX_PRESSES = 8


def test_an_appointment_is_moved_with_four_keys(open_keyboard: OpenKeyboard, receptionist: User) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "12:00"), name="Dr Meera Iyer")
    booked = factories.make_appointment(None, doctor, time="10:00")
    keyboard = open_keyboard(receptionist, f"/dashboard/day?date={factories.tomorrow()}")
    page = keyboard.page

    keyboard.press("ArrowDown", "m")
    expect(page.locator("[name=when]:checked")).to_be_focused()
    keyboard.press("ArrowDown", "Enter")

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(row(page, booked)).to_contain_text("11:00")
    expect(row(page, booked)).to_be_focused()
    assert keyboard.presses <= _MAX_PRESSES


def test_another_doctor_is_chosen_and_a_taken_time_is_answered_in_the_dialog(
    open_keyboard: OpenKeyboard, receptionist: User
) -> None:
    doctor, other = (factories.make_doctor(name=name, fee=fee) for name, fee in (("Dr Arjun", 300), ("Dr Meera", 500)))
    booked = factories.make_appointment(None, doctor, time="10:00")
    keyboard = open_keyboard(receptionist, f"/dashboard/day?date={factories.tomorrow()}", expects_errors=True)
    page = keyboard.page

    keyboard.press("ArrowDown", "m")
    expect(page.get_by_role("dialog")).to_be_visible()
    keyboard.press("Shift+Tab", "Shift+Tab", "ArrowDown", "Tab", "Tab")
    expect(page.get_by_text("₹200 more").first).to_be_visible()
    expect(page.locator("[name=when]:checked")).to_be_focused()
    chosen = str(page.locator("[name=when]:checked").get_attribute("value")).rpartition("/")[2]
    factories.make_appointment(None, other, time=chosen)
    keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Time slot already booked")).to_be_visible()
    keyboard.press("Space", "Enter")

    expect(page.get_by_role("dialog")).to_be_hidden()
    moved = Appointment.objects.get(id=booked.id)
    assert (moved.doctor_id, moved.payment.amount) == (other.id, 500)

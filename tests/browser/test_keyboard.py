"""The day without a mouse: keys, focus, and the bars of key presses."""

from collections.abc import Callable

from playwright.sync_api import expect

from arthomed.appointments.models import Appointment
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row
from tests.browser.keyboard import Keyboard

OpenKeyboard = Callable[..., Keyboard]


def test_signing_in_and_out(open_keyboard: OpenKeyboard, receptionist: User) -> None:
    keyboard = open_keyboard()

    keyboard.type(receptionist.mobile_number)
    keyboard.press("Enter")
    keyboard.page.get_by_label("Code").wait_for()
    expect(keyboard.page.get_by_label("Code")).to_be_focused()
    keyboard.type(factories.code_for(receptionist.mobile_number))
    keyboard.press("Enter")
    expect(keyboard.page.get_by_role("link", name="Day")).to_be_visible()
    while not keyboard.page.get_by_role("button", name="Sign out").evaluate("one => one === document.activeElement"):
        keyboard.press("Tab")
    keyboard.press("Enter")

    expect(keyboard.page.get_by_role("button", name="Send code")).to_be_visible()


def test_a_patient_arrives_with_five_keys(open_keyboard: OpenKeyboard, receptionist: User) -> None:
    doctor = clinic.make_doctor()
    doctor.add("Ravi Kumar", "confirm")
    asha = doctor.add("Asha Verma", "confirm")
    keyboard = open_keyboard(receptionist)

    keyboard.type("/as")
    expect(keyboard.page.locator("tr[data-appointment]")).to_have_count(1)
    keyboard.press("Enter")
    expect(row(keyboard.page, asha)).to_be_focused()
    keyboard.press("a")

    expect(row(keyboard.page, asha)).to_have_attribute("data-state", "waiting")
    assert keyboard.presses <= 5
    assert keyboard.focused == f"row-{asha.id}"


def test_the_next_patient_is_called_with_one_key(open_keyboard: OpenKeyboard, receptionist: User) -> None:
    doctor = clinic.make_doctor()
    doctor.add("Ravi Kumar", "confirm")
    asha = doctor.add("Asha Verma", "confirm", "arrive")
    keyboard = open_keyboard(receptionist)

    keyboard.press("c")

    expect(row(keyboard.page, asha)).to_have_attribute("data-state", "called")


def test_a_day_of_one_patient(open_keyboard: OpenKeyboard) -> None:
    asha = clinic.make_doctor().add("Asha Verma")
    keyboard = open_keyboard(factories.make_user(Role.ADMIN))
    found = row(keyboard.page, asha)

    keyboard.press("ArrowDown")
    for key, state in (("o", "expected"), ("a", "waiting"), ("c", "called"), ("u", "waiting"), ("c", "called")):
        keyboard.press(key)
        expect(found).to_have_attribute("data-state", state)
        expect(found).to_be_focused()
    keyboard.press("s")
    expect(found).to_have_attribute("data-state", "in-progress")
    keyboard.press("d")
    keyboard.page.get_by_role("dialog").wait_for()
    keyboard.press("Enter")

    expect(found).to_have_attribute("data-state", "done")
    expect(found).to_be_focused()


def test_a_dialog_that_is_closed_gives_the_focus_back(open_keyboard: OpenKeyboard, receptionist: User) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
    keyboard = open_keyboard(receptionist)

    keyboard.press("ArrowDown", "x")
    expect(keyboard.page.get_by_role("button", name="Keep it")).to_be_focused()
    keyboard.press("Escape")

    expect(row(keyboard.page, asha)).to_be_focused()
    expect(row(keyboard.page, asha)).to_have_attribute("data-state", "expected")


def test_the_keys_are_listed_and_can_be_switched_off(open_keyboard: OpenKeyboard, receptionist: User) -> None:
    asha = clinic.make_doctor().add("Asha Verma", "confirm", "arrive")
    keyboard = open_keyboard(receptionist)
    dialog = keyboard.page.get_by_role("dialog")

    keyboard.press("?")
    expect(dialog).to_contain_text("Find a patient")
    keyboard.press("Tab", "Enter")
    keyboard.page.wait_for_selector("body[data-keys=off]")
    keyboard.press("ArrowDown")
    expect(row(keyboard.page, asha)).to_be_focused()
    sent: list[str] = []
    keyboard.page.on("request", lambda request: sent.append(request.url.partition("?")[0].rpartition("/")[2]))
    keyboard.press(*"acksdpmowxurntqy?/")

    expect(keyboard.page.locator("#live kbd").first).to_be_hidden()
    expect(dialog).to_be_hidden()
    expect(row(keyboard.page, asha)).to_be_focused()
    assert set(sent) <= {"live"}
    assert Appointment.objects.get(id=asha.id).queue.called_at is None


def test_letters_in_the_search_are_no_shortcuts(open_keyboard: OpenKeyboard, receptionist: User) -> None:
    asha = clinic.make_doctor().add("Asha Cox", "confirm", "arrive")
    keyboard = open_keyboard(receptionist)

    keyboard.type("/cox")
    expect(keyboard.page.get_by_role("searchbox")).to_have_value("cox")

    expect(row(keyboard.page, asha)).to_have_attribute("data-state", "waiting")


def test_a_row_that_is_drawn_again_keeps_the_focus(open_keyboard: OpenKeyboard, receptionist: User) -> None:
    doctor = clinic.make_doctor()
    asha, ravi = doctor.add("Asha Verma", "confirm"), doctor.add("Ravi Kumar", "confirm")
    keyboard = open_keyboard(receptionist)
    keyboard.press("ArrowDown", "ArrowDown")
    expect(row(keyboard.page, ravi)).to_be_focused()

    clinic.take("arrive", asha)

    expect(row(keyboard.page, asha)).to_have_attribute("data-state", "waiting")
    expect(row(keyboard.page, ravi)).to_be_focused()


class TestDayOfTheReception:
    """One after the other, as at the desk; nothing needs a mouse, and the focus is where the work is."""

    def test_requests_arrivals_and_payments(self, open_keyboard: OpenKeyboard, receptionist: User) -> None:
        doctor = clinic.make_doctor()
        asked = doctor.add("Deepa Nair", minutes=60)
        ravi, asha = doctor.add("Ravi Kumar", "confirm", minutes=-9), doctor.add("Asha Verma", "confirm")
        keyboard = open_keyboard(receptionist)
        page = keyboard.page

        keyboard.press("q")
        expect(page.locator(f"#confirm-{asked.id}")).to_be_focused()
        keyboard.press("Enter")
        expect(page.get_by_text("Nothing waits for confirmation.")).to_be_visible()
        keyboard.press("t")
        expect(row(page, asked)).to_have_attribute("data-state", "expected")
        keyboard.press("ArrowDown", "w")
        expect(row(page, ravi)).to_have_attribute("data-state", "no-show")
        expect(row(page, ravi)).to_be_focused()
        keyboard.press("u")
        expect(row(page, ravi)).to_have_attribute("data-state", "expected")
        expect(row(page, ravi)).to_be_focused()
        keyboard.press("ArrowDown", "a")
        expect(row(page, asha)).to_have_attribute("data-state", "waiting")
        expect(row(page, asha)).to_be_focused()
        keyboard.press("p")
        expect(page.get_by_label("Amount")).to_be_focused()
        keyboard.press("Enter")
        expect(page.get_by_role("button", name="Close")).to_be_focused()
        keyboard.press("Enter")
        expect(row(page, asha)).to_contain_text("paid")
        expect(row(page, asha)).to_be_focused()

    def test_the_queue_a_walk_in_a_move_and_a_cancellation(
        self, open_keyboard: OpenKeyboard, receptionist: User
    ) -> None:
        doctor = clinic.make_doctor(hours=("00:00", "24:00"))
        asha = doctor.add("Asha Verma", "confirm", "arrive")
        doctor.add("Ravi Kumar", "confirm", "arrive")
        later = doctor.add("Deepa Nair", "confirm", minutes=120)
        factories.make_user(name="Grace D'Souza", mobile_number="9876543210")
        keyboard = open_keyboard(receptionist)
        page, dialog = keyboard.page, keyboard.page.get_by_role("dialog")

        keyboard.press("ArrowDown")
        for key, state in (("k", "skipped"), ("r", "waiting"), ("c", "called")):
            keyboard.press(key)
            expect(row(page, asha)).to_have_attribute("data-state", state)
            expect(row(page, asha)).to_be_focused()
        keyboard.press("n")
        expect(page.get_by_label("Mobile number")).to_be_focused()
        keyboard.type("9876543210")
        keyboard.press("Enter")
        expect(page.locator("[name=when]:checked")).to_be_focused()
        keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Close")).to_be_focused()
        keyboard.press("Enter")
        expect(page.locator("tr[data-appointment]")).to_have_count(4)
        expect(page.locator("tr:focus")).to_contain_text("Grace D'Souza")
        keyboard.type("/dee")
        expect(page.locator("tr[data-appointment]")).to_have_count(1)
        keyboard.press("Enter")
        expect(row(page, later)).to_be_focused()
        keyboard.press("m")
        expect(page.locator("[name=when]:checked")).to_be_focused()
        keyboard.press("Escape")
        expect(row(page, later)).to_be_focused()
        keyboard.press("x")
        expect(page.get_by_role("button", name="Keep it")).to_be_focused()
        keyboard.press("Shift+Tab")
        keyboard.type("Called in")
        keyboard.press("Tab", "Tab", "Enter")
        expect(row(page, later)).to_have_attribute("data-state", "cancelled")
        expect(row(page, later)).to_be_focused()

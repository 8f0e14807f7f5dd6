"""A new appointment as a receptionist meets it: by name, for a family, interrupted, already booked; keyboard only."""

from collections.abc import Callable

import pytest
from bson import ObjectId
from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.users import family
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row
from tests.browser.conftest import NARROW
from tests.browser.keyboard import Keyboard
from tests.browser.morning import NUMBER
from tests.browser.test_screens import too_wide, violations

OpenPage = Callable[..., Page]


@pytest.fixture
def child(patient: User) -> ObjectId:
    parts = {"name": "Zubin Verma", "relationship": "son"}
    found: ObjectId = family.add(factories.actor_of(patient), patient.id, parts).dependent.id
    return found


@pytest.fixture
def keyboard(open_keyboard: Callable[..., Keyboard], receptionist: User, doctor: User) -> Keyboard:
    del doctor
    return open_keyboard(receptionist, expects_errors=True)


def start(keyboard: Keyboard) -> None:
    expect(keyboard.page.locator("dialog[open]")).to_have_count(0)  # Escape closes one a moment after its key
    keyboard.press("n")
    expect(keyboard.page.locator("#booking-mobile")).to_be_focused()


def find(keyboard: Keyboard, number: str = NUMBER) -> None:
    start(keyboard)
    keyboard.type(number)
    keyboard.press("Enter")
    expect(keyboard.page.get_by_role("group", name="When")).to_be_visible()


def test_a_patient_is_found_by_name_and_chosen_with_the_arrows(keyboard: Keyboard, patient: User) -> None:
    factories.make_user(name="Asha Rao", mobile_number="9000000001")
    page = keyboard.page

    start(keyboard)
    keyboard.type("asha")
    expect(page.locator("#found li")).to_have_count(2)
    keyboard.press("ArrowDown")
    keyboard.press(*["ArrowDown"] * page.locator("#found button").all_inner_texts()[1].count("Verma"), "Enter")
    expect(page.locator("#summary")).to_have_text("Asha Verma · Now · Dr Meera Iyer · Cardiology · ₹300")
    keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Booked")).to_be_visible()
    assert Appointment.objects.get().patient_id == patient.id


def test_enter_books_nobody_of_a_family_until_one_is_chosen(keyboard: Keyboard, child: ObjectId) -> None:
    page = keyboard.page

    find(keyboard)
    keyboard.press("Enter")
    expect(page.get_by_text("Please choose the person.")).to_be_visible()
    keyboard.press("ArrowDown")
    expect(page.get_by_text("Please choose the person.")).to_be_hidden()
    keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Booked")).to_be_visible()
    assert Appointment.objects.get().dependent_id == child


def test_a_walk_in_of_a_family_takes_fourteen_keys(keyboard: Keyboard, patient: User, child: ObjectId) -> None:
    find(keyboard)
    keyboard.press("Space", "Enter")

    expect(keyboard.page.get_by_role("heading", name="Booked")).to_be_visible()
    assert keyboard.presses <= 14
    assert Appointment.objects.get().dependent_id is None


def test_a_form_that_is_closed_can_be_continued(keyboard: Keyboard, patient: User) -> None:
    page = keyboard.page

    find(keyboard, "9812345678")
    keyboard.type("Rohit Sharma")
    keyboard.press("Escape")
    find(keyboard)  # somebody else comes first
    keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Booked")).to_be_visible()
    keyboard.press("Escape")
    start(keyboard)
    expect(page.get_by_role("button", name="Continue with 9812345678")).to_be_visible()
    keyboard.press("Tab", "Enter")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Rohit Sharma")
    keyboard.press("Enter")
    expect(page.locator("#dialog").get_by_text("Rohit Sharma", exact=True)).to_be_visible()
    keyboard.press("Escape")
    start(keyboard)

    expect(page.locator("#resume")).to_be_hidden()
    assert Appointment.objects.count() == 2


def test_half_a_number_stays_when_the_form_is_closed(keyboard: Keyboard) -> None:
    start(keyboard)
    keyboard.type("98765")
    keyboard.press("Escape")
    start(keyboard)

    expect(keyboard.page.locator("#booking-mobile")).to_have_value("98765")


def test_who_has_an_appointment_today_arrives_from_the_form(keyboard: Keyboard, patient: User, doctor: User) -> None:
    expected = clinic.Doctor(doctor).add("", "confirm", patient=patient)
    page = keyboard.page

    find(keyboard)
    expect(page.locator(".already button")).to_be_focused()
    keyboard.press("Enter")

    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(row(page, expected)).to_have_attribute("data-state", "waiting")
    expect(row(page, expected)).to_be_focused()
    start(keyboard)
    expect(page.locator("#resume")).to_be_hidden()


def test_booked_leads_to_the_payment_and_the_row_is_chosen_after_it(keyboard: Keyboard, patient: User) -> None:
    page = keyboard.page

    find(keyboard)
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    keyboard.press("Shift+Tab", "Enter")
    expect(page.get_by_label("Amount")).to_be_focused()
    keyboard.press("Escape")

    expect(row(page, Appointment.objects.get())).to_be_focused()


def test_what_was_wrong_with_a_field_is_not_said_once_it_is_changed(keyboard: Keyboard, doctor: User) -> None:
    name = keyboard.page.get_by_label("Name", exact=True)

    find(keyboard)
    keyboard.press("Enter")
    expect(keyboard.page.get_by_text("Please fill this in.")).to_be_visible()
    keyboard.type("R")

    expect(keyboard.page.get_by_text("Please fill this in.")).to_be_hidden()
    expect(name).not_to_have_attribute("aria-invalid", "true")


def test_a_time_that_is_not_free_chooses_no_other(keyboard: Keyboard, patient: User) -> None:
    page = keyboard.page

    find(keyboard)
    page.locator("summary").focus()
    keyboard.press("Enter")
    page.locator("[name=onDate]").fill(str(factories.tomorrow()))
    expect(page.locator("[name=when]")).to_have_count(48)
    page.locator("[name=atTime]").fill("10:10")
    page.locator("[name=atTime]").blur()
    expect(page.get_by_text("10:10 is not free")).to_be_visible()
    expect(page.locator("#summary")).to_have_text("Asha Verma")
    page.locator("#booking-reason").focus()
    keyboard.press("Enter")

    expect(page.get_by_text("Please choose a time.")).to_be_visible()
    assert Appointment.objects.count() == 0


def test_book_again_opens_the_form_of_the_person(keyboard: Keyboard, patient: User, doctor: User) -> None:
    booked = clinic.Doctor(doctor).add("", "confirm", patient=patient)
    page = keyboard.page
    expect(row(page, booked)).to_be_visible()

    keyboard.press("ArrowDown", "Enter")
    page.get_by_role("button", name="Book again").focus()
    keyboard.press("Enter")

    expect(page.locator("#summary")).to_contain_text("Asha Verma · Now · Dr Meera Iyer")


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "mr")])
def test_the_people_who_are_found_and_have_appointments_fit_a_phone_and_pass_axe(
    open_page: OpenPage, receptionist: User, patient: User, doctor: User, child: ObjectId, scheme: str, language: str
) -> None:
    clinic.Doctor(doctor).add("", "confirm", patient=patient)
    factories.make_user(name="Asha " + "Venkataraman" * 7, mobile_number="9000000001")
    page = open_page(receptionist, size=NARROW, scheme=scheme, language=language, expects_errors=True)

    page.locator("[data-key=N]").click()
    page.locator("#booking-mobile").fill("asha")
    expect(page.locator("#found li")).to_have_count(2)
    found = [*violations(page), *too_wide(page)]
    page.locator("#booking-mobile").fill(NUMBER)
    page.keyboard.press("Enter")
    expect(page.locator(".already button")).to_be_visible()
    page.locator("[name=person]").last.check()

    assert [*found, *violations(page), *too_wide(page)] == []

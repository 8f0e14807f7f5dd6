"""The day in a browser: what is done with appointments, with the mouse and without."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row

OpenPage = Callable[..., Page]


def test_a_receptionist_signs_in_and_confirms_an_appointment(open_page: OpenPage, receptionist: User) -> None:
    pending = clinic.make_doctor().add("Asha Verma", minutes=30)
    page = open_page()

    page.get_by_label("Mobile number").fill(receptionist.mobile_number)
    page.get_by_role("button", name="Send code").click()
    page.get_by_label("Code").wait_for()
    page.get_by_label("Code").fill(factories.code_for(receptionist.mobile_number))
    page.get_by_role("button", name="Sign in").click()
    row(page, pending).get_by_role("button", name="Confirm").click()

    expect(page.get_by_role("link", name="Day")).to_be_visible()
    expect(row(page, pending)).to_have_attribute("data-state", "expected")


def test_a_patient_goes_through_the_day(open_page: OpenPage) -> None:
    page = open_page(factories.make_user(Role.ADMIN))
    appointment = clinic.make_doctor().add("Asha Verma", "confirm")
    found = row(page, appointment)

    for button, state in (
        ("Arrived", "waiting"),
        ("Call", "called"),
        ("Undo", "waiting"),
        ("Call", "called"),
        ("Start", "in-progress"),
        ("Undo", "called"),
        ("Start", "in-progress"),
    ):
        found.get_by_role("button", name=button).click()
        expect(found).to_have_attribute("data-state", state)
    found.get_by_role("button", name="Done").click()
    page.get_by_role("dialog").get_by_role("button", name="End it").click()

    expect(found).to_have_attribute("data-state", "done")
    expect(found.get_by_role("button")).to_have_count(1)
    expect(found.get_by_role("button", name="Payment")).to_be_visible()


def test_a_skipped_patient_is_recalled(open_page: OpenPage, receptionist: User) -> None:
    doctor = clinic.make_doctor()
    skipped = doctor.add("Asha Verma", "confirm", "arrive")
    doctor.add("Ravi Kumar", "confirm", "arrive", minutes=1)
    page = open_page(receptionist)

    row(page, skipped).get_by_role("button", name="Skip").click()
    expect(row(page, skipped)).to_have_attribute("data-state", "skipped")
    row(page, skipped).get_by_role("button", name="Recall").click()

    expect(row(page, skipped)).to_have_attribute("data-state", "waiting")


def test_a_cancellation_shows_the_refund_and_asks_first(open_page: OpenPage, receptionist: User) -> None:
    appointment = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
    page = open_page(receptionist)
    dialog = page.get_by_role("dialog")

    row(page, appointment).get_by_role("button", name="Cancel").click()
    expect(dialog).to_contain_text("Nothing is paid, so nothing is refunded.")
    dialog.get_by_role("button", name="Keep it").click()
    expect(row(page, appointment)).to_have_attribute("data-state", "expected")
    row(page, appointment).get_by_role("button", name="Cancel").click()
    dialog.get_by_label("Reason").fill("Called in, is well again")
    dialog.get_by_role("button", name="Cancel the appointment").click()

    expect(row(page, appointment)).to_have_attribute("data-state", "cancelled")
    expect(dialog).to_be_hidden()
    assert Appointment.objects.get(id=appointment.id).cancellation.reason == "Called in, is well again"


def test_a_no_show_is_undone(open_page: OpenPage, receptionist: User) -> None:
    appointment = clinic.make_doctor().add("Asha Verma", "confirm")
    page = open_page(receptionist)

    row(page, appointment).get_by_role("button", name="No-show").click()
    expect(row(page, appointment)).to_have_attribute("data-state", "no-show")
    row(page, appointment).get_by_role("button", name="Undo").click()

    expect(row(page, appointment)).to_have_attribute("data-state", "expected")


def test_what_another_desk_did_first_is_said_and_shown(open_page: OpenPage, receptionist: User) -> None:
    appointment = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
    page = open_page(receptionist, expects_errors=True)
    page.route("**/day/live*", lambda route: route.fulfill(status=204))  # the screen does not know yet
    clinic.take("cancel", appointment)

    row(page, appointment).get_by_role("button", name="Arrived").click()
    page.unroute("**/day/live*")

    expect(page.get_by_role("alert")).to_contain_text("The appointment is cancelled")
    expect(row(page, appointment)).to_have_attribute("data-state", "cancelled")


class TestFilters:
    def test_filters_are_in_the_url_and_survive_a_reload(self, open_page: OpenPage, receptionist: User) -> None:
        meera, arjun = clinic.make_doctor(), clinic.make_doctor("Dr Arjun Rao")
        shown = meera.add("Asha Verma", "confirm", "arrive")
        others = [meera.add("Ravi Kumar", "confirm"), arjun.add("Deepa Nair", "confirm", "arrive")]
        page = open_page(receptionist)

        of_meera = page.get_by_role("navigation", name="Doctors").get_by_role("link", name="Dr Meera Iyer")
        of_meera.click()
        expect(of_meera).to_have_attribute("aria-current", "true")
        page.get_by_role("navigation", name="States").get_by_role("link", name="Waiting").click()
        expect(page.locator("tr[data-appointment]")).to_have_count(1)
        page.reload()

        expect(row(page, shown)).to_be_visible()
        for other in others:
            expect(row(page, other)).to_have_count(0)
        page.go_back()
        expect(page.locator("tr[data-appointment]")).to_have_count(2)

    def test_a_patient_is_found_by_name_digits_and_token(self, open_page: OpenPage, receptionist: User) -> None:
        doctor = clinic.make_doctor()
        found = doctor.add("Asha Verma", "confirm", "arrive", mobile_number="9100012345")
        doctor.add("Ravi Kumar", "confirm", "arrive", mobile_number="9100067890")
        page = open_page(receptionist)

        for typed in ("ver as", "2345", "1"):
            page.get_by_role("searchbox").fill(typed)
            expect(page.locator("tr[data-appointment]")).to_have_count(1)
            expect(row(page, found)).to_be_visible()
        page.get_by_role("searchbox").fill("nobody")
        expect(page.get_by_text("Nobody matches.")).to_be_visible()

    def test_doctors_are_columns_in_the_second_view(self, open_page: OpenPage, receptionist: User) -> None:
        appointments = [clinic.make_doctor(name).add("Asha Verma", "confirm") for name in ("Dr Meera", "Dr Arjun")]
        page = open_page(receptionist)

        page.get_by_role("link", name="Doctors", exact=True).click()

        expect(page.get_by_role("heading", name="Dr Meera")).to_be_visible()
        boxes = [row(page, one).bounding_box() for one in appointments]
        assert all(boxes)
        assert boxes[0] != boxes[1]
        row(page, appointments[0]).get_by_role("button", name="Arrived").click()
        expect(row(page, appointments[0])).to_have_attribute("data-state", "waiting")

"""One appointment, its payments and a doctor's day in a browser."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.core.permissions import Role
from arthomed.notifications.models import Notification, State
from arthomed.payments.models import Payment
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row
from tests.browser.keyboard import Keyboard

OpenPage = Callable[..., Page]
OpenKeyboard = Callable[..., Keyboard]


def add_with_file(doctor: clinic.Doctor, name: str, *steps: str) -> Appointment:
    """An appointment with a file of the patient and a message that failed."""
    made = doctor.add(name, *steps)
    factories.make_file(made, User.objects.get(id=made.patient_id), original_name="blood-test.png")
    failed = Notification.objects(subject=made.id, version=len(made.history)).first()
    Notification.objects(id=failed.id).update(set__state=State.FAILED)
    return made


class TestAppointment:
    def test_enter_opens_the_chosen_row_and_escape_leads_back_to_it(
        self, open_keyboard: OpenKeyboard, receptionist: User
    ) -> None:
        appointment = add_with_file(clinic.make_doctor(), "Asha Verma", "confirm", "arrive")
        keyboard = open_keyboard(receptionist)
        page = keyboard.page

        keyboard.press("ArrowDown", "Enter")
        dialog = page.get_by_role("dialog", name="Asha Verma")
        expect(dialog).to_contain_text("Arrived, token 1")
        dialog.get_by_role("button", name="Send again").focus()
        keyboard.press("Enter")
        expect(dialog.get_by_role("button", name="Send again")).to_have_count(0)
        keyboard.press("Escape")

        expect(dialog).to_be_hidden()
        expect(row(page, appointment)).to_be_focused()

    def test_the_name_opens_it_too_and_admins_see_who_looked(self, open_page: OpenPage) -> None:
        clinic.make_doctor().add("Asha Verma", "confirm")
        page = open_page(factories.make_user(Role.ADMIN, name="Kavita Desai"))

        page.get_by_role("link", name="Asha Verma").click()
        page.get_by_text("Who looked at it").click()

        expect(page.get_by_role("dialog").get_by_role("table")).to_contain_text("Asha Verma")

    def test_cancelling_from_the_panel_shows_the_refund_first(
        self, open_keyboard: OpenKeyboard, receptionist: User
    ) -> None:
        appointment = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
        keyboard = open_keyboard(receptionist)
        page = keyboard.page
        dialog = page.get_by_role("dialog")

        keyboard.press("ArrowDown", "Enter")
        dialog.get_by_role("button", name="Cancel", exact=True).focus()
        keyboard.press("Enter")
        expect(dialog).to_contain_text("Nothing is paid, so nothing is refunded.")
        expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
        keyboard.press("Tab", "Enter")

        expect(row(page, appointment)).to_have_attribute("data-state", "cancelled")
        expect(dialog).to_be_hidden()

    def test_the_page_of_its_own_is_up_to_date_after_each_action(self, open_page: OpenPage, receptionist: User) -> None:
        appointment = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
        page = open_page(receptionist, f"/dashboard/appointments/{appointment.id}")
        main, dialog = page.get_by_role("main"), page.get_by_role("dialog")

        main.get_by_role("button", name="Payment").click()
        dialog.get_by_role("button", name="Record the payment").click()
        expect(dialog).to_contain_text("Recorded: ₹500")
        dialog.get_by_role("button", name="Close").click()
        expect(main).to_contain_text("Receipt 2")
        main.get_by_role("button", name="Cancel", exact=True).click()
        expect(dialog).to_contain_text("₹500 of the payment is to be refunded.")
        dialog.get_by_role("button", name="Cancel the appointment").click()
        dialog.get_by_role("button", name="Close").click()

        expect(main).to_contain_text("Cancelled")
        expect(main).to_contain_text("To be refunded")

    def test_the_slip_and_the_receipt_keep_to_the_policy(self, open_page: OpenPage, receptionist: User) -> None:
        appointment = clinic.make_doctor().add("Asha Verma", "confirm", "arrive")
        page = open_page(receptionist, f"/dashboard/appointments/{appointment.id}/slip")
        expect(page.get_by_role("button", name="Print")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") is not None

        page.emulate_media(media="print")

        expect(page.get_by_role("button", name="Print")).to_be_hidden()
        expect(page.locator(".token b")).to_have_text("1")


class TestPayments:
    def test_a_payment_without_a_mouse(self, open_keyboard: OpenKeyboard, receptionist: User) -> None:
        appointment = clinic.make_doctor().add("Asha Verma", "confirm", "arrive")
        keyboard = open_keyboard(receptionist)
        page = keyboard.page
        dialog = page.get_by_role("dialog")

        keyboard.press("ArrowDown", "p")
        expect(dialog.get_by_label("Amount")).to_be_focused()
        expect(dialog.get_by_label("Amount")).to_have_value("500")
        keyboard.press("Tab", "ArrowRight", "Tab")
        keyboard.type("UPI 433912345678")
        keyboard.press("Enter")
        expect(dialog).to_contain_text("Recorded: ₹500")
        expect(dialog.get_by_role("button", name="Close")).to_be_focused()
        keyboard.press("Enter")

        expect(dialog).to_be_hidden()
        expect(row(page, appointment)).to_contain_text("paid")
        expect(row(page, appointment)).to_be_focused()
        [payment] = Payment.objects
        assert (payment.amount, payment.method, payment.reference) == (500, "upi", "UPI 433912345678")

    def test_a_double_click_records_once(self, open_page: OpenPage, receptionist: User) -> None:
        clinic.make_doctor().add("Asha Verma", "confirm", "arrive")
        page = open_page(receptionist)

        page.get_by_role("button", name="Payment").click()
        page.get_by_role("button", name="Record the payment").dblclick()
        expect(page.get_by_role("dialog")).to_contain_text("Recorded: ₹500")
        page.wait_for_load_state("networkidle")

        assert Payment.objects.count() == 1

    def test_after_a_lost_answer_the_same_form_records_once(self, open_page: OpenPage, receptionist: User) -> None:
        clinic.make_doctor().add("Asha Verma", "confirm", "arrive")
        page = open_page(receptionist, expects_errors=True)
        lost: list[str] = []

        def lose(route: Any) -> None:
            """Let the server answer, and lose the answer the first time."""
            response = route.fetch()
            if route.request.method == "POST" and not lost:
                lost.append(response.text())
                route.abort()
            else:
                route.fulfill(response=response)

        page.route("**/payment", lose)
        dialog = page.get_by_role("dialog")

        page.get_by_role("button", name="Payment").click()
        dialog.get_by_label("Amount").fill("300")
        dialog.get_by_role("button", name="Record the payment").click()
        expect(dialog.get_by_role("alert")).not_to_be_empty()
        expect(dialog.get_by_label("Amount")).to_have_value("300")
        dialog.get_by_role("button", name="Record the payment").click()

        expect(dialog).to_contain_text("Recorded: ₹300")
        assert [one.amount for one in Payment.objects] == [300]

    def test_a_wrong_amount_is_named_beside_the_field(self, open_page: OpenPage, receptionist: User) -> None:
        clinic.make_doctor().add("Asha Verma", "confirm", "arrive")
        page = open_page(receptionist, expects_errors=True)
        dialog = page.get_by_role("dialog")

        page.keyboard.press("ArrowDown")
        page.keyboard.press("p")
        dialog.get_by_label("Amount").fill("5000")
        page.keyboard.press("Enter")

        expect(dialog.get_by_text("Enter whole rupees, ₹500 at most.")).to_be_visible()
        expect(dialog.get_by_label("Amount")).to_be_focused()

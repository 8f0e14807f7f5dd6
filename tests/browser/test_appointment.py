"""One appointment, its payments and a doctor's day in a browser: without a mouse, and axe on each."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.core.permissions import Role
from arthomed.dashboard.i18n import LANGUAGES
from arthomed.notifications.models import Notification, State
from arthomed.payments.models import Payment
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row
from tests.browser.conftest import NARROW, WIDE

OpenPage = Callable[..., Page]
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
_HOSTILE = "<img src=x onerror=window.pwned=1>\"'><svg onload=window.pwned=1> {{ 7*7 }}"


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def used_mouse(page: Page) -> bool:
    return bool(page.evaluate("window.usedMouse ?? false"))


def add_with_file(doctor: clinic.Doctor, name: str, *steps: str) -> Appointment:
    """An appointment with a file of the patient and a message that failed."""
    made = doctor.add(name, *steps)
    factories.make_file(made, User.objects.get(id=made.patient_id), original_name="blood-test.png")
    failed = Notification.objects(subject=made.id, version=len(made.history)).first()
    Notification.objects(id=failed.id).update(set__state=State.FAILED)
    return made


class TestAppointment:
    def test_enter_opens_the_chosen_row_and_escape_leads_back_to_it(
        self, open_page: OpenPage, receptionist: User
    ) -> None:
        appointment = add_with_file(clinic.make_doctor(), "Asha Verma", "confirm", "arrive")
        page = open_page(receptionist)

        press(page, "ArrowDown", "Enter")
        dialog = page.get_by_role("dialog", name="Asha Verma")
        expect(dialog).to_contain_text("Arrived, token 1")
        dialog.get_by_role("button", name="Send again").focus()
        press(page, "Enter")
        expect(dialog.get_by_role("button", name="Send again")).to_have_count(0)
        press(page, "Escape")

        expect(dialog).to_be_hidden()
        expect(row(page, appointment)).to_be_focused()
        assert not used_mouse(page)

    def test_the_name_opens_it_too_and_admins_see_who_looked(self, open_page: OpenPage) -> None:
        clinic.make_doctor().add("Asha Verma", "confirm")
        page = open_page(factories.make_user(Role.ADMIN, name="Kavita Desai"))

        page.get_by_role("link", name="Asha Verma").click()
        page.get_by_text("Who looked at it").click()

        expect(page.get_by_role("dialog").get_by_role("table")).to_contain_text("Asha Verma")

    def test_cancelling_from_the_panel_shows_the_refund_first(self, open_page: OpenPage, receptionist: User) -> None:
        appointment = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
        page = open_page(receptionist)
        dialog = page.get_by_role("dialog")

        press(page, "ArrowDown", "Enter")
        dialog.get_by_role("button", name="Cancel", exact=True).focus()
        press(page, "Enter")
        expect(dialog).to_contain_text("Nothing is paid, so nothing is refunded.")
        expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
        press(page, "Tab", "Enter")

        expect(row(page, appointment)).to_have_attribute("data-state", "cancelled")
        expect(dialog).to_be_hidden()
        assert not used_mouse(page)

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
    def test_a_payment_without_a_mouse(self, open_page: OpenPage, receptionist: User) -> None:
        appointment = clinic.make_doctor().add("Asha Verma", "confirm", "arrive")
        page = open_page(receptionist)
        dialog = page.get_by_role("dialog")

        press(page, "ArrowDown", "p")
        expect(dialog.get_by_label("Amount")).to_be_focused()
        expect(dialog.get_by_label("Amount")).to_have_value("500")
        press(page, "Tab", "ArrowRight", "Tab")
        page.keyboard.type("UPI 433912345678")
        press(page, "Enter")
        expect(dialog).to_contain_text("Recorded: ₹500")
        expect(dialog.get_by_role("button", name="Close")).to_be_focused()
        press(page, "Enter")

        expect(dialog).to_be_hidden()
        expect(row(page, appointment)).to_contain_text("paid")
        expect(row(page, appointment)).to_be_focused()
        [payment] = Payment.objects
        assert (payment.amount, payment.method, payment.reference) == (500, "upi", "UPI 433912345678")
        assert not used_mouse(page)

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

        press(page, "ArrowDown", "p")
        dialog.get_by_label("Amount").fill("5000")
        press(page, "Enter")

        expect(dialog.get_by_text("Enter whole rupees, ₹500 at most.")).to_be_visible()
        expect(dialog.get_by_label("Amount")).to_be_focused()


class TestMyDay:
    def test_done_and_next_without_a_mouse(self, open_page: OpenPage) -> None:
        doctor = clinic.make_doctor()
        first = doctor.add("Asha Verma", "confirm", "arrive")
        doctor.add("Ravi Kumar", "confirm", "arrive", minutes=1)
        page = open_page(doctor.user, "/dashboard/my-day", size=NARROW)

        expect(page.get_by_role("heading", name="Asha Verma")).to_be_visible()
        press(page, "s")
        page.get_by_label("Notes").focus()
        page.keyboard.type("Throat is red")
        press(page, "Tab")
        page.keyboard.type("Paracetamol 500 mg")
        press(page, "Tab", "Enter")

        expect(page.get_by_role("heading", name="Ravi Kumar")).to_be_visible()
        found = Appointment.objects.get(id=first.id)
        assert (found.status, found.notes, found.prescription) == (
            Status.COMPLETED,
            "Throat is red",
            "Paracetamol 500 mg",
        )
        assert not used_mouse(page)

    def test_what_is_typed_stays_when_a_request_fails(self, open_page: OpenPage) -> None:
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

    def test_who_arrives_appears_by_itself_and_typing_is_not_disturbed(self, open_page: OpenPage) -> None:
        doctor = clinic.make_doctor()
        doctor.add("Asha Verma", "confirm", "arrive", "start")
        page = open_page(doctor.user, "/dashboard/my-day")
        page.get_by_label("Notes").click()
        page.keyboard.type("Throat ")

        doctor.add("Ravi Kumar", "confirm", "arrive", minutes=1)
        expect(page.locator(".queue")).to_contain_text("Ravi Kumar", timeout=15_000)
        page.keyboard.type("is red")

        expect(page.get_by_label("Notes")).to_have_value("Throat is red")


def violations(page: Page) -> list[str]:
    found: list[dict[str, Any]] = Axe().run(page, options={"runOnly": _TAGS}).response["violations"]
    return [f"{one['id']}: {node['html']} {node.get('failureSummary')}" for one in found for node in one["nodes"]]


def is_too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def check_screens(open_page: OpenPage, **look: Any) -> None:
    doctor, admin = clinic.make_doctor(), factories.make_user(Role.ADMIN)
    doctor.add("W" * 100, "confirm", "arrive", "start")
    made = add_with_file(doctor, "Asha Verma", "confirm", "arrive")
    path = f"/dashboard/appointments/{made.id}"
    page = open_page(admin, path, **look)
    page.locator("summary").focus()
    press(page, "Enter")
    page.locator(".accesses").wait_for()
    assert (violations(page), is_too_wide(page)) == ([], False)
    for part in ("payment", "refund", "correction"):
        page.locator(f"main [hx-get$={part}]").first.click()
        page.locator("#dialog form").wait_for()
        assert (violations(page), is_too_wide(page)) == ([], False)
        if part == "payment":
            page.locator("#amount").fill("300")
            press(page, "Enter")
            page.locator("#dialog a.button").wait_for()
            assert violations(page) == []
        press(page, "Escape")
    for address in (f"{path}/slip", f"/dashboard/payments/{Payment.objects.first().id}/receipt"):
        page.goto(address)
        assert (violations(page), is_too_wide(page)) == ([], False)
    page = open_page(doctor.user, "/dashboard/my-day", **look)
    assert (violations(page), is_too_wide(page)) == ([], False)
    press(page, "u")
    page.locator("#next-title").wait_for()
    assert (violations(page), is_too_wide(page)) == ([], False)
    page.locator("[hx-get$=earlier]").click()
    page.locator("#dialog h2").wait_for()
    assert violations(page) == []


def test_axe_finds_no_violation(open_page: OpenPage) -> None:
    check_screens(open_page, size=NARROW, scheme="dark", language="hi")


@pytest.mark.long
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "360"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_no_violation_in_any_language_theme_and_width(
    open_page: OpenPage, size: tuple[int, int], scheme: str, language: str
) -> None:
    check_screens(open_page, size=size, scheme=scheme, language=language)


def test_hostile_texts_run_nothing(open_page: OpenPage, receptionist: User) -> None:
    doctor = clinic.make_doctor()
    made = doctor.add("Asha Verma", "confirm", "arrive", "start")
    texts = dict.fromkeys(("reason", "symptoms", "notes", "prescription"), _HOSTILE)
    Appointment.objects(id=made.id).update(**{f"set__{name}": text for name, text in texts.items()})
    User.objects(id=made.patient_id).update(set__name=_HOSTILE)
    factories.make_file(made, User.objects.get(id=made.patient_id), original_name=_HOSTILE)
    for user, path in (
        (factories.make_user(Role.ADMIN), f"/dashboard/appointments/{made.id}"),
        (receptionist, f"/dashboard/appointments/{made.id}/slip"),
        (doctor.user, "/dashboard/my-day"),
    ):
        page = open_page(user, path)
        expect(page.get_by_text(_HOSTILE, exact=True).first).to_be_visible()
        assert page.evaluate("window.pwned ?? 0") == 0

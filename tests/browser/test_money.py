"""Cancelling an appointment that is paid, without a mouse: nothing by accident, and the refund at once."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.payments.models import Payment
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from arthomed.users.models import User
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import row
from tests.browser.conftest import NARROW, WIDE

OpenPage = Callable[..., Page]


@pytest.fixture
def paid(receptionist: User) -> Appointment:
    made = clinic.make_doctor().add("Asha Verma", "confirm", minutes=60)
    recording.pay(factories.actor_of(receptionist), made.id, 300, Method.UPI, reference=None, key=None)
    return made


def test_enter_in_the_dialog_cancels_nothing(open_page: OpenPage, receptionist: User, paid: Appointment) -> None:
    page = open_page(receptionist)
    dialog = page.get_by_role("dialog")

    row(page, paid).focus()
    page.keyboard.press("x")
    expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
    dialog.get_by_label("Reason").focus()
    page.keyboard.type("Called in")
    page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Keep it").focus()
    page.keyboard.press("Enter")

    expect(dialog).to_be_hidden()
    assert Appointment.objects.get(id=paid.id).status is Status.CONFIRMED


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "360"])
def test_a_cancellation_goes_on_with_the_refund(
    open_page: OpenPage, receptionist: User, paid: Appointment, size: tuple[int, int]
) -> None:
    page = open_page(receptionist, size=size)
    dialog = page.get_by_role("dialog")

    row(page, paid).focus()
    page.keyboard.press("x")
    dialog.get_by_role("button", name="Cancel the appointment").press("Enter")
    expect(dialog.get_by_role("heading", name="Refund")).to_be_visible()
    expect(dialog.get_by_label("Amount")).to_have_value("300")
    expect(dialog.get_by_label("Amount")).to_be_focused()
    expect(dialog.get_by_label("UPI")).to_be_checked()
    expect(row(page, paid)).to_contain_text("₹300 to refund")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Refunded: ₹300")
    page.keyboard.press("Enter")

    expect(dialog).to_be_hidden()
    expect(row(page, paid)).to_contain_text("₹300 refunded")
    expect(row(page, paid)).to_be_focused()
    assert [(one.amount, one.method) for one in Payment.objects] == [(300, "upi"), (-300, "upi")]


def test_a_refund_that_waits_is_one_key_away(open_page: OpenPage, receptionist: User, paid: Appointment) -> None:
    clinic.take("cancel", paid)
    page = open_page(receptionist)

    row(page, paid).focus()
    page.keyboard.press("p")

    expect(page.get_by_role("dialog").get_by_label("Amount")).to_have_value("300")


def test_from_its_own_page_the_refund_follows_too(open_page: OpenPage, receptionist: User, paid: Appointment) -> None:
    page = open_page(receptionist, f"/dashboard/appointments/{paid.id}")
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")

    main.get_by_role("button", name="Cancel", exact=True).click()
    dialog.get_by_role("button", name="Cancel the appointment").click()
    dialog.get_by_role("button", name="Record the refund").click()
    dialog.get_by_role("button", name="Close").click()

    expect(main).to_contain_text("Cancelled")
    expect(main).to_contain_text("Receipt 2")

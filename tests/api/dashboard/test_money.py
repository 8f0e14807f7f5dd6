"""The line about the money of an appointment, and the refund that follows a cancellation."""

import html
import json
import re
from typing import Any

import pytest
from flask import Flask

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.payments.models import Payment
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from tests import factories
from tests.browser import clinic
from tests.browser.clinic import Doctor
from tests.factories import Browser

DAY = "/dashboard/day"
FEE = factories.FEE


@pytest.fixture
def appointment(meera: Doctor) -> Appointment:
    return meera.add("Asha Verma", "confirm", minutes=90)


def pay(desk: Browser, appointment: Appointment, amount: int, method: Method = Method.CASH) -> None:
    recording.pay(factories.actor_of(desk.user), appointment.id, amount, method, reference=None, key=None)


def refund(desk: Browser, appointment: Appointment, amount: int) -> None:
    actor = factories.actor_of(desk.user)
    recording.refund(actor, appointment.id, amount, Method.CASH, reason="Called away", key=None)


def cancel(desk: Browser, appointment: Appointment, *, by_patient: bool = False) -> None:
    actor = factories.actor_of(appointment.patient if by_patient else desk.user)
    transitions.cancel(actor, appointment.id, reason=None)


def line_of(desk: Browser) -> str:
    [cell] = re.findall(r'class="fee">(.*?)</td>', desk.get(DAY).text, re.DOTALL)
    found = re.search(r'class="money"[^>]*>([^<]+)<', cell)
    return html.unescape(found[1]) if found else ""


class TestLine:
    def test_what_is_open_is_said_before_and_after_a_part_is_paid(
        self, desk: Browser, appointment: Appointment
    ) -> None:
        assert line_of(desk) == f"₹{FEE} open"
        pay(desk, appointment, 200)
        assert line_of(desk) == f"₹{FEE - 200} open of ₹{FEE}"

    def test_a_fee_that_is_paid(self, desk: Browser, appointment: Appointment) -> None:
        pay(desk, appointment, FEE)

        assert line_of(desk) == f"₹{FEE} paid"

    def test_a_refund_is_said_with_what_was_paid_and_not_with_the_fee(
        self, desk: Browser, appointment: Appointment
    ) -> None:
        pay(desk, appointment, 300)
        cancel(desk, appointment)
        assert line_of(desk) == "₹300 to refund"
        refund(desk, appointment, 100)
        assert line_of(desk) == "₹200 to refund"
        refund(desk, appointment, 200)
        assert line_of(desk) == "₹300 refunded"

    def test_a_part_that_was_refunded_names_what_was_paid(self, desk: Browser, appointment: Appointment) -> None:
        pay(desk, appointment, FEE)
        refund(desk, appointment, 200)

        assert line_of(desk) == f"₹200 of ₹{FEE} refunded"

    @pytest.mark.parametrize("step", ["cancel", "no-show"])
    def test_what_did_not_take_place_and_was_never_paid_owes_nothing(
        self, desk: Browser, meera: Doctor, step: str
    ) -> None:
        appointment = meera.add("Asha Verma", "confirm", step)

        assert line_of(desk) == ""
        assert f'id="payment-{appointment.id}"' not in desk.get(DAY).text

    def test_a_part_that_was_paid_for_a_no_show_is_not_open(self, desk: Browser, meera: Doctor) -> None:
        appointment = meera.add("Asha Verma", "confirm")
        pay(desk, appointment, 200)
        clinic.take("no-show", appointment)

        assert line_of(desk) == "₹200 paid"

    @pytest.mark.parametrize(("language", "line"), [("hi", "₹500 में से ₹300 बाकी"), ("mr", "₹500 पैकी ₹300 बाकी")])
    def test_it_is_said_in_the_reader_s_language(
        self, desk: Browser, appointment: Appointment, language: str, line: str
    ) -> None:
        pay(desk, appointment, 200)
        desk.client.set_cookie("arthomed_language", language, path="/dashboard")

        assert line_of(desk) == line


class TestRefundAfterCancellation:
    def test_it_is_asked_for_at_once_with_amount_and_method_of_the_payment(
        self, desk: Browser, appointment: Appointment
    ) -> None:
        pay(desk, appointment, 300, Method.UPI)

        response = desk.post(f"/dashboard/appointments/{appointment.id}/cancel", reason="Is well again")

        assert (response.status_code, response.headers["HX-Retarget"]) == (200, "#dialog")
        assert Appointment.objects.get(id=appointment.id).status is Status.CANCELLED
        assert re.search(r'name="amount" value="300"', response.text)
        assert re.search(r'value="upi" checked', response.text)
        assert re.search(r'name="reason" value="Is well again"', response.text)
        said: Any = json.loads(response.headers["HX-Trigger"])
        assert (said["said"]["text"], "changed" in said) == ("Asha Verma · Dr Meera Iyer: Cancelled", True)

    def test_it_is_recorded_with_the_form_as_it_is(self, desk: Browser, appointment: Appointment) -> None:
        pay(desk, appointment, 300, Method.UPI)
        text = desk.post(f"/dashboard/appointments/{appointment.id}/cancel").text
        form = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', text))

        response = desk.post(f"/dashboard/appointments/{appointment.id}/refund", **{**form, "method": "upi"})

        assert "Refunded: ₹300" in response.text
        assert [(one.amount, one.method) for one in Payment.objects] == [(300, "upi"), (-300, "upi")]

    def test_nothing_was_paid_so_the_list_follows(self, desk: Browser, appointment: Appointment) -> None:
        response = desk.post(f"/dashboard/appointments/{appointment.id}/cancel")

        assert "HX-Retarget" not in response.headers
        assert 'data-state="cancelled"' in response.text

    def test_doctors_record_no_refunds_and_see_the_list(
        self, app: Flask, desk: Browser, meera: Doctor, appointment: Appointment
    ) -> None:
        pay(desk, appointment, 300)

        response = Browser(app, meera.user).post(f"/dashboard/appointments/{appointment.id}/cancel")

        assert "HX-Retarget" not in response.headers
        assert 'data-state="cancelled"' in response.text
        assert line_of(desk) == "₹300 to refund"

    def test_the_row_leads_to_it_too(self, desk: Browser, appointment: Appointment) -> None:
        pay(desk, appointment, 300)
        cancel(desk, appointment)

        assert f'hx-get="/dashboard/appointments/{appointment.id}/refund"' in desk.get(DAY).text


class TestEntries:
    def test_a_correction_is_offered_where_it_can_be_made(self, desk: Browser, appointment: Appointment) -> None:
        pay(desk, appointment, 300)
        panel, refunded = f"/dashboard/appointments/{appointment.id}", Payment.objects.first()
        refund(desk, appointment, 300)

        text = desk.get(panel, is_partial=True).text

        offered = re.findall(r"/payments/(\w+)/correction", text)
        assert offered == [str(one.id) for one in Payment.objects(id__ne=refunded.id)]
        recording.correct(factories.actor_of(desk.user), Payment.objects(kind="refund").get().id, reason="No", key=None)
        assert re.findall(r"/payments/(\w+)/correction", desk.get(panel, is_partial=True).text) == [str(refunded.id)]

    def test_a_voucher_has_the_name_and_the_address_of_the_clinic(
        self, desk: Browser, appointment: Appointment
    ) -> None:
        pay(desk, appointment, 300)
        refund(desk, appointment, 300)
        voucher = Payment.objects(kind="refund").get()

        with factories.environment(CLINIC_NAME="Sunrise & Sons", CLINIC_ADDRESS="12 MG Road, Pune 411001"):
            page = desk.get(f"/dashboard/payments/{voucher.id}/receipt").text

        assert all(part in page for part in ("Refund voucher", "Sunrise &amp; Sons", "12 MG Road, Pune 411001"))

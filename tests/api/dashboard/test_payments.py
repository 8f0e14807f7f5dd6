"""Payments at the desk: recorded once, paid back, corrected, with a receipt that keeps to the pages' policy."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.service import transitions
from arthomed.core.permissions import Role
from arthomed.frontdesk.service import families
from arthomed.frontdesk.service.families import Claim
from arthomed.payments.models import Payment
from arthomed.users import family
from tests import factories
from tests.factories import Browser

FEE = factories.FEE


@pytest.fixture
def browser(app: Flask, client: FlaskClient) -> Browser:
    del client  # the database is empty now
    return Browser(app, factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew"))


@pytest.fixture
def appointment(browser: Browser) -> Appointment:
    del browser
    return factories.make_appointment(factories.make_user(name="Asha Verma"))


def form_of(browser: Browser, path: str) -> dict[str, str]:
    """The fields of the form of a dialog, as they are filled in; the first method is chosen."""
    text = browser.get(path, is_partial=True).text
    found = re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', text)
    return dict(reversed(found))


def path_of(appointment: Appointment, more: str = "payment") -> str:
    return f"/dashboard/appointments/{appointment.id}/{more}"


def pay(browser: Browser, appointment: Appointment, **changes: str) -> TestResponse:
    form = form_of(browser, path_of(appointment))
    return browser.post(path_of(appointment), **{**form, "method": "cash", **changes})


def amounts() -> list[int]:
    return [one.amount for one in Payment.objects.order_by("at")]


def test_what_is_open_is_filled_in(browser: Browser, appointment: Appointment) -> None:
    assert form_of(browser, path_of(appointment))["amount"] == str(FEE)
    pay(browser, appointment, amount="200")
    assert form_of(browser, path_of(appointment))["amount"] == str(FEE - 200)


def test_a_payment_is_recorded_and_answered_with_its_receipt(browser: Browser, appointment: Appointment) -> None:
    response = pay(browser, appointment, reference="UPI 433912345678", method="upi")

    [payment] = Payment.objects
    assert (payment.amount, payment.method, payment.reference) == (FEE, "upi", "UPI 433912345678")
    assert f"/dashboard/payments/{payment.id}/receipt" in response.text
    assert response.headers["HX-Trigger"] == "changed"


def test_an_entry_of_a_member_who_has_a_number_of_their_own_now_is_corrected(browser: Browser) -> None:
    asha, receptionist = factories.make_user(name="Asha Verma"), factories.actor_of(browser.user)
    member = family.add(factories.actor_of(asha), asha.id, {"name": "Aarav", "relationship": "son"}).dependent
    appointment = factories.make_appointment(asha, dependent_id=member.id)
    pay(browser, appointment)
    mobile, [payment] = factories.new_mobile(), Payment.objects
    factories.request_code(browser.client, mobile)
    families.claim(receptionist, Claim(member.id, mobile, factories.code_for(mobile), "127.0.0.1"))
    path = f"/dashboard/payments/{payment.id}/correction"

    dialog = browser.get(path, is_partial=True)
    without_reason = browser.post(path, **form_of(browser, path))
    corrected = browser.post(path, **{**form_of(browser, path), "reason": "Entered twice"})

    assert [one.status_code for one in (dialog, without_reason, corrected)] == [200, 400, 200]
    assert "Asha Verma" in dialog.text
    assert amounts() == [FEE, -FEE]


def test_a_form_that_is_sent_twice_records_once(browser: Browser, appointment: Appointment) -> None:
    form = {**form_of(browser, path_of(appointment)), "amount": "100", "method": "cash"}

    first, second = (browser.post(path_of(appointment), **form) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.text == second.text
    assert amounts() == [100]


def test_what_is_too_late_is_not_to_be_tried_again(browser: Browser, appointment: Appointment) -> None:
    form = form_of(browser, path_of(appointment))
    transitions.cancel(factories.actor_of(appointment.patient), appointment.id, reason=None)
    browser.client.set_cookie("arthomed_language", "hi")

    response = browser.post(path_of(appointment), **form)

    assert response.status_code == 400
    assert "कृपया फिर कोशिश करें" not in response.text


def test_a_form_that_is_sent_twice_at_once_records_once(app: Flask, browser: Browser, appointment: Appointment) -> None:
    form = {**form_of(browser, path_of(appointment)), "amount": "100", "method": "cash"}

    def post(_number: int) -> int:
        client = app.test_client()
        client.set_cookie("arthomed", browser.token)
        return client.post(path_of(appointment), data=form, headers=browser.headers).status_code

    found = factories.in_parallel(4, post)

    assert found == [200] * 4
    assert amounts() == [100]


def test_each_form_has_a_key_of_its_own(browser: Browser, appointment: Appointment) -> None:
    pay(browser, appointment, amount="100")
    pay(browser, appointment, amount="100")

    assert amounts() == [100, 100]


@pytest.mark.parametrize("typed", ["1,00", "₹ 100", "Rs. 100", "100.00", "100/-", "१००", " 100 "])
def test_amounts_are_read_as_people_type_them(browser: Browser, appointment: Appointment, typed: str) -> None:
    assert pay(browser, appointment, amount=typed).status_code == 200
    assert amounts() == [100]


@pytest.mark.parametrize("typed", ["", "0", "-5", "1.50", "abc", "501", "1" * 30, "1e2"])
def test_a_wrong_amount_is_shown_in_its_place_with_what_was_typed(
    browser: Browser, appointment: Appointment, typed: str
) -> None:
    before = form_of(browser, path_of(appointment))

    response = browser.post(path_of(appointment), **{**before, "amount": typed, "method": "upi", "reference": "R 1"})

    assert response.status_code == 400
    assert f"Enter whole rupees, ₹{FEE} at most." in response.text
    assert all(part in response.text for part in ('value="R 1"', f'value="{before["Idempotency-Key"]}"'))
    assert re.search(r'value="upi" checked', response.text)
    assert amounts() == []


def test_a_cancelled_appointment_takes_no_payment(browser: Browser, appointment: Appointment) -> None:
    form = form_of(browser, path_of(appointment))
    transitions.cancel(factories.actor_of(browser.user), appointment.id, reason=None)

    response = browser.post(path_of(appointment), **{**form, "method": "cash"})

    assert response.status_code == 400
    assert response.headers["HX-Retarget"] == "#problem"
    assert amounts() == []


def test_what_is_due_after_a_cancellation_is_filled_in_and_paid_back(
    browser: Browser, appointment: Appointment
) -> None:
    pay(browser, appointment, amount="300")
    transitions.cancel(factories.actor_of(browser.user), appointment.id, reason=None)
    form = form_of(browser, path_of(appointment, "refund"))
    assert form["amount"] == "300"

    response = browser.post(path_of(appointment, "refund"), **{**form, "method": "cash", "reason": "Cancelled"})

    assert response.status_code == 200
    assert amounts() == [300, -300]
    assert Appointment.objects.get(id=appointment.id).cancellation.refund_status == "refunded"


def test_a_refund_needs_a_reason(browser: Browser, appointment: Appointment) -> None:
    pay(browser, appointment, amount="300")
    form = form_of(browser, path_of(appointment, "refund"))

    response = browser.post(path_of(appointment, "refund"), **{**form, "method": "cash", "reason": " "})

    assert response.status_code == 400
    assert 'id="reason-error"' in response.text
    assert amounts() == [300]


def test_a_wrong_entry_is_cancelled_once(browser: Browser, appointment: Appointment) -> None:
    pay(browser, appointment, amount="300")
    path = f"/dashboard/payments/{Payment.objects.first().id}/correction"
    form = {**form_of(browser, path), "reason": "Entered twice"}

    assert browser.post(path, **form).status_code == 200
    assert browser.post(path, **form).status_code == 200
    other = browser.post(path, **{**form_of(browser, path), "reason": "Again"})

    assert other.status_code == 400
    assert amounts() == [300, -300]
    assert "corrected" in browser.get(path_of(appointment), is_partial=True).text


def test_the_receipt_keeps_to_the_policy_and_is_the_one_of_the_api(browser: Browser, appointment: Appointment) -> None:
    pay(browser, appointment, amount="300")

    page = browser.get(f"/dashboard/payments/{Payment.objects.first().id}/receipt")

    assert "Rupees three hundred only" in page.text
    assert "receipt.css" in page.text
    assert not re.search(r"<style|style=|<script>", page.text)
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]


def test_rows_offer_a_payment_while_something_is_open(browser: Browser) -> None:
    appointment = factories.make_appointment()
    day = f"/dashboard/day?date={factories.tomorrow()}"
    assert f'id="payment-{appointment.id}"' in browser.get(day).text

    pay(browser, appointment)

    assert f'id="payment-{appointment.id}"' not in browser.get(day).text

"""Payments and refunds at the desk, and what the appointment shows of them."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import Change
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core import clock
from arthomed.core.documents import transaction
from arthomed.core.permissions import Role
from tests import factories
from tests.api.payments.desk import TUESDAY, Desk, violations
from tests.factories import Records, data_of, error_of, invalid_fields


class TestPayment:
    def test_payment_has_a_receipt_and_the_appointment_shows_it(self, desk: Desk) -> None:
        recorded = data_of(desk.pay(method="upi", reference=" UPI\u00a04339 "), 201)

        payment = recorded["payment"]
        assert payment["receiptNumber"] == "2026-27/000001"
        assert (payment["kind"], payment["amount"], payment["method"]) == ("payment", 500, "upi")
        assert (payment["reference"], payment["reason"], "corrects" in payment) == ("UPI 4339", None, False)
        assert payment["receivedBy"] == {"_id": str(desk.joseph.user.id), "name": "Joseph Mathew"}
        assert payment["at"].startswith("2026-11-30T14:00")
        assert recorded["appointment"]["paymentInfo"] == {"amount": 500, "status": "paid", "paidAmount": 500}
        assert violations() == []

    def test_fee_paid_in_parts_is_pending_until_the_last_one(self, desk: Desk) -> None:
        shown = [desk.payment_info()]
        for amount in (200, 300):
            desk.paid(amount)
            shown.append(desk.payment_info())

        assert [(one["status"], one["paidAmount"]) for one in shown] == [
            ("pending", 0),
            ("pending", 200),
            ("paid", 500),
        ]
        assert [one["amount"] for one in desk.payments()] == [200, 300]

    def test_more_than_is_open_is_refused(self, desk: Desk) -> None:
        desk.paid(200)

        response = desk.pay(301)

        assert invalid_fields(response) == ["amount"]
        assert "At most 300 rupees are open." in response.text
        assert len(desk.payments()) == 1

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"amount": 0}, "amount"),
            ({"amount": -5}, "amount"),
            ({"amount": 99.5}, "amount"),
            ({"amount": "500"}, "amount"),
            ({"method": "cheque"}, "method"),
            ({"method": None}, "method"),
            ({"reference": "x" * 101}, "reference"),
            ({"kind": "refund"}, "kind"),
        ],
        ids=str,
    )
    def test_malformed_payment_is_refused(self, desk: Desk, body: dict[str, Any], field: str) -> None:
        sent: dict[str, Any] = {"amount": 500, "method": "cash", **body}

        assert invalid_fields(desk.post(f"appointments/{desk.appointment.id}/payments", **sent)) == [field]

    def test_cancelled_appointment_takes_no_payment(self, desk: Desk) -> None:
        desk.cancel()

        assert error_of(desk.pay()) == (400, "TOO_LATE")

    def test_unknown_appointment_is_not_found(self, desk: Desk) -> None:
        response = desk.post(f"appointments/{factories.UNKNOWN_ID}/payments", amount=1, method="cash")

        assert error_of(response) == (404, "NOT_FOUND")

    def test_payment_is_in_the_audit_trail_with_what_it_changed(self, desk: Desk) -> None:
        payment = desk.paid()
        audit.flush()

        created = AuditEvent.objects.get(kind="payment", action="create")
        changed = AuditEvent.objects(kind="appointment", action="change", records=desk.appointment.id).order_by("-id")[
            0
        ]
        assert (created.actor, str(created.records[0])) == (desk.joseph.user.id, payment["_id"])
        assert created.subjects == changed.subjects == [desk.asha.user.id]
        assert {one["field"]: one["to"] for one in changed.changes} == {
            "payment.paidAmount": 500,
            "payment.refundedAmount": 0,
            "payment.status": "paid",
        }

    def test_numbers_start_again_with_the_financial_year_of_the_clinic(self, desk: Desk) -> None:
        numbers = []
        for moment in ("2027-03-31T23:59", "2027-04-01T00:01"):
            day, _, hhmm = moment.partition("T")
            with time_machine.travel(factories.at_clinic(TUESDAY.fromisoformat(day), hhmm), tick=True):
                numbers.append(desk.paid(100, caller=factories.sign_in(desk.app, desk.joseph.user))["receiptNumber"])

        assert numbers == ["2026-27/000001", "2027-28/000001"]
        assert violations() == []


class TestRefund:
    def test_refund_lowers_what_is_paid(self, desk: Desk) -> None:
        desk.paid()

        first, second = (data_of(desk.refund(amount, "upi"), 201) for amount in (200, 300))

        assert (first["payment"]["kind"], first["payment"]["amount"]) == ("refund", -200)
        assert first["payment"]["reason"] == "The doctor was called away"
        statuses = [one["appointment"]["paymentInfo"] for one in (first, second)]
        assert [(one["status"], one["paidAmount"]) for one in statuses] == [
            ("partially-refunded", 300),
            ("refunded", 0),
        ]
        assert violations() == []

    def test_at_most_what_was_paid_is_refunded(self, desk: Desk) -> None:
        assert invalid_fields(desk.refund(1)) == ["amount"]
        desk.paid(200)
        assert invalid_fields(desk.refund(201)) == ["amount"]

    def test_refund_needs_a_reason(self, desk: Desk) -> None:
        desk.paid()

        assert invalid_fields(desk.refund(1, reason=" ")) == ["reason"]

    def test_refund_due_after_a_cancellation_is_refunded_once_it_is_paid_out(self, desk: Desk) -> None:
        desk.paid()
        desk.cancel()
        due = desk.cancellation()
        desk.refund(200)
        in_part = desk.cancellation()
        desk.refund(300)
        paid_out = desk.cancellation()

        assert [(one["refundAmount"], one["refundStatus"]) for one in (due, in_part, paid_out)] == [
            (500, "pending"),
            (500, "pending"),
            (500, "refunded"),
        ]
        assert in_part["refundDate"] is None
        assert paid_out["refundDate"].startswith("2026-11-30T14:00")

    def test_only_what_was_paid_is_due_after_a_cancellation(self, desk: Desk) -> None:
        desk.paid(300)
        desk.refund(100)
        desk.cancel()

        assert (desk.cancellation()["refundAmount"], desk.cancellation()["refundStatus"]) == (200, "pending")

    def test_refund_before_a_cancellation_is_not_part_of_its_refund(self, desk: Desk) -> None:
        desk.paid()
        desk.refund(200)
        desk.cancel()
        desk.refund(200)
        in_part = desk.cancellation()
        desk.refund(100)

        assert (in_part["refundAmount"], in_part["refundStatus"]) == (300, "pending")
        assert desk.cancellation()["refundStatus"] == "refunded"

    def test_half_is_due_when_the_patient_cancels_late(self, desk: Desk) -> None:
        desk.paid()
        with time_machine.travel(desk.appointment.starts_at - timedelta(hours=5), tick=True):
            desk.cancel(Role.PATIENT)
        data_of(desk.refund(250), 201)

        assert (desk.cancellation()["refundAmount"], desk.cancellation()["refundStatus"]) == (250, "refunded")

    def test_cancellation_that_was_decided_before_a_payment_changes_nothing(self, desk: Desk) -> None:
        stale: Appointment = Appointment.objects.get(id=desk.appointment.id)
        desk.paid()
        change = Change(source=stale.status, target=Status.CANCELLED, by=desk.joseph.user.id, at=clock.now())

        assert transaction(lambda session: stale.advance(change, {}, session=session)) is None


class TestCorrection:
    def test_correction_is_a_counter_entry_that_names_what_it_corrects(self, desk: Desk, database: Records) -> None:
        wrong = desk.paid(200, "card")
        before = database.payments.find_one({})
        admin = factories.sign_in(desk.app, factories.make_user(Role.ADMIN))

        corrected = data_of(desk.correct(wrong["_id"], caller=admin), 201)["payment"]

        assert (corrected["kind"], corrected["corrects"]) == ("correction", wrong["_id"])
        assert (corrected["amount"], corrected["method"], corrected["reason"]) == (-200, "card", "Entered twice")
        assert corrected["receiptNumber"] == "2026-27/000002"
        assert corrected["receivedBy"]["name"] == "Joseph Mathew"
        assert desk.payment_info() == {"amount": 500, "status": "pending", "paidAmount": 0}
        assert database.payments.find_one({}) == before
        assert violations() == []

    def test_entry_is_corrected_once(self, desk: Desk) -> None:
        wrong = desk.paid()
        corrected = data_of(desk.correct(wrong["_id"]), 201)["payment"]

        assert error_of(desk.correct(wrong["_id"])) == (400, "DUPLICATE_VALUE")
        assert invalid_fields(desk.correct(corrected["_id"])) == ["id"]

    def test_parallel_corrections_of_an_entry_make_one(self, desk: Desk) -> None:
        wrong = desk.paid()

        responses = factories.in_parallel(5, lambda _: desk.correct(wrong["_id"]))

        assert sorted(error_of(one) for one in responses) == [(201, ""), *[(400, "DUPLICATE_VALUE")] * 4]
        assert len(desk.payments()) == 2

    def test_right_amount_can_be_recorded_after_a_correction(self, desk: Desk) -> None:
        desk.correct(desk.paid(500)["_id"])

        assert desk.paid(50)["receiptNumber"] == "2026-27/000003"
        assert desk.payment_info()["paidAmount"] == 50

    def test_corrected_refund_is_due_again(self, desk: Desk) -> None:
        desk.paid()
        desk.cancel()
        paid_out = data_of(desk.refund(500), 201)["payment"]
        data_of(desk.correct(paid_out["_id"]), 201)

        assert (desk.cancellation()["refundStatus"], desk.cancellation()["refundDate"]) == ("pending", None)
        assert desk.payment_info() == {"amount": 500, "status": "paid", "paidAmount": 500}

    def test_nothing_is_due_when_the_payment_is_corrected_after_the_cancellation(self, desk: Desk) -> None:
        wrong = desk.paid()
        desk.cancel()
        data_of(desk.correct(wrong["_id"]), 201)

        assert desk.cancellation()["refundStatus"] == "none"

    def test_refunded_payment_cannot_be_corrected_before_its_refund(self, desk: Desk) -> None:
        payment = desk.paid()
        desk.refund(200)

        assert invalid_fields(desk.correct(payment["_id"])) == ["id"]


def test_rejected_appointment_that_was_paid_is_refunded_in_full(desk: Desk) -> None:
    other = factories.make_doctor(factories.every_day("09:00", "10:00")[1:2], fee=500)
    desk.appointment = factories.make_appointment(desk.asha.user, other, day=TUESDAY, time="09:30")
    desk.paid(500)

    transitions.change_status(
        factories.actor_of(desk.joseph.user), desk.appointment.id, Status.REJECTED, reason="The doctor is ill"
    )

    assert (desk.cancellation()["refundAmount"], desk.cancellation()["refundStatus"]) == (500, "pending")
    data_of(desk.refund(500), 201)
    assert desk.cancellation()["refundStatus"] == "refunded"
    assert violations() == []


def test_repeated_payment_is_a_recorded_read(desk: Desk) -> None:
    first = data_of(desk.pay(500, key="a-lost-response"), 201)
    audit.flush()
    AuditEvent.collection().delete_many({"action": "read"})

    again = data_of(desk.pay(500, key="a-lost-response"), 201)

    audit.flush()
    assert again["payment"] == first["payment"]
    assert [event.actor for event in AuditEvent.objects(action="read")] == [desk.joseph.user.id]

"""Schemas of payments, in and out."""

from typing import Any

import marshmallow as ma
from marshmallow import fields
from marshmallow.validate import OneOf

from arthomed.appointments.schemas import AppointmentOut
from arthomed.http.schema import Day, Id, Instant, Schema, Text, integer
from arthomed.payments.models import Payment
from arthomed.payments.rules import Method

_MAX_AMOUNT = 1_000_000
_METHODS = [str(method) for method in Method]


def _amount() -> fields.Integer:
    return integer(1, _MAX_AMOUNT, required=True, metadata={"example": 500, "description": "Whole rupees."})


def _method() -> fields.String:
    return fields.String(required=True, validate=OneOf(_METHODS), metadata={"example": "upi"})


def _reason() -> Text:
    return Text(required=True, max_length=200, metadata={"example": "The doctor was called away"})


class _WithMethod(Schema):
    @ma.post_load
    def to_method(self, loaded: dict[str, object], **_: object) -> dict[str, object]:
        return {**loaded, "method": Method(str(loaded["method"]))}


class RecordPayment(_WithMethod):
    amount = _amount()
    method = _method()
    reference = Text(
        max_length=100,
        metadata={"example": "UPI 433912345678", "description": "Of a transfer or a card payment; not a card number."},
    )


class RecordRefund(_WithMethod):
    amount = _amount()
    method = _method()
    reason = _reason()


class CorrectPayment(Schema):
    reason = Text(required=True, max_length=200, metadata={"example": "Entered twice"})


class CashReportQuery(Schema):
    date = Day(metadata={"example": "2026-12-01", "description": "A calendar day of the clinic; today by default."})


class PersonOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Joseph Mathew"})


class PaymentOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    appointment_id = Id(attribute="appointment", required=True)
    receipt_number = fields.String(required=True, metadata={"example": "2026-27/000123"})
    kind = fields.String(
        required=True, metadata={"example": "payment", "description": "`payment`, `refund` or `correction`."}
    )
    amount = fields.Integer(
        required=True,
        metadata={"example": 500, "description": "Whole rupees; negative for what the clinic paid out or corrected."},
    )
    method = fields.String(required=True, metadata={"example": "upi"})
    reference = fields.String(required=True, allow_none=True, metadata={"example": "UPI 433912345678"})
    reason = fields.String(
        required=True, allow_none=True, metadata={"example": None, "description": "Of a refund or a correction."}
    )
    corrects = Id(metadata={"in_example": False, "description": "Only of a correction: the entry that it cancels."})
    received_by = fields.Nested(PersonOut, attribute="receiver", required=True)
    at = Instant(required=True)

    @ma.post_dump(pass_original=True)
    def without_empty_corrects(self, dumped: dict[str, Any], payment: Payment, **_: object) -> dict[str, Any]:
        return dumped if payment.corrects else {name: dumped[name] for name in dumped if name != "corrects"}


class PaymentsOut(Schema):
    payments = fields.List(fields.Nested(PaymentOut), required=True)


class RecordedOut(Schema):
    payment = fields.Nested(PaymentOut, required=True)
    appointment = fields.Nested(AppointmentOut, required=True)


def _sum(example: int) -> fields.Integer:
    return fields.Integer(required=True, metadata={"example": example})


class TotalsOut(Schema):
    """Whole rupees; refunds are negative."""

    count = _sum(1)
    payments = _sum(500)
    refunds = _sum(0)
    corrections = _sum(0)
    total = _sum(500)


class MethodTotalsOut(Schema):
    method = fields.String(required=True, metadata={"example": "upi"})
    totals = fields.Nested(TotalsOut, required=True)


class ReceiverOut(Schema):
    person = fields.Nested(PersonOut, attribute="receiver", required=True)
    totals = fields.Nested(TotalsOut, attribute="sums.totals", required=True)
    by_method = fields.List(fields.Nested(MethodTotalsOut), attribute="sums.by_method", required=True)


class ReportedPaymentOut(PaymentOut):
    patient = fields.Nested(PersonOut, required=True)


class CashReportOut(Schema):
    date = Day(attribute="day", required=True)
    totals = fields.Nested(TotalsOut, attribute="sums.totals", required=True)
    by_method = fields.List(fields.Nested(MethodTotalsOut), attribute="sums.by_method", required=True)
    by_person = fields.List(fields.Nested(ReceiverOut), attribute="receivers", required=True)
    items = fields.List(fields.Nested(ReportedPaymentOut), attribute="entries", required=True)

"""Checks the database for missing receipts, and for appointments that contradict their payments."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from mongoengine.connection import get_connection
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import PaymentInfo
from arthomed.core.counters import Counter
from arthomed.core.documents import Pipeline, Raw
from arthomed.payments import rules
from arthomed.payments.models import Payment

_COUNTER = "receipts:"
_PAYMENTS_OF_APPOINTMENT = {
    "from": "payments",
    "localField": "_id",
    "foreignField": "appointment",
    "as": "payments",
}
_APPOINTMENTS_WITH_PAYMENTS: Pipeline = [
    {"$match": {"payment.paidAmount": {"$exists": True}}},
    {"$lookup": _PAYMENTS_OF_APPOINTMENT},
    {"$project": {"payment": 1, "payments": 1}},
]
_PAYMENTS_WITHOUT_APPOINTMENT: Pipeline = [
    {"$lookup": {"from": "appointments", "localField": "appointment", "foreignField": "_id", "as": "appointments"}},
    {"$match": {"appointments.payment.paidAmount": {"$exists": False}}},
    {"$project": {"receiptNumber": 1}},
]


def violations() -> Iterator[str]:
    """One line for each missing receipt and each appointment that differs from its payments, as of one moment."""
    with get_connection().start_session(snapshot=True) as snapshot:
        yield from _missing_receipts(snapshot)
        yield from _wrong_appointments(snapshot)
        for row in Payment.collection().aggregate(_PAYMENTS_WITHOUT_APPOINTMENT, session=snapshot):
            yield f"payment {row['_id']}: its appointment does not show receipt {row['receiptNumber']}"


def _missing_receipts(snapshot: ClientSession) -> Iterator[str]:
    counters = Counter.collection().find({"_id": {"$regex": f"^{_COUNTER}"}}, session=snapshot)
    last = {row["_id"].removeprefix(_COUNTER): row["value"] for row in counters}
    rows = Payment.collection().find({}, {"_id": 0, "receiptNumber": 1}, session=snapshot).sort("receiptNumber")
    years = groupby((row["receiptNumber"].split("/") for row in rows), key=lambda parts: parts[0])
    given = {year: [int(number) for _, number in numbers] for year, numbers in years}
    for year in sorted(last.keys() | given.keys()):
        for number in rules.missing_numbers(given.get(year, []), last.get(year, 0)):
            yield f"receipt {rules.receipt_number(year, number)}: missing, or beyond the counter"


def _wrong_appointments(snapshot: ClientSession) -> Iterator[str]:
    for row in Appointment.collection().aggregate(_APPOINTMENTS_WITH_PAYMENTS, session=snapshot):
        expected, stored = _expected(row).to_mongo().to_dict(), row["payment"]
        if any(stored.get(name) != value for name, value in expected.items()):
            yield f"appointment {row['_id']}: paymentInfo is not what its payments add up to"


def _expected(row: Raw) -> PaymentInfo:
    entries: list[Any] = [Payment.from_raw(one) for one in row["payments"]]
    paid, refunded = rules.paid_amount(entries), rules.refunded_amount(entries)
    return PaymentInfo.of(row["payment"]["amount"], paid=paid, refunded=refunded)

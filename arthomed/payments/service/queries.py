"""Read the payments of an appointment, the cash report of a day, and receipts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.fees import RefundStatus
from arthomed.appointments.models import Appointment
from arthomed.appointments.service import audit_trail
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.payments import rules
from arthomed.payments.models import Payment, appointments_of
from arthomed.payments.rules import Method, MethodTotals, Totals
from arthomed.users.models import User


@dataclass(frozen=True, slots=True)
class Sums:
    """The totals of entries, all and by method."""

    totals: Totals
    by_method: Sequence[MethodTotals]

    @classmethod
    def of(cls, entries: Sequence[Payment]) -> "Sums":
        return cls(rules.totals(entries), rules.by_method(entries))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """What one member of the staff received and paid out."""

    receiver: User
    sums: Sums


@dataclass(frozen=True, slots=True)
class CashReport:
    """The entries of one day at the clinic, oldest first, and their totals."""

    day: date
    sums: Sums
    receivers: Sequence[ReceiverReport]
    entries: Sequence[Payment]


@dataclass(frozen=True, slots=True)
class Account:
    """The entries of an appointment, oldest first, and what is still to be paid and to be paid back, in rupees."""

    appointment: Appointment
    entries: Sequence[Payment]

    @property
    def open_amount(self) -> int:
        return open_amount_of(self.appointment)

    @property
    def refund_due(self) -> int:
        return refund_due_of(self.appointment)

    @property
    def corrected(self) -> set[ObjectId]:
        return {one.corrects for one in self.entries if one.corrects}

    @property
    def correctable(self) -> set[ObjectId]:
        return {one.id for one in self.entries if rules.is_correctable(one, self.entries)}

    @property
    def method(self) -> Method | None:
        """How it was paid, the last time."""
        paid = [one for one in self.entries if one.kind is rules.Kind.PAYMENT and one.id not in self.corrected]
        return paid[-1].method if paid else None


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry with what its receipt shows; `corrects` and `corrected_by` are other entries.

    Without an appointment if that is another patient's now, who was a family member of the one who paid.
    """

    payment: Payment
    appointment: Appointment | None
    corrects: Payment | None
    corrected_by: Payment | None


def open_amount_of(appointment: Appointment) -> int:
    return rules.open_amount(appointment.status, fee=appointment.payment.amount, paid=appointment.payment.paid_amount)


def refund_due_of(appointment: Appointment) -> int:
    """What of the refund of a cancellation is not paid back yet."""
    cancellation = appointment.cancellation
    if cancellation is None or cancellation.refund_status is not RefundStatus.PENDING:
        return 0
    refunded = (appointment.payment.recorded_refunds or 0) - (cancellation.refunded_before or 0)
    due: int = min(cancellation.refund_amount - refunded, appointment.payment.paid_amount)
    return due


def account(actor: Actor, appointment_id: ObjectId) -> Account:
    """The payments of an appointment, with its people."""
    entries = list_of_appointment(actor, appointment_id)
    appointment: Appointment = appointments_of(actor).require(appointment_id)
    audit_trail.record_read(actor, [appointment])
    return Account(Appointment.with_people([appointment])[0], entries)


def list_of_appointment(actor: Actor, appointment_id: ObjectId) -> list[Payment]:
    """The entries of an appointment, oldest first."""
    appointment: Appointment = appointments_of(actor).require(appointment_id)
    payments = list(Payment.visible_to(actor).filter(appointment=appointment.id).order_by("at", "id"))
    audit.record_read(actor, Kind.PAYMENT, [one.id for one in payments], [one.patient_id for one in payments])
    return Payment.with_people(payments)


def cash_report(actor: Actor, day: date | None) -> CashReport:
    """The entries of a calendar day at the clinic, today by default, by method and by who received the money."""
    zone = settings().policy.timezone
    day = day or clock.today(zone)
    since, until = (clock.wall_clock(one, "00:00", zone) for one in (day, day + timedelta(days=1)))
    entries = Payment.with_people(Payment.of_period(since, until))
    audit.record_search(actor, Kind.PAYMENT, {"date": day.isoformat()}, found=len(entries))
    audit.record_read(actor, Kind.PAYMENT, [one.id for one in entries], {one.patient_id for one in entries})
    by_receiver = rules.by_receiver(entries).values()
    receivers = [ReceiverReport(found[0].receiver, Sums.of(found)) for found in by_receiver]
    return CashReport(day, Sums.of(entries), sorted(receivers, key=lambda one: one.receiver.name), entries)


def receipt(actor: Actor, payment_id: ObjectId) -> Receipt:
    payment: Payment = Payment.visible_to(actor).require(payment_id)
    audit.record_read(actor, Kind.PAYMENT, [payment.id], [payment.patient_id])
    Payment.with_people([payment])
    [appointment] = Appointment.with_people([Appointment.objects.require(payment.appointment)])
    corrects = None if payment.corrects is None else Payment.objects.require(payment.corrects)
    is_theirs = appointment.patient_id == payment.patient_id
    return Receipt(payment, appointment if is_theirs else None, corrects, Payment.correction_of(payment.id))


def last_payment_at(patient_id: ObjectId, session: ClientSession) -> datetime | None:
    """When the last entry of a patient was made; None if there is none."""
    last = Payment.last_of(patient_id, session)
    return None if last is None else last.at


def of_patient(patient_id: ObjectId) -> list[Payment]:
    """All entries of a patient, oldest first."""
    return Payment.with_people(list(Payment.paid_by(patient_id)))

"""What was paid of an appointment's fee, and what is refunded, in whole rupees; pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from arthomed.appointments import rules
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role


class PaymentStatus(StrEnum):
    PENDING = "pending"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially-refunded"
    REFUNDED = "refunded"


class RefundStatus(StrEnum):
    """`none` when nothing is due back, `pending` until the clinic has paid it out."""

    NONE = "none"
    PENDING = "pending"
    REFUNDED = "refunded"


def payment_status(fee: int, *, paid: int, refunded: int) -> PaymentStatus:
    """The status of a fee, of which `paid` is what the clinic holds after it paid out `refunded`.

    A fee that is paid in part is pending.
    """
    if paid and paid >= fee:
        return PaymentStatus.PAID
    if refunded:
        return PaymentStatus.PARTIALLY_REFUNDED if paid else PaymentStatus.REFUNDED
    return PaymentStatus.PENDING


def refund_status(due: int, *, refunded: int, paid: int) -> RefundStatus:
    """The status of a refund that was `due` at a cancellation, of which `refunded` was paid out since.

    Nothing remains due when the clinic holds nothing any more (`paid`): a correction may show that it never did.
    """
    if due and refunded < due and paid:
        return RefundStatus.PENDING
    return RefundStatus.REFUNDED if due and refunded > 0 else RefundStatus.NONE


class RefundBand(NamedTuple):
    """A patient who cancels with so much notice gets this percentage of what was paid."""

    notice: timedelta
    percent: int


REFUND_BANDS = (RefundBand(timedelta(hours=24), 100), RefundBand(timedelta(hours=2), 50))
"""The longest notice first; with less than the last one nothing is refunded."""


def refund_percent(appointment: rules.AppointmentView, *, actor: Actor, now: datetime) -> int:
    """The percentage of the payment to refund: 100 when the clinic cancels, otherwise by the patient's notice.

    The notice counts from the earliest start that the appointment ever had.
    """
    if Role.PATIENT not in rules.roles_in(appointment, actor) or appointment.status is rules.Status.PENDING:
        return 100
    notice = appointment.earliest_starts_at - now
    return next((band.percent for band in REFUND_BANDS if notice >= band.notice), 0)


def refund_amount(paid: int, percent: int) -> int:
    """The refund in whole rupees, rounded down."""
    return paid * percent // 100

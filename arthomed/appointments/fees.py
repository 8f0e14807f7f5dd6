"""What was paid of an appointment's fee, in whole rupees; pure."""

from enum import StrEnum


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

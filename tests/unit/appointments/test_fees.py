"""The status of a fee and of a refund."""

import pytest

from arthomed.appointments.fees import payment_status, refund_status

PENDING, PAID, PARTIALLY, REFUNDED = "pending", "paid", "partially-refunded", "refunded"


@pytest.mark.parametrize(
    ("fee", "paid", "refunded", "status"),
    [
        (500, 0, 0, PENDING),
        (500, 499, 0, PENDING),
        (500, 500, 0, PAID),
        (300, 500, 0, PAID),  # after a move to a doctor with a lower fee
        (800, 500, 0, PENDING),  # with a higher one
        (500, 300, 200, PARTIALLY),
        (500, 0, 500, REFUNDED),
        (500, 0, 200, REFUNDED),  # only a part had been paid
        (500, 500, 200, PAID),  # paid again
        (0, 0, 0, PENDING),
    ],
)
def test_status_of_a_fee_follows_from_what_was_paid_and_refunded(
    fee: int, paid: int, refunded: int, status: str
) -> None:
    assert payment_status(fee, paid=paid, refunded=refunded) == status


@pytest.mark.parametrize(
    ("due", "refunded", "paid", "status"),
    [
        (0, 0, 500, "none"),
        (500, 0, 500, "pending"),
        (250, 249, 251, "pending"),
        (250, 250, 250, "refunded"),
        (250, 500, 0, "refunded"),
        (500, 0, 0, "none"),  # the payment was corrected
        (500, 200, 0, "refunded"),
        (250, -100, 600, "pending"),  # an earlier refund was corrected
    ],
)
def test_refund_is_pending_until_what_is_due_was_paid_out(due: int, refunded: int, paid: int, status: str) -> None:
    assert refund_status(due, refunded=refunded, paid=paid) == status

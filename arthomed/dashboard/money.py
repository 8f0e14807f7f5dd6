"""The money of an appointment in one line: what is paid, what is open, what is to be refunded."""

from dataclasses import dataclass
from enum import StrEnum

from flask_babel import gettext

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.dashboard.i18n import rupees
from arthomed.payments.service import queries as payments

_DID_NOT_TAKE_PLACE = frozenset({Status.CANCELLED, Status.REJECTED, Status.NO_SHOW})


class State(StrEnum):
    """`open` and `to-refund` ask for something to be done at the desk."""

    NOTHING = "nothing"
    OPEN = "open"
    PAID = "paid"
    TO_REFUND = "to-refund"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Money:
    state: State
    text: str


def money_of(appointment: Appointment) -> Money:
    """The line of an appointment; one that did not take place and was never paid has none."""
    fee, paid = appointment.payment.amount, appointment.payment.paid_amount
    refunded = appointment.payment.recorded_refunds or 0
    if due := payments.refund_due_of(appointment):
        return Money(State.TO_REFUND, gettext("%(amount)s to refund", amount=rupees(due)))
    if refunded and paid < fee:
        return Money(State.REFUNDED, _refunded(refunded, received=paid + refunded))
    open_amount = 0 if appointment.status in _DID_NOT_TAKE_PLACE else payments.open_amount_of(appointment)
    if open_amount:
        return Money(State.OPEN, _open(open_amount, fee))
    if paid:
        return Money(State.PAID, gettext("%(amount)s paid", amount=rupees(paid)))
    return Money(State.NOTHING, "")


def _refunded(refunded: int, *, received: int) -> str:
    if refunded == received:
        return str(gettext("%(amount)s refunded", amount=rupees(refunded)))
    return str(gettext("%(amount)s of %(paid)s refunded", amount=rupees(refunded), paid=rupees(received)))


def _open(open_amount: int, fee: int) -> str:
    if open_amount == fee:
        return str(gettext("%(amount)s open", amount=rupees(fee)))
    return str(gettext("%(amount)s open of %(fee)s", amount=rupees(open_amount), fee=rupees(fee)))

"""The words of an appointment: its history, messages, payments and files."""

from collections.abc import Mapping

from flask_babel import LazyString, lazy_gettext, lazy_pgettext

from arthomed.appointments import messages
from arthomed.appointments.rules import Source, Status
from arthomed.appointments.stages import Stage
from arthomed.dashboard.day_texts import STAGES
from arthomed.dashboard.i18n import rupees
from arthomed.notifications.gateways import DeliveryStatus
from arthomed.notifications.models import Channel, State
from arthomed.payments.models import Payment
from arthomed.payments.rules import Kind, Method

STATUSES: Mapping[Status, LazyString] = {
    Status.PENDING: lazy_gettext("To be confirmed"),
    Status.CONFIRMED: lazy_pgettext("state", "Confirmed"),
    Status.REJECTED: lazy_pgettext("state", "Rejected"),
    Status.CANCELLED: lazy_pgettext("state", "Cancelled"),
    Status.IN_PROGRESS: lazy_pgettext("state", "In consultation"),
    Status.COMPLETED: lazy_pgettext("state", "Done"),
    Status.NO_SHOW: lazy_pgettext("state", "No-show"),
}
_STEPS: Mapping[Status, LazyString] = {
    Status.PENDING: lazy_pgettext("history", "Booked"),
    Status.CONFIRMED: lazy_pgettext("history", "Confirmed"),
    Status.REJECTED: lazy_pgettext("history", "Rejected"),
    Status.CANCELLED: lazy_pgettext("history", "Cancelled"),
    Status.IN_PROGRESS: lazy_pgettext("history", "Consultation begun"),
    Status.COMPLETED: lazy_pgettext("history", "Consultation ended"),
    Status.NO_SHOW: lazy_pgettext("history", "Marked as a no-show"),
}
_SPECIAL_STEPS: Mapping[tuple[Status | None, Status], LazyString] = {
    (None, Status.CONFIRMED): lazy_pgettext("history", "Booked and confirmed"),
    (Status.NO_SHOW, Status.CONFIRMED): lazy_pgettext("history", "No-show undone"),
    (Status.IN_PROGRESS, Status.CONFIRMED): lazy_pgettext("history", "Start undone"),
}
SOURCES: Mapping[Source, LazyString] = {
    Source.APP: lazy_gettext("booked in the app"),
    Source.DESK: lazy_gettext("booked at the desk"),
    Source.WALK_IN: lazy_gettext("walk-in"),
}
CHANNELS: Mapping[Channel, LazyString] = {
    Channel.SMS: lazy_gettext("SMS"),
    Channel.EMAIL: lazy_gettext("E-mail"),
    Channel.PUSH: lazy_gettext("App"),
}
MESSAGE_KINDS: Mapping[str, LazyString] = {
    "appointment-pending": lazy_pgettext("message", "Booking received"),
    "appointment-confirmed": lazy_pgettext("message", "Confirmation"),
    "appointment-rejected": lazy_pgettext("message", "Rejection"),
    "appointment-cancelled": lazy_pgettext("message", "Cancellation"),
    "appointment-completed": lazy_pgettext("message", "Thanks for the visit"),
    messages.RESCHEDULED: lazy_pgettext("message", "New time"),
}
MESSAGE_STATES: Mapping[State, LazyString] = {
    State.WAITING: lazy_pgettext("message", "on its way"),
    State.SENT: lazy_pgettext("message", "sent"),
    State.DROPPED: lazy_pgettext("message", "not needed any more"),
    State.EXPIRED: lazy_pgettext("message", "not sent in time"),
    State.FAILED: lazy_pgettext("message", "failed"),
}
RECEIPTS: Mapping[DeliveryStatus, LazyString] = {
    DeliveryStatus.QUEUED: lazy_pgettext("carrier", "accepted by the carrier"),
    DeliveryStatus.SENT: lazy_pgettext("carrier", "sent by the carrier"),
    DeliveryStatus.UNDELIVERED: lazy_pgettext("carrier", "not delivered by the carrier"),
    DeliveryStatus.FAILED: lazy_pgettext("carrier", "refused by the carrier"),
    DeliveryStatus.DELIVERED: lazy_pgettext("carrier", "delivered to the phone"),
}
CATEGORIES: Mapping[str, LazyString] = {
    "prescriptions": lazy_gettext("Prescription"),
    "reports": lazy_gettext("Report"),
}
FILE_STATES: Mapping[str, LazyString] = {
    "waiting": lazy_gettext("being checked for viruses"),
    "infected": lazy_gettext("removed: it has a virus"),
    "missing": lazy_gettext("lost; please ask for it again"),
}
ENTRIES: Mapping[Kind, LazyString] = {
    Kind.PAYMENT: lazy_pgettext("entry", "Payment"),
    Kind.REFUND: lazy_pgettext("entry", "Refund"),
    Kind.CORRECTION: lazy_pgettext("entry", "Correction"),
}
_RECORDED: Mapping[Kind, LazyString] = {
    Kind.PAYMENT: lazy_gettext("Recorded: %(amount)s"),
    Kind.REFUND: lazy_gettext("Refunded: %(amount)s"),
    Kind.CORRECTION: lazy_gettext("Entry cancelled: %(amount)s"),
}
METHODS: Mapping[Method, LazyString] = {
    Method.CASH: lazy_gettext("Cash"),
    Method.UPI: lazy_gettext("UPI"),
    Method.CARD: lazy_gettext("Card"),
    Method.OTHER: lazy_pgettext("method", "Other"),
}
"""In the order in which a form offers them."""
ACCESSES: Mapping[str, LazyString] = {
    "read": lazy_pgettext("access", "read"),
    "search": lazy_pgettext("access", "searched"),
    "create": lazy_pgettext("access", "created"),
    "change": lazy_pgettext("access", "changed"),
    "delete": lazy_pgettext("access", "deleted"),
}
ROLES: Mapping[str, LazyString] = {
    "admin": lazy_gettext("admin"),
    "doctor": lazy_gettext("doctor"),
    "receptionist": lazy_gettext("reception"),
    "patient": lazy_gettext("patient"),
}


def status(found: Status, stage: Stage) -> LazyString:
    """The status in words; of a confirmed appointment the stage of the day says more."""
    return STAGES[stage] if found is Status.CONFIRMED else STATUSES[found]


def recorded(payment: Payment) -> str:
    """That an entry is made, with its amount as people say it: without a sign."""
    return str(_RECORDED[payment.kind]) % {"amount": rupees(abs(payment.amount))}


def step(source: Status | None, target: Status) -> LazyString:
    """A change of the status, in words."""
    return _SPECIAL_STEPS.get((source, target), _STEPS[target])

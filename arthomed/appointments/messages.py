"""What patients are told about their visits."""

from datetime import datetime, timedelta

from pymongo.client_session import ClientSession

from arthomed.appointments.models import PAID, Appointment
from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.core import clock
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Email, Sms
from arthomed.notifications.models import Channel, Notification, Timing
from arthomed.users.models import User

_PREFIX = "appointment-"
_WORDS = {
    Status.PENDING: (
        "We have your request",
        "Your request for {when} with {doctor} has reached us. We will confirm it soon.",
    ),
    Status.CONFIRMED: ("Your visit is confirmed", "Your visit with {doctor} on {when} is confirmed."),
    Status.REJECTED: ("Your request can't be met", "We can't offer you {when} with {doctor}. Reason: {reason}"),
    Status.CANCELLED: ("Your visit is cancelled", "Your visit with {doctor} on {when} is cancelled.{refund}"),
    Status.COMPLETED: ("Thank you for your visit", "Thank you for your visit to {doctor} on {when}. Get well soon."),
}
_IN_CALENDARS = frozenset({Status.CONFIRMED, Status.CANCELLED})
_UNTIL_ITS_END = frozenset({Status.PENDING, Status.CONFIRMED})

KINDS = tuple(_PREFIX + status for status in _WORDS)


def tell(appointment: Appointment, patient: User, session: ClientSession) -> list[Notification]:
    """Put the message about a visit's newest change into the outbox.

    What belongs into a calendar is told by e-mail, too; of the rest an e-mail tells when the SMS does not arrive.
    """
    by_email = Channel.EMAIL if patient.email else None
    in_calendar = appointment.status in _IN_CALENDARS
    return notifications.put(
        user=patient.id,
        subject=appointment.id,
        kind=_PREFIX + appointment.status,
        version=len(appointment.history),
        channels=[Channel.SMS, Channel.PUSH, *([by_email] if by_email and in_calendar else [])],
        fallback=None if in_calendar else by_email,
        timing=_timing(appointment),
        session=session,
    )


def _timing(appointment: Appointment) -> Timing:
    """What the patient should still do is of no use after the visit; what came of it is for another day."""
    until: datetime = appointment.ends_at
    if appointment.status not in _UNTIL_ITS_END:
        until = max(until, clock.now() + timedelta(days=1))
    return Timing(useful_until=until, about=appointment.starts_at)


def word(notification: Notification) -> Sms | Email | None:
    """The message as of now; None when the visit has moved on, or the moment to tell it has passed."""
    appointment: Appointment | None = Appointment.objects(id=notification.subject).first()
    if appointment is None or len(appointment.history) != notification.version:
        return None
    if appointment.status in _UNTIL_ITS_END and clock.now() >= appointment.ends_at:
        return None
    Appointment.with_people([appointment])
    subject, text = _WORDS[appointment.status]
    text = text.format(
        when=f"{appointment.starts_at.astimezone(settings().policy.timezone):%d %b %Y at %H:%M}",
        doctor=appointment.doctor.name,
        reason=appointment.history[-1].reason,
        refund=_refund(appointment),
    )
    if appointment.patient.erased_at is not None:
        return None
    if notification.channel is Channel.SMS:
        return Sms(appointment.patient.mobile_number, f"Arthomed: {text}")
    if not appointment.patient.email:
        return None
    return Email(appointment.patient.email, subject, f"Dear {appointment.patient.name},\n\n{text}\n\nArthomed")


def _refund(appointment: Appointment) -> str:
    """Only who has paid is told of money."""
    cancellation = appointment.cancellation
    if cancellation is None or not cancellation.refund_amount or appointment.payment.status != PAID:
        return ""
    return f" Rs {cancellation.refund_amount} will be refunded."

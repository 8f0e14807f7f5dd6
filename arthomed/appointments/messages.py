"""What patients are told about their visits."""

from datetime import datetime, timedelta

from bson import ObjectId

from arthomed.appointments import calendar
from arthomed.appointments.models import PAID, Appointment
from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.documents import Raw
from arthomed.notifications import catalogue
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Email, Sms
from arthomed.notifications.models import Channel, Notification, Timing
from arthomed.users.models import User

_PREFIX = "appointment-"
_TOLD = (Status.PENDING, Status.CONFIRMED, Status.REJECTED, Status.CANCELLED, Status.COMPLETED)
_IN_CALENDARS = frozenset({Status.CONFIRMED, Status.CANCELLED})
_UNTIL_ITS_END = frozenset({Status.PENDING, Status.CONFIRMED})

KINDS = tuple(_PREFIX + status for status in _TOLD)
UNCONFIRMED, REFUNDED = _PREFIX + "unconfirmed", _PREFIX + "refunded"
"""Words of their own for two kinds: the system's reason, and money, are part of a registered text."""


def of_booking(visit: Raw, email: str | None, *, has_device: bool) -> list[Notification]:
    """What is told of a new visit, as it is stored; to be put into the outbox with it."""
    return _of_status(
        Status.PENDING,
        user=visit["patient"],
        subject=visit["_id"],
        version=len(visit["history"]),
        email=email,
        has_device=has_device,
        timing=Timing(useful_until=visit["endsAt"], about=visit["startsAt"]),
    )


def of_change(appointment: Appointment, patient: User) -> list[Notification]:
    """What is told of a visit's newest change; to be put into the outbox with it."""
    return _of_status(
        appointment.status,
        user=patient.id,
        subject=appointment.id,
        version=len(appointment.history),
        email=patient.email,
        has_device=bool(notifications.with_devices([patient.id])),
        timing=_timing(appointment),
    )


def _of_status(
    status: Status,
    *,
    user: ObjectId,
    subject: ObjectId,
    version: int,
    email: str | None,
    has_device: bool,
    timing: Timing,
) -> list[Notification]:
    """What belongs into a calendar is told by e-mail, too; of the rest an e-mail tells when the SMS does not arrive."""
    by_email = Channel.EMAIL if email else None
    in_calendar = status in _IN_CALENDARS
    by_push = [Channel.PUSH] if has_device else []
    return notifications.messages(
        user=user,
        subject=subject,
        kind=_PREFIX + status,
        version=version,
        channels=[Channel.SMS, *by_push, *([by_email] if by_email and in_calendar else [])],
        fallback=None if in_calendar else by_email,
        timing=timing,
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
    return None if appointment.patient.erased_at is not None else _worded(notification, appointment)


def _worded(notification: Notification, appointment: Appointment) -> Sms | Email | None:
    patient, wording = appointment.patient, _wording(appointment)
    words = catalogue.words(patient.profile.language)
    values = {
        "patient": patient.name,
        "doctor": appointment.doctor.name,
        "when": words.time(appointment.starts_at.astimezone(settings().policy.timezone)),
        "reason": appointment.history[-1].reason,
        "amount": _refund(appointment),
    }
    if notification.channel is not Channel.EMAIL:
        return words.sms(wording, patient.mobile_number, entity_id=settings().dlt_entity_id, **values)
    if not patient.email:
        return None
    invitation, reference = calendar.invitation(appointment), str(notification.id)
    return words.email(wording, patient.email, reference=reference, invitation=invitation, **values)


def _wording(appointment: Appointment) -> str:
    if appointment.status is Status.REJECTED and appointment.history[-1].by is None:
        return UNCONFIRMED
    return REFUNDED if _refund(appointment) else _PREFIX + appointment.status


def _refund(appointment: Appointment) -> int:
    """Whole rupees that are given back; only who has paid is told of money."""
    cancellation = appointment.cancellation
    return 0 if cancellation is None or appointment.payment.status != PAID else int(cancellation.refund_amount)

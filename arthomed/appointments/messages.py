"""Notifications to patients about their appointments."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from arthomed.appointments import calendar
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.errors import ClinicError, Code
from arthomed.notifications import catalogue
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Email, Sms
from arthomed.notifications.models import Channel, Notification, Topic
from arthomed.users.dependents import Dependent
from arthomed.users.models import User

_KIND_OF: Mapping[Status, str] = {
    status: f"appointment-{status}"
    for status in (Status.PENDING, Status.CONFIRMED, Status.REJECTED, Status.CANCELLED, Status.COMPLETED)
}
_BY_EMAIL = frozenset({Status.PENDING, Status.CONFIRMED, Status.CANCELLED})
_UPCOMING = frozenset({Status.PENDING, Status.CONFIRMED})

RESCHEDULED = "appointment-rescheduled"
KINDS = (*_KIND_OF.values(), RESCHEDULED)
UNCONFIRMED, REFUNDED = "appointment-unconfirmed", "appointment-refunded"
"""Templates for special cases of "rejected" and "cancelled": a registered SMS template has no optional parts."""
_FOR_MEMBER = "-of-member"


class OutdatedMessage(ClinicError):
    code: ClassVar[Code] = Code.INVALID_STATUS_TRANSITION
    message = "The appointment has changed or ended since this message, so it cannot be sent again"


def for_new_time(appointment: Appointment, patient: User, *, has_device: bool) -> list[Notification]:
    """The messages about the new time of an appointment, to be added to the outbox in its transaction."""
    topic = Topic(
        user=patient.id,
        subject=appointment.id,
        kind=RESCHEDULED,
        version=len(appointment.history),
        useful_until=_useful_until(appointment),
        event_at=appointment.starts_at,
    )
    return _build(topic, appointment.status, patient.email, has_device=has_device)


def for_status(appointment: Appointment, patient: User, *, has_device: bool) -> list[Notification]:
    """The messages about the present status of an appointment, to be added to the outbox in its transaction.

    A booking is acknowledged at once, also in quiet hours: the patient is using the app.
    """
    topic = Topic(
        user=patient.id,
        subject=appointment.id,
        kind=_KIND_OF[appointment.status],
        version=len(appointment.history),
        useful_until=_useful_until(appointment),
        event_at=None if appointment.status is Status.PENDING else appointment.starts_at,
    )
    return _build(topic, appointment.status, patient.email, has_device=has_device)


def _build(topic: Topic, status: Status, email: str | None, *, has_device: bool) -> list[Notification]:
    """E-mails about the booking and the calendar accompany the SMS; any other e-mail is only the fallback for it."""
    by_email = status in _BY_EMAIL
    channels = [Channel.SMS]
    if has_device:
        channels.append(Channel.PUSH)
    if email and by_email:
        channels.append(Channel.EMAIL)
    fallback = Channel.EMAIL if email and not by_email else None
    return notifications.build_notifications(topic, channels, fallback)


def _useful_until(appointment: Appointment) -> datetime:
    """The end of an upcoming appointment; for any other status at least a day."""
    ends_at: datetime = appointment.ends_at
    return ends_at if appointment.status in _UPCOMING else max(ends_at, clock.now() + timedelta(days=1))


def render(notification: Notification) -> Sms | Email | None:
    """Render a message; None when it `is_outdated`."""
    appointment: Appointment | None = Appointment.objects(id=notification.subject).first()
    if appointment is None or is_outdated(notification, appointment):
        return None
    return _render(notification, appointment)


def is_outdated(notification: Notification, appointment: Appointment) -> bool:
    """Whether the appointment has changed, ended or got another patient since, or the account is erased."""
    if len(appointment.history) != notification.version or appointment.patient_id != notification.user:
        return True
    if appointment.status in _UPCOMING and clock.now() >= appointment.ends_at:
        return True
    return Appointment.with_people([appointment])[0].patient.erased_at is not None


def _render(notification: Notification, appointment: Appointment) -> Sms | Email | None:
    patient, template = appointment.patient, of_person(_template(appointment), appointment.dependent)
    language = catalogue.language(patient.profile.language)
    values = {
        "patient": patient.name,
        "member": appointment.person_name,
        "doctor": appointment.doctor.name,
        "when": language.format_time(appointment.starts_at.astimezone(settings().policy.timezone)),
        "reason": appointment.history[-1].reason,
        "amount": _refund(appointment),
    }
    if notification.channel is not Channel.EMAIL:
        return language.render_sms(template, patient.mobile_number, entity_id=settings().dlt_entity_id, **values)
    if not patient.email:
        return None
    invitation, reference = calendar.invitation(appointment), str(notification.id)
    return language.render_email(template, patient.email, reference=reference, invitation=invitation, **values)


def of_person(template: str, dependent: Dependent | None) -> str:
    """The variant of a template that names the family member whom the appointment is for."""
    return template if dependent is None else template + _FOR_MEMBER


def _template(appointment: Appointment) -> str:
    if appointment.status is Status.REJECTED:
        return UNCONFIRMED if appointment.history[-1].by is None else _KIND_OF[Status.REJECTED]
    if appointment.history[-1].moved_to is not None:
        return RESCHEDULED
    return REFUNDED if _refund(appointment) else _KIND_OF[appointment.status]


def _refund(appointment: Appointment) -> int:
    """The refund in whole rupees; 0 when nothing is paid."""
    cancellation = appointment.cancellation
    return 0 if cancellation is None or not appointment.payment.paid_amount else int(cancellation.refund_amount)

"""The messages about an appointment, for the desk: whether they arrived, and sending a failed one again."""

from bson import ObjectId

from arthomed.appointments import messages
from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.core.actor import Actor
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification


def list_of_appointment(actor: Actor, appointment_id: ObjectId) -> list[Notification]:
    """The messages about an appointment on each channel, the newest first.

    Raises:
        NotFound: the appointment does not exist.
    """
    appointment: Appointment = Appointment.visible_to(actor).require(appointment_id)
    found = list(Notification.objects(subject=appointment.id, kind__in=messages.KINDS))
    audit.record_read(actor, Kind.MESSAGE, [one.id for one in found], [appointment.patient_id])
    return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)


def resend(actor: Actor, message_id: ObjectId) -> Notification:
    """Send a failed message about an appointment again.

    Raises:
        NotFound: the message does not exist, or is not about an appointment.
        OutdatedMessage: the appointment has changed or ended since.
        NotResendable: the message did not fail, or is no longer useful.
    """
    message: Notification = Notification.objects(kind__in=messages.KINDS).require(message_id)
    appointment: Appointment = Appointment.visible_to(actor).require(message.subject)
    if messages.is_outdated(message, appointment):
        raise messages.OutdatedMessage
    return notifications.resend(actor, message_id)

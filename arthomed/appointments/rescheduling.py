"""Whether an appointment can be moved to another time or doctor; pure."""

from datetime import datetime

from arthomed.appointments import rules
from arthomed.appointments.rules import Status
from arthomed.config import Policy
from arthomed.core.actor import Actor
from arthomed.core.errors import PermissionDenied, ValidationFailed
from arthomed.core.permissions import Role

_RESCHEDULABLE = frozenset({Status.PENDING, Status.CONFIRMED})
_ROLES = frozenset({Role.PATIENT, Role.RECEPTIONIST, Role.ADMIN})


def ensure_may_reschedule(appointment: rules.AppointmentView, actor: Actor) -> None:
    """The patient, receptionists and admins move an appointment that is pending or confirmed.

    Raises:
        InvalidTransition, PermissionDenied
    """
    if appointment.status not in _RESCHEDULABLE:
        raise rules.InvalidTransition("Only a pending or confirmed appointment can be rescheduled")
    if _ROLES.isdisjoint(rules.roles_in(appointment, actor)):
        raise PermissionDenied


def ensure_in_time(appointment: rules.AppointmentView, actor: Actor, now: datetime, policy: Policy) -> None:
    """Before its start and before the patient arrives; patients give notice as for a cancellation.

    Raises:
        InvalidTransition, TooLate
    """
    if appointment.has_arrived:
        raise rules.InvalidTransition("The patient has arrived; the appointment cannot be rescheduled any more")
    if now >= appointment.starts_at:
        raise rules.TooLate("An appointment can be rescheduled before its start only")
    rules.with_notice(appointment, actor, now, policy)


def ensure_same_specialization(present: str | None, new: str | None, doctor: object) -> None:
    """Raises ValidationFailed when another doctor has another specialization."""
    if present != new:
        raise ValidationFailed.of("doctorId", "Must be a doctor of the same specialization.", str(doctor))

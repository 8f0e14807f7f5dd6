"""Who reads and who edits which part of an appointment; pure."""

from collections.abc import Mapping

from bson import ObjectId

from arthomed.appointments import rules
from arthomed.core.actor import Actor
from arthomed.core.errors import PermissionDenied
from arthomed.core.permissions import Role

HIDDEN_FROM_RECEPTION = frozenset({"notes", "prescription"})
IMAGE_PARTS_FOR_RECEPTION = frozenset({"original_name", "category", "size"})


def reads_medical_record(patient: ObjectId, reader: Actor) -> bool:
    """Whether a reader of a patient's records reads the medical part, which the reception does not.

    Receptionists read their own. The system reads all: it writes exports for the patient.
    """
    return reader.role is not Role.RECEPTIONIST or reader.user_id == patient


def reads_file(patient: ObjectId, uploader: ObjectId, reader: Actor) -> bool:
    """As `reads_medical_record`; the uploader of a file reads it, too."""
    return reads_medical_record(patient, reader) or reader.user_id == uploader


EDITABLE: Mapping[Role | None, frozenset[str]] = {
    Role.PATIENT: frozenset({"reason", "symptoms"}),
    Role.DOCTOR: frozenset({"notes", "prescription"}),
    Role.RECEPTIONIST: frozenset({"purpose_of_visit", "reason"}),
    Role.ADMIN: frozenset({"purpose_of_visit", "reason"}),
}


def ensure_may_edit(actor: Actor, appointment: rules.AppointmentView, names: set[str]) -> None:
    """Each role may edit its fields; a patient only until the confirmation.

    Raises:
        PermissionDenied, TooLate
    """
    roles = rules.roles_in(appointment, actor)
    if names - {name for role in roles for name in EDITABLE.get(role, ())}:
        raise PermissionDenied
    if Role.PATIENT in roles and names & EDITABLE[Role.PATIENT] and appointment.status is not rules.Status.PENDING:
        raise rules.TooLate("This can be changed before the confirmation only")


def ensure_takes_files(appointment: rules.AppointmentView) -> None:
    """Raises TooLate for an appointment that did not take place."""
    if appointment.status in (rules.Status.CANCELLED, rules.Status.REJECTED, rules.Status.NO_SHOW):
        raise rules.TooLate("Files cannot be added to an appointment that did not take place")

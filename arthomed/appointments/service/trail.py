"""What of visits goes into the audit trail."""

from collections.abc import Sequence

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.core.actor import Actor

_HAS_ITS_OWN = "history"  # says the same once more


def note_read(actor: Actor, visits: Sequence[Appointment]) -> None:
    audit.record_read(actor, Kind.APPOINTMENT, [one.id for one in visits], [one.patient_id for one in visits])


def of_booking(actor: Actor, visit: ObjectId) -> AuditEvent:
    """The event of a visit that its patient books; to be noted with it."""
    return audit.change_event(actor, Action.CREATE, Kind.APPOINTMENT, visit, subject=actor.signed_in_user_id)


def note_change(actor: Actor, before: Appointment, after: Appointment, session: ClientSession) -> None:
    changes = [one for one in audit.differences(before.to_mongo(), after.to_mongo()) if one["field"] != _HAS_ITS_OWN]
    audit.record_change(
        actor,
        Action.CHANGE,
        Kind.APPOINTMENT,
        after.id,
        subject=after.patient_id,
        session=session,
        changes=changes,
    )

"""The audit events of appointments."""

from collections.abc import Mapping, Sequence

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.core.actor import Actor
from arthomed.core.paging import Page

_OMITTED_FIELDS = ("history", "queue.former")  # they repeat the change of the status, and of the place in the queue


def record_read(actor: Actor, appointments: Sequence[Appointment]) -> None:
    """Record that a user read appointments."""
    ids, patients = [one.id for one in appointments], [one.patient_id for one in appointments]
    audit.record_read(actor, Kind.APPOINTMENT, ids, patients)


def record_list(
    actor: Actor, page: Page[Appointment], filters: Mapping[str, object], patient_id: ObjectId | None = None
) -> None:
    """Record what a user filtered appointments by, and which of them the page shows."""
    subjects = [] if patient_id is None else [patient_id]
    audit.record_search(actor, Kind.APPOINTMENT, filters, found=page.pagination.total, subjects=subjects)
    record_read(actor, page.items)


def booking_event(actor: Actor, booked: Appointment) -> AuditEvent:
    """The audit event of a booking, to be stored in its transaction."""
    return audit.change_event(actor, Action.CREATE, Kind.APPOINTMENT, booked.id, subject=booked.patient_id)


def record_change(actor: Actor, before: Appointment, after: Appointment, session: ClientSession) -> None:
    """Record which fields of an appointment changed."""
    audit.insert_events([change_event(actor, before, after)], session)


def change_event(actor: Actor, before: Appointment, after: Appointment) -> AuditEvent:
    """The audit event of a change, to be stored in its transaction."""
    found = audit.differences(before.to_mongo(), after.to_mongo())
    changes = [one for one in found if not str(one["field"]).startswith(_OMITTED_FIELDS)]
    return audit.change_event(
        actor, Action.CHANGE, Kind.APPOINTMENT, after.id, subject=after.patient_id, changes=changes
    )

"""Audit events of reading the list of the day, which clients request every few seconds."""

from collections.abc import Mapping

from bson import ObjectId

from arthomed.audit import repeated
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.core import clock
from arthomed.core.actor import Actor


def record(actor: Actor, filters: Mapping[str, object], patients: Mapping[ObjectId, ObjectId]) -> None:
    """Record what the list newly shows to this session; `patients` has the patient of each appointment.

    A list that is requested again, and a change of an appointment in it, is no new access to a patient's record.
    """
    key = actor.session_id, tuple(sorted(filters.items()))
    is_new, appointments = repeated.recorded.add(key, patients, clock.now())
    if is_new:
        audit.record_search(actor, Kind.APPOINTMENT, filters, found=len(patients))
    if appointments:
        audit.record_read(actor, Kind.APPOINTMENT, appointments, [patients[one] for one in appointments])

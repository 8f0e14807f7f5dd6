"""Erases the appointments of a patient who closes the account."""

from datetime import datetime

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment, appointments_tag
from arthomed.appointments.rules import TREATED
from arthomed.core.cache import invalidate
from arthomed.core.documents import Raw
from arthomed.files.rules import Kind
from arthomed.files.service import deleting


def last_treatment_at(patient_id: ObjectId, session: ClientSession) -> datetime | None:
    """The end of the patient's last appointment with a treatment; None if there is none."""
    treated = {"patient": patient_id, "status": {"$in": sorted(TREATED)}}
    last: Appointment | None = Appointment.find_one(treated, session, sort=[("startsAt", -1)])
    return None if last is None else last.ends_at


def erase_appointments(patient_id: ObjectId, *, including_treated: bool, session: ClientSession) -> None:
    """Erase texts and files of the patient's appointments; the appointments themselves and their times stay."""
    query: Raw = {"patient": patient_id}
    if not including_treated:
        query["status"] = {"$nin": sorted(TREATED)}
    ids = [appointment.id for appointment in Appointment.find_all(query, session)]
    deleting.mark_files_of(Kind.APPOINTMENTS, ids, session)
    invalidate(appointments_tag(patient_id))
    Appointment.erase_texts(query, session=session)

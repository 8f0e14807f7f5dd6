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
    found = Appointment.collection().find_one(treated, {"endsAt": 1}, sort=[("startsAt", -1)], session=session)
    return None if found is None else found["endsAt"]


def erase_appointments(patient_id: ObjectId, *, including_treated: bool, session: ClientSession) -> None:
    """Erase texts and files of the patient's appointments; the appointments themselves and their times stay."""
    query: Raw = {"patient": patient_id}
    if not including_treated:
        query["status"] = {"$nin": sorted(TREATED)}
    ids = [one["_id"] for one in Appointment.collection().find(query, {"_id": 1}, session=session)]
    deleting.mark_files_of(Kind.APPOINTMENTS, ids, session)
    invalidate(appointments_tag(patient_id))
    Appointment.erase_texts(query, session=session)

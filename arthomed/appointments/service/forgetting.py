"""What becomes of the visits of a person who is to be forgotten."""

from datetime import datetime

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment, visits_of
from arthomed.appointments.rules import TREATED
from arthomed.core.copies import changed
from arthomed.core.documents import Raw
from arthomed.files.rules import Kind
from arthomed.files.service import deleting


def last_treatment(patient_id: ObjectId, session: ClientSession) -> datetime | None:
    """When the patient's last visit with a treatment ended; None when there was none."""
    treated = {"patient": patient_id, "status": {"$in": sorted(TREATED)}}
    found = Appointment.collection().find_one(treated, {"endsAt": 1}, sort=[("startsAt", -1)], session=session)
    return None if found is None else found["endsAt"]


def forget(patient_id: ObjectId, *, treated_too: bool, session: ClientSession) -> None:
    """Remove what people wrote about the patient's visits; that they were, and when, stays for the books."""
    visits: Raw = {"patient": patient_id}
    if not treated_too:
        visits["status"] = {"$nin": sorted(TREATED)}
    ids = [one["_id"] for one in Appointment.collection().find(visits, {"_id": 1}, session=session)]
    deleting.mark_files_of(Kind.APPOINTMENTS, ids, session)
    changed(visits_of(patient_id))
    Appointment.forget(visits, session=session)

"""Which patients are a doctor's own, and which have a number in today's queue."""

from datetime import timedelta

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import OF_OWN_PATIENTS
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.documents import Raw


def own_patients(doctor: ObjectId) -> list[ObjectId]:
    """The patients of a doctor; `Appointment.treats` is the same rule for one of them."""
    treating = Appointment.objects(doctor_id=doctor, status__in=sorted(OF_OWN_PATIENTS))
    return list(treating.distinct("patient_id"))


def patients_with_token(token: int, *, doctor: ObjectId | None = None) -> list[ObjectId]:
    """The patients with a token of today, several doctors of whom may have given it; with `doctor` only that one's."""
    zone = settings().policy.timezone
    today = clock.today(zone)
    begin, end = (clock.wall_clock(day, "00:00", zone) for day in (today, today + timedelta(days=1)))
    query: Raw = {
        "startsAt": {"$gte": begin, "$lte": end},  # an overflow place may start at midnight
        "appointmentDate": clock.midnight_utc(today),
        "queue.token": token,
    }
    if doctor is not None:
        query |= {"doctor": doctor, "status": {"$in": sorted(OF_OWN_PATIENTS)}}
    return list(Appointment.objects(__raw__=query).distinct("patient_id"))

"""Which patients are a doctor's own, and which have a number in today's queue."""

from datetime import timedelta

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import OF_OWN_PATIENTS
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.documents import Raw

_NO_DEPENDENT: Raw = {"$not": {"$gte": ObjectId("0" * 24)}}
"""As None, which MongoDB would verify in each document."""


def treats(doctor: ObjectId | None, patient: ObjectId) -> bool:
    """Whether a doctor has a confirmed appointment with a patient, not only with the patient's family."""
    treating = Appointment.objects(doctor_id=doctor, patient_id=patient, dependent_id=None)
    return treating.filter(status__in=sorted(OF_OWN_PATIENTS)).first() is not None


def own_patients(doctor: ObjectId) -> list[ObjectId]:
    """The patients whom a doctor `treats`, from an index alone."""
    treating = {"doctor": doctor, "status": {"$in": sorted(OF_OWN_PATIENTS)}, "dependent": _NO_DEPENDENT}
    return list(Appointment.objects(__raw__=treating).no_dereference().distinct("patient_id"))


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
        query |= {"doctor": doctor, "dependent": None, "status": {"$in": sorted(OF_OWN_PATIENTS)}}
    return list(Appointment.objects(__raw__=query).distinct("patient_id"))


def treated_members(doctor: ObjectId, patient: ObjectId) -> set[ObjectId]:
    """The members of a patient's family whom a doctor treats."""
    treating = {"doctor": doctor, "patient": patient, "status": {"$in": sorted(OF_OWN_PATIENTS)}}
    return set(Appointment.objects(__raw__={**treating, "dependent": {"$ne": None}}).distinct("dependent_id"))

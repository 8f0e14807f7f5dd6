"""Queries of a day's appointments."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.documents import Raw


def begin_of(day: date) -> datetime:
    """The instant at which a day begins at the clinic."""
    return clock.wall_clock(day, "00:00", settings().policy.timezone)


def of_day(day: date, doctor: ObjectId | None = None) -> Any:
    """The appointments of a day, of one doctor or of all; the range of starts allows the indexes by start.

    An overflow place may start at the end of the day, and the clocks may change on it.
    """
    return Appointment.objects(__raw__=_on(day) if doctor is None else {"doctor": doctor, **_on(day)})


def of_days(wanted: Iterable[tuple[ObjectId, date]]) -> Any:
    """The appointments of several days, each of one doctor, in no particular order."""
    days = [{"doctor": doctor, **_on(day)} for doctor, day in wanted]
    return Appointment.objects(__raw__={"$or": days}) if days else Appointment.objects.none()


def _on(day: date) -> Raw:
    begin = begin_of(day)
    starts_at = {"$gte": begin, "$lte": begin + timedelta(days=1, hours=1)}
    return {"appointmentDate": clock.midnight_utc(day), "startsAt": starts_at}


def patients_of_day(day: date, doctor: ObjectId | None, *, limit: int) -> dict[ObjectId, ObjectId]:
    """The patient of each appointment of a day, by its id."""
    found = of_day(day, doctor).only("patient_id").as_pymongo()
    return {raw["_id"]: raw["patient"] for raw in found.limit(limit)}


Person = tuple[ObjectId, ObjectId | None]
"""A patient, and the family member whom an appointment is for."""


def treated_before(patients: Sequence[ObjectId], day: date) -> set[Person]:
    """Those of the patients and their families who have a completed appointment from before a day."""
    completed = {"patient": {"$in": patients}, "status": Status.COMPLETED, "startsAt": {"$lt": begin_of(day)}}
    found = Appointment.objects(__raw__=completed).aggregate(
        [{"$group": {"_id": {"patient": "$patient", "dependent": "$dependent"}}}]
    )
    return {(row["_id"]["patient"], row["_id"].get("dependent")) for row in found}

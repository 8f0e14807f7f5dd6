"""Rescheduling against a running stack."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import httpx
from bson import ObjectId

from arthomed.core import clock
from tests.faults.clinic import DAY, Clinic, Person, booking_body

_ZONE = ZoneInfo("Asia/Kolkata")


def book(clinic: Clinic, patient: Person, doctor: ObjectId, time: str, day: date = DAY) -> str:
    """Book an appointment; returns its id."""
    body = {**booking_body(doctor, time), "appointmentDate": day.isoformat()}
    response = clinic.api.post("/appointments/book", json=body, headers=patient.headers)
    assert response.status_code == 201, response.text
    return str(response.json()["data"]["appointment"]["_id"])


def reschedule(
    clinic: Clinic, actor: Person, appointment_id: str, time: str, day: date = DAY, *, key: str | None = None
) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"appointmentDate": day.isoformat(), "appointmentTime": time}
    url = f"/appointments/{appointment_id}/reschedule"
    return clinic.api.put(url, json=body, headers={**actor.headers, **headers})


def save_hours(clinic: Clinic, actor: Person, doctor: ObjectId, start: str, end: str) -> httpx.Response:
    """Replace a doctor's weekly hours by these of one day."""
    hours = [{"day": f"{DAY:%A}".lower(), "startTime": start, "endTime": end}]
    return clinic.api.put(f"/users/doctors/{doctor}/schedule", json={"schedule": hours}, headers=actor.headers)


def doctor_of_this_hour(clinic: Clinic, *, slots: int) -> tuple[ObjectId, date]:
    """Insert a doctor whose slots of today begin within the hour, so that consultations can start."""
    today = clock.today(_ZONE)
    doctor = clinic.doctor(slots=slots, day=today)
    for nth, time in enumerate(clinic.times(doctor)):
        starts_at = clock.now() + timedelta(minutes=20, seconds=nth)
        clinic.database.slots.update_one({"doctor": doctor, "startTime": time}, {"$set": {"startsAt": starts_at}})
    return doctor, today


def held(clinic: Clinic, doctor: ObjectId) -> list[str]:
    """The times of a doctor's active appointments."""
    active = {"doctor": doctor, "status": {"$in": ["pending", "confirmed", "in-progress"]}}
    return sorted(one["appointmentTime"] for one in clinic.database.appointments.find(active))


def taken(clinic: Clinic, doctor: ObjectId) -> list[str]:
    """The times of a doctor's taken seats."""
    slots = clinic.database.slots.find({"doctor": doctor})
    return sorted(slot["startTime"] for slot in slots for _ in slot["takenSeats"])

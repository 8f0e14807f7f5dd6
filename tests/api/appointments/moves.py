"""Rescheduling over HTTP."""

from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.bookings import TUESDAY
from tests.api.appointments.clinic import move
from tests.factories import SignedIn


def reschedule(
    app: Flask, caller: SignedIn, appointment: Appointment, time: str, key: str | None = None, **body: Any
) -> TestResponse:
    """Move an appointment to a time, by default of Tuesday."""
    headers = caller.headers if key is None else {**caller.headers, "Idempotency-Key": key}
    new_time = {"appointmentDate": TUESDAY.isoformat(), "appointmentTime": time, **body}
    return app.test_client().put(f"/api/appointments/{appointment.id}/reschedule", json=new_time, headers=headers)


def taken(doctor: User) -> list[str]:
    """The times of a doctor's slots that appointments hold."""
    return [slot.start_time for slot in Slot.objects(doctor=doctor.id, booked_patients__gt=0).order_by("starts_at")]


def stored(appointment: Appointment) -> Appointment:
    found: Appointment = Appointment.objects.get(id=appointment.id)
    return found


def make_confirmed(patient: User, doctor: User, time: str = "09:00") -> Appointment:
    """A confirmed appointment on Tuesday."""
    return move(factories.make_appointment(patient, doctor, day=TUESDAY, time=time), Status.CONFIRMED)

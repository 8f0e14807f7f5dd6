"""Single slots over HTTP: blocks, extra slots and explanations."""

from datetime import date
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from arthomed.appointments.service import staff
from arthomed.core.permissions import Role
from arthomed.scheduling import service
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn

TUESDAY = date(2026, 12, 1)
SLOTS = "/api/appointments/slots"


def slot_at(doctor: User, time: str, day: date = TUESDAY) -> Slot:
    return next(slot for slot in factories.slots_of(doctor, day) if slot.start_time == time)


def starts(doctor: User, day: date = TUESDAY) -> list[str]:
    return [slot.start_time for slot in factories.slots_of(doctor, day)]


def put_slot(app: Flask, caller: SignedIn, slot: Slot, **body: Any) -> TestResponse:
    return app.test_client().put(f"{SLOTS}/{slot.id}", json=body, headers=caller.headers)


def block(app: Flask, caller: SignedIn, slot: Slot, reason: str = "emergency") -> Any:
    return factories.data_of(put_slot(app, caller, slot, isBlocked=True, blockReason=reason))


def add(app: Flask, caller: SignedIn, doctor: User, **body: Any) -> TestResponse:
    """Add a slot, by default on Tuesday at two."""
    new = {"doctorId": str(doctor.id), "date": TUESDAY.isoformat(), "startTime": "14:00", **body}
    return app.test_client().post(SLOTS, json=new, headers=caller.headers)


def explain(app: Flask, caller: SignedIn, doctor: User, time: str, day: date = TUESDAY) -> list[str]:
    """The codes of the reasons why a time cannot be booked."""
    query = {"doctorId": str(doctor.id), "date": day.isoformat(), "time": time}
    response = app.test_client().get("/api/appointments/explain", query_string=query, headers=caller.headers)
    explanation = factories.data_of(response)
    assert explanation["bookable"] is not bool(explanation["reasons"])
    assert all(reason["detail"] for reason in explanation["reasons"])
    return [reason["code"] for reason in explanation["reasons"]]


def save_hours(doctor: User, start: str, end: str, **more: Any) -> Any:
    """Save a doctor's hours of each day."""
    return service.save_schedule(factories.actor_of(doctor), doctor.id, factories.every_day(start, end, **more))


def set_active(doctor: User, *, is_active: bool) -> None:
    """Activate or deactivate a doctor as an admin."""
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    staff.set_active(admin, doctor.id, is_active=is_active, reason="As agreed")

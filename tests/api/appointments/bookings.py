"""Booking requests over HTTP."""

from datetime import date
from typing import Any

from flask import Flask
from pymongo.database import Database
from werkzeug.test import TestResponse

from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn

TUESDAY = date(2026, 12, 1)
EVERY_MORNING = factories.every_day("09:00", "12:00")
MORNING = EVERY_MORNING[1:2]  # Tuesdays


def book(app: Flask, patient: SignedIn, doctor: User, key: str | None = None, **fields: Any) -> TestResponse:
    headers = patient.headers if key is None else {**patient.headers, "Idempotency-Key": key}
    body = factories.booking_body(doctor, **fields)
    return app.test_client().post("/api/appointments/book", json=body, headers=headers)


def alternatives(response: TestResponse) -> list[str]:
    """The dates and times of the alternatives in a refusal."""
    body: Any = response.json
    return [f"{one['appointmentDate']} {one['appointmentTime']}" for one in body["error"]["alternatives"]]


def is_nothing_stored(database: Database[dict[str, Any]]) -> bool:
    return (
        not any(database[name].count_documents({}) for name in ("appointments", "notifications", "idempotency_keys"))
        and not database.slots.count_documents({"bookedPatients": {"$gt": 0}})
        and not database.users.count_documents({"visitsBooked": {"$gt": 0}})
    )

"""Booking requests of the reception over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn

TUESDAY = date(2026, 12, 1)
Body = dict[str, Any]


@contextmanager
def tuesday_at(hhmm: str) -> Iterator[None]:
    """A time of Tuesday, 1 December 2026, at the clinic."""
    with time_machine.travel(factories.at_clinic(TUESDAY, hhmm), tick=True):
        yield


def by_number(mobile: str | None = None, name: str = "Asha Verma") -> Body:
    return {"mobileNumber": mobile or factories.new_mobile(), "name": name}


def by_id(patient: User) -> Body:
    return {"patientId": str(patient.id)}


def post_manual(app: Flask, caller: SignedIn, key: str | None = None, **body: Any) -> TestResponse:
    headers = caller.headers if key is None else {**caller.headers, "Idempotency-Key": key}
    return app.test_client().post("/api/appointments/manual", json=body, headers=headers)


def book_at_desk(
    app: Flask, caller: SignedIn, patient: Body, doctor: User, key: str | None = None, **fields: Any
) -> TestResponse:
    """Book a time, tomorrow at nine by default."""
    return post_manual(app, caller, key, **patient, **factories.booking_body(doctor, **fields))


def walk_in(
    app: Flask, caller: SignedIn, doctor: User, patient: Body | None = None, key: str | None = None, **fields: Any
) -> TestResponse:
    """Book for one who walks in, now; a new patient by default."""
    who = by_number() if patient is None else patient
    return post_manual(app, caller, key, **who, doctorId=str(doctor.id), isWalkIn=True, **fields)

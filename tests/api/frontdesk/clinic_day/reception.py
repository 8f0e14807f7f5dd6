"""The requests of the people in the clinic, at the times of the day that is played."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.api.frontdesk.clinic_day.plan import TUESDAY, Hours, Patient
from tests.factories import SignedIn, data_of, error_of

REFUSED = (400, "INVALID_STATUS_TRANSITION")
_SIGNED_IN_FOR = timedelta(minutes=10)


@dataclass
class Clinic:
    """The people of the clinic; each request is signed by one of them."""

    app: Flask
    clock: time_machine.Traveller
    doctors: list[User]
    desks: list[User]
    sessions: dict[Any, tuple[datetime, SignedIn]] = field(default_factory=dict)

    def headers(self, user: User) -> dict[str, str]:
        """Those of a session that is not older than ten minutes."""
        since, session = self.sessions.get(user.id, (None, None))
        if since is None or session is None or clock.now() - since > _SIGNED_IN_FOR:
            session = factories.sign_in(self.app, user)
            self.sessions[user.id] = clock.now(), session
        return session.headers

    def move_clock(self, to: datetime) -> None:
        """Set the clock forward; a request takes some time, so it may be later already."""
        self.clock.move_to(max(to, clock.now()))

    def send(self, user: User, verb: str, path: str, key: str | None = None, /, **body: Any) -> TestResponse:
        headers = self.headers(user) if key is None else {**self.headers(user), "Idempotency-Key": key}
        return self.app.test_client().open(f"/api/{path}", method=verb, json=body, headers=headers)

    def get(self, user: User, path: str, **query: str) -> Any:
        response = self.app.test_client().get(f"/api/{path}", query_string=query, headers=self.headers(user))
        return data_of(response)

    def step(self, user: User, patient: Patient, step: str, **body: Any) -> Any:
        """A step of an appointment that succeeds; returns the appointment."""
        return data_of(self.send(user, "PUT", f"appointments/{patient.appointment_id}/{step}", **body))["appointment"]

    def refused(self, user: User, patient: Patient, step: str, **body: Any) -> tuple[int, str]:
        return error_of(self.send(user, "PUT", f"appointments/{patient.appointment_id}/{step}", **body))

    def by_both_desks(self, patient: Patient, step: str) -> list[TestResponse]:
        """Both receptionists take the same step at the same moment."""
        for desk in self.desks:
            self.headers(desk)
        path = f"appointments/{patient.appointment_id}/{step}"
        return factories.in_parallel(len(self.desks), lambda nth: self.send(self.desks[nth], "PUT", path))

    def line(self, doctor: int) -> list[Any]:
        """The list of the day of one doctor, in queue order."""
        query = {"date": TUESDAY.isoformat(), "doctorId": str(self.doctors[doctor].id)}
        items: list[Any] = self.get(self.desks[0], "appointments/day", **query)["items"]
        return items

    def day(self) -> list[Any]:
        """The list of the day of all doctors."""
        items: list[Any] = self.get(self.desks[0], "appointments/day", date=TUESDAY.isoformat())["items"]
        return items

    def free_times(self, doctor: int) -> list[str]:
        """The times of a doctor's Tuesday that can be booked."""
        query = {"date": TUESDAY.isoformat(), "doctorId": str(self.doctors[doctor].id)}
        slots = self.get(self.desks[0], "appointments/slots", **query)["availableSlots"]
        return [slot["startTime"] for slot in slots]


def open_clinic(app: Flask, traveller: time_machine.Traveller, doctors: Iterable[Hours]) -> Clinic:
    made = [
        factories.make_doctor(
            factories.every_day(one.start, one.end, max_patients=one.seats)[1:2], name=f"Dr {number}", fee=one.fee
        )
        for number, one in enumerate(doctors)
    ]
    desks = [factories.make_user(Role.RECEPTIONIST, name=name) for name in ("Joseph Mathew", "Leela Das")]
    return Clinic(app, traveller, made, desks)

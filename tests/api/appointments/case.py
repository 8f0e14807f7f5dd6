"""An appointment and a user of each role, for tests of status transitions."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories

TUESDAY = date(2026, 12, 1)
DAY = factories.every_day("09:00", "12:00")[1:2]  # Tuesdays
PATIENT, DOCTOR, RECEPTIONIST, ADMIN = Role.PATIENT, Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN

Step = tuple[Role, str, str]
"""Role, new status, time of Tuesday."""
CONFIRM: Step = (RECEPTIONIST, "confirmed", "06:50")
START: Step = (DOCTOR, "in-progress", "09:00")
MISS: Step = (RECEPTIONIST, "no-show", "09:30")


@dataclass
class Case:
    """An appointment at nine on Tuesday, and a user of each role who may see it."""

    app: Flask
    appointment: Appointment
    people: dict[Role, User]

    def put(self, role: Role, status: str, at: str | None = None, **body: Any) -> TestResponse:
        """Change the status as a role, at a time of Tuesday; by default now."""
        return self._put(role, "status", {"status": status, **body}, at)

    def cancel(self, role: Role, at: str | None = None, **body: Any) -> TestResponse:
        return self._put(role, "cancel", body, at)

    def _put(self, role: Role, path: str, body: dict[str, Any], at: str | None) -> TestResponse:
        moment = clock.now() if at is None else factories.at_clinic(TUESDAY, at)
        with time_machine.travel(moment, tick=True):
            headers = factories.sign_in(self.app, self.people[role]).headers
            url = f"/api/appointments/{self.appointment.id}/{path}"
            return self.app.test_client().put(url, json=body, headers=headers)

    @property
    def slot(self) -> Slot:
        found: Slot = Slot.objects.get(id=self.appointment.slot)
        return found

    @property
    def status(self) -> Status:
        found: Status = Appointment.objects.get(id=self.appointment.id).status
        return found


def make_case(app: Flask, week: list[dict[str, Any]] = DAY, time: str = "09:00") -> Case:
    people = {role: factories.make_user(role) for role in (Role.PATIENT, Role.RECEPTIONIST, Role.ADMIN)}
    people[Role.DOCTOR] = factories.make_doctor(week)
    appointment = factories.make_appointment(people[Role.PATIENT], people[Role.DOCTOR], day=TUESDAY, time=time)
    return Case(app, appointment, people)

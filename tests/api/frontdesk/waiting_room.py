"""A doctor's Tuesday with confirmed patients, and the steps of the reception over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn, data_of

TUESDAY = date(2026, 12, 1)
HOURS = factories.every_day("09:00", "17:00")[1:2]  # Tuesdays


@dataclass
class WaitingRoom:
    """Patients of one doctor, half an hour apart from nine on."""

    app: Flask
    doctor: User
    desk: User
    admin: User
    appointments: list[Appointment] = field(default_factory=list)

    def book(self, time: str, patient: User | None = None) -> Appointment:
        appointment = factories.make_appointment(patient, self.doctor, day=TUESDAY, time=time)
        self.appointments.append(self.confirm(appointment))
        return self.appointments[-1]

    def confirm(self, appointment: Appointment) -> Appointment:
        return transitions.change_status(factories.actor_of(self.admin), appointment.id, Status.CONFIRMED)

    def sign_in(self, role: Role = Role.RECEPTIONIST) -> SignedIn:
        people = {Role.RECEPTIONIST: self.desk, Role.DOCTOR: self.doctor, Role.ADMIN: self.admin}
        return factories.sign_in(self.app, people[role])

    def put(
        self, step: str, number: int, at: str | None = None, role: Role = Role.RECEPTIONIST, **body: Any
    ) -> TestResponse:
        """Take a step for a patient by number, at a time of Tuesday; by default now."""
        with self.at(at):
            path = f"/api/appointments/{self.appointments[number].id}/{step}"
            return self.app.test_client().put(path, json=body, headers=self.sign_in(role).headers)

    def step(self, step: str, number: int, at: str | None = None, role: Role = Role.RECEPTIONIST, **body: Any) -> Any:
        """As `put`, for a step that succeeds; returns the place in the queue."""
        return data_of(self.put(step, number, at, role, **body))["appointment"]["queue"]

    def status(self, number: int, status: str, at: str | None = None, **body: Any) -> TestResponse:
        return self.put("status", number, at, Role.DOCTOR, status=status, **body)

    def day(self, at: str | None = None, role: Role = Role.RECEPTIONIST, **query: Any) -> Any:
        with self.at(at):
            headers = self.sign_in(role).headers
            query = {"date": TUESDAY.isoformat(), **query}
            return data_of(self.app.test_client().get("/api/appointments/day", query_string=query, headers=headers))

    def line(self, at: str | None = None) -> list[tuple[int, str]]:
        """The patients by number in queue order, with their stages."""
        numbers = {str(one.id): number for number, one in enumerate(self.appointments)}
        return [(numbers[item["_id"]], item["queue"]["stage"]) for item in self.day(at)["items"]]

    @contextmanager
    def at(self, time: str | None) -> Iterator[None]:
        moment = clock.now() if time is None else factories.at_clinic(TUESDAY, time)
        with time_machine.travel(moment, tick=True):
            yield


def open_waiting_room(app: Flask, *times: str) -> WaitingRoom:
    doctor = factories.make_doctor(HOURS)
    room = WaitingRoom(app, doctor, factories.make_user(Role.RECEPTIONIST), factories.make_user(Role.ADMIN))
    for time in times:
        room.book(time)
    return room

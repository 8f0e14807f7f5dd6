"""Two patients, two doctors and their appointments, for tests of lists and edits."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Flask
from pymongo.database import Database

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn

TUESDAY = date(2026, 12, 1)
DAY = factories.every_day("09:00", "12:00")[1:4]  # Tuesday to Thursday


@dataclass
class Clinic:
    """Asha has appointments on three days with two doctors; Ravi has one."""

    asha: SignedIn
    ravi: SignedIn
    doctor: User
    other_doctor: User
    first: str
    second: str
    third: str
    ravis_appointment: str


def make_clinic(app: Flask) -> Clinic:
    asha, ravi = factories.sign_in(app), factories.sign_in(app)
    doctor, other = factories.make_doctor(DAY), factories.make_doctor(DAY)
    first = factories.make_appointment(asha.user, doctor, day=TUESDAY)
    second = move(factories.make_appointment(asha.user, other, day=TUESDAY + timedelta(days=1)), Status.CONFIRMED)
    third = move(factories.make_appointment(asha.user, doctor, day=TUESDAY + timedelta(days=2)), Status.CANCELLED)
    of_ravi = factories.make_appointment(ravi.user, doctor, day=TUESDAY, time="10:00")
    return Clinic(asha, ravi, doctor, other, *(str(one.id) for one in (first, second, third, of_ravi)))


def move(appointment: Appointment, status: Status) -> Appointment:
    """Change the status as an admin."""
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    return transitions.change_status(admin, appointment.id, status, reason="As agreed")


def sign_in_staff(app: Flask, role: Role = Role.RECEPTIONIST) -> SignedIn:
    return factories.sign_in(app, factories.make_user(role))


def aborted_transactions(database: Database[dict[str, Any]]) -> int:
    """The number of transactions that MongoDB aborted so far, for example after write conflicts."""
    return int(database.client.admin.command("serverStatus")["transactions"]["totalAborted"])

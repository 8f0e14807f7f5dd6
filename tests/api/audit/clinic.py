"""A clinic whose audit trail the tests read."""

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from tests import factories
from tests.factories import SignedIn, data_of


@dataclass
class Clinic:
    patient: SignedIn
    doctor: SignedIn
    desk: SignedIn
    admin: SignedIn
    appointment: Appointment


def open_clinic(app: Flask) -> Clinic:
    """A clinic with one appointment and an empty audit trail, in an empty database."""
    doctor = factories.make_doctor(factories.every_day("09:00", "10:00"), name="Meera Iyer")
    patient = factories.make_user(name="Asha Verma")
    appointment = factories.make_appointment(patient, doctor)
    desk, admin = (factories.make_user(role, name=f"Some {role.title()}") for role in (Role.RECEPTIONIST, Role.ADMIN))
    signed_in = {"patient": patient, "doctor": doctor, "desk": desk, "admin": admin}
    made = Clinic(
        appointment=appointment, **{name: factories.sign_in(app, person) for name, person in signed_in.items()}
    )
    clear_trail()
    return made


def clear_trail() -> None:
    audit.flush()
    AuditEvent.collection().delete_many({})


def trail() -> list[AuditEvent]:
    """All recorded events, the oldest first."""
    audit.flush()
    return list(AuditEvent.objects.order_by("at", "id"))


def get(client: FlaskClient, path: str, caller: SignedIn, **headers: str) -> Any:
    return data_of(client.get(f"/api{path}", headers={**caller.headers, **headers}))


def put(client: FlaskClient, path: str, caller: SignedIn, **body: object) -> Any:
    return data_of(client.put(f"/api{path}", json=body, headers=caller.headers))

"""A clinic whose audit trail the tests read."""

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from tests.factories import SignedIn, data_of


@dataclass
class Clinic:
    patient: SignedIn
    doctor: SignedIn
    desk: SignedIn
    admin: SignedIn
    appointment: Appointment


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

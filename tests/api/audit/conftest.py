"""The clinic of the audit tests."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.core.permissions import Role
from tests import factories
from tests.api.audit.clinic import Clinic, clear_trail


@pytest.fixture
def clinic(app: Flask, client: FlaskClient) -> Clinic:
    """A clinic with one appointment and an empty audit trail."""
    del client  # it empties the database
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

"""Editing the fields of an appointment."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core.permissions import Role
from tests import factories
from tests.api.appointments.clinic import DAY, Clinic, aborted_transactions, sign_in_staff
from tests.factories import Records, SignedIn
from tests.stack import wait_for

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


def edit(client: FlaskClient, caller: SignedIn, appointment_id: object, **changes: Any) -> Any:
    return client.put(f"/api/appointments/{appointment_id}", json=changes, headers=caller.headers)


@pytest.mark.parametrize(
    ("role", "changes"),
    [
        (Role.PATIENT, {"reason": "Fever", "symptoms": "Since Sunday"}),
        (Role.DOCTOR, {"notes": "120/80", "prescription": "Paracetamol"}),
        (Role.RECEPTIONIST, {"purposeOfVisit": "check-up", "reason": "Fever"}),
        (Role.ADMIN, {"purposeOfVisit": "check-up", "reason": "Fever"}),
    ],
)
def test_each_role_edits_its_fields_and_no_other_field_changes(
    app: Flask, client: FlaskClient, role: Role, changes: dict[str, str]
) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(DAY)
    appointment = factories.make_appointment(patient.user, doctor)
    callers = {Role.PATIENT: lambda: patient, Role.DOCTOR: lambda: factories.sign_in(app, doctor)}
    caller = callers.get(role, lambda: sign_in_staff(app, role))()
    before = factories.data_of(client.get(f"/api/appointments/{appointment.id}", headers=caller.headers))["appointment"]

    after = factories.data_of(edit(client, caller, appointment.id, **changes))["appointment"]

    assert after == {**before, **changes, "updatedAt": after["updatedAt"]}
    assert after["updatedAt"] > before["updatedAt"]


@pytest.mark.parametrize(
    ("role", "field"),
    [
        (Role.PATIENT, "notes"),
        (Role.PATIENT, "prescription"),
        (Role.PATIENT, "purposeOfVisit"),
        (Role.DOCTOR, "reason"),
        (Role.DOCTOR, "symptoms"),
        (Role.RECEPTIONIST, "notes"),
        (Role.RECEPTIONIST, "symptoms"),
        (Role.ADMIN, "prescription"),
    ],
)
def test_editing_a_field_of_another_role_is_refused(app: Flask, client: FlaskClient, role: Role, field: str) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(DAY)
    appointment = factories.make_appointment(patient.user, doctor)
    callers = {Role.PATIENT: lambda: patient, Role.DOCTOR: lambda: factories.sign_in(app, doctor)}
    caller = callers.get(role, lambda: sign_in_staff(app, role))()

    assert factories.error_of(edit(client, caller, appointment.id, **{field: "Text"})) == (403, "PERMISSION_DENIED")
    assert Appointment.objects.get(id=appointment.id).updated_at == appointment.updated_at


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "confirmed"},
        {"appointmentDate": "2026-12-02"},
        {"doctorId": "672b1234a1b2c3d4e5f60718"},
        {"paymentInfo": {"amount": 0}},
        {"reason": None},
        {"reason": "x" * 501},
        {"history": []},
    ],
    ids=str,
)
def test_status_date_doctor_and_payment_cannot_be_edited(
    app: Flask, client: FlaskClient, changes: dict[str, Any]
) -> None:
    appointment = factories.make_appointment(doctor=factories.make_doctor(DAY))

    response = edit(client, sign_in_staff(app, Role.ADMIN), appointment.id, **changes)

    assert factories.error_of(response) == (400, "VALIDATION_ERROR")


def test_patient_cannot_edit_a_confirmed_appointment(client: FlaskClient, clinic: Clinic) -> None:
    assert factories.error_of(edit(client, clinic.asha, clinic.second, reason="Fever")) == (400, "TOO_LATE")


@pytest.mark.parametrize("role", ["ravi", "another doctor"])
def test_appointment_of_another_patient_or_doctor_cannot_be_edited(
    app: Flask, client: FlaskClient, clinic: Clinic, role: str
) -> None:
    caller = clinic.ravi if role == "ravi" else factories.sign_in(app, clinic.other_doctor)
    changes = {"reason": "Fever"} if role == "ravi" else {"notes": "120/80"}

    assert factories.error_of(edit(client, caller, clinic.first, **changes)) == (404, "NOT_FOUND")


def test_symptoms_can_be_removed(client: FlaskClient, clinic: Clinic) -> None:
    factories.data_of(edit(client, clinic.asha, clinic.first, symptoms="Cough"))

    assert factories.data_of(edit(client, clinic.asha, clinic.first, symptoms=None))["appointment"]["symptoms"] is None


def test_edit_is_too_late_after_a_confirmation_that_it_conflicts_with(app: Flask, database: Records) -> None:
    patient = factories.sign_in(app)
    appointment = factories.make_appointment(patient.user, factories.make_doctor(DAY))
    before = aborted_transactions(database)
    with ThreadPoolExecutor(1) as thread, database.client.start_session() as session, session.start_transaction():
        confirmed = {"$set": {"status": "confirmed"}}
        database.appointments.update_one({"_id": appointment.id}, confirmed, session=session)
        response = thread.submit(edit, app.test_client(), patient, appointment.id, reason="Fever")
        wait_for(lambda: response.done() or aborted_transactions(database) > before, what="the conflict")
        session.commit_transaction()

        assert factories.error_of(response.result()) == (400, "TOO_LATE")


def test_edit_during_a_confirmation_succeeds_before_it_or_is_too_late(app: Flask) -> None:
    doctor, receptionist = factories.make_doctor(factories.every_day("09:00", "15:00")[1:2]), sign_in_staff(app)
    patients = [factories.sign_in(app) for _ in range(6)]
    appointments = [
        factories.make_appointment(one.user, doctor, time=f"{9 + number}:00".zfill(5))
        for number, one in enumerate(patients)
    ]

    def refusal(number: int) -> tuple[int, str]:
        return factories.error_of(edit(app.test_client(), patients[number], appointments[number].id, reason="Fever"))

    with ThreadPoolExecutor(12) as threads:
        edits = [threads.submit(refusal, number) for number in range(6)]
        moves = [
            threads.submit(
                transitions.change_status, factories.actor_of(receptionist.user), appointment.id, Status.CONFIRMED
            )
            for appointment in appointments
        ]
        assert {one.result().status for one in moves} == {Status.CONFIRMED}
        responses = [one.result() for one in edits]

    assert set(responses) <= {(200, ""), (400, "TOO_LATE")}
    for appointment, response in zip(appointments, responses, strict=True):
        assert (Appointment.objects.get(id=appointment.id).reason == "Fever") is (response[0] == 200)

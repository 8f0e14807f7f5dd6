"""Who reads the medical part of records: the doctor of the patient and admins do, the reception does not."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.audit import service as audit
from arthomed.core.permissions import Role
from arthomed.files import file_store
from tests import factories
from tests.api.appointments.case import ADMIN, CONFIRM, DOCTOR, MISS, PATIENT, RECEPTIONIST, START, Case, Step
from tests.factories import Records, SignedIn, data_of, error_of

COMPLETE: Step = (DOCTOR, "completed", "09:20")


def sign_in(case: Case, role: Role) -> SignedIn:
    return factories.sign_in(case.app, case.people[role])


def treated(case: Case) -> Case:
    """The case after a completed consultation with notes, prescription and a file of the patient."""
    for role, status, at in (CONFIRM, START):
        data_of(case.put(role, status, at))
    data_of(case.put(*COMPLETE, notes="120/80", prescription="Rest"))
    file_store.current().storage.prepare()
    factories.make_file(case.appointment, case.people[PATIENT])
    return case


def answers(case: Case, client: FlaskClient, role: Role) -> dict[str, dict[str, Any]]:
    """The appointment in every answer that the role gets of it."""
    headers, path = sign_in(case, role).headers, f"/api/appointments/{case.appointment.id}"
    edit = {"notes": "120/80"} if role is DOCTOR else {"reason": "Fever"}
    return {
        "read": data_of(client.get(path, headers=headers))["appointment"],
        "list": data_of(client.get("/api/appointments", headers=headers))["items"][0],
        "edit": data_of(client.put(path, json=edit, headers=headers))["appointment"],
    }


def test_receptionist_gets_neither_notes_nor_prescription_nor_access_to_files(case: Case, client: FlaskClient) -> None:
    for appointment in answers(treated(case), client, RECEPTIONIST).values():
        assert {"notes", "prescription"}.isdisjoint(appointment)
        assert appointment["images"] == [{"originalName": "picture.png", "category": "reports", "size": 77}]


@pytest.mark.parametrize("role", [DOCTOR, ADMIN])
def test_doctor_and_admin_get_notes_prescription_and_files(case: Case, client: FlaskClient, role: Role) -> None:
    for appointment in answers(treated(case), client, role).values():
        assert (appointment["notes"], appointment["prescription"]) == ("120/80", "Rest")
        assert appointment["images"][0]["url"].startswith("/api/files/")


def test_receptionist_gets_no_notes_with_a_pending_or_a_moved_appointment(case: Case, client: FlaskClient) -> None:
    desk = sign_in(case, RECEPTIONIST)
    pending = data_of(client.get("/api/appointments/pending", headers=desk.headers))["items"]
    moved = data_of(case.put(*CONFIRM))["appointment"]
    cancelled = data_of(case.cancel(RECEPTIONIST))["appointment"]

    assert [one for one in (*pending, moved, cancelled) if {"notes", "prescription"} & set(one)] == []


def test_patient_gets_notes_and_prescription(case: Case, client: FlaskClient) -> None:
    patient = sign_in(treated(case), PATIENT)

    [own] = data_of(client.get("/api/appointments/my-appointments", headers=patient.headers))["items"]

    assert (own["notes"], own["prescription"]) == ("120/80", "Rest")


@pytest.mark.parametrize("path", ["", "?thumbnail=true"])
def test_files_of_a_patient_are_not_found_by_the_reception(case: Case, client: FlaskClient, path: str) -> None:
    file_store.current().storage.prepare()
    name = factories.make_file(case.appointment, case.people[PATIENT])
    headers = sign_in(case, RECEPTIONIST).headers

    assert error_of(client.get(f"/api/files/{name}{path}", headers=headers)) == (404, "NOT_FOUND")
    assert error_of(client.delete(f"/api/files/{name}", headers=headers)) == (404, "NOT_FOUND")
    assert client.get(f"/api/files/{name}", headers=sign_in(case, DOCTOR).headers, buffered=True).status_code == 200


def test_receptionist_reads_the_files_that_they_uploaded_themselves(case: Case, client: FlaskClient) -> None:
    file_store.current().storage.prepare()
    desk, colleague = sign_in(case, RECEPTIONIST), factories.sign_in(case.app, factories.make_user(RECEPTIONIST))
    name = factories.make_file(case.appointment, desk.user)
    path = f"/api/appointments/{case.appointment.id}"

    [image] = data_of(client.get(path, headers=desk.headers))["appointment"]["images"]
    [of_colleague] = data_of(client.get(path, headers=colleague.headers))["appointment"]["images"]

    assert image["filename"] == name
    assert "filename" not in of_colleague
    assert client.get(image["url"], headers=desk.headers, buffered=True).status_code == 200
    assert error_of(client.get(image["url"], headers=colleague.headers)) == (404, "NOT_FOUND")


def read_patient(case: Case, client: FlaskClient, role: Role) -> TestResponse:
    """Read the record of the patient, who has told allergies and history."""
    told = {"patientInfo": {"allergies": ["Penicillin"], "medicalHistory": [{"condition": "Asthma"}]}}
    data_of(client.put("/api/users/profile", json=told, headers=sign_in(case, PATIENT).headers))
    return client.get(f"/api/users/{case.people[PATIENT].id}", headers=sign_in(case, role).headers)


@pytest.mark.parametrize("steps", [[CONFIRM], [CONFIRM, START], [CONFIRM, START, COMPLETE], [CONFIRM, MISS]], ids=str)
def test_doctor_reads_allergies_and_history_of_the_own_patients(
    case: Case, client: FlaskClient, steps: list[Step]
) -> None:
    for step in steps:
        data_of(case.put(*step))

    record = data_of(read_patient(case, client, DOCTOR))["user"]

    assert record["patientInfo"]["allergies"] == ["Penicillin"]
    assert record["patientInfo"]["medicalHistory"][0]["condition"] == "Asthma"


@pytest.mark.parametrize("status", ["pending", "rejected", "cancelled"])
def test_patient_of_no_confirmed_appointment_is_not_found_by_the_doctor(
    case: Case, client: FlaskClient, status: str
) -> None:
    if status != "pending":
        data_of(case.put(RECEPTIONIST, status, reason="As agreed"))

    assert error_of(read_patient(case, client, DOCTOR)) == (404, "NOT_FOUND")


def test_patient_of_another_doctor_is_not_found(case: Case, client: FlaskClient) -> None:
    data_of(case.put(*CONFIRM))
    case.people[DOCTOR] = factories.make_doctor()

    assert error_of(read_patient(case, client, DOCTOR)) == (404, "NOT_FOUND")


def test_reading_a_patient_as_the_doctor_is_recorded(case: Case, client: FlaskClient, database: Records) -> None:
    data_of(case.put(*CONFIRM))
    data_of(read_patient(case, client, DOCTOR))
    audit.flush()

    event = database.audit_events.find_one({"actor": case.people[DOCTOR].id, "action": "read", "kind": "user"})
    assert event is not None
    assert event["subjects"] == [case.people[PATIENT].id]


def test_receptionist_reads_a_patient_without_allergies_and_history(case: Case, client: FlaskClient) -> None:
    data_of(case.put(*CONFIRM))

    record = data_of(read_patient(case, client, RECEPTIONIST))["user"]

    assert record["mobileNumber"] == case.people[PATIENT].mobile_number
    assert "patientInfo" not in record


def test_admin_reads_allergies_and_history(case: Case, client: FlaskClient) -> None:
    assert data_of(read_patient(case, client, ADMIN))["user"]["patientInfo"]["allergies"] == ["Penicillin"]

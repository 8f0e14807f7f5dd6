"""The desk registers, reads and changes patients."""

from datetime import date
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.rules import Status
from arthomed.audit import service as audit
from arthomed.audit.models import AuditEvent
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.api.appointments.clinic import move
from tests.api.auth.sign_in import code_sent
from tests.factories import (
    Records,
    SignedIn,
    code_for,
    data_of,
    error_of,
    in_parallel,
    invalid_fields,
    request_code,
    submit_code,
    wrong_code,
)

BORN = "1990-04-21"


@pytest.fixture
def desk(app: Flask, client: FlaskClient) -> SignedIn:
    del client  # it empties the database
    return factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))


def create(client: FlaskClient, caller: SignedIn, **parts: Any) -> TestResponse:
    body = {"mobileNumber": factories.new_mobile(), "name": "Asha Verma", **parts}
    return client.post("/api/patients", json=body, headers=caller.headers)


def change(client: FlaskClient, caller: SignedIn, patient: object, **changes: Any) -> TestResponse:
    return client.put(f"/api/patients/{patient}", json=changes, headers=caller.headers)


class TestRegister:
    def test_a_patient_is_registered_without_a_code(self, client: FlaskClient, desk: SignedIn) -> None:
        profile = {"dateOfBirth": BORN, "gender": "female"}
        data = data_of(create(client, desk, mobileNumber="+91 98765 43210", profile=profile), 201)

        patient = data["patient"]
        assert (patient["mobileNumber"], patient["role"], patient["isVerified"]) == ("9876543210", "patient", False)
        assert (patient["profile"]["dateOfBirth"], patient["profile"]["gender"]) == (BORN, "female")
        assert "patientInfo" not in patient
        assert data["possibleDuplicates"] == []

    def test_the_patient_signs_in_later_with_a_code(self, client: FlaskClient, desk: SignedIn) -> None:
        patient = data_of(create(client, desk), 201)["patient"]
        mobile = patient["mobileNumber"]
        appointment = factories.make_appointment(User.objects.get(id=patient["_id"]))

        signed_in = data_of(submit_code(client, mobile, code_sent(client, mobile)))

        headers = {"Authorization": f"Bearer {signed_in['tokens']['accessToken']}"}
        [own] = data_of(client.get("/api/appointments/my-appointments", headers=headers))["items"]
        assert (signed_in["isNewUser"], signed_in["user"]["_id"]) == (False, patient["_id"])
        assert signed_in["user"]["isVerified"]
        assert own["_id"] == str(appointment.id)
        stored = User.objects.get(id=patient["_id"])
        assert stored.is_verified
        assert len(stored.consents) == 1

    def test_a_registered_number_is_the_answer(self, client: FlaskClient, desk: SignedIn) -> None:
        first = data_of(create(client, desk), 201)["patient"]

        again = data_of(create(client, desk, mobileNumber=f"+91{first['mobileNumber']}", name="Someone Else"))

        assert (again["patient"], again["possibleDuplicates"]) == (first, [])

    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.PATIENT}))
    def test_a_number_of_the_staff_answers_id_and_name_only(
        self, client: FlaskClient, desk: SignedIn, role: Role
    ) -> None:
        staff = factories.make_user(role, name="Meera Iyer")

        data = data_of(create(client, desk, mobileNumber=staff.mobile_number))

        assert data["patient"] == {"_id": str(staff.id), "name": "Meera Iyer"}

    def test_a_registered_number_is_recorded_as_a_search(self, client: FlaskClient, desk: SignedIn) -> None:
        asha = factories.make_user()
        data_of(create(client, desk, mobileNumber=asha.mobile_number))
        audit.flush()

        [searched, read] = AuditEvent.objects(actor=desk.user.id, action__ne="create").order_by("at", "id")
        assert (searched.action, searched.search.filters) == ("search", {"mobileNumber": asha.mobile_number})
        assert (read.action, read.subjects) == ("read", [asha.id])

    def test_of_twenty_parallel_requests_one_registers_the_patient(self, app: Flask, desk: SignedIn) -> None:
        mobile = factories.new_mobile()

        responses = in_parallel(20, lambda _: create(app.test_client(), desk, mobileNumber=mobile))

        assert sorted(response.status_code for response in responses) == [200] * 19 + [201]
        assert {data_of(one, one.status_code)["patient"]["_id"] for one in responses} == {
            str(User.objects.get(mobile_number=mobile).id)
        }

    @pytest.mark.parametrize(
        "existing",
        [
            {"name": "verma ASHA", "profile": {"date_of_birth": date(1990, 4, 21)}},
            {"name": "Aasha Varma", "mobile_number": "7000043210"},
        ],
        ids=["name and birth date", "similar name and last digits"],
    )
    def test_likely_duplicates_are_in_the_answer(
        self, client: FlaskClient, desk: SignedIn, existing: dict[str, Any]
    ) -> None:
        twin = factories.make_user(**existing)
        factories.make_user(name="Asha Verma")
        factories.make_user(Role.DOCTOR, name="Asha Verma", mobile_number="8000043210")

        data = data_of(create(client, desk, mobileNumber="9876543210", profile={"dateOfBirth": BORN}), 201)

        assert [one["_id"] for one in data["possibleDuplicates"]] == [str(twin.id)]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"mobileNumber": "12345"}, "mobileNumber"),
            ({"name": "  "}, "name"),
            ({"role": "doctor"}, "role"),
            ({"profile": {"dateOfBirth": "2999-01-01"}}, "profile.dateOfBirth"),
            ({"patientInfo": {"allergies": []}}, "patientInfo"),
        ],
    )
    def test_invalid_input_is_refused(
        self, client: FlaskClient, desk: SignedIn, body: dict[str, Any], field: str
    ) -> None:
        assert invalid_fields(create(client, desk, **body)) == [field]


class TestRead:
    def test_doctor_and_admin_read_the_medical_part_and_the_reception_does_not(
        self, app: Flask, client: FlaskClient, desk: SignedIn, admin: SignedIn
    ) -> None:
        doctor, patient = factories.make_doctor(), factories.make_user(patient_info={"allergies": ["Penicillin"]})
        move(factories.make_appointment(patient, doctor), Status.CONFIRMED)
        path = f"/api/patients/{patient.id}"

        read = {
            role: data_of(client.get(path, headers=caller.headers))["patient"]
            for role, caller in (("desk", desk), ("admin", admin), ("doctor", factories.sign_in(app, doctor)))
        }

        assert "patientInfo" not in read["desk"]
        assert [read[role]["patientInfo"]["allergies"] for role in ("admin", "doctor")] == [["Penicillin"]] * 2

    def test_a_read_is_in_the_access_log(self, app: Flask, client: FlaskClient, desk: SignedIn) -> None:
        patient = factories.sign_in(app)
        data_of(client.get(f"/api/patients/{patient.user.id}", headers=desk.headers))
        audit.flush()

        [access] = data_of(client.get("/api/users/profile/access-log", headers=patient.headers))["items"][:1]

        assert (access["action"], access["by"]["_id"]) == ("read", str(desk.user.id))

    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.PATIENT}))
    def test_staff_are_not_found(self, client: FlaskClient, desk: SignedIn, role: Role) -> None:
        staff = factories.make_user(role)

        responses = [
            client.get(f"/api/patients/{staff.id}", headers=desk.headers),
            change(client, desk, staff.id, name="New Name"),
        ]

        assert [error_of(one) for one in responses] == [(404, "NOT_FOUND")] * 2

    def test_a_doctor_does_not_find_patients_of_others(self, app: Flask, client: FlaskClient) -> None:
        doctor, patient = factories.make_doctor(), factories.make_user()
        factories.make_appointment(patient, doctor)  # pending

        response = client.get(f"/api/patients/{patient.id}", headers=factories.sign_in(app, doctor).headers)

        assert error_of(response) == (404, "NOT_FOUND")


class TestChange:
    def test_name_profile_and_email_change(self, client: FlaskClient, desk: SignedIn) -> None:
        patient = factories.make_user()

        data = data_of(
            change(client, desk, patient.id, name="Usha Rao", email="usha@example.com", profile={"dateOfBirth": BORN})
        )

        stored = User.objects.get(id=patient.id)
        assert (data["patient"]["name"], stored.email, f"{stored.profile.date_of_birth:%Y-%m-%d}") == (
            "Usha Rao",
            "usha@example.com",
            BORN,
        )

    def test_a_new_number_needs_its_code_and_ends_all_sessions(
        self, app: Flask, client: FlaskClient, desk: SignedIn
    ) -> None:
        phone, new = factories.sign_in(app), factories.new_mobile()

        data = data_of(change(client, desk, phone.user.id, mobileNumber=f"+91 {new}", otp=code_sent(client, new)))

        assert (data["patient"]["mobileNumber"], data["patient"]["isVerified"]) == (new, True)
        assert error_of(client.get("/api/auth/me", headers=phone.headers)) == (401, "SESSION_REVOKED")

    def test_other_changes_end_no_session(self, app: Flask, client: FlaskClient, desk: SignedIn) -> None:
        phone = factories.sign_in(app)

        data_of(change(client, desk, phone.user.id, name="Usha Rao", mobileNumber=phone.user.mobile_number))

        assert client.get("/api/auth/me", headers=phone.headers).status_code == 200

    def test_a_new_number_without_a_code_is_refused(self, client: FlaskClient, desk: SignedIn) -> None:
        patient = factories.make_user()

        assert invalid_fields(change(client, desk, patient.id, mobileNumber=factories.new_mobile())) == ["otp"]
        assert invalid_fields(change(client, desk, patient.id, otp="123456", name="Usha")) == ["otp"]

    def test_a_wrong_code_changes_nothing_and_counts(self, client: FlaskClient, desk: SignedIn) -> None:
        patient, new = factories.make_user(), factories.new_mobile()
        code = code_sent(client, new)
        wrong = wrong_code(code)

        refused = [error_of(change(client, desk, patient.id, name="U", mobileNumber=new, otp=wrong)) for _ in range(3)]

        assert refused == [(400, "OTP_INVALID")] * 3
        last = change(client, desk, patient.id, mobileNumber=new, otp=code)
        assert error_of(last) == (400, "OTP_MAX_ATTEMPTS")
        assert User.objects.get(id=patient.id).name == patient.name

    def test_a_code_of_the_old_number_is_refused(self, client: FlaskClient, desk: SignedIn) -> None:
        patient, new = factories.make_user(), factories.new_mobile()
        request_code(client, patient.mobile_number)

        response = change(client, desk, patient.id, mobileNumber=new, otp=code_for(patient.mobile_number))

        assert error_of(response) == (400, "OTP_EXPIRED")

    def test_a_number_of_another_user_is_refused(self, client: FlaskClient, desk: SignedIn) -> None:
        patient, other = factories.make_user(), factories.make_user()
        code = code_sent(client, other.mobile_number)

        response = change(client, desk, patient.id, mobileNumber=other.mobile_number, otp=code)

        assert error_of(response) == (400, "DUPLICATE_VALUE")
        assert User.objects.get(id=patient.id).mobile_number == patient.mobile_number

    def test_one_code_changes_one_number(self, app: Flask, client: FlaskClient, desk: SignedIn) -> None:
        new = factories.new_mobile()
        code, patients = code_sent(client, new), [factories.make_user().id for _ in range(4)]

        responses = in_parallel(
            4, lambda at: change(app.test_client(), desk, patients[at], mobileNumber=new, otp=code).status_code
        )

        assert sorted(responses) == [200, 400, 400, 400]

    @pytest.mark.parametrize("field", ["role", "isVerified", "isActive", "patientInfo", "doctorInfo"])
    def test_other_fields_are_refused(self, client: FlaskClient, desk: SignedIn, field: str) -> None:
        assert invalid_fields(change(client, desk, factories.make_user().id, **{field: "x"})) == [field]

    def test_the_change_is_recorded(self, client: FlaskClient, database: Records, desk: SignedIn) -> None:
        patient = factories.make_user(name="Asha Verma")
        data_of(change(client, desk, patient.id, name="Usha Rao"))

        event = database.audit_events.find_one({"action": "change", "records": patient.id})
        assert event is not None
        assert (event["actor"], event["changes"]) == (
            desk.user.id,
            [{"field": "name", "from": "Asha Verma", "to": "Usha Rao"}],
        )

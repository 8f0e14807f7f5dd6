"""Profile updates that are refused."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.core.permissions import Role
from tests import factories
from tests.factories import Records, SignedIn, data_of, envelope_of, invalid_fields

CONDITION = {"condition": "Asthma", "diagnosedDate": "2015-02-03", "treatment": "Inhaler", "doctor": "Dr Rao"}


@pytest.fixture
def doctor(app: Flask, client: FlaskClient) -> SignedIn:
    del client
    info = {"specialization": "Cardiology", "consultation_fee": 500, "registration_number": "MH-1"}
    return factories.sign_in(app, factories.make_user(Role.DOCTOR, doctor_info=info))


def put(client: FlaskClient, person: SignedIn, **changes: Any) -> TestResponse:
    return client.put("/api/users/profile", json=changes, headers=person.headers)


class TestProfileValidation:
    @pytest.mark.parametrize(
        "name", ["role", "isActive", "isVerified", "mobileNumber", "_id", "id", "createdAt", "visitsBooked", "$set"]
    )
    def test_field_that_users_cannot_change_is_unknown(self, client: FlaskClient, person: SignedIn, name: str) -> None:
        assert invalid_fields(put(client, person, **{name: "x"})) == [name]

    @pytest.mark.parametrize("name", ["consultationFee", "registrationNumber", "schedule", "isVerified"])
    def test_doctor_cannot_change_fee_registration_number_or_hours(
        self, client: FlaskClient, doctor: SignedIn, database: Records, name: str
    ) -> None:
        before = database.users.find_one({"_id": doctor.user.id})

        answer = put(client, doctor, name="Dr Somebody", doctorInfo={name: 1})

        assert invalid_fields(answer) == [f"doctorInfo.{name}"]
        assert database.users.find_one({"_id": doctor.user.id}) == before

    def test_doctor_can_change_qualification_and_experience(self, client: FlaskClient, doctor: SignedIn) -> None:
        info = data_of(put(client, doctor, doctorInfo={"qualification": "MD", "experience": 12}))["user"]["doctorInfo"]

        assert (info["qualification"], info["experience"], info["consultationFee"], info["specialization"]) == (
            "MD",
            12,
            500,
            "Cardiology",
        )

    def test_patient_cannot_save_doctor_info(self, client: FlaskClient, person: SignedIn) -> None:
        assert invalid_fields(put(client, person, doctorInfo={"qualification": "MD"})) == ["doctorInfo"]

    def test_doctor_cannot_save_patient_info(self, client: FlaskClient, doctor: SignedIn) -> None:
        assert invalid_fields(put(client, doctor, patientInfo={"bloodGroup": "A+"})) == ["patientInfo"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"profile": {"address": {"pincode": "12"}}}, "profile.address.pincode"),
            ({"profile": {"address": {"pincode": "011001"}}}, "profile.address.pincode"),
            ({"profile": {"address": {"planet": "Mars"}}}, "profile.address.planet"),
            ({"profile": {"address": "Pune"}}, "profile.address"),
            ({"profile": {"dateOfBirth": "21-04-1990"}}, "profile.dateOfBirth"),
            ({"profile": {"dateOfBirth": "2026-02-30"}}, "profile.dateOfBirth"),
            ({"profile": {"dateOfBirth": "1990-04-21T00:00:00Z"}}, "profile.dateOfBirth"),
            ({"profile": {"gender": "x"}}, "profile.gender"),
            ({"profile": {"gender": ["male"]}}, "profile.gender"),
            ({"profile": {"emergencyContact": {"mobileNumber": "12"}}}, "profile.emergencyContact.mobileNumber"),
            ({"patientInfo": {"bloodGroup": "C+"}}, "patientInfo.bloodGroup"),
            ({"patientInfo": {"allergies": ["Nuts", 5]}}, "patientInfo.allergies.1"),
            ({"patientInfo": {"allergies": "Nuts"}}, "patientInfo.allergies"),
            ({"patientInfo": {"allergies": ["Nuts"] * 51}}, "patientInfo.allergies"),
            ({"patientInfo": {"medicalHistory": [CONDITION, {"x": 1}]}}, "patientInfo.medicalHistory.1.x"),
            ({"profile": []}, "profile"),
            ({"name": ""}, "name"),
            ({"profile": {"dateOfBirth": "2999-01-01"}}, "profile.dateOfBirth"),
            ({"profile": {"dateOfBirth": "1000-01-01"}}, "profile.dateOfBirth"),
            ({"profile": {"dateOfBirth": "1899-12-31"}}, "profile.dateOfBirth"),
            (
                {"patientInfo": {"medicalHistory": [{"condition": "Asthma", "diagnosedDate": "2999-01-01"}]}},
                "patientInfo.medicalHistory.0.diagnosedDate",
            ),
            (
                {"profile": {"dateOfBirth": "2016-01-01"}, "patientInfo": {"medicalHistory": [CONDITION]}},
                "patientInfo.medicalHistory.0.diagnosedDate",
            ),
            ({"email": "nobody"}, "email"),
            ({"profile.gender": "male"}, "profile.gender"),
        ],
    )
    def test_validation_error_names_the_dotted_path_of_the_field(
        self, client: FlaskClient, person: SignedIn, body: dict[str, Any], field: str
    ) -> None:
        assert field in invalid_fields(put(client, person, **body))

    @pytest.mark.parametrize("value", ["12", True, 5.5, -1, 81, 10**30, []])
    def test_experience_must_be_a_whole_number_of_years(
        self, client: FlaskClient, doctor: SignedIn, value: object
    ) -> None:
        assert invalid_fields(put(client, doctor, doctorInfo={"experience": value})) == ["doctorInfo.experience"]

    def test_validation_error_includes_the_refused_value(self, client: FlaskClient, person: SignedIn) -> None:
        errors = envelope_of(put(client, person, profile={"address": {"pincode": "12"}}))["errors"]

        assert errors == [{"field": "profile.address.pincode", "message": "Must be six digits.", "value": "12"}]

    def test_all_validation_errors_are_returned_at_once(self, client: FlaskClient, person: SignedIn) -> None:
        answer = put(client, person, name="1", email="x", profile={"gender": "y"}, color="red")

        assert set(invalid_fields(answer)) == {"name", "email", "profile.gender", "color"}

    def test_update_with_one_invalid_field_saves_nothing(
        self, client: FlaskClient, person: SignedIn, database: Records
    ) -> None:
        before = database.users.find_one({"_id": person.user.id})

        put(client, person, name="Asha Sharma", color="red")

        assert database.users.find_one({"_id": person.user.id}) == before

"""What one may not change about oneself."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from werkzeug.test import TestResponse

from arthomed.core.permissions import Role
from tests import factories
from tests.factories import SignedIn, envelope_of, fields_refused, told

Data = Database[dict[str, Any]]
CONDITION = {"condition": "Asthma", "diagnosedDate": "2015-02-03", "treatment": "Inhaler", "doctor": "Dr Rao"}


@pytest.fixture
def doctor(app: Flask, client: FlaskClient) -> SignedIn:
    del client
    info = {"specialization": "Cardiology", "consultation_fee": 500, "registration_number": "MH-1"}
    return factories.sign_in(app, factories.make_user(Role.DOCTOR, doctor_info=info))


def put(client: FlaskClient, person: SignedIn, **changes: Any) -> TestResponse:
    return client.put("/api/users/profile", json=changes, headers=person.headers)


class TestRefusing:
    @pytest.mark.parametrize(
        "name", ["role", "isActive", "isVerified", "mobileNumber", "_id", "id", "createdAt", "visitsBooked", "$set"]
    )
    def test_what_is_not_one_s_own_to_change_is_an_unknown_field(
        self, client: FlaskClient, person: SignedIn, name: str
    ) -> None:
        assert fields_refused(put(client, person, **{name: "x"})) == [name]

    @pytest.mark.parametrize("name", ["consultationFee", "registrationNumber", "schedule", "isVerified"])
    def test_a_doctor_may_not_change_fee_registration_or_hours_here(
        self, client: FlaskClient, doctor: SignedIn, database: Data, name: str
    ) -> None:
        before = database.users.find_one({"_id": doctor.user.id})

        answer = put(client, doctor, name="Dr Somebody", doctorInfo={name: 1})

        assert fields_refused(answer) == [f"doctorInfo.{name}"]
        assert database.users.find_one({"_id": doctor.user.id}) == before

    def test_a_doctor_may_change_what_is_said_about_them(self, client: FlaskClient, doctor: SignedIn) -> None:
        info = told(put(client, doctor, doctorInfo={"qualification": "MD", "experience": 12}))["user"]["doctorInfo"]

        assert (info["qualification"], info["experience"], info["consultationFee"], info["specialization"]) == (
            "MD",
            12,
            500,
            "Cardiology",
        )

    def test_a_patient_has_no_doctor_s_part(self, client: FlaskClient, person: SignedIn) -> None:
        assert fields_refused(put(client, person, doctorInfo={"qualification": "MD"})) == ["doctorInfo"]

    def test_a_doctor_has_no_patient_s_part(self, client: FlaskClient, doctor: SignedIn) -> None:
        assert fields_refused(put(client, doctor, patientInfo={"bloodGroup": "A+"})) == ["patientInfo"]

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
            ({"name": "A"}, "name"),
            ({"email": "nobody"}, "email"),
            ({"profile.gender": "male"}, "profile.gender"),
        ],
    )
    def test_a_refused_field_is_named_by_its_dotted_path(
        self, client: FlaskClient, person: SignedIn, body: dict[str, Any], field: str
    ) -> None:
        assert field in fields_refused(put(client, person, **body))

    @pytest.mark.parametrize("value", ["12", True, 5.5, -1, 81, 10**30, []])
    def test_years_of_experience_are_a_whole_number(self, client: FlaskClient, doctor: SignedIn, value: object) -> None:
        assert fields_refused(put(client, doctor, doctorInfo={"experience": value})) == ["doctorInfo.experience"]

    def test_a_refused_value_is_told_back(self, client: FlaskClient, person: SignedIn) -> None:
        errors = envelope_of(put(client, person, profile={"address": {"pincode": "12"}}))["errors"]

        assert errors == [{"field": "profile.address.pincode", "message": "Must be six digits.", "value": "12"}]

    def test_all_that_is_wrong_is_told_at_once(self, client: FlaskClient, person: SignedIn) -> None:
        answer = put(client, person, name="1", email="x", profile={"gender": "y"}, color="red")

        assert set(fields_refused(answer)) == {"name", "email", "profile.gender", "color"}

    def test_of_a_change_that_is_refused_in_part_nothing_is_saved(
        self, client: FlaskClient, person: SignedIn, database: Data
    ) -> None:
        before = database.users.find_one({"_id": person.user.id})

        put(client, person, name="Asha Sharma", color="red")

        assert database.users.find_one({"_id": person.user.id}) == before

"""One's own profile: what is merged, what is cleared, and what one may not change."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from werkzeug.test import TestResponse

from arthomed.core.permissions import Role
from tests import factories
from tests.factories import SignedIn, envelope_of, refused, told

Data = Database[dict[str, Any]]

ADDRESS = {"street": "12 Hill Road", "city": "Pune", "state": "Maharashtra", "pincode": "411001", "country": "India"}
CONTACT = {"name": "Meera Verma", "relationship": "mother", "mobileNumber": "9876501234"}
PROFILE = {"dateOfBirth": "1990-04-21", "gender": "female", "address": ADDRESS, "emergencyContact": CONTACT}
CONDITION = {"condition": "Asthma", "diagnosedDate": "2015-02-03", "treatment": "Inhaler", "doctor": "Dr Rao"}
PATIENT_INFO = {
    "bloodGroup": "B+",
    "allergies": ["Penicillin", "Nuts"],
    "medicalHistory": [CONDITION],
    "emergencyContact": CONTACT,
}


@pytest.fixture
def patient(app: Flask, client: FlaskClient) -> SignedIn:
    del client
    return factories.sign_in(app)


@pytest.fixture
def doctor(app: Flask, client: FlaskClient) -> SignedIn:
    del client
    info = {"specialization": "Cardiology", "consultation_fee": 500, "registration_number": "MH-1"}
    return factories.sign_in(app, factories.make_user(Role.DOCTOR, doctor_info=info))


def put(client: FlaskClient, person: SignedIn, **changes: Any) -> TestResponse:
    return client.put("/api/users/profile", json=changes, headers=person.headers)


def save(client: FlaskClient, person: SignedIn, **changes: Any) -> dict[str, Any]:
    user: dict[str, Any] = told(put(client, person, **changes))["user"]
    return user


def fields_refused(answer: TestResponse) -> list[str]:
    assert refused(answer) == (400, "VALIDATION_ERROR")
    return [one["field"] for one in envelope_of(answer)["errors"]]


class TestReading:
    @pytest.mark.parametrize("role", Role)
    def test_everybody_reads_their_own(self, app: Flask, client: FlaskClient, role: Role) -> None:
        person = factories.sign_in(app, factories.make_user(role))

        assert told(client.get("/api/users/profile", headers=person.headers))["user"]["_id"] == str(person.user.id)

    def test_me_is_the_same_as_the_profile(self, client: FlaskClient, patient: SignedIn) -> None:
        me, profile = (client.get(path, headers=patient.headers) for path in ("/api/auth/me", "/api/users/profile"))

        assert told(me) == told(profile)

    @pytest.mark.parametrize(
        ("role", "parts"),
        [
            (Role.PATIENT, {"patientInfo"}),
            (Role.DOCTOR, {"doctorInfo"}),
            (Role.RECEPTIONIST, set()),
            (Role.ADMIN, set()),
        ],
    )
    def test_a_person_has_the_part_of_the_role(
        self, app: Flask, client: FlaskClient, role: Role, parts: set[str]
    ) -> None:
        person = factories.sign_in(app, factories.make_user(role))

        user = told(client.get("/api/users/profile", headers=person.headers))["user"]

        assert {"patientInfo", "doctorInfo"} & set(user) == parts


class TestMerging:
    def test_all_of_it_can_be_said_at_once(self, client: FlaskClient, patient: SignedIn) -> None:
        user = save(client, patient, name="Asha", email="A@b.in", profile=PROFILE, patientInfo=PATIENT_INFO)

        assert (user["name"], user["email"], user["profile"]) == ("Asha", "a@b.in", PROFILE)
        assert user["patientInfo"] == PATIENT_INFO

    def test_what_was_said_is_there_afterwards(self, client: FlaskClient, patient: SignedIn) -> None:
        saved = save(client, patient, profile=PROFILE, patientInfo=PATIENT_INFO)

        assert told(client.get("/api/users/profile", headers=patient.headers))["user"] == saved

    def test_what_is_not_named_stays(self, client: FlaskClient, patient: SignedIn) -> None:
        before = save(client, patient, name="Asha", profile=PROFILE, patientInfo=PATIENT_INFO)

        after = save(client, patient, email="asha@example.com")

        assert {**after, "email": None, "updatedAt": before["updatedAt"]} == before

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"gender": "other"}, {**PROFILE, "gender": "other"}),
            ({"address": {"city": "Mumbai"}}, {**PROFILE, "address": {**ADDRESS, "city": "Mumbai"}}),
            ({"emergencyContact": {"name": "Ravi"}}, {**PROFILE, "emergencyContact": {**CONTACT, "name": "Ravi"}}),
            ({"address": {}}, PROFILE),
            ({}, PROFILE),
        ],
        ids=["field", "field of a part", "field of another part", "empty part", "empty"],
    )
    def test_a_part_is_merged_field_by_field(
        self, client: FlaskClient, patient: SignedIn, change: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        save(client, patient, profile=PROFILE)

        assert save(client, patient, profile=change)["profile"] == expected

    def test_a_list_is_replaced_as_a_whole(self, client: FlaskClient, patient: SignedIn) -> None:
        save(client, patient, patientInfo=PATIENT_INFO)

        info = save(client, patient, patientInfo={"allergies": ["Dust"], "medicalHistory": []})["patientInfo"]

        assert (info["allergies"], info["medicalHistory"], info["bloodGroup"]) == (["Dust"], [], "B+")

    def test_an_address_is_in_india_until_another_country_is_named(
        self, client: FlaskClient, patient: SignedIn
    ) -> None:
        assert save(client, patient, profile={"address": {"city": "Pune"}})["profile"]["address"]["country"] == "India"

    def test_nothing_said_is_nothing_changed(self, client: FlaskClient, patient: SignedIn) -> None:
        before = save(client, patient, profile=PROFILE)

        after = save(client, patient)

        assert {**after, "updatedAt": before["updatedAt"]} == before

    def test_texts_are_trimmed(self, client: FlaskClient, patient: SignedIn) -> None:
        assert save(client, patient, profile={"address": {"city": "  Pune "}})["profile"]["address"]["city"] == "Pune"

    def test_nobody_else_s_record_is_touched(self, client: FlaskClient, patient: SignedIn, database: Data) -> None:
        other = factories.make_user()
        before = database.users.find_one({"_id": other.id})

        save(client, patient, name="Asha", profile=PROFILE)

        assert database.users.find_one({"_id": other.id}) == before


class TestClearing:
    @pytest.mark.parametrize("name", ["dateOfBirth", "gender"])
    def test_null_clears_a_field(self, client: FlaskClient, patient: SignedIn, name: str) -> None:
        save(client, patient, profile=PROFILE)

        assert save(client, patient, profile={name: None})["profile"] == {**PROFILE, name: None}

    @pytest.mark.parametrize("name", ["street", "city", "state", "pincode"])
    def test_null_clears_a_field_of_the_address(self, client: FlaskClient, patient: SignedIn, name: str) -> None:
        save(client, patient, profile=PROFILE)

        address = save(client, patient, profile={"address": {name: None}})["profile"]["address"]

        assert address == {**ADDRESS, name: None}

    def test_null_clears_the_email_address(self, client: FlaskClient, patient: SignedIn) -> None:
        save(client, patient, email="asha@example.com")

        assert save(client, patient, email=None)["email"] is None

    def test_null_clears_the_blood_group(self, client: FlaskClient, patient: SignedIn) -> None:
        save(client, patient, patientInfo=PATIENT_INFO)

        assert save(client, patient, patientInfo={"bloodGroup": None})["patientInfo"]["bloodGroup"] is None

    @pytest.mark.parametrize("name", ["address", "emergencyContact"])
    def test_null_clears_a_whole_part(self, client: FlaskClient, patient: SignedIn, name: str) -> None:
        save(client, patient, profile=PROFILE)

        assert save(client, patient, profile={name: None})["profile"] == {**PROFILE, name: None}

    @pytest.mark.parametrize("profile", [{}, PROFILE], ids=["empty", "full"])
    def test_what_was_read_can_be_saved_as_it_is(
        self, client: FlaskClient, patient: SignedIn, profile: dict[str, Any]
    ) -> None:
        read = save(client, patient, profile=profile)

        saved = save(client, patient, **{name: read[name] for name in ("name", "email", "profile", "patientInfo")})

        assert {**saved, "updatedAt": read["updatedAt"]} == read

    def test_what_was_cleared_is_not_in_the_database(
        self, client: FlaskClient, patient: SignedIn, database: Data
    ) -> None:
        save(client, patient, email="asha@example.com", profile=PROFILE)
        save(client, patient, email=None, profile={"gender": None, "address": {"city": None}})

        stored = database.users.find_one({"_id": patient.user.id}) or {}

        assert "email" not in stored
        assert "gender" not in stored["profile"]
        assert "city" not in stored["profile"]["address"]

    def test_clearing_what_was_never_there_is_no_error(self, client: FlaskClient, patient: SignedIn) -> None:
        profile = save(client, patient, profile={"address": {"city": None}, "emergencyContact": {"name": None}})

        assert profile["profile"]["gender"] is None

    @pytest.mark.parametrize("name", ["name", "profile", "patientInfo"])
    def test_what_every_person_has_can_not_be_cleared(self, client: FlaskClient, patient: SignedIn, name: str) -> None:
        assert fields_refused(put(client, patient, **{name: None})) == [name]


class TestRefusing:
    @pytest.mark.parametrize(
        "name", ["role", "isActive", "isVerified", "mobileNumber", "_id", "id", "createdAt", "visitsBooked", "$set"]
    )
    def test_what_is_not_one_s_own_to_change_is_an_unknown_field(
        self, client: FlaskClient, patient: SignedIn, name: str
    ) -> None:
        assert fields_refused(put(client, patient, **{name: "x"})) == [name]

    @pytest.mark.parametrize("name", ["consultationFee", "registrationNumber", "schedule", "isVerified"])
    def test_a_doctor_may_not_change_fee_registration_or_hours_here(
        self, client: FlaskClient, doctor: SignedIn, database: Data, name: str
    ) -> None:
        before = database.users.find_one({"_id": doctor.user.id})

        answer = put(client, doctor, name="Dr Somebody", doctorInfo={name: 1})

        assert fields_refused(answer) == [f"doctorInfo.{name}"]
        assert database.users.find_one({"_id": doctor.user.id}) == before

    def test_a_doctor_may_change_what_is_said_about_them(self, client: FlaskClient, doctor: SignedIn) -> None:
        info = save(client, doctor, doctorInfo={"qualification": "MD", "experience": 12})["doctorInfo"]

        assert (info["qualification"], info["experience"], info["consultationFee"], info["specialization"]) == (
            "MD",
            12,
            500,
            "Cardiology",
        )

    def test_a_patient_has_no_doctor_s_part(self, client: FlaskClient, patient: SignedIn) -> None:
        assert fields_refused(put(client, patient, doctorInfo={"qualification": "MD"})) == ["doctorInfo"]

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
        self, client: FlaskClient, patient: SignedIn, body: dict[str, Any], field: str
    ) -> None:
        assert field in fields_refused(put(client, patient, **body))

    @pytest.mark.parametrize("value", ["12", True, 5.5, -1, 81, 10**30, []])
    def test_years_of_experience_are_a_whole_number(self, client: FlaskClient, doctor: SignedIn, value: object) -> None:
        assert fields_refused(put(client, doctor, doctorInfo={"experience": value})) == ["doctorInfo.experience"]

    def test_a_refused_value_is_told_back(self, client: FlaskClient, patient: SignedIn) -> None:
        errors = envelope_of(put(client, patient, profile={"address": {"pincode": "12"}}))["errors"]

        assert errors == [{"field": "profile.address.pincode", "message": "Must be six digits.", "value": "12"}]

    def test_all_that_is_wrong_is_told_at_once(self, client: FlaskClient, patient: SignedIn) -> None:
        answer = put(client, patient, name="1", email="x", profile={"gender": "y"}, color="red")

        assert set(fields_refused(answer)) == {"name", "email", "profile.gender", "color"}

    def test_of_a_change_that_is_refused_in_part_nothing_is_saved(
        self, client: FlaskClient, patient: SignedIn, database: Data
    ) -> None:
        before = database.users.find_one({"_id": patient.user.id})

        put(client, patient, name="Asha Sharma", color="red")

        assert database.users.find_one({"_id": patient.user.id}) == before

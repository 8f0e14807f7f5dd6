"""Users read, update and clear fields of their own profile."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.core.permissions import ROLE_PERMISSIONS, Role
from tests import factories
from tests.factories import Records, SignedIn, data_of, error_of, invalid_fields

ADDRESS = {"street": "12 Hill Road", "city": "Pune", "state": "Maharashtra", "pincode": "411001", "country": "India"}
CONTACT = {"name": "Meera Verma", "relationship": "mother", "mobileNumber": "9876501234"}
PROFILE = {
    "language": "mr",
    "dateOfBirth": "1990-04-21",
    "gender": "female",
    "address": ADDRESS,
    "emergencyContact": CONTACT,
}
CONDITION = {"condition": "Asthma", "diagnosedDate": "2015-02-03", "treatment": "Inhaler", "doctor": "Dr Rao"}
PATIENT_INFO = {
    "bloodGroup": "B+",
    "allergies": ["Penicillin", "Nuts"],
    "medicalHistory": [CONDITION],
    "emergencyContact": CONTACT,
}


def put(client: FlaskClient, person: SignedIn, **changes: Any) -> TestResponse:
    return client.put("/api/users/profile", json=changes, headers=person.headers)


def save(client: FlaskClient, person: SignedIn, **changes: Any) -> dict[str, Any]:
    user: dict[str, Any] = data_of(put(client, person, **changes))["user"]
    return user


class TestReadProfile:
    @pytest.mark.parametrize("role", Role)
    def test_me_returns_the_same_as_profile_with_the_permissions_of_the_role(
        self, app: Flask, client: FlaskClient, role: Role
    ) -> None:
        person = factories.sign_in(app, factories.make_user(role))

        me, profile = (client.get(path, headers=person.headers) for path in ("/api/auth/me", "/api/users/profile"))

        assert data_of(me)["user"] == {**data_of(profile)["user"], "permissions": sorted(ROLE_PERMISSIONS[role])}

    @pytest.mark.parametrize(
        ("role", "parts"),
        [
            (Role.PATIENT, {"patientInfo"}),
            (Role.DOCTOR, {"doctorInfo"}),
            (Role.RECEPTIONIST, set()),
            (Role.ADMIN, set()),
        ],
    )
    def test_user_of_every_role_reads_their_own_profile_with_the_part_of_the_role(
        self, app: Flask, client: FlaskClient, role: Role, parts: set[str]
    ) -> None:
        person = factories.sign_in(app, factories.make_user(role))

        user = data_of(client.get("/api/users/profile", headers=person.headers))["user"]

        assert (user["_id"], {"patientInfo", "doctorInfo"} & set(user)) == (str(person.user.id), parts)


class TestUpdateProfile:
    def test_all_fields_can_be_saved_at_once(self, client: FlaskClient, person: SignedIn) -> None:
        user = save(client, person, name="Asha", email="A@b.in", profile=PROFILE, patientInfo=PATIENT_INFO)

        assert (user["name"], user["email"], user["profile"]) == ("Asha", "a@b.in", PROFILE)
        assert user["patientInfo"] == PATIENT_INFO

    def test_saved_profile_is_returned_by_the_next_read(self, client: FlaskClient, person: SignedIn) -> None:
        saved = save(client, person, profile=PROFILE, patientInfo=PATIENT_INFO)

        assert data_of(client.get("/api/users/profile", headers=person.headers))["user"] == saved

    def test_fields_that_are_not_sent_stay(self, client: FlaskClient, person: SignedIn) -> None:
        before = save(client, person, name="Asha", profile=PROFILE, patientInfo=PATIENT_INFO)

        after = save(client, person, email="asha@example.com")

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
        ids=["field", "field of the address", "field of the emergency contact", "empty address", "empty"],
    )
    def test_profile_is_merged_field_by_field(
        self, client: FlaskClient, person: SignedIn, change: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        save(client, person, profile=PROFILE)

        assert save(client, person, profile=change)["profile"] == expected

    def test_list_is_replaced_as_a_whole(self, client: FlaskClient, person: SignedIn) -> None:
        save(client, person, patientInfo=PATIENT_INFO)

        info = save(client, person, patientInfo={"allergies": ["Dust"], "medicalHistory": []})["patientInfo"]

        assert (info["allergies"], info["medicalHistory"], info["bloodGroup"]) == (["Dust"], [], "B+")

    def test_null_clears_lists(self, client: FlaskClient, person: SignedIn) -> None:
        save(client, person, patientInfo=PATIENT_INFO)

        info = save(client, person, patientInfo={"allergies": None, "medicalHistory": None})["patientInfo"]

        assert (info["allergies"], info["medicalHistory"], info["bloodGroup"]) == ([], [], "B+")

    def test_default_country_of_an_address_is_india(self, client: FlaskClient, person: SignedIn) -> None:
        assert save(client, person, profile={"address": {"city": "Pune"}})["profile"]["address"]["country"] == "India"

    def test_default_language_of_messages_is_english(
        self, client: FlaskClient, person: SignedIn, database: Records
    ) -> None:
        database.users.update_one({"_id": person.user.id}, {"$unset": {"profile": ""}})  # as in an old record

        assert data_of(client.get("/api/users/profile", headers=person.headers))["user"]["profile"]["language"] == "en"
        assert save(client, person, profile={"language": "hi"})["profile"]["language"] == "hi"

    def test_update_without_fields_is_refused(self, client: FlaskClient, person: SignedIn) -> None:
        assert error_of(put(client, person)) == (400, "VALIDATION_ERROR")

    def test_white_space_around_text_is_removed(self, client: FlaskClient, person: SignedIn) -> None:
        assert save(client, person, profile={"address": {"city": "  Pune "}})["profile"]["address"]["city"] == "Pune"

    @pytest.mark.parametrize(
        ("typed", "saved"),
        [
            (
                {"street": "Flat 4\u000b12 Hill\u00a0Road\u2028Opp. Post Office"},
                "Flat 4\n12 Hill Road\nOpp. Post Office",
            ),
            ({"street": "Flat 4\r\n12 Hill Road"}, "Flat 4\n12 Hill Road"),
            ({"city": "Navi\nMumbai"}, "Navi Mumbai"),
            ({"pincode": "411 001"}, "411001"),
            ({"pincode": "४११\u00a0\u0966\u0966१"}, "411001"),
            ({"state": "Maha\u00adrashtra\u200b"}, "Maharashtra"),
        ],
    )
    def test_address_is_saved_as_people_write_it(
        self, client: FlaskClient, person: SignedIn, typed: dict[str, str], saved: str
    ) -> None:
        [name] = typed

        assert save(client, person, profile={"address": typed})["profile"]["address"][name] == saved

    @pytest.mark.parametrize(
        ("typed", "saved"),
        [
            ("+971 50 123 4567", "+971501234567"),
            ("\u202a+91 98765 01234\u202c", "9876501234"),
            ("020 2612 3456", "+912026123456"),
        ],
    )
    def test_emergency_contact_may_have_a_number_of_any_country(
        self, client: FlaskClient, person: SignedIn, typed: str, saved: str
    ) -> None:
        contact = {"emergencyContact": {**CONTACT, "mobileNumber": typed}}

        user = save(client, person, profile=contact, patientInfo=contact)

        assert user["profile"]["emergencyContact"]["mobileNumber"] == saved
        assert user["patientInfo"]["emergencyContact"]["mobileNumber"] == saved
        assert save(client, person, profile=user["profile"])["profile"] == user["profile"]

    @pytest.mark.parametrize("name", ["B/O Sunita", "Ravi S/o Mohan", "R"])
    def test_name_of_a_baby_a_son_or_one_letter_is_saved(
        self, client: FlaskClient, person: SignedIn, name: str
    ) -> None:
        assert save(client, person, name=name)["name"] == name

    def test_date_of_birth_in_devanagari_digits_is_saved(self, client: FlaskClient, person: SignedIn) -> None:
        assert save(client, person, profile={"dateOfBirth": "१९९०-०४-२१"})["profile"]["dateOfBirth"] == "1990-04-21"

    def test_date_of_birth_cannot_move_behind_a_diagnosis(self, client: FlaskClient, person: SignedIn) -> None:
        save(client, person, profile=PROFILE, patientInfo=PATIENT_INFO)

        assert invalid_fields(put(client, person, profile={"dateOfBirth": "2016-01-01"})) == ["profile.dateOfBirth"]
        assert save(client, person, profile={"dateOfBirth": "2015-02-03"})["profile"]["dateOfBirth"] == "2015-02-03"

    def test_text_pasted_from_word_is_saved(self, client: FlaskClient, person: SignedIn) -> None:
        pasted = {"condition": "Asthma", "treatment": "Inhaler\u000b\uf0b7 twice\u2028a day \U0001fa77"}

        [saved] = save(client, person, patientInfo={"medicalHistory": [pasted]})["patientInfo"]["medicalHistory"]

        assert saved["treatment"] == "Inhaler\n\u2022 twice\na day \U0001fa77"

    def test_update_does_not_change_other_users(self, client: FlaskClient, person: SignedIn, database: Records) -> None:
        other = factories.make_user()
        before = database.users.find_one({"_id": other.id})

        save(client, person, name="Asha", profile=PROFILE)

        assert database.users.find_one({"_id": other.id}) == before


class TestClearFields:
    @pytest.mark.parametrize("name", ["dateOfBirth", "gender", "address", "emergencyContact"])
    def test_null_clears_a_field_address_or_emergency_contact(
        self, client: FlaskClient, person: SignedIn, name: str
    ) -> None:
        save(client, person, profile=PROFILE)

        assert save(client, person, profile={name: None})["profile"] == {**PROFILE, name: None}

    @pytest.mark.parametrize("name", ["street", "city", "state", "pincode"])
    def test_null_clears_a_field_of_the_address(self, client: FlaskClient, person: SignedIn, name: str) -> None:
        save(client, person, profile=PROFILE)

        address = save(client, person, profile={"address": {name: None}})["profile"]["address"]

        assert address == {**ADDRESS, name: None}

    def test_null_clears_the_email_address(self, client: FlaskClient, person: SignedIn) -> None:
        save(client, person, email="asha@example.com")

        assert save(client, person, email=None)["email"] is None

    def test_null_clears_the_blood_group(self, client: FlaskClient, person: SignedIn) -> None:
        save(client, person, patientInfo=PATIENT_INFO)

        assert save(client, person, patientInfo={"bloodGroup": None})["patientInfo"]["bloodGroup"] is None

    @pytest.mark.parametrize("profile", [{}, PROFILE], ids=["empty", "full"])
    def test_profile_that_was_read_can_be_saved_unchanged(
        self, client: FlaskClient, person: SignedIn, profile: dict[str, Any]
    ) -> None:
        read = save(client, person, profile=profile)

        saved = save(client, person, **{name: read[name] for name in ("name", "email", "profile", "patientInfo")})

        assert {**saved, "updatedAt": read["updatedAt"]} == read

    def test_cleared_field_is_removed_from_the_database(
        self, client: FlaskClient, person: SignedIn, database: Records
    ) -> None:
        save(client, person, email="asha@example.com", profile=PROFILE)
        save(client, person, email=None, profile={"gender": None, "address": {"city": None}})

        stored = database.users.find_one({"_id": person.user.id}) or {}

        assert "email" not in stored
        assert "gender" not in stored["profile"]
        assert "city" not in stored["profile"]["address"]

    def test_clearing_a_missing_field_succeeds(self, client: FlaskClient, person: SignedIn) -> None:
        profile = save(client, person, profile={"address": {"city": None}, "emergencyContact": {"name": None}})

        assert profile["profile"]["gender"] is None

    @pytest.mark.parametrize("blank", [None, "", "  ", "\u200b"])
    @pytest.mark.parametrize(("name", "default"), [("language", "en"), ("gender", None), ("dateOfBirth", None)])
    def test_null_and_blank_text_clear_a_field(
        self, client: FlaskClient, person: SignedIn, name: str, blank: str | None, default: str | None
    ) -> None:
        save(client, person, profile=PROFILE)

        assert save(client, person, profile={name: blank})["profile"] == {**PROFILE, name: default}

    def test_a_form_with_blank_fields_is_saved(self, client: FlaskClient, person: SignedIn) -> None:
        save(client, person, email="asha@example.com", profile=PROFILE, patientInfo=PATIENT_INFO)
        blank = {"address": dict.fromkeys(ADDRESS, ""), "emergencyContact": dict.fromkeys(CONTACT, "")}

        user = save(client, person, email="", profile=blank, patientInfo={"bloodGroup": ""})

        assert user["profile"]["address"] == {**dict.fromkeys(ADDRESS), "country": "India"}
        assert user["profile"]["emergencyContact"] == dict.fromkeys(CONTACT)
        assert (user["email"], user["patientInfo"]["bloodGroup"]) == (None, None)

    @pytest.mark.parametrize("language", ["xx", "EN", "../en"])
    def test_unsupported_language_is_refused(self, client: FlaskClient, person: SignedIn, language: str | None) -> None:
        assert invalid_fields(put(client, person, profile={"language": language})) == ["profile.language"]

    @pytest.mark.parametrize("name", ["name", "profile", "patientInfo"])
    def test_required_field_cannot_be_cleared(self, client: FlaskClient, person: SignedIn, name: str) -> None:
        assert invalid_fields(put(client, person, **{name: None})) == [name]

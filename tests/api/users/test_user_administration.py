"""Admins create, update and deactivate users."""

from contextlib import suppress
from typing import Any

import pytest
from bson import ObjectId
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.service import staff
from arthomed.core.errors import PermissionDenied
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import Records, SignedIn, data_of, envelope_of, error_of, invalid_fields


def create(client: FlaskClient, admin: SignedIn, **parts: Any) -> TestResponse:
    body = {"mobileNumber": factories.new_mobile(), "name": "Some One", "role": "patient", **parts}
    return client.post("/api/users", json=body, headers=admin.headers)


def created(client: FlaskClient, admin: SignedIn, **parts: Any) -> dict[str, Any]:
    user: dict[str, Any] = data_of(create(client, admin, **parts), 201)["user"]
    return user


def change(client: FlaskClient, admin: SignedIn, user_id: object, **changes: Any) -> TestResponse:
    return client.put(f"/api/users/{user_id}", json=changes, headers=admin.headers)


def changed(client: FlaskClient, admin: SignedIn, user_id: object, **changes: Any) -> dict[str, Any]:
    user: dict[str, Any] = data_of(change(client, admin, user_id, **changes))["user"]
    return user


class TestCreateUser:
    @pytest.mark.parametrize("role", Role)
    def test_users_of_every_role_can_be_created(self, client: FlaskClient, admin: SignedIn, role: Role) -> None:
        user = created(client, admin, role=role)

        assert (user["role"], user["isActive"], user["isVerified"]) == (role, True, True)

    def test_created_user_can_sign_in(self, client: FlaskClient, admin: SignedIn) -> None:
        mobile = created(client, admin, role="receptionist")["mobileNumber"]
        data_of(factories.request_code(client, mobile))

        signed_in = data_of(factories.submit_code(client, mobile, factories.code_for(mobile)))

        assert (signed_in["isNewUser"], signed_in["user"]["role"]) == (False, "receptionist")

    def test_doctor_can_be_created_with_doctor_info(self, client: FlaskClient, admin: SignedIn) -> None:
        info = {
            "specialization": "Cardiology",
            "qualification": "MBBS, MD",
            "experience": 12,
            "consultationFee": 800,
            "registrationNumber": "MH-12345",
        }

        assert created(client, admin, role="doctor", doctorInfo=info)["doctorInfo"] == {**info, "schedule": []}

    def test_user_can_be_created_with_a_profile(self, client: FlaskClient, admin: SignedIn) -> None:
        profile = {"gender": "female", "address": {"city": "Pune"}, "emergencyContact": None}

        user = created(client, admin, email="Some@Example.com", profile=profile)

        assert (user["email"], user["profile"]["address"]["city"]) == ("some@example.com", "Pune")

    @pytest.mark.parametrize("mobile", ["{}", "+91 {}", "0{}"])
    def test_registered_mobile_number_is_a_duplicate_in_every_notation(
        self, client: FlaskClient, admin: SignedIn, mobile: str
    ) -> None:
        answer = create(client, admin, mobileNumber=mobile.format(admin.user.mobile_number))

        assert error_of(answer) == (400, "DUPLICATE_VALUE")
        assert envelope_of(answer)["message"] == "Mobile number is already registered"

    @pytest.mark.parametrize("missing", ["mobileNumber", "name", "role"])
    def test_mobile_number_name_and_role_are_required(self, client: FlaskClient, admin: SignedIn, missing: str) -> None:
        body = {"mobileNumber": factories.new_mobile(), "name": "Some One", "role": "patient"}
        del body[missing]

        assert invalid_fields(client.post("/api/users", json=body, headers=admin.headers)) == [missing]

    @pytest.mark.parametrize(
        ("parts", "field"),
        [
            ({"role": "owner"}, "role"),
            ({"role": ""}, "role"),
            ({"isActive": False}, "isActive"),
            ({"password": "x"}, "password"),
            ({"isVerified": "yes"}, "isVerified"),
            ({"isVerified": 1}, "isVerified"),
            ({"doctorInfo": {}}, "doctorInfo"),
            ({"role": "doctor", "patientInfo": {}}, "patientInfo"),
            ({"role": "doctor", "doctorInfo": {"schedule": []}}, "doctorInfo.schedule"),
            ({"role": "doctor", "doctorInfo": {"consultationFee": -1}}, "doctorInfo.consultationFee"),
            ({"role": "doctor", "doctorInfo": {"consultationFee": 499.5}}, "doctorInfo.consultationFee"),
            ({"role": "doctor", "doctorInfo": {"consultationFee": "500"}}, "doctorInfo.consultationFee"),
            ({"profile": {"address": {"pincode": "x"}}}, "profile.address.pincode"),
        ],
    )
    def test_validation_error_names_the_dotted_path_of_the_field(
        self, client: FlaskClient, admin: SignedIn, parts: dict[str, Any], field: str
    ) -> None:
        answer = create(client, admin, **parts)

        assert invalid_fields(answer) == [field]


class TestUpdateUser:
    def test_update_is_merged_into_the_record(self, client: FlaskClient, admin: SignedIn) -> None:
        before = created(client, admin, profile={"gender": "female", "address": {"city": "Pune"}})

        after = changed(client, admin, before["_id"], profile={"address": {"state": "Maharashtra"}})

        assert after["profile"]["gender"] == "female"
        assert (after["profile"]["address"]["city"], after["profile"]["address"]["state"]) == ("Pune", "Maharashtra")

    def test_mobile_number_can_be_changed_to_an_unregistered_one(self, client: FlaskClient, admin: SignedIn) -> None:
        user, mobile = factories.make_user(), factories.new_mobile()

        assert changed(client, admin, user.id, mobileNumber=f"+91{mobile}")["mobileNumber"] == mobile

    def test_mobile_number_of_another_user_is_a_duplicate(self, client: FlaskClient, admin: SignedIn) -> None:
        answer = change(client, admin, factories.make_user().id, mobileNumber=admin.user.mobile_number)

        assert error_of(answer) == (400, "DUPLICATE_VALUE")

    def test_admin_can_change_fee_and_registration_number_of_a_doctor(
        self, client: FlaskClient, admin: SignedIn
    ) -> None:
        doctor = factories.make_doctor(fee=500)
        info = {"consultationFee": 600, "registrationNumber": "MH-2"}

        after = changed(client, admin, doctor.id, doctorInfo=info)["doctorInfo"]

        assert (after["consultationFee"], after["registrationNumber"]) == (600, "MH-2")
        assert (after["specialization"], len(after["schedule"])) == ("Cardiology", 7)

    @pytest.mark.parametrize(
        ("old", "new", "part"),
        [
            (Role.PATIENT, Role.DOCTOR, {"doctorInfo"}),
            (Role.DOCTOR, Role.PATIENT, {"patientInfo"}),
            (Role.DOCTOR, Role.RECEPTIONIST, set()),
            (Role.RECEPTIONIST, Role.PATIENT, {"patientInfo"}),
        ],
    )
    def test_changed_role_has_only_its_own_part(
        self, client: FlaskClient, admin: SignedIn, old: Role, new: Role, part: set[str]
    ) -> None:
        user = changed(client, admin, factories.make_user(old).id, role=new)

        assert user["role"] == new
        assert {"doctorInfo", "patientInfo"} & set(user) == part

    def test_role_and_its_part_can_be_saved_together(self, client: FlaskClient, admin: SignedIn) -> None:
        info = {"specialization": "Dermatology", "consultationFee": 450}

        user = changed(client, admin, factories.make_user().id, role="doctor", doctorInfo=info)

        assert (user["doctorInfo"]["specialization"], user["doctorInfo"]["consultationFee"]) == ("Dermatology", 450)

    def test_part_of_another_role_is_refused(self, client: FlaskClient, admin: SignedIn) -> None:
        doctor = factories.make_user(Role.DOCTOR)

        answer = change(client, admin, doctor.id, role="patient", doctorInfo={"experience": 1})

        assert error_of(answer) == (400, "VALIDATION_ERROR")

    def test_admin_cannot_change_their_own_role(self, client: FlaskClient, admin: SignedIn) -> None:
        answer = change(client, admin, admin.user.id, role="patient")

        assert error_of(answer) == (400, "VALIDATION_ERROR")
        assert data_of(client.get("/api/auth/me", headers=admin.headers))["user"]["role"] == "admin"

    def test_admin_can_change_other_fields_of_their_own_record(self, client: FlaskClient, admin: SignedIn) -> None:
        assert changed(client, admin, admin.user.id, role="admin", name="Kavita Rao")["name"] == "Kavita Rao"

    @pytest.mark.parametrize("name", ["isActive", "password", "_id", "createdAt", "statusReason"])
    def test_field_that_admins_cannot_change_is_unknown(self, client: FlaskClient, admin: SignedIn, name: str) -> None:
        assert invalid_fields(change(client, admin, factories.make_user().id, **{name: "x"})) == [name]

    def test_unknown_user_is_not_found(self, client: FlaskClient, admin: SignedIn) -> None:
        assert error_of(change(client, admin, ObjectId(), name="Nobody")) == (404, "NOT_FOUND")


class TestDeactivateUser:
    def test_deactivated_user_keeps_the_record(self, client: FlaskClient, admin: SignedIn, database: Records) -> None:
        user = factories.make_user()

        answer = client.delete(f"/api/users/{user.id}", headers=admin.headers)

        assert data_of(answer)["user"]["isActive"] is False
        assert database.users.count_documents({"_id": user.id, "name": user.name}) == 1

    def test_reason_of_a_deactivation_is_stored(self, client: FlaskClient, admin: SignedIn, database: Records) -> None:
        user = factories.make_user()
        body = {"isActive": False, "reason": "Moved away"}

        data_of(client.put(f"/api/users/{user.id}/status", json=body, headers=admin.headers))

        stored = database.users.find_one({"_id": user.id}) or {}
        assert stored["statusReason"] == "Moved away"

    def test_two_admins_cannot_deactivate_each_other_at_the_same_moment(self, client: FlaskClient) -> None:
        del client
        for _ in range(5):
            pair = [factories.make_user(Role.ADMIN) for _ in range(2)]

            def deactivate_other(number: int, pair: list[User] = pair) -> None:
                with suppress(PermissionDenied):
                    staff.set_active(factories.actor_of(pair[number]), pair[1 - number].id, is_active=False)

            factories.in_parallel(2, deactivate_other)

            assert User.objects(id__in=[one.id for one in pair], is_active=True).count() == 1

    @pytest.mark.parametrize("path", ["/api/users/{}/status", "/api/admin/users/{}/status"])
    def test_both_paths_activate_and_deactivate_a_user(self, client: FlaskClient, admin: SignedIn, path: str) -> None:
        user = factories.make_user()

        def set_status(*, is_active: bool) -> bool:
            body = {"isActive": is_active, "reason": "Moved"}
            answer = client.put(path.format(user.id), json=body, headers=admin.headers)
            active: bool = data_of(answer)["user"]["isActive"]
            return active

        assert [set_status(is_active=False), set_status(is_active=True)] == [False, True]

    @pytest.mark.parametrize("method", ["DELETE", "PUT"])
    def test_admin_cannot_deactivate_themselves(self, client: FlaskClient, admin: SignedIn, method: str) -> None:
        path = f"/api/users/{admin.user.id}" + ("/status" if method == "PUT" else "")
        body = {"isActive": False, "reason": "Tired"} if method == "PUT" else None

        answer = client.open(path, method=method, json=body, headers=admin.headers)

        assert error_of(answer) == (403, "PERMISSION_DENIED")
        assert client.get("/api/auth/me", headers=admin.headers).status_code == 200

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"reason": "x"}, "isActive"),
            ({"isActive": False}, "reason"),
            ({"isActive": "false", "reason": "x"}, "isActive"),
            ({"isActive": 0, "reason": "x"}, "isActive"),
            ({"isActive": None, "reason": "x"}, "isActive"),
            ({"isActive": False, "reason": " "}, "reason"),
            ({"isActive": False, "reason": "x", "until": "2027"}, "until"),
        ],
    )
    def test_status_change_requires_is_active_and_reason(
        self, client: FlaskClient, admin: SignedIn, body: dict[str, Any], field: str
    ) -> None:
        answer = client.put(f"/api/users/{factories.make_user().id}/status", json=body, headers=admin.headers)

        assert invalid_fields(answer) == [field]

    def test_unknown_user_is_not_found(self, client: FlaskClient, admin: SignedIn) -> None:
        assert error_of(client.delete(f"/api/users/{ObjectId()}", headers=admin.headers)) == (404, "NOT_FOUND")

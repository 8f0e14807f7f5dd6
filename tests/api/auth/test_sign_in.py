"""Sign-in and registration with a code."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.appointments.service import staff
from arthomed.core.permissions import Role
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent
from tests.factories import Records, code_for, data_of, envelope_of, error_of, invalid_fields, request_code, submit_code


def sign_in(client: FlaskClient, mobile: str = MOBILE, **more: Any) -> TestResponse:
    return submit_code(client, mobile, code_sent(client, mobile), **more)


def register(client: FlaskClient, mobile: str = MOBILE, **more: Any) -> TestResponse:
    body = {"mobileNumber": mobile, "otp": code_sent(client, mobile), "name": "Asha Verma", **more}
    return client.post("/api/auth/register", json=body)


class TestVerify:
    def test_an_unknown_number_is_registered_as_a_verified_active_patient(self, client: FlaskClient) -> None:
        signed_in = data_of(sign_in(client))
        user = signed_in["user"]

        assert (signed_in["isNewUser"], user["role"], user["mobileNumber"]) == (True, "patient", MOBILE)
        assert (user["isVerified"], user["isActive"]) == (True, True)

    def test_the_message_says_whether_the_number_was_registered(self, client: FlaskClient, now: Now) -> None:
        messages = []
        for _ in range(2):
            messages.append(envelope_of(sign_in(client))["message"])
            now.shift(timedelta(minutes=2))

        assert messages == ["Registration successful", "Login successful"]

    def test_a_new_patient_without_a_name_is_named_by_the_number(self, client: FlaskClient) -> None:
        assert data_of(sign_in(client))["user"]["name"] == "Patient 3210"

    def test_a_new_patient_may_send_name_and_email(self, client: FlaskClient) -> None:
        user = data_of(sign_in(client, name="आशा  वर्मा ", email=" Asha@Example.com"))["user"]

        assert (user["name"], user["email"]) == ("आशा वर्मा", "asha@example.com")

    @pytest.mark.parametrize("role", Role)
    def test_a_known_number_signs_in_with_its_role(self, client: FlaskClient, role: Role) -> None:
        user = factories.make_user(role)

        signed_in = data_of(sign_in(client, user.mobile_number))

        assert (signed_in["user"]["_id"], signed_in["user"]["role"]) == (str(user.id), role)
        assert signed_in["isNewUser"] is False

    def test_sign_in_does_not_change_the_name_of_a_known_user(self, client: FlaskClient) -> None:
        user = factories.make_user(name="Asha Verma")

        assert data_of(sign_in(client, user.mobile_number, name="Somebody Else"))["user"]["name"] == "Asha Verma"

    @pytest.mark.parametrize("mobile", ["+91 98765 43210", "098765-43210", "919876543210"])
    def test_every_notation_of_a_number_is_accepted(self, client: FlaskClient, mobile: str) -> None:
        data_of(request_code(client, MOBILE))

        assert data_of(submit_code(client, mobile, code_for(MOBILE)))["user"]["mobileNumber"] == MOBILE

    def test_the_response_has_both_tokens_their_type_and_lifetime(self, client: FlaskClient) -> None:
        tokens = data_of(sign_in(client))["tokens"]

        assert set(tokens) == {"accessToken", "refreshToken", "tokenType", "expiresIn"}
        assert (tokens["tokenType"], tokens["expiresIn"]) == ("Bearer", 3600)

    def test_a_deactivated_user_cannot_sign_in(self, client: FlaskClient) -> None:
        user, admin = factories.make_user(), factories.make_user(Role.ADMIN)
        staff.set_active(factories.actor_of(admin), user.id, is_active=False)

        assert error_of(sign_in(client, user.mobile_number)) == (401, "USER_INACTIVE")

    def test_the_user_has_only_the_documented_fields(self, client: FlaskClient) -> None:
        user = data_of(sign_in(client))["user"]

        assert set(user) == {
            "_id",
            "avatar",
            "mobileNumber",
            "name",
            "email",
            "role",
            "isActive",
            "isVerified",
            "profile",
            "patientInfo",
            "createdAt",
            "updatedAt",
        }

    @pytest.mark.parametrize("otp", ["12345", "1234567", "12345a", "", "12 34 5", 123456, None])
    def test_a_code_that_is_not_six_digits_is_refused_before_it_is_compared(
        self, client: FlaskClient, database: Records, otp: object
    ) -> None:
        data_of(request_code(client, MOBILE))
        body = {"mobileNumber": MOBILE, "otp": otp}

        assert error_of(client.post("/api/auth/verify-otp", json=body)) == (400, "VALIDATION_ERROR")
        assert database.otps.find_one({}, {"attempts": 1, "_id": 0}) == {"attempts": 0}


class TestRegister:
    def test_a_new_patient_is_created(self, client: FlaskClient) -> None:
        registered = data_of(register(client, email="asha@example.com"), 201)

        assert (registered["isNewUser"], registered["user"]["role"]) == (True, "patient")
        assert (registered["user"]["name"], registered["user"]["email"]) == ("Asha Verma", "asha@example.com")

    def test_a_name_is_required(self, client: FlaskClient) -> None:
        response = client.post("/api/auth/register", json={"mobileNumber": MOBILE, "otp": "123456"})

        assert envelope_of(response)["errors"] == [{"field": "name", "message": "Missing data for required field."}]

    def test_a_registered_number_is_a_duplicate_and_gets_no_session(
        self, client: FlaskClient, database: Records
    ) -> None:
        user = factories.make_user()

        response = register(client, user.mobile_number)

        assert error_of(response) == (400, "DUPLICATE_VALUE")
        assert envelope_of(response)["message"] == "Mobile number is already registered"
        assert database.sessions.count_documents({}) == 0

    def test_a_duplicate_is_not_revealed_without_the_code(self, client: FlaskClient) -> None:
        user = factories.make_user()
        body = {"mobileNumber": user.mobile_number, "otp": "123456", "name": "Asha Verma"}

        assert error_of(client.post("/api/auth/register", json=body)) == (400, "OTP_EXPIRED")

    @pytest.mark.parametrize("name", ["Asha1", "<script>", "A" * 101, "...", "", "\u200b", 5, None, ["A"]])
    def test_an_invalid_name_is_refused(self, client: FlaskClient, name: object) -> None:
        assert invalid_fields(register(client, name=name)) == ["name"]

    @pytest.mark.parametrize(
        "email",
        [
            "asha",
            "asha@",
            "@example.com",
            "a b@example.com",
            "asha@example",
            "a\n@example.com",
            f"{'a' * 250}@b.in",
            "root@localhost",
            "ROOT@LOCALHOST",
            "root@[127.0.0.1]",
            "root@127.0.0.1",
            "root@printer.local",
            "root@localhost.localdomain",
        ],
    )
    def test_an_invalid_email_address_is_refused(self, client: FlaskClient, email: str) -> None:
        assert set(invalid_fields(register(client, email=email))) == {"email"}

    def test_several_users_may_share_an_email_address(self, client: FlaskClient) -> None:
        factories.make_user(email="family@example.com")

        assert register(client, email="family@example.com").status_code == 201


class TestMobileNumbers:
    @pytest.mark.parametrize(
        "mobile",
        ["", "5876543210", "987654321", "+14155550100", "9876543210\x00", 9876543210, None, {}],
    )
    @pytest.mark.parametrize("path", ["send-otp", "verify-otp", "register"])
    def test_a_number_that_is_no_indian_mobile_is_refused(self, client: FlaskClient, path: str, mobile: object) -> None:
        response = client.post(f"/api/auth/{path}", json={"mobileNumber": mobile})

        assert "mobileNumber" in invalid_fields(response)


class TestConcurrency:
    def test_concurrent_sign_ins_have_a_session_and_an_event_each(
        self, app: Flask, client: FlaskClient, database: Records
    ) -> None:
        people = [factories.make_user() for _ in range(5)]
        inactive, guessing = factories.make_user(is_active=False), factories.make_user()
        everybody = [*people, inactive, guessing]
        codes = [code_sent(client, one.mobile_number) for one in everybody]
        codes[-1] = factories.wrong_code(codes[-1])

        *responses, of_inactive, of_guess = factories.in_parallel(
            len(everybody), lambda at: submit_code(app.test_client(), everybody[at].mobile_number, codes[at])
        )

        assert error_of(of_inactive) == (401, "USER_INACTIVE")
        assert error_of(of_guess) == (400, "OTP_INVALID")
        for person, response in zip(people, responses, strict=True):
            assert data_of(response)["user"]["_id"] == str(person.id)
            [session] = database.sessions.find({"user": person.id})
            [event] = database.audit_events.find({"records": session["_id"]})
            assert (event["requestId"], event["subjects"]) == (response.headers["X-Request-ID"], [person.id])
        attempts = {one["mobileNumber"]: (one["isUsed"], one["attempts"]) for one in database.otps.find()}
        assert attempts == {
            **{person.mobile_number: (True, 0) for person in (*people, inactive)},
            guessing.mobile_number: (False, 1),
        }

"""Urlencoded forms, which the specification accepts beside JSON."""

import pytest
from flask.testing import FlaskClient

from arthomed.auth.models import Session
from tests import factories
from tests.api.http.test_request_bodies import FORM, LIMIT, put
from tests.factories import SignedIn, data_of, envelope_of, error_of, invalid_fields


class TestUrlencodedForms:
    @pytest.mark.parametrize("media_type", [FORM, f"{FORM}; charset=utf-8", FORM.upper()])
    def test_texts_are_accepted_as_in_json(self, client: FlaskClient, person: SignedIn, media_type: str) -> None:
        response = put(client, person, b"name=Asha+%E0%A4%86%E0%A4%B6%E0%A4%BE", media_type)

        assert envelope_of(response)["data"]["user"]["name"] == "Asha \u0906\u0936\u093e"

    def test_a_code_can_be_requested_with_a_form(self, client: FlaskClient) -> None:
        response = client.post("/api/auth/send-otp", data={"mobileNumber": "9876543210"})

        assert response.status_code == 200

    @pytest.mark.parametrize("body", [b"name=Asha&x=1", b"name=Asha&name=Usha", b"profile[gender]=female", b"name"])
    def test_unknown_repeated_and_empty_fields_are_refused(
        self, client: FlaskClient, person: SignedIn, body: bytes
    ) -> None:
        assert error_of(put(client, person, body, FORM)) == (400, "VALIDATION_ERROR")

    def test_a_form_that_is_cut_off_is_refused_although_the_server_reports_no_disconnection(
        self, client: FlaskClient, person: SignedIn
    ) -> None:
        ends_as_gunicorn_does = {"wsgi.input_terminated": True, "CONTENT_LENGTH": "40"}

        response = client.put(
            "/api/users/profile",
            data=b"name=Ash",
            content_type=FORM,
            headers=person.headers,
            environ_overrides=ends_as_gunicorn_does,
        )

        assert error_of(response) == (400, "VALIDATION_ERROR")
        assert data_of(client.get("/api/users/profile", headers=person.headers))["user"]["name"] != "Ash"

    def test_a_byte_order_mark_is_ignored(self, client: FlaskClient, person: SignedIn) -> None:
        assert put(client, person, b"\xef\xbb\xbfname=Asha", FORM).status_code == 200

    @pytest.mark.parametrize("body", [b"a&" * 1000, b"name=" + b"%41" * 1_000_001], ids=["fields", "escapes"])
    def test_a_form_with_too_many_fields_or_escapes_is_too_large(
        self, client: FlaskClient, person: SignedIn, body: bytes
    ) -> None:
        assert error_of(put(client, person, body, FORM)) == (413, "PAYLOAD_TOO_LARGE")

    def test_a_form_of_up_to_10_mebibytes_is_read(self, client: FlaskClient, person: SignedIn) -> None:
        responses = [put(client, person, b"name=".ljust(LIMIT + more, b"x"), FORM) for more in range(2)]

        assert [error_of(response) for response in responses] == [(400, "VALIDATION_ERROR"), (413, "PAYLOAD_TOO_LARGE")]


class TestRoutes:
    """Every route whose body is flat takes a form in place of JSON."""

    def test_tokens_are_refreshed(self, client: FlaskClient, person: SignedIn) -> None:
        pair = data_of(client.post("/api/auth/refresh-token", data={"refreshToken": person.refresh_token}))

        for key in ("json", "data"):
            body = {key: {"refreshToken": pair["refreshToken"]}}
            assert data_of(client.post("/api/auth/refresh-token", **body))["accessToken"]

    @pytest.mark.parametrize("token", ["abc", "access", "\ud7ff", "%00"])
    def test_a_refresh_token_that_is_not_valid_is_refused(
        self, client: FlaskClient, person: SignedIn, token: str
    ) -> None:
        body = {"refreshToken": person.access_token if token == "access" else token}

        assert error_of(client.post("/api/auth/refresh-token", data=body)) == (401, "INVALID_TOKEN")

    @pytest.mark.parametrize("body", [b"", b"refreshToken=", b"refreshToken", b"refreshToken=a&refreshToken=b"])
    def test_a_refresh_without_a_token_names_the_field(self, client: FlaskClient, body: bytes) -> None:
        response = client.post("/api/auth/refresh-token", data=body, content_type=FORM)

        assert invalid_fields(response) == ["refreshToken"]

    def test_the_refresh_token_alone_signs_a_device_out(self, client: FlaskClient, person: SignedIn) -> None:
        data_of(client.post("/api/auth/logout", data={"refreshToken": person.refresh_token}))

        assert Session.objects(id=person.session_id).first() is None

    def test_a_code_signs_in_and_a_patient_registers(self, client: FlaskClient) -> None:
        known, new = factories.make_user().mobile_number, factories.new_mobile()
        for mobile in (known, new):
            data_of(client.post("/api/auth/send-otp", data={"mobileNumber": mobile}))
        codes = [{"mobileNumber": mobile, "otp": factories.code_for(mobile)} for mobile in (known, new)]

        verified = client.post("/api/auth/verify-otp", data=codes[0])
        registered = client.post("/api/auth/register", data={**codes[1], "name": "Asha"})

        assert data_of(verified)["user"]["mobileNumber"] == known
        assert data_of(registered, 201)["user"]["name"] == "Asha"

    def test_an_appointment_is_booked_confirmed_and_cancelled(
        self, client: FlaskClient, person: SignedIn, admin: SignedIn
    ) -> None:
        body = factories.booking_body(factories.make_doctor())
        booked = client.post("/api/appointments/book", data=body, content_type=FORM, headers=person.headers)
        url = f"/api/appointments/{data_of(booked, 201)['appointment']['_id']}"

        noted = client.put(url, data={"symptoms": "Cough"}, headers=person.headers)
        confirmed = client.put(f"{url}/status", data={"status": "confirmed"}, headers=admin.headers)
        cancelled = client.put(f"{url}/cancel", data={"reason": "Better"}, headers=person.headers)

        statuses = [data_of(one)["appointment"]["status"] for one in (noted, confirmed, cancelled)]
        assert statuses == ["pending", "confirmed", "cancelled"]

    def test_a_flag_is_true_or_false(self, client: FlaskClient, person: SignedIn, admin: SignedIn) -> None:
        url = f"/api/users/{person.user.id}/status"

        answers = {
            text: client.put(url, data={"isActive": text, "reason": "Asked for it"}, headers=admin.headers)
            for text in ("false", "true", "yes", "1")
        }

        assert [data_of(answers[text])["user"]["isActive"] for text in ("false", "true")] == [False, True]
        assert [invalid_fields(answers[text]) for text in ("yes", "1")] == [["isActive"]] * 2

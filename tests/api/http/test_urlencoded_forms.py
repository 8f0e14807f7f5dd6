"""Urlencoded forms, which the specification accepts beside JSON."""

import pytest
from flask.testing import FlaskClient

from tests.api.http.test_request_bodies import FORM, LIMIT, put
from tests.factories import SignedIn, envelope_of, error_of


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

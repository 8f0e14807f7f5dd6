"""Numbers and codes as people type and paste them when they sign in."""

import pytest
from flask.testing import FlaskClient

from tests import factories
from tests.api.auth.sign_in import MOBILE, code_sent, fail
from tests.factories import Records, code_for, data_of, envelope_of, error_of, invalid_fields, request_code, submit_code

PIXEL = {"name": "Asha\u2019s \U0001fa77 Pixel\u000b9", "platform": "android"}


@pytest.mark.parametrize(
    "mobile",
    ["\u202a+91 98765 43210\u202c", "(+91) 98765-43210", "00919876543210", "९८७६५ ४३२१०", " 98765\u00a043210\n"],
)
def test_a_number_from_an_address_book_can_sign_in(client: FlaskClient, mobile: str) -> None:
    data_of(request_code(client, mobile))

    assert data_of(submit_code(client, mobile, code_for(MOBILE)))["user"]["mobileNumber"] == MOBILE


@pytest.mark.parametrize("form", ["{0} {1}", " {0}{1}\n", "{0}-{1}", "\u202a{0}\u00a0{1}\u202c", "{0}\u200b{1}"])
def test_a_code_can_be_pasted_with_spaces_and_marks(client: FlaskClient, form: str) -> None:
    code = code_sent(client)

    assert submit_code(client, MOBILE, form.format(code[:3], code[3:])).status_code == 200


def test_a_code_can_be_typed_with_devanagari_digits(client: FlaskClient) -> None:
    typed = code_sent(client).translate({ord("0") + digit: 0x0966 + digit for digit in range(10)})

    assert submit_code(client, MOBILE, typed).status_code == 200


@pytest.mark.parametrize(
    ("otp", "message"),
    [
        ("12345", "OTP must be exactly 6 digits"),
        ("1234567", "OTP must be exactly 6 digits"),
        ("12345a", "OTP must contain only numbers"),
        ("12345²", "OTP must contain only numbers"),
    ],
)
def test_a_code_that_cannot_be_one_is_refused_in_the_words_of_the_specification(
    client: FlaskClient, otp: str, message: str
) -> None:
    assert envelope_of(submit_code(client, MOBILE, otp))["errors"] == [{"field": "otp", "message": message}]


def test_a_device_may_be_named_with_a_new_emoji(client: FlaskClient) -> None:
    signed_in = data_of(submit_code(client, MOBILE, code_sent(client), device=PIXEL))
    headers = {"Authorization": f"Bearer {signed_in['tokens']['accessToken']}"}

    [device] = data_of(client.get("/api/auth/sessions", headers=headers))["items"]

    assert device["name"] == "Asha\u2019s \U0001fa77 Pixel 9"


@pytest.mark.parametrize("name", ["email", "name", "device", "privacyNotice", "purpose"])
@pytest.mark.parametrize("blank", [None, "", " \u200b"])
def test_a_blank_optional_field_is_absent(client: FlaskClient, name: str, blank: str | None) -> None:
    body = {"mobileNumber": MOBILE, "otp": code_sent(client), name: blank}
    user = data_of(client.post("/api/auth/verify-otp", json=body))["user"]

    assert (user["name"], user["email"]) == ("Patient 3210", None)


def test_a_blank_name_is_refused_where_one_is_required(client: FlaskClient) -> None:
    body = {"mobileNumber": MOBILE, "otp": code_sent(client), "name": "\u00a0"}

    response = client.post("/api/auth/register", json=body)

    assert envelope_of(response)["errors"] == [
        {"field": "name", "message": "Name must be between 1 and 100 characters", "value": "\u00a0"}
    ]


class TestRegistrationOfAKnownNumber:
    """The app asks a returning patient to register: the code is still good for signing in."""

    def register(self, client: FlaskClient, code: str) -> tuple[int, str]:
        body = {"mobileNumber": MOBILE, "otp": code, "name": "Asha Verma"}
        return error_of(client.post("/api/auth/register", json=body))

    def test_the_code_can_sign_in_afterwards_once(self, client: FlaskClient) -> None:
        factories.make_user(mobile_number=MOBILE)
        code = code_sent(client)

        assert [self.register(client, code) for _ in range(2)] == [(400, "DUPLICATE_VALUE")] * 2
        assert submit_code(client, MOBILE, code).status_code == 200
        assert error_of(submit_code(client, MOBILE, code)) == (400, "OTP_EXPIRED")
        assert self.register(client, code) == (400, "OTP_EXPIRED")

    def test_a_wrong_code_is_counted(self, client: FlaskClient, database: Records) -> None:
        factories.make_user(mobile_number=MOBILE)
        code = code_sent(client)

        for _ in range(2):
            assert self.register(client, factories.wrong_code(code)) == (400, "OTP_INVALID")
        assert self.register(client, code) == (400, "DUPLICATE_VALUE")
        fail(client, 1)
        assert self.register(client, code)[1] != "DUPLICATE_VALUE"
        assert database.sessions.count_documents({}) == 0


def test_an_erasure_takes_the_code_as_typed(client: FlaskClient) -> None:
    signed_in = data_of(submit_code(client, MOBILE, code_sent(client)))
    headers = {"Authorization": f"Bearer {signed_in['tokens']['accessToken']}"}

    assert invalid_fields(client.post("/api/users/profile/erasure", json={"otp": "12 34"}, headers=headers)) == ["otp"]

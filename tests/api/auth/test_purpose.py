"""A code signs in only for the purpose that it was requested for, when the client names one."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests import factories
from tests.factories import code_for, error_of, request_code, submit_code

OTHER = {"login": "registration", "registration": "login"}


def register(client: FlaskClient, mobile: str, **more: str) -> TestResponse:
    body = {"mobileNumber": mobile, "otp": code_for(mobile), "name": "Asha Verma", **more}
    return client.post("/api/auth/register", json=body)


@pytest.mark.parametrize("purpose", OTHER)
def test_a_code_for_another_purpose_is_a_wrong_code(client: FlaskClient, purpose: str) -> None:
    mobile = factories.new_mobile()
    request_code(client, mobile, purpose=purpose)

    verified = submit_code(client, mobile, code_for(mobile), purpose=OTHER[purpose])
    registered = register(client, mobile, purpose=OTHER[purpose])

    assert (error_of(verified), error_of(registered)) == ((400, "OTP_INVALID"), (400, "OTP_INVALID"))


def test_the_default_purpose_of_a_code_is_login(client: FlaskClient) -> None:
    mobile = factories.make_user().mobile_number
    request_code(client, mobile)

    assert error_of(submit_code(client, mobile, code_for(mobile), purpose="registration")) == (400, "OTP_INVALID")
    assert submit_code(client, mobile, code_for(mobile), purpose="login").status_code == 200


def test_a_code_for_another_purpose_costs_an_attempt(client: FlaskClient) -> None:
    mobile = factories.make_user().mobile_number
    request_code(client, mobile)
    for _ in range(3):
        submit_code(client, mobile, code_for(mobile), purpose="registration")

    response = submit_code(client, mobile, code_for(mobile), purpose="login")

    assert error_of(response) == (400, "OTP_MAX_ATTEMPTS")


@pytest.mark.parametrize("purpose", OTHER)
@pytest.mark.parametrize("named", [True, False], ids=["named", "not named"])
def test_the_same_purpose_or_none_signs_in(client: FlaskClient, purpose: str, *, named: bool) -> None:
    verified, registered = factories.new_mobile(), factories.new_mobile()
    more = {"purpose": purpose} if named else {}
    for mobile in (verified, registered):
        request_code(client, mobile, purpose=purpose)

    assert submit_code(client, verified, code_for(verified), **more).status_code == 200
    assert register(client, registered, **more).status_code == 201

"""Signing in to the dashboard, and out of it."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.auth.models import Session
from arthomed.config import AppEnv, settings
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import Browser

SIGN_IN = "/dashboard/sign-in"
HEADERS = {"HX-Request": "true", "Origin": "http://localhost"}
WRONG_FIELD = re.compile(r'<p class="error" id="(\w+)-error">([^<]+)</p>')


def form_token(client: FlaskClient) -> str:
    found = re.search(r'name="formToken" value="([^"]+)"', client.get(SIGN_IN).text)
    assert found
    return found[1]


def send(client: FlaskClient, path: str, *, address: str = "127.0.0.1", **form: str) -> TestResponse:
    data = {"formToken": form_token(client), **form}
    return client.post(path, data=data, headers=HEADERS, environ_base={"REMOTE_ADDR": address})


def sign_in(client: FlaskClient, user: User, **more: Any) -> TestResponse:
    send(client, f"{SIGN_IN}/code", mobileNumber=user.mobile_number, **more)
    code = factories.code_for(user.mobile_number)
    return send(client, SIGN_IN, mobileNumber=user.mobile_number, otp=code, **more)


@pytest.fixture
def receptionist(client: FlaskClient) -> User:
    del client  # it empties the database
    return factories.make_user(Role.RECEPTIONIST)


def test_staff_sign_in_with_a_code(client: FlaskClient, receptionist: User) -> None:
    response = sign_in(client, receptionist)

    assert (response.status_code, response.headers["HX-Redirect"]) == (204, "/dashboard")
    assert client.get("/dashboard/day").status_code == 200
    assert Session.objects.get().platform == "other"


def test_the_code_may_be_pasted_with_spaces(client: FlaskClient, receptionist: User) -> None:
    send(client, f"{SIGN_IN}/code", mobileNumber="+91 " + receptionist.mobile_number)
    code = factories.code_for(receptionist.mobile_number)

    response = send(client, SIGN_IN, mobileNumber=receptionist.mobile_number, otp=f" {code[:3]} {code[3:]} ")

    assert response.status_code == 204


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client: FlaskClient, receptionist: User) -> None:
    cookie = sign_in(client, receptionist).headers["Set-Cookie"]

    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))


def test_the_cookie_of_production_is_bound_to_the_host(app: Flask) -> None:
    with factories.another_app(app_env=AppEnv.PRODUCTION) as production:
        config = production.config

    assert config["JWT_ACCESS_COOKIE_NAME"] == "__Host-arthomed"
    assert (config["JWT_COOKIE_SECURE"], config["JWT_ACCESS_COOKIE_PATH"], config["JWT_COOKIE_DOMAIN"]) == (
        True,
        "/",
        None,
    )


@pytest.mark.parametrize("is_registered", [True, False])
def test_who_is_no_staff_is_sent_to_the_app(client: FlaskClient, is_registered: bool) -> None:  # noqa: FBT001
    mobile = factories.make_user().mobile_number if is_registered else factories.new_mobile()
    send(client, f"{SIGN_IN}/code", mobileNumber=mobile)
    users = User.objects.count()

    response = send(client, SIGN_IN, mobileNumber=mobile, otp=factories.code_for(mobile))

    assert response.status_code == 403
    assert "Please use the Arthomed app" in response.text
    assert "Set-Cookie" not in response.headers
    assert (Session.objects.count(), User.objects.count()) == (0, users)


def test_the_code_of_a_patient_still_works_in_the_app(client: FlaskClient) -> None:
    patient = factories.make_user()
    sign_in(client, patient)

    code = factories.code_for(patient.mobile_number)
    assert factories.submit_code(client, patient.mobile_number, code).status_code == 200


def test_a_wrong_code_is_refused_beside_the_field(client: FlaskClient, receptionist: User) -> None:
    send(client, f"{SIGN_IN}/code", mobileNumber=receptionist.mobile_number)
    wrong = factories.wrong_code(factories.code_for(receptionist.mobile_number))

    response = send(client, SIGN_IN, mobileNumber=receptionist.mobile_number, otp=wrong)

    assert response.status_code == 400
    assert WRONG_FIELD.findall(response.text) == [("code", "The code is wrong.")]


def test_a_wrong_number_is_refused_beside_the_field_and_stays(client: FlaskClient) -> None:
    response = send(client, f"{SIGN_IN}/code", mobileNumber="12345")

    assert response.status_code == 400
    assert WRONG_FIELD.findall(response.text) == [("mobile", "Mobile number must be exactly 10 digits")]
    assert 'value="12345"' in response.text


def test_who_asks_twice_can_enter_the_first_code(client: FlaskClient, receptionist: User) -> None:
    send(client, f"{SIGN_IN}/code", mobileNumber=receptionist.mobile_number)

    again = send(client, f"{SIGN_IN}/code", mobileNumber=receptionist.mobile_number)

    assert again.status_code == 429
    assert 'autocomplete="one-time-code"' in again.text


@pytest.mark.parametrize("token", ["", "forged", "IiI.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb"])
def test_a_form_without_a_signed_token_is_refused(client: FlaskClient, token: str) -> None:
    data = {"formToken": token, "mobileNumber": factories.new_mobile()}

    assert client.post(f"{SIGN_IN}/code", data=data, headers=HEADERS).status_code == 403


def test_a_form_from_before_the_secret_was_replaced_is_accepted(app: Flask, client: FlaskClient) -> None:
    data = {"formToken": form_token(client), "mobileNumber": factories.new_mobile()}
    with factories.another_app(jwt_keys=("n" * 40, settings().jwt_secret)) as rotated:
        response = rotated.test_client().post(f"{SIGN_IN}/code", data=data, headers=HEADERS)

    assert response.status_code == 200


def test_25_colleagues_behind_one_address_sign_in_at_nine(app: Flask, client: FlaskClient) -> None:
    """With the limits of production: each opens the dashboard, mistypes the number and then the code once."""
    colleagues = [factories.make_user(Role.RECEPTIONIST) for _ in range(25)]
    for one in colleagues:
        browser = app.test_client()
        browser.get("/dashboard", follow_redirects=True)
        for name in ("dashboard.css", "dashboard.js", "htmx.min.js"):
            assert browser.get(f"/dashboard/static/{name}").status_code == 200
        data = {"formToken": form_token(browser), "mobileNumber": "1234"}
        browser.post(f"{SIGN_IN}/code", data=data, headers=HEADERS)
        data["mobileNumber"] = one.mobile_number
        browser.post(f"{SIGN_IN}/code", data=data, headers=HEADERS)
        code = factories.code_for(one.mobile_number)
        browser.post(SIGN_IN, data={**data, "otp": factories.wrong_code(code)}, headers=HEADERS)
        browser.post(SIGN_IN, data={**data, "otp": code}, headers=HEADERS)

        assert browser.get("/dashboard", follow_redirects=True).request.path == "/dashboard/day"


class TestSignOut:
    def test_the_session_is_over_and_the_browser_cleared(self, app: Flask, receptionist: User) -> None:
        browser = Browser(app, receptionist)

        response = browser.post("/dashboard/sign-out")

        assert (response.status_code, response.headers["HX-Redirect"]) == (204, SIGN_IN)
        assert "storage" in response.headers["Clear-Site-Data"]
        assert "arthomed=;" in response.headers["Set-Cookie"]
        assert Session.objects.count() == 0

    def test_a_screen_that_is_open_elsewhere_leads_to_the_sign_in(self, app: Flask, receptionist: User) -> None:
        browser = Browser(app, receptionist)
        Session.objects.delete()

        page, part = browser.get("/dashboard/day"), browser.get("/dashboard/day/live", is_partial=True)

        assert (page.status_code, page.location) == (302, SIGN_IN)
        assert (part.status_code, part.headers["HX-Redirect"]) == (401, SIGN_IN)


class TestPreferences:
    def test_a_language_is_remembered(self, client: FlaskClient) -> None:
        response = send(client, "/dashboard/preferences", arthomed_language="hi")

        assert response.headers["HX-Refresh"] == "true"
        assert '<html lang="hi">' in client.get(SIGN_IN).text

    def test_an_unknown_language_is_refused(self, client: FlaskClient) -> None:
        response = send(client, "/dashboard/preferences", arthomed_language="<script>")

        assert (response.status_code, "Set-Cookie" in response.headers) == (400, False)

    def test_the_browser_language_is_the_default(self, client: FlaskClient) -> None:
        page = client.get(SIGN_IN, headers={"Accept-Language": "mr-IN,mr;q=0.9,en;q=0.5"}).text

        assert '<html lang="mr">' in page

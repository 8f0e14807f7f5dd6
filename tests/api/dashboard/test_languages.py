"""What people meet on pages, printed or when something goes wrong, is in the language of the screen."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import InternalServerError
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.core.errors import Code
from arthomed.core.permissions import Role
from arthomed.dashboard import texts
from arthomed.dashboard.i18n import LANGUAGES
from arthomed.http import auth, errors
from arthomed.payments.rules import Method
from arthomed.payments.service import recording
from tests import factories
from tests.api.auth.sign_in import Now
from tests.factories import Browser

OTHERS = sorted(LANGUAGES.keys() - {"en"})
_ENGLISH = re.compile(r"[A-Za-z]{2,}")
_MARKUP = re.compile(r"<(style|script|head)\b.*?</\1>|<[^>]+>", re.DOTALL)
_NAMES = {"Sunrise", "UPI", "SMS", "English", "PDF", "Esc", "Enter"}
in_each_language = pytest.mark.parametrize("language", OTHERS)


def words_in_english(page: str) -> set[str]:
    """What a page says in Latin letters, its title and spoken names included."""
    titles = re.findall(r"<title>(.*?)</title>|(?:aria-label|placeholder)=\"([^\"]*)\"", page, re.DOTALL)
    text = " ".join([_MARKUP.sub(" ", page), *(" ".join(one) for one in titles)])
    return set(_ENGLISH.findall(unescape(text))) - _NAMES


@pytest.fixture
def browser(app: Flask, client: FlaskClient) -> Browser:
    del client  # the database is empty now
    return Browser(app, factories.make_user(Role.RECEPTIONIST, name="जोसेफ"))


@pytest.fixture
def appointment(browser: Browser) -> Appointment:
    del browser
    doctor = factories.make_doctor(name="मीरा")
    doctor.doctor_info.specialization = "हृदय रोग"
    doctor.save()
    return factories.make_appointment(factories.make_user(name="आशा"), doctor, reason="बुखार")


def read_in(browser: Browser, language: str) -> None:
    browser.client.set_cookie("arthomed_language", language)


def test_a_page_in_english_would_be_noticed(browser: Browser, appointment: Appointment) -> None:
    assert "Patient" in words_in_english(browser.get(f"/dashboard/appointments/{appointment.id}/slip").text)


@in_each_language
def test_the_slip_is_in_the_language_of_the_desk(browser: Browser, appointment: Appointment, language: str) -> None:
    read_in(browser, language)

    with factories.environment(CLINIC_NAME="Sunrise"):
        page = browser.get(f"/dashboard/appointments/{appointment.id}/slip").text

    assert f'<html lang="{language}">' in page
    assert words_in_english(page) == set()
    assert "Sunrise" in page


@in_each_language
def test_receipts_are_in_the_language_of_the_desk(browser: Browser, appointment: Appointment, language: str) -> None:
    read_in(browser, language)
    desk = factories.actor_of(browser.user)
    details = {"reference": None, "key": None}
    paid = recording.pay(desk, appointment.id, 300, Method.CASH, **details).payment
    refunded = recording.refund(desk, appointment.id, 100, Method.UPI, reason="बीमार", key=None).payment
    corrected = recording.correct(desk, refunded.id, reason="भूल", key=None).payment

    with factories.environment(CLINIC_NAME="Sunrise"):
        pages = [browser.get(f"/dashboard/payments/{one.id}/receipt").text for one in (paid, refunded, corrected)]

    assert [words_in_english(page) for page in pages] == [set()] * 3
    assert all(f'<html lang="{language}">' in page and "Sunrise" in page and "₹ " in page for page in pages)
    assert "₹ 300" in pages[0]


def test_the_receipt_of_the_api_stays_in_english(app: Flask, browser: Browser, appointment: Appointment) -> None:
    details = {"reference": None, "key": None}
    paid = recording.pay(factories.actor_of(browser.user), appointment.id, 300, Method.CASH, **details).payment
    headers = {**factories.sign_in(app, browser.user).headers, "Accept-Language": "hi", "Accept": "text/html"}

    page = app.test_client().get(f"/api/payments/{paid.id}/receipt", headers=headers).text

    assert "Rupees three hundred only" in page
    assert '<html lang="en">' in page


def _not_found(browser: Browser) -> TestResponse:
    return browser.get(f"/dashboard/appointments/{factories.UNKNOWN_ID}")


def _no_page(browser: Browser) -> TestResponse:
    return browser.get("/dashboard/nothing")


def _forbidden(browser: Browser) -> TestResponse:
    return browser.get("/dashboard/my-day")


def _forged(browser: Browser) -> TestResponse:
    return browser.client.post("/dashboard/sign-out", headers={"Origin": "https://evil.example"})


def _wrong_method(browser: Browser) -> TestResponse:
    return browser.client.put("/dashboard/day", headers=browser.headers)


def _failed(browser: Browser) -> TestResponse:
    return browser.client.get("/dashboard/fails")


def _signed_out(browser: Browser) -> TestResponse:
    browser.client.delete_cookie("arthomed")
    return browser.get("/dashboard/day", follow_redirects=True)


@in_each_language
@pytest.mark.parametrize(
    ("meet", "status"),
    [(_not_found, 404), (_no_page, 404), (_forbidden, 403), (_forged, 403), (_wrong_method, 405), (_signed_out, 200)],
)
def test_a_page_about_a_problem_is_in_the_language_of_the_reader(
    browser: Browser, meet: Callable[[Browser], TestResponse], status: int, language: str
) -> None:
    read_in(browser, language)

    response = meet(browser)

    assert response.status_code == status
    assert words_in_english(response.text) - {"Arthomed"} == set()


@in_each_language
def test_the_locked_page_is_in_the_language_of_the_reader(browser: Browser, now: Now, language: str) -> None:
    browser.get("/dashboard/day")
    read_in(browser, language)
    now.shift(timedelta(minutes=11))

    page = browser.get("/dashboard/day", follow_redirects=True)
    wrong = browser.post("/dashboard/unlock", otp="12")

    assert page.request.path == "/dashboard/locked"
    assert [words_in_english(one.text) - {"Arthomed"} for one in (page, wrong)] == [set(), set()]


@in_each_language
def test_too_many_requests_and_a_failure_are_said_in_the_language_of_the_reader(
    browser: Browser, language: str
) -> None:
    with factories.another_app(rate_limits=factories.rate_limits(user=1)) as limited:
        reader = Browser(limited, browser.user)
        read_in(reader, language)
        limited.add_url_rule("/dashboard/fails", "fails", _fail)
        failed = _failed(reader)
        refused = [reader.get("/dashboard/day") for _ in range(2)][-1]

    assert (failed.status_code, refused.status_code) == (500, 429)
    assert [words_in_english(one.text) - {"Arthomed"} for one in (failed, refused)] == [set(), set()]


def _fail() -> str:
    raise InternalServerError


@in_each_language
def test_what_is_wrong_in_a_form_is_said_in_the_language_of_the_reader(
    browser: Browser, appointment: Appointment, language: str
) -> None:
    read_in(browser, language)
    path = f"/dashboard/appointments/{appointment.id}"
    forms = {
        "/dashboard/appointments/new/person": {"mobileNumber": "123"},
        f"{path}/payment": {"amount": "abc", "method": "gold", "reference": "x" * 101},
        f"{path}/refund": {"amount": "100", "method": "cash", "reason": ""},
        f"{path}/move": {"key": "a", "when": "never"},
        f"/dashboard/requests/{appointment.id}/reject": {"reason": ""},
    }

    found = {url: browser.post(url, **form) for url, form in forms.items()}

    assert {url: response.status_code for url, response in found.items()} == dict.fromkeys(forms, 400)
    typed = {"abc", "x" * 101}
    assert {url: words_in_english(one.text) - typed for url, one in found.items()} == {url: set() for url in forms}


@in_each_language
def test_every_code_and_every_status_says_something_in_the_language(app: Flask, language: str) -> None:
    with app.test_request_context(headers={"Accept-Language": language}):
        said = {
            *(texts.translated("A message without a translation", code) for code in Code),
            *(texts.translated(text, code) for code, text in errors.HTTP_ERRORS.values()),
            *(texts.translated(error.message, error.code) for error in (auth.ForgedRequest, auth.NoToken)),
        }

    assert {text for text in said if words_in_english(text)} == set()


def test_a_value_in_a_message_is_in_its_translation(app: Flask) -> None:
    message = "Token 17 of this doctor is called now; start or skip that one first"
    with app.test_request_context(headers={"Accept-Language": "hi"}):
        assert "टोकन 17 " in texts.translated(message, Code.INVALID_STATUS_TRANSITION)

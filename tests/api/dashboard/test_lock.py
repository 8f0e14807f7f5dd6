"""A screen that nobody uses is locked, until a new code is entered."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.auth.models import Session
from arthomed.auth.service import sessions
from arthomed.config import settings
from arthomed.core import quota
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role
from arthomed.core.quota import Quota
from tests import factories
from tests.api.auth.sign_in import Now
from tests.factories import Browser

DAY, LIVE = "/dashboard/day", "/dashboard/day/live"
IDLE = {"X-Idle": "true"}


@pytest.fixture
def browser(app: Flask, client: FlaskClient, now: Now) -> Browser:
    del client, now  # the one empties the database, the other's clock is that of the session
    found = Browser(app, factories.make_user(Role.RECEPTIONIST))
    assert found.get(DAY).status_code == 200
    return found


def test_polling_is_no_input(browser: Browser, now: Now) -> None:
    for _ in range(11):
        now.shift(timedelta(minutes=1))
        response = browser.get(LIVE, is_partial=True, headers=IDLE)

    assert (response.status_code, response.headers.get("HX-Redirect")) == (423, "/dashboard/locked?back=/dashboard")
    assert "data-appointment" not in response.text


@pytest.mark.parametrize("headers", [{}, {"X-Version": "0"}])
def test_a_poll_after_input_keeps_the_screen_open(browser: Browser, now: Now, headers: dict[str, str]) -> None:
    for _ in range(30):
        now.shift(timedelta(minutes=1))
        response = browser.get(LIVE, is_partial=True, headers=headers)

    assert response.status_code == 200


def test_a_locked_screen_shows_no_page_and_does_nothing(browser: Browser, now: Now) -> None:
    now.shift(timedelta(minutes=11))

    page = browser.get(f"{DAY}?state=waiting")
    action = browser.post(f"/dashboard/appointments/{factories.UNKNOWN_ID}/arrive")

    assert page.location == "/dashboard/locked?back=/dashboard/day?state%3Dwaiting"
    assert action.status_code == 423


def test_a_new_code_opens_it_where_it_was(browser: Browser, now: Now) -> None:
    now.shift(timedelta(minutes=11))
    shown = browser.get("/dashboard/locked?back=/dashboard/day?state%3Dwaiting")
    sent = browser.post("/dashboard/unlock/code", back="/dashboard/day?state=waiting")
    code = factories.code_for(browser.user.mobile_number)

    wrong = browser.post("/dashboard/unlock", otp=factories.wrong_code(code), back="/dashboard/day?state=waiting")
    right = browser.post("/dashboard/unlock", otp=code, back="/dashboard/day?state=waiting")

    assert [one.status_code for one in (shown, sent, wrong, right)] == [200, 200, 400, 204]
    assert right.headers["HX-Redirect"] == "/dashboard/day?state=waiting"
    assert browser.get(DAY).status_code == 200


@pytest.mark.parametrize(
    "back", ["https://evil.example/dashboard/", "//evil.example", "/dashboard.evil", "/api/docs", "javascript:1", ""]
)
def test_the_way_back_leads_into_the_dashboard(browser: Browser, now: Now, back: str) -> None:
    now.shift(timedelta(minutes=11))
    browser.post("/dashboard/unlock/code")
    code = factories.code_for(browser.user.mobile_number)

    response = browser.post("/dashboard/unlock", otp=code, back=back)

    assert response.headers["HX-Redirect"] == (
        "/dashboard/" if back == "https://evil.example/dashboard/" else "/dashboard"
    )


def test_a_second_window_goes_back_once_the_first_is_open(browser: Browser, now: Now) -> None:
    now.shift(timedelta(minutes=11))
    locked = browser.get("/dashboard/locked?back=/dashboard/day")
    browser.post("/dashboard/unlock/code")
    browser.post("/dashboard/unlock", otp=factories.code_for(browser.user.mobile_number))

    again = browser.get("/dashboard/locked?back=/dashboard/day?state%3Dwaiting")

    assert (locked.status_code, again.status_code) == (200, 302)
    assert again.location == "/dashboard/day?state=waiting"


def test_codes_for_locked_screens_do_not_use_up_the_address(app: Flask, browser: Browser, now: Now) -> None:
    """25 colleagues who unlock four times an hour are 100 codes, which is the quota of an address."""
    now.shift(timedelta(minutes=11))
    limit = settings().codes.hourly_quota_per_address
    for _ in range(limit):
        quota.counter().take([Quota("address:127.0.0.1", limit, timedelta(hours=1))])

    unlocking = browser.post("/dashboard/unlock/code")
    signing_in = factories.request_code(app.test_client(), factories.new_mobile())

    assert (unlocking.status_code, signing_in.status_code) == (200, 429)


def test_a_user_who_requests_codes_again_and_again_is_refused(browser: Browser, now: Now) -> None:
    now.shift(timedelta(minutes=11))

    assert [browser.post("/dashboard/unlock/code").status_code for _ in range(2)] == [200, 429]


def test_who_leaves_a_locked_screen_signs_out(browser: Browser, now: Now) -> None:
    now.shift(timedelta(minutes=11))

    assert browser.post("/dashboard/sign-out").status_code == 204
    assert Session.objects.count() == 0


def test_input_is_stored_seldom(browser: Browser, now: Now) -> None:
    before = Session.objects.get().last_input_at
    now.shift(timedelta(seconds=10))
    browser.get(DAY)
    soon = Session.objects.get().last_input_at
    now.shift(timedelta(seconds=20))
    browser.get(DAY)

    assert soon == before < Session.objects.get().last_input_at


class TestLockNow:
    def test_it_locks_all_windows_at_once_and_opens_with_a_new_code(self, browser: Browser) -> None:
        shown = {"HX-Current-URL": "http://localhost/dashboard/day?state=waiting"}
        locked = browser.client.post("/dashboard/lock", headers={**browser.headers, **shown})

        assert locked.headers["HX-Redirect"] == "/dashboard/locked?back=/dashboard/day?state%3Dwaiting"
        assert browser.get(LIVE, is_partial=True).status_code == 423
        assert browser.get(DAY).location.startswith("/dashboard/locked")
        browser.post("/dashboard/unlock/code")
        browser.post("/dashboard/unlock", otp=factories.code_for(browser.user.mobile_number))
        assert browser.get(DAY).status_code == 200

    def test_a_request_of_the_same_moment_does_not_open_it_again(self, browser: Browser) -> None:
        actor = Actor(browser.user.id, browser.user.role, browser.session_id)
        sessions.lock_screen(actor)

        sessions.note_input(actor)

        assert browser.get(LIVE, is_partial=True).status_code == 423


def test_the_page_says_who_is_signed_in(app: Flask, client: FlaskClient) -> None:
    page = Browser(app, factories.make_user(Role.RECEPTIONIST, name="Joseph Mathew")).get(DAY).text

    assert 'class="me"><b dir="auto">Joseph Mathew</b> <span>reception</span>' in page

"""A number that failed too often is locked."""

from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.factories import answer_with, ask_for_code, code_for, refused, told
from tests.api.auth.sign_in import MOBILE, Now, budgets, code_sent, fail, lock, refresh, retry_after


def test_five_failures_lock_the_number_for_codes(client: FlaskClient, now: Now) -> None:
    lock(client, now)

    answer = ask_for_code(client, MOBILE)

    assert refused(answer) == (423, "ACCOUNT_LOCKED")
    assert 1800 - 70 <= retry_after(answer) <= 1800 - 60


def test_five_failures_lock_the_number_for_right_answers_too(client: FlaskClient, now: Now) -> None:
    code = lock(client, now)

    answer = answer_with(client, MOBILE, code)

    assert refused(answer) == (423, "ACCOUNT_LOCKED")
    assert 1800 - 70 <= retry_after(answer) <= 1800 - 60


def test_a_locked_number_can_not_be_registered(client: FlaskClient, now: Now) -> None:
    lock(client, now)

    body = {"mobileNumber": MOBILE, "otp": "123456", "name": "Asha Verma"}

    assert refused(client.post("/api/auth/register", json=body)) == (423, "ACCOUNT_LOCKED")


def test_a_request_for_a_locked_number_is_charged_to_nobody(client: FlaskClient, redis: Any, now: Now) -> None:
    lock(client, now)
    before = budgets(redis)

    ask_for_code(client, MOBILE)

    assert before
    assert budgets(redis) == before


def test_the_lock_ends_after_thirty_minutes(client: FlaskClient, now: Now) -> None:
    lock(client, now)
    now.shift(timedelta(minutes=30))

    assert ask_for_code(client, MOBILE).status_code == 200


def test_the_lock_counts_from_the_last_failure(client: FlaskClient, now: Now) -> None:
    code_sent(client)
    fail(client, 3)
    now.shift(timedelta(minutes=29))
    code_sent(client)
    fail(client, 2)
    now.shift(timedelta(minutes=2))

    assert refused(ask_for_code(client, MOBILE)) == (423, "ACCOUNT_LOCKED")


def test_after_a_lock_failures_are_counted_anew(client: FlaskClient, now: Now) -> None:
    lock(client, now)
    now.shift(timedelta(minutes=30))
    code_sent(client)
    fail(client, 1)

    assert answer_with(client, MOBILE, code_for(MOBILE)).status_code == 200


def test_signing_in_forgets_the_failures(client: FlaskClient, now: Now) -> None:
    for _ in range(3):
        code = code_sent(client)
        fail(client, 2)
        told(answer_with(client, MOBILE, code))
        now.shift(timedelta(seconds=61))

    assert ask_for_code(client, MOBILE).status_code == 200


def test_devices_that_are_signed_in_stay_so(app: Flask, client: FlaskClient, now: Now) -> None:
    device = factories.sign_in(app)
    lock(client, now, device.user.mobile_number)

    assert client.get("/api/auth/me", headers=device.headers).status_code == 200


def test_devices_that_are_signed_in_can_still_refresh(app: Flask, client: FlaskClient, now: Now) -> None:
    device = factories.sign_in(app)
    lock(client, now, device.user.mobile_number)

    assert refresh(client, device.refresh_token).status_code == 200


def test_another_number_is_not_locked(client: FlaskClient, now: Now) -> None:
    lock(client, now)

    assert ask_for_code(client, factories.new_mobile()).status_code == 200

"""The lockout of a number after five wrong codes."""

from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail, lock, refresh, retry_after, used_quotas
from tests.factories import code_for, data_of, error_of, request_code, submit_code


def test_a_locked_number_gets_no_codes(client: FlaskClient, now: Now) -> None:
    lock(client, now)

    response = request_code(client, MOBILE)

    assert error_of(response) == (423, "ACCOUNT_LOCKED")
    assert 1800 - 70 <= retry_after(response) <= 1800 - 60


def test_a_locked_number_cannot_sign_in_with_the_right_code(client: FlaskClient, now: Now) -> None:
    code = lock(client, now)

    response = submit_code(client, MOBILE, code)

    assert error_of(response) == (423, "ACCOUNT_LOCKED")
    assert 1800 - 70 <= retry_after(response) <= 1800 - 60


def test_a_locked_number_cannot_register(client: FlaskClient, now: Now) -> None:
    lock(client, now)

    body = {"mobileNumber": MOBILE, "otp": "123456", "name": "Asha Verma"}

    assert error_of(client.post("/api/auth/register", json=body)) == (423, "ACCOUNT_LOCKED")


def test_a_request_for_a_locked_number_uses_no_quota(client: FlaskClient, redis: Any, now: Now) -> None:
    lock(client, now)
    before = used_quotas(redis)

    request_code(client, MOBILE)

    assert before
    assert used_quotas(redis) == before


def test_the_lock_ends_after_thirty_minutes(client: FlaskClient, now: Now) -> None:
    lock(client, now)
    now.shift(timedelta(minutes=30))

    assert request_code(client, MOBILE).status_code == 200


def test_failures_count_from_zero_after_a_lock(client: FlaskClient, now: Now) -> None:
    lock(client, now)
    now.shift(timedelta(minutes=30))
    code_sent(client)
    fail(client, 1)

    assert submit_code(client, MOBILE, code_for(MOBILE)).status_code == 200


def test_sign_in_resets_the_failures(client: FlaskClient, now: Now) -> None:
    for _ in range(3):
        code = code_sent(client)
        fail(client, 2)
        data_of(submit_code(client, MOBILE, code))
        now.shift(timedelta(seconds=61))

    assert request_code(client, MOBILE).status_code == 200


def test_signed_in_devices_of_a_locked_number_stay_signed_in(app: Flask, client: FlaskClient, now: Now) -> None:
    device = factories.sign_in(app)
    lock(client, now, device.user.mobile_number)

    assert client.get("/api/auth/me", headers=device.headers).status_code == 200


def test_signed_in_devices_of_a_locked_number_can_refresh(app: Flask, client: FlaskClient, now: Now) -> None:
    device = factories.sign_in(app)
    lock(client, now, device.user.mobile_number)

    assert refresh(client, device.refresh_token).status_code == 200


def test_a_lock_does_not_affect_other_numbers(client: FlaskClient, now: Now) -> None:
    lock(client, now)

    assert request_code(client, factories.new_mobile()).status_code == 200

"""Quotas of one-time codes: per number, per address and for the clinic."""

from collections import Counter
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from arthomed.config import settings
from dev.servers import Mongo
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent, retry_after, used_quotas
from tests.factories import data_of, error_of, in_parallel, request_code, submit_code
from tests.stack import asleep


def exhaust_clinic_quota(redis: Any, *, lasting: timedelta) -> None:
    redis.set("quota:clinic", settings().codes.daily_quota, ex=lasting)


def test_a_number_gets_one_code_a_minute(client: FlaskClient) -> None:
    code_sent(client)

    response = request_code(client, MOBILE)

    assert error_of(response) == (429, "RATE_LIMIT_EXCEEDED")
    assert 55 <= retry_after(response) <= 60


def test_a_number_gets_a_new_code_after_the_seconds_of_retry_after(client: FlaskClient, now: Now) -> None:
    code_sent(client)
    now.shift(timedelta(seconds=retry_after(request_code(client, MOBILE))))

    assert request_code(client, MOBILE).status_code == 200


def test_a_request_over_quota_leaves_the_earlier_code_valid(client: FlaskClient) -> None:
    code = code_sent(client)
    request_code(client, MOBILE)

    assert submit_code(client, MOBILE, code).status_code == 200


def test_sign_in_does_not_shorten_the_minute_between_codes(client: FlaskClient) -> None:
    data_of(submit_code(client, MOBILE, code_sent(client)))

    assert error_of(request_code(client, MOBILE)) == (429, "RATE_LIMIT_EXCEEDED")


def test_one_of_twenty_concurrent_requests_for_a_number_gets_a_code(
    app: Flask, client: FlaskClient, redis: Any
) -> None:
    del client  # it empties Redis
    responses = in_parallel(20, lambda one: request_code(app.test_client(), MOBILE, address=f"198.51.100.{one}"))

    assert Counter(response.status_code for response in responses) == {200: 1, 429: 19}
    assert redis.llen("codes") == 1


def test_a_number_gets_ten_codes_an_hour(client: FlaskClient, now: Now) -> None:
    for _ in range(10):
        code_sent(client)
        now.shift(timedelta(seconds=61))

    response = request_code(client, MOBILE)

    assert error_of(response) == (429, "RATE_LIMIT_EXCEEDED")
    assert 3600 - 620 <= retry_after(response) <= 3600 - 610


def test_an_address_gets_twenty_codes_an_hour(client: FlaskClient) -> None:
    for _ in range(20):
        code_sent(client, factories.new_mobile())

    response = request_code(client, MOBILE)

    assert error_of(response) == (429, "RATE_LIMIT_EXCEEDED")
    assert 3590 <= retry_after(response) <= 3600


def test_the_address_quota_ignores_x_forwarded_for_without_a_trusted_proxy(client: FlaskClient) -> None:
    def request_code(one: int) -> TestResponse:
        body, headers = {"mobileNumber": factories.new_mobile()}, {"X-Forwarded-For": f"198.51.100.{one}"}
        return client.post("/api/auth/send-otp", json=body, headers=headers)

    responses = [request_code(one).status_code for one in range(21)]

    assert responses == [200] * 20 + [429]


def test_an_exhausted_address_quota_does_not_limit_a_number_from_another_address(client: FlaskClient) -> None:
    for _ in range(20):
        code_sent(client, factories.new_mobile())
    request_code(client, MOBILE)

    assert request_code(client, MOBILE, address="198.51.100.1").status_code == 200


def test_the_clinic_has_a_daily_quota(client: FlaskClient, redis: Any) -> None:
    exhaust_clinic_quota(redis, lasting=timedelta(hours=5))

    response = request_code(client, MOBILE)

    assert error_of(response) == (429, "RATE_LIMIT_EXCEEDED")
    assert 5 * 3600 - 10 <= retry_after(response) <= 5 * 3600


def test_a_request_over_the_clinic_quota_uses_no_other_quota(client: FlaskClient, redis: Any) -> None:
    exhaust_clinic_quota(redis, lasting=timedelta(hours=5))

    request_code(client, MOBILE)

    assert used_quotas(redis) == {b"quota:clinic": settings().codes.daily_quota}


def test_a_refused_request_does_not_shorten_the_minute_after_the_next_code(
    client: FlaskClient, redis: Any, now: Now
) -> None:
    exhaust_clinic_quota(redis, lasting=timedelta(seconds=50))
    request_code(client, MOBILE)
    now.shift(timedelta(seconds=50))
    code_sent(client)
    now.shift(timedelta(seconds=30))

    assert error_of(request_code(client, MOBILE)) == (429, "RATE_LIMIT_EXCEEDED")


def test_a_code_that_an_unresponsive_database_may_have_stored_counts(
    client: FlaskClient, redis: Any, mongo: Mongo
) -> None:
    """Otherwise repeated requests would each send an SMS."""
    with asleep(mongo.pid):
        assert error_of(request_code(client, MOBILE)) == (503, "SERVICE_UNAVAILABLE")

    assert set(used_quotas(redis).values()) == {1}

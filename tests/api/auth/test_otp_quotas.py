"""Quotas of one-time codes per number and per address; those of the clinic are in tests/attacks."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent, retry_after, used_quotas
from tests.factories import data_of, envelope_of, error_of, in_parallel, request_code, submit_code


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


def test_an_address_from_which_the_number_signed_in_has_quotas_of_its_own_for_the_number(client: FlaskClient) -> None:
    data_of(submit_code(client, MOBILE, code_sent(client)))

    responses = [request_code(client, MOBILE, address=one).status_code for one in ("127.0.0.1", "198.51.100.1")]

    assert responses == [200, 429]
    assert error_of(request_code(client, MOBILE)) == (429, "RATE_LIMIT_EXCEEDED")


def test_one_of_twenty_concurrent_requests_for_a_number_gets_a_code(
    app: Flask, client: FlaskClient, redis: Any
) -> None:
    del client  # it empties Redis
    responses = in_parallel(20, lambda one: request_code(app.test_client(), MOBILE, address=f"198.51.100.{one}"))

    assert Counter(response.status_code for response in responses) == {200: 1, 429: 19}
    assert redis.llen("strangers") == 1


def test_a_number_gets_ten_codes_an_hour(client: FlaskClient, now: Now) -> None:
    for _ in range(10):
        code_sent(client)
        now.shift(timedelta(seconds=61))

    response = request_code(client, MOBILE)

    assert error_of(response) == (429, "RATE_LIMIT_EXCEEDED")
    assert 3600 - 620 <= retry_after(response) <= 3600 - 610


def test_an_address_gets_a_hundred_codes_an_hour(client: FlaskClient) -> None:
    for _ in range(100):
        code_sent(client, factories.new_mobile())

    response = request_code(client, MOBILE)

    assert error_of(response) == (429, "RATE_LIMIT_EXCEEDED")
    assert envelope_of(response)["message"] == "Too many requests from this IP, please try again later."
    assert 3500 <= retry_after(response) <= 3600


def test_the_address_quota_ignores_x_forwarded_for_without_a_trusted_proxy(client: FlaskClient) -> None:
    def request_code(one: int) -> TestResponse:
        body, headers = {"mobileNumber": factories.new_mobile()}, {"X-Forwarded-For": f"198.51.100.{one}"}
        return client.post("/api/auth/send-otp", json=body, headers=headers)

    responses = [request_code(one).status_code for one in range(101)]

    assert responses == [200] * 100 + [429]


def test_an_exhausted_address_quota_does_not_limit_a_number_from_another_address(client: FlaskClient) -> None:
    for _ in range(100):
        code_sent(client, factories.new_mobile())
    request_code(client, MOBILE)

    assert request_code(client, MOBILE, address="198.51.100.1").status_code == 200


def test_a_refused_request_does_not_shorten_the_minute_after_the_next_code(client: FlaskClient, now: Now) -> None:
    code_sent(client)
    now.shift(timedelta(seconds=50))
    request_code(client, MOBILE)
    now.shift(timedelta(seconds=11))
    code_sent(client)
    now.shift(timedelta(seconds=55))

    assert error_of(request_code(client, MOBILE)) == (429, "RATE_LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    ("addresses", "step", "accepted"),
    [
        pytest.param("2001:db8:1:2::{:x}", 1, 100, id="/64"),
        pytest.param("2001:db8:1:2{:02x}::1", 1, 100, id="/56"),
        pytest.param("2001:db8:1:{:x}::1", 64, 500, id="/48", marks=pytest.mark.long),
    ],
)
def test_networks_of_ipv6_have_a_quota(client: FlaskClient, addresses: str, step: int, accepted: int) -> None:
    """Each request comes from another address; a /48 has the quota of five addresses."""
    responses = [
        request_code(client, factories.new_mobile(), address=addresses.format(step * one)).status_code
        for one in range(accepted + 1)
    ]

    assert responses == [200] * accepted + [429]


def test_a_code_that_an_unresponsive_database_may_have_stored_counts(
    client: FlaskClient, redis: Any, blocked_writes: None
) -> None:
    """Otherwise repeated requests would each send an SMS."""
    del blocked_writes
    assert error_of(request_code(client, MOBILE)) == (503, "SERVICE_UNAVAILABLE")

    assert set(used_quotas(redis).values()) == {1}

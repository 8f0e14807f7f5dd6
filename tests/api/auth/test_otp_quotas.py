"""How many codes may be asked for."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.errors import NetworkTimeout
from werkzeug.test import TestResponse

from arthomed.auth.models import Otp
from arthomed.config import settings
from arthomed.core import limits
from arthomed.core.limits import Limit
from tests import factories
from tests.factories import answer_with, ask_for_code, at_once, refused, told
from tests.api.auth.sign_in import MOBILE, Now, budgets, code_sent, retry_after


def exhaust_the_clinic(redis: Any, *, lasting: timedelta) -> None:
    redis.set("quota:clinic", settings().codes.per_clinic_a_day, ex=lasting)


def test_a_number_gets_one_code_a_minute(client: FlaskClient) -> None:
    code_sent(client)

    answer = ask_for_code(client, MOBILE)

    assert refused(answer) == (429, "RATE_LIMIT_EXCEEDED")
    assert 55 <= retry_after(answer) <= 60


def test_a_number_may_ask_again_when_retry_after_says_so(client: FlaskClient, now: Now) -> None:
    code_sent(client)
    now.shift(timedelta(seconds=retry_after(ask_for_code(client, MOBILE))))

    assert ask_for_code(client, MOBILE).status_code == 200


def test_a_refused_request_leaves_the_code_alive(client: FlaskClient) -> None:
    code = code_sent(client)
    ask_for_code(client, MOBILE)

    assert answer_with(client, MOBILE, code).status_code == 200


def test_signing_in_does_not_shorten_the_minute(client: FlaskClient) -> None:
    told(answer_with(client, MOBILE, code_sent(client)))

    assert refused(ask_for_code(client, MOBILE)) == (429, "RATE_LIMIT_EXCEEDED")


def test_of_twenty_requests_for_one_number_at_once_one_gets_a_code(app: Flask, client: FlaskClient, redis: Any) -> None:
    del client  # it empties Redis
    answers = at_once(20, lambda one: ask_for_code(app.test_client(), MOBILE, address=f"198.51.100.{one}"))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 429: 19}
    assert redis.llen("codes") == 1


def test_a_number_gets_ten_codes_an_hour(client: FlaskClient, now: Now) -> None:
    for _ in range(10):
        code_sent(client)
        now.shift(timedelta(seconds=61))

    answer = ask_for_code(client, MOBILE)

    assert refused(answer) == (429, "RATE_LIMIT_EXCEEDED")
    assert 3600 - 620 <= retry_after(answer) <= 3600 - 610


def test_another_number_is_not_concerned(client: FlaskClient) -> None:
    code_sent(client)

    assert ask_for_code(client, factories.new_mobile()).status_code == 200


def test_an_address_gets_twenty_codes_an_hour(client: FlaskClient) -> None:
    for _ in range(20):
        code_sent(client, factories.new_mobile())

    answer = ask_for_code(client, MOBILE)

    assert refused(answer) == (429, "RATE_LIMIT_EXCEEDED")
    assert 3590 <= retry_after(answer) <= 3600


def test_what_a_client_claims_to_be_its_address_is_not_believed(client: FlaskClient) -> None:
    def claimed(one: int) -> TestResponse:
        body, headers = {"mobileNumber": factories.new_mobile()}, {"X-Forwarded-For": f"198.51.100.{one}"}
        return client.post("/api/auth/send-otp", json=body, headers=headers)

    answers = [claimed(one).status_code for one in range(21)]

    assert answers == [200] * 20 + [429]


def test_a_number_that_an_address_asked_too_often_for_can_ask_from_elsewhere(client: FlaskClient) -> None:
    for _ in range(20):
        code_sent(client, factories.new_mobile())
    ask_for_code(client, MOBILE)

    assert ask_for_code(client, MOBILE, address="198.51.100.1").status_code == 200


def test_the_clinic_has_a_budget_for_a_day(client: FlaskClient, redis: Any) -> None:
    exhaust_the_clinic(redis, lasting=timedelta(hours=5))

    answer = ask_for_code(client, MOBILE)

    assert refused(answer) == (429, "RATE_LIMIT_EXCEEDED")
    assert 5 * 3600 - 10 <= retry_after(answer) <= 5 * 3600


def test_what_the_clinic_s_budget_refuses_is_charged_to_nobody(client: FlaskClient, redis: Any) -> None:
    exhaust_the_clinic(redis, lasting=timedelta(hours=5))

    ask_for_code(client, MOBILE)

    assert budgets(redis) == {b"quota:clinic": settings().codes.per_clinic_a_day}


def test_a_refusal_does_not_shorten_the_minute_of_the_next_code(client: FlaskClient, redis: Any, now: Now) -> None:
    exhaust_the_clinic(redis, lasting=timedelta(seconds=50))
    ask_for_code(client, MOBILE)
    now.shift(timedelta(seconds=50))
    code_sent(client)
    now.shift(timedelta(seconds=30))

    assert refused(ask_for_code(client, MOBILE)) == (429, "RATE_LIMIT_EXCEEDED")


def test_what_the_database_may_have_done_stays_charged(
    client: FlaskClient, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It made the code and could not say so; else who asks again and again would get an SMS each time."""
    store = Otp.replace_older

    def store_in_silence(*args: Any, **kwargs: Any) -> None:
        store(*args, **kwargs)
        raise NetworkTimeout

    monkeypatch.setattr(Otp, "replace_older", store_in_silence)

    assert refused(ask_for_code(client, MOBILE)) == (503, "SERVICE_UNAVAILABLE")
    assert set(budgets(redis).values()) == {1}


def test_uses_that_are_counted_together_are_counted_in_order(redis: Any) -> None:
    hour = timedelta(hours=1)
    of_all, of_each = Limit("all", 2, hour), [Limit(f"each:{at}", 1, hour) for at in range(5)]
    uses = [[of_all, of_each[0]], [of_each[0], of_all], [], [of_all, of_each[1]], [of_each[2], of_all], [of_each[3]]]

    redis.flushdb()

    refusals = limits.budgets().spend(uses)

    assert [refusal is None for refusal in refusals] == [True, False, True, True, False, True]
    assert budgets(redis) == {b"quota:all": 2, b"quota:each:0": 1, b"quota:each:1": 1, b"quota:each:3": 1}
    assert {redis.pttl(key) > 3_590_000 for key in budgets(redis)} == {True}
    assert [one.retry_after > timedelta(minutes=59) for one in refusals if one and one.retry_after] == [True, True]

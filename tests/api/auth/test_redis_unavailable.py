"""Requests for codes while Redis is unavailable, or becomes unavailable during the request."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from arthomed.auth.service import otp
from arthomed.config import settings
from arthomed.core import jobs, quota
from arthomed.infra.queue import CeleryJobs
from arthomed.infra.quota import RedisQuotaCounter
from dev.servers import free_port
from tests.api.auth.sign_in import MOBILE, Now, code_sent, fail, used_quotas
from tests.factories import Records, error_of, request_code, submit_code


@dataclass
class Broker:
    """Redis as the web process reaches it, for quotas and for the job queue."""

    unavailable_url: str

    def stop(self) -> None:
        quota.use(RedisQuotaCounter(self.unavailable_url))
        self.stop_after_counting()

    def stop_after_counting(self) -> None:
        jobs.use(CeleryJobs(self.unavailable_url))

    def restart(self) -> None:
        quota.use(RedisQuotaCounter(settings().redis_url))
        jobs.use(CeleryJobs(settings().redis_url))


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that refuses connections once it is stopped."""
    broker = Broker(f"redis://127.0.0.1:{free_port()}/0")
    yield broker
    broker.restart()


@pytest.fixture(params=["refusing", "silent"])
def any_broker(request: pytest.FixtureRequest, broker: Broker) -> Iterator[Broker]:
    """A broker that, once it is stopped, refuses connections, or accepts them and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if request.param == "silent":
            broker.unavailable_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        yield broker


def test_the_service_is_unavailable_within_three_seconds(client: FlaskClient, any_broker: Broker) -> None:
    any_broker.stop()
    started = time.monotonic()

    response = request_code(client, MOBILE)

    assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
    assert time.monotonic() - started < 3


def test_a_job_that_cannot_be_published_delays_the_response_by_less_than_three_seconds(
    client: FlaskClient, any_broker: Broker
) -> None:
    any_broker.stop_after_counting()
    started = time.monotonic()

    code_sent(client)

    assert time.monotonic() - started < 3


def test_no_code_and_no_quota_is_used(client: FlaskClient, database: Records, redis: Any, broker: Broker) -> None:
    broker.stop()

    request_code(client, MOBILE)

    assert (database.otps.count_documents({}), used_quotas(redis)) == (0, {})


def test_a_request_works_as_soon_as_the_broker_is_available_again(client: FlaskClient, broker: Broker) -> None:
    broker.stop()
    request_code(client, MOBILE)
    broker.restart()

    assert submit_code(client, MOBILE, code_sent(client)).status_code == 200


def test_an_older_code_stays_valid(client: FlaskClient, broker: Broker, now: Now) -> None:
    code = code_sent(client)
    now.shift(timedelta(seconds=61))
    broker.stop()
    request_code(client, MOBILE)

    assert submit_code(client, MOBILE, code).status_code == 200


def test_an_older_code_gets_no_further_attempts(client: FlaskClient, broker: Broker, now: Now) -> None:
    code = code_sent(client)
    fail(client, 3)
    now.shift(timedelta(seconds=61))
    broker.stop()
    request_code(client, MOBILE)

    assert error_of(submit_code(client, MOBILE, code)) == (400, "OTP_MAX_ATTEMPTS")


def test_the_sweeper_enqueues_a_code_whose_job_was_not_published(
    client: FlaskClient, redis: Any, broker: Broker, now: Now
) -> None:
    broker.stop_after_counting()
    code = code_sent(client)
    assert redis.llen("strangers") == 0

    broker.restart()
    now.shift(timedelta(seconds=6))
    otp.sweep()

    assert redis.llen("strangers") == 1
    assert submit_code(client, MOBILE, code).status_code == 200

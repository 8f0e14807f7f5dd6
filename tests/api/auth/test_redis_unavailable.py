"""Asking for a code while Redis is away, or goes away in the middle of it."""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.auth.service import otp
from arthomed.config import settings
from arthomed.core import jobs, limits
from arthomed.infra.budgets import RedisBudgets
from arthomed.infra.queue import CeleryJobs
from dev.servers import free_port
from tests.factories import answer_with, ask_for_code, refused
from tests.api.auth.sign_in import MOBILE, Now, budgets, code_sent, fail

Data = Database[dict[str, Any]]


@dataclass
class Broker:
    """Redis, as the web process sees it where codes are counted and asked for."""

    away_url: str

    def leave(self) -> None:
        limits.use(RedisBudgets(self.away_url))
        self.leave_after_counting()

    def leave_after_counting(self) -> None:
        jobs.use(CeleryJobs(self.away_url))

    def come_back(self) -> None:
        limits.use(RedisBudgets(settings().redis_url))
        jobs.use(CeleryJobs(settings().redis_url))


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that can leave: then it refuses connections."""
    broker = Broker(f"redis://127.0.0.1:{free_port()}/0")
    yield broker
    broker.come_back()


def test_a_broker_that_says_nothing_is_given_up_within_three_seconds(client: FlaskClient, broker: Broker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker.away_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        broker.leave()
        started = time.monotonic()

        answer = ask_for_code(client, MOBILE)

    assert refused(answer) == (503, "SERVICE_UNAVAILABLE")
    assert time.monotonic() - started < 3


def test_the_service_is_unavailable_within_three_seconds(client: FlaskClient, broker: Broker) -> None:
    broker.leave()
    started = time.monotonic()

    answer = ask_for_code(client, MOBILE)

    assert refused(answer) == (503, "SERVICE_UNAVAILABLE")
    assert time.monotonic() - started < 3


def test_nothing_is_left_behind(client: FlaskClient, database: Data, redis: Any, broker: Broker) -> None:
    broker.leave()

    ask_for_code(client, MOBILE)

    assert (database.otps.count_documents({}), budgets(redis)) == (0, {})


def test_another_try_works_at_once_when_the_broker_is_back(client: FlaskClient, broker: Broker) -> None:
    broker.leave()
    ask_for_code(client, MOBILE)
    broker.come_back()

    assert answer_with(client, MOBILE, code_sent(client)).status_code == 200


def test_an_older_code_still_works(client: FlaskClient, broker: Broker, now: Now) -> None:
    code = code_sent(client)
    now.shift(timedelta(seconds=61))
    broker.leave()
    ask_for_code(client, MOBILE)

    assert answer_with(client, MOBILE, code).status_code == 200


def test_an_older_code_gets_no_more_tries_for_it(client: FlaskClient, broker: Broker, now: Now) -> None:
    code = code_sent(client)
    fail(client, 3)
    now.shift(timedelta(seconds=61))
    broker.leave()
    ask_for_code(client, MOBILE)

    assert refused(answer_with(client, MOBILE, code)) == (400, "OTP_MAX_ATTEMPTS")


def test_a_code_whose_job_could_not_be_asked_for_is_asked_for_by_the_sweep(
    client: FlaskClient, redis: Any, broker: Broker, now: Now
) -> None:
    broker.leave_after_counting()
    code = code_sent(client)
    assert redis.llen("codes") == 0

    broker.come_back()
    now.shift(timedelta(seconds=6))
    otp.sweep()

    assert redis.llen("codes") == 1
    assert answer_with(client, MOBILE, code).status_code == 200


def test_a_job_that_a_silent_broker_does_not_take_is_given_up_in_time(client: FlaskClient, broker: Broker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker.away_url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        broker.leave_after_counting()
        started = time.monotonic()
        code_sent(client)

    assert time.monotonic() - started < 3

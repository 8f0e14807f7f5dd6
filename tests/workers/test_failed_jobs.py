"""Dead letters are listed, and asked for again once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from click.testing import Result
from flask import Flask
from pymongo.database import Database

from arthomed.core.errors import ServiceUnavailable
from arthomed.core.jobs import Job
from arthomed.infra import failed_jobs, mongo
from arthomed.infra.failed_jobs import FailedJob
from tests import factories

Run = Callable[..., Result]
Records = Database[dict[str, Any]]


@pytest.fixture
def flask(app: Flask, database: Records, environment: dict[str, str]) -> Iterator[Run]:
    """Run a command in this process; afterwards its connection is again that of the web."""
    yield lambda *arguments: app.test_cli_runner().invoke(args=arguments)
    mongo.open_database(environment["MONGODB_URI"], timeout_ms=mongo.WEB_TIMEOUT_MS)


def test_they_are_listed_with_what_is_known_of_them(flask: Run) -> None:
    assert flask("jobs", "failed").output == "No job has failed.\n"
    for _ in range(2):
        failed_jobs.keep(Job.SEND_SMS, ["1"], error="InvalidId", attempts=2)

    assert "sms.send:1  InvalidId  attempts=4" in flask("jobs", "failed").output


def test_one_is_asked_for_again_and_off_the_list(flask: Run, redis: Any) -> None:
    failed_jobs.keep(Job.SEND_SMS, ["1"], error="InvalidId", attempts=1)

    assert flask("jobs", "retry", "sms.send:1").exit_code == 0
    assert (redis.llen("sms"), FailedJob.objects.count()) == (1, 0)
    assert flask("jobs", "retry", "sms.send:1").exit_code == 1


def test_all_are_asked_for_again(flask: Run, redis: Any) -> None:
    for number in range(3):
        failed_jobs.keep(Job.SEND_SMS, [str(number)], error="InvalidId", attempts=1)

    assert flask("jobs", "retry", "--all").exit_code == 0
    assert redis.llen("sms") == 3


def test_twice_at_once_is_once(database: Records, redis: Any) -> None:
    failed_jobs.keep(Job.SEND_SMS, ["1"], error="InvalidId", attempts=1)

    done = factories.at_once(4, lambda _: failed_jobs.retry("sms.send:1"))

    assert (sorted(done), redis.llen("sms")) == ([False, False, False, True], 1)


@pytest.mark.parametrize(("error", "attempts"), [(ServiceUnavailable, 9), (ValueError, 1)])
def test_what_may_pass_is_tried_again_so_often_and_a_fault_of_the_program_is_not(
    celery: Celery,
    database: Records,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    attempts: int,
) -> None:
    runs = []

    def fail() -> None:
        runs.append(1)
        raise error

    monkeypatch.setattr(celery.tasks[Job.MARK_NO_SHOWS], "run", fail)
    celery.tasks[Job.MARK_NO_SHOWS].apply()

    kept = database.failed_jobs.find_one()
    assert kept
    assert (len(runs), kept["attempts"], kept["error"]) == (attempts, attempts, error.__name__)

"""Dead letters can be listed, and retried once."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from click.testing import Result
from flask import Flask

from arthomed.core.errors import ServiceUnavailable
from arthomed.core.jobs import Job
from arthomed.infra import failed_jobs, mongo
from arthomed.infra.failed_jobs import FailedJob
from tests import factories
from tests.factories import Records

Run = Callable[..., Result]


@pytest.fixture
def flask(app: Flask, database: Records, environment: dict[str, str]) -> Iterator[Run]:
    """Run a flask command in this process, then restore the database connection of the web process."""
    yield lambda *arguments: app.test_cli_runner().invoke(args=arguments)
    mongo.open_database(environment["MONGODB_URI"], timeout_ms=mongo.WEB_TIMEOUT_MS)


def test_failed_jobs_are_listed_with_their_error_and_attempts(flask: Run) -> None:
    assert flask("jobs", "failed").output == "No job has failed.\n"
    for _ in range(2):
        failed_jobs.record(Job.SEND_SMS, ["1"], error="InvalidId", attempts=2)

    assert "sms.send:1  InvalidId  attempts=4" in flask("jobs", "failed").output


def test_a_retried_job_is_enqueued_and_removed_from_the_list(flask: Run, redis: Any) -> None:
    failed_jobs.record(Job.SEND_SMS, ["1"], error="InvalidId", attempts=1)

    assert flask("jobs", "retry", "sms.send:1").exit_code == 0
    assert (redis.llen("sms"), FailedJob.objects.count()) == (1, 0)
    assert flask("jobs", "retry", "sms.send:1").exit_code == 1


def test_all_failed_jobs_can_be_retried(flask: Run, redis: Any) -> None:
    for number in range(3):
        failed_jobs.record(Job.SEND_SMS, [str(number)], error="InvalidId", attempts=1)

    assert flask("jobs", "retry", "--all").exit_code == 0
    assert redis.llen("sms") == 3


def test_a_malformed_entry_is_not_retried_and_can_be_discarded(flask: Run, redis: Any) -> None:
    failed_jobs.record(failed_jobs.MALFORMED, ["email", "headers", "0123"], error="MalformedEntry", attempts=1)

    assert flask("jobs", "retry", "--all").exit_code == 0
    assert (redis.llen("email"), FailedJob.objects.count()) == (0, 1)
    assert flask("jobs", "discard", "malformed:email:headers:0123").output == "1 discarded\n"
    assert FailedJob.objects.count() == 0


def test_concurrent_retries_enqueue_the_job_once(database: Records, redis: Any) -> None:
    failed_jobs.record(Job.SEND_SMS, ["1"], error="InvalidId", attempts=1)

    done = factories.in_parallel(4, lambda _: failed_jobs.retry("sms.send:1"))

    assert (sorted(done), redis.llen("sms")) == ([False, False, False, True], 1)


@pytest.mark.parametrize(("error", "attempts"), [(ServiceUnavailable, 9), (ValueError, 1)])
def test_a_job_is_retried_while_a_dependency_is_unavailable_and_not_after_another_error(
    celery: Celery, database: Records, monkeypatch: pytest.MonkeyPatch, error: type[Exception], attempts: int
) -> None:
    runs = []

    def fail() -> None:
        runs.append(1)
        raise error

    monkeypatch.setattr(celery.tasks[Job.MARK_NO_SHOWS], "run", fail)
    celery.tasks[Job.MARK_NO_SHOWS].apply()

    failed = database.failed_jobs.find_one()
    assert failed
    assert (len(runs), failed["attempts"], failed["error"]) == (attempts, attempts, error.__name__)

"""A worker as a process of its own: it knows whose work it does, loses none, and keeps what can't be done."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient

from arthomed.core import jobs
from arthomed.core.jobs import Job
from arthomed.notifications.models import Notification
from dev.servers import free_port
from tests import factories
from tests.infra import fake_sentry
from tests.infra.fake_sentry import FakeSentry
from tests.scraping import Series, series_in
from tests.stack import wait_for
from tests.workers.conftest import StartWorker, Worker

FailedJobs = Callable[[], list[dict[str, Any]]]
METRICS_PORT = free_port()

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.long]


@pytest.fixture(scope="module")
def told() -> Iterator[FakeSentry]:
    with fake_sentry.running() as server:
        yield server


@pytest.fixture(scope="module")
def worker(start_worker: StartWorker, told: FakeSentry) -> Iterator[Worker]:
    with start_worker("-c", "2", env={"WORKER_METRICS_PORT": str(METRICS_PORT), "SENTRY_DSN": told.dsn}) as running:
        yield running


def test_the_log_of_a_message_names_the_request_that_booked_the_visit(worker: Worker, client: FlaskClient) -> None:
    patient, body = factories.sign_in(client.application), factories.booking_body(factories.make_doctor())
    headers = {**patient.headers, "X-Request-ID": "the-booking-of-the-test"}

    factories.told(client.post("/api/appointments/book", json=body, headers=headers), 201)

    notification = str(Notification.objects.get(channel="sms").id)
    worker.wait_for(rf"message_sent .*{notification}.*request_id=the-booking-of-the-test")


def test_a_job_that_nobody_asked_for_has_a_request_id_of_its_own(worker: Worker) -> None:
    task_id = worker.ask("default.rest", 0)
    worker.wait_for(rf"rest_ended .*request_id={task_id.replace('-', '')} .*task_id={task_id}")


def test_of_two_runs_of_a_periodic_job_at_once_one_works_and_the_other_says_so(worker: Worker) -> None:
    before = len(worker.said("rest_begun"))
    for _ in range(2):
        worker.ask("default.rest_alone", 0.5)

    worker.wait_for(r"job_runs_already .*task=default.rest_alone")
    worker.wait_for("rest_ended .*task=default.rest_alone")
    assert len(worker.said("rest_begun")) == before + 1


def test_what_can_not_be_done_is_kept_with_its_ids_and_the_type_of_the_error_only(
    worker: Worker, failed_jobs: FailedJobs
) -> None:
    jobs.enqueue(Job.SEND_SMS, "of-nobody")

    [kept] = wait_for(failed_jobs, what="a dead letter")
    assert worker.said("job_failed_for_good .*InvalidId")
    assert (kept["_id"], kept["job"], kept["ids"]) == ("sms.send:of-nobody", "sms.send", ["of-nobody"])
    assert (kept["error"], kept["attempts"]) == ("InvalidId", 1)


def test_a_job_that_kills_its_worker_is_begun_three_times_and_then_kept(
    worker: Worker, failed_jobs: FailedJobs
) -> None:
    worker.ask("default.die")

    [kept] = wait_for(failed_jobs, what="a dead letter")
    assert (kept["job"], kept["error"], kept["attempts"]) == ("default.die", "WorkerLost", 3)
    assert len(worker.said("dying")) == 3


def test_a_job_that_hangs_is_killed_and_kept_and_never_begun_again(worker: Worker, failed_jobs: FailedJobs) -> None:
    worker.ask("default.hang")

    [kept] = wait_for(failed_jobs, what="a dead letter")
    assert (kept["job"], kept["error"]) == ("default.hang", "TimeLimitExceeded")
    assert len(worker.said("hanging")) == 1


def test_what_can_not_be_done_is_told_to_sentry_without_anything_personal(worker: Worker, told: FakeSentry) -> None:
    told.envelopes.clear()
    task_id = worker.ask("default.quote", "Lakshmi has 9812345670")

    event = told.event()
    assert [error["type"] for error in event["exception"]["values"]] == ["ValueError"]
    assert (event["transaction"], event["tags"]) == ("default.quote", {"request_id": task_id.replace("-", "")})
    assert [one for one in ("Lakshmi", "9812345670", "vars", "user") if one in told.envelopes[0]] == []


def test_runs_of_all_its_processes_are_counted_by_job_and_outcome(worker: Worker, failed_jobs: FailedJobs) -> None:
    for number in range(3):
        jobs.enqueue(Job.SEND_EMAIL, f"of-nobody-{number}")
    wait_for(lambda: len(failed_jobs()) == 3, what="dead letters")

    counted = "arthomed_job_seconds_count", frozenset({("task", "email.send"), ("outcome", "failed")})

    def told() -> dict[Series, float]:
        return series_in(httpx.get(f"http://127.0.0.1:{METRICS_PORT}/metrics").text)

    wait_for(lambda: told().get(counted) == 3, what="the counting")

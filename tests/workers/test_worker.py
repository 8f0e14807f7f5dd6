"""A worker process: request ids in its logs, locks, dead letters, metrics and error reports."""

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
from tests.infra.fake_sentry import FakeSentry
from tests.scraping import Series, series_in
from tests.stack import wait_for
from tests.workers.conftest import StartWorker, Worker

FailedJobs = Callable[[], list[dict[str, Any]]]
METRICS_PORT = free_port()

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.long]


@pytest.fixture(scope="module")
def sentry_server() -> Iterator[FakeSentry]:
    with FakeSentry().running() as server:
        yield server


@pytest.fixture(scope="module")
def worker(start_worker: StartWorker, sentry_server: FakeSentry) -> Iterator[Worker]:
    with start_worker(
        "-c", "2", env={"WORKER_METRICS_PORT": str(METRICS_PORT), "SENTRY_DSN": sentry_server.dsn}
    ) as running:
        yield running


def test_the_log_of_a_message_has_the_id_of_the_booking_request(worker: Worker, client: FlaskClient) -> None:
    patient, body = factories.sign_in(client.application), factories.booking_body(factories.make_doctor())
    headers = {**patient.headers, "X-Request-ID": "booking-request"}

    factories.data_of(client.post("/api/appointments/book", json=body, headers=headers), 201)

    notification = str(Notification.objects.get(channel="sms").id)
    worker.wait_for(rf"message_sent .*{notification}.*request_id=booking-request")


def test_a_job_without_a_request_uses_its_task_id_as_request_id(worker: Worker) -> None:
    task_id = worker.send_task("default.sleep", "0")
    worker.wait_for(rf"sleep_finished .*request_id={task_id.replace('-', '')} .*task_id={task_id}")


def test_a_concurrent_run_of_a_periodic_job_is_skipped_and_logged(worker: Worker) -> None:
    before = len(worker.logged("sleep_started"))
    for _ in range(2):
        worker.send_task("default.sleep_exclusively", "0.5")

    worker.wait_for(r"job_already_running .*task=default.sleep_exclusively")
    worker.wait_for("sleep_finished .*task=default.sleep_exclusively")
    assert len(worker.logged("sleep_started")) == before + 1


def test_a_failed_job_is_recorded_with_its_ids_and_the_type_of_the_error_only(
    worker: Worker, failed_jobs: FailedJobs
) -> None:
    jobs.enqueue(Job.SEND_SMS, "not-an-id")

    [failed] = wait_for(failed_jobs, what="a dead letter")
    assert worker.logged("job_failed_for_good .*InvalidId")
    assert (failed["_id"], failed["job"], failed["ids"]) == ("sms.send:not-an-id", "sms.send", ["not-an-id"])
    assert (failed["error"], failed["attempts"]) == ("InvalidId", 1)


def test_a_job_that_kills_its_worker_is_started_three_times_and_then_recorded_as_failed(
    worker: Worker, failed_jobs: FailedJobs
) -> None:
    worker.send_task("default.die")

    [failed] = wait_for(failed_jobs, what="a dead letter")
    assert (failed["job"], failed["error"], failed["attempts"]) == ("default.die", "WorkerLost", 3)
    assert len(worker.logged("dying")) == 3


def test_a_job_that_hangs_is_killed_recorded_as_failed_and_not_started_again(
    worker: Worker, failed_jobs: FailedJobs
) -> None:
    worker.send_task("default.hang")

    [failed] = wait_for(failed_jobs, what="a dead letter")
    assert (failed["job"], failed["error"]) == ("default.hang", "TimeLimitExceeded")
    assert len(worker.logged("hanging")) == 1


def test_a_failed_job_is_reported_to_sentry_without_personal_data(worker: Worker, sentry_server: FakeSentry) -> None:
    sentry_server.envelopes.clear()
    task_id = worker.send_task("default.fail", "Lakshmi has 9812345670")

    event = sentry_server.event()
    assert [error["type"] for error in event["exception"]["values"]] == ["ValueError"]
    assert (event["transaction"], event["tags"]) == ("default.fail", {"request_id": task_id.replace("-", "")})
    assert [one for one in ("Lakshmi", "9812345670", "vars", "user") if one in sentry_server.envelopes[0]] == []


def test_runs_of_all_processes_of_the_worker_are_counted_by_job_and_outcome(
    worker: Worker, failed_jobs: FailedJobs
) -> None:
    for number in range(3):
        jobs.enqueue(Job.SEND_EMAIL, f"not-an-id-{number}")
    wait_for(lambda: len(failed_jobs()) == 3, what="dead letters")

    series = "arthomed_job_seconds_count", frozenset({("task", "email.send"), ("outcome", "failed")})

    def scrape() -> dict[Series, float]:
        return series_in(httpx.get(f"http://127.0.0.1:{METRICS_PORT}/metrics").text)

    wait_for(lambda: scrape().get(series) == 3, what="three runs in the metrics")

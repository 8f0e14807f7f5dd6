"""The metrics for Prometheus."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from arthomed.auth.service import otp
from arthomed.core import jobs, metrics
from arthomed.core.jobs import Job
from arthomed.notifications import service as notifications
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from tests import factories
from tests.api.auth.sign_in import MOBILE, Now, code_sent
from tests.factories import SignedIn, error_of, otp_message
from tests.scraping import Series, series_in


class Counting:
    """An application with metrics; `rise` is the increase of a series since the start of the test."""

    def __init__(self, app: Flask) -> None:
        self.app, self.client = app, app.test_client()
        self._before = self._scrape()

    def now(self, name: str, **labels: str) -> float | None:
        return self._scrape().get((name, frozenset(labels.items())))

    def rise(self, name: str, **labels: str) -> float:
        series = name, frozenset(labels.items())
        return self._scrape().get(series, 0) - self._before.get(series, 0)

    def _scrape(self) -> dict[Series, float]:
        return series_in(self.client.get("/metrics").text)


@pytest.fixture
def counting(app: Flask, client: FlaskClient) -> Iterator[Counting]:
    del app, client  # they wire this process and empty the database
    with factories.another_app(metrics_enabled=True) as application:
        yield Counting(application)
    metrics.use(metrics.discard)


@pytest.fixture
def patient(counting: Counting) -> SignedIn:
    return factories.sign_in(counting.app)


def test_metrics_are_off_by_default(client: FlaskClient) -> None:
    assert error_of(client.get("/metrics")) == (404, "NOT_FOUND")


def test_a_request_is_counted_by_its_route(counting: Counting, patient: SignedIn) -> None:
    for _ in range(2):
        counting.client.get(f"/api/appointments/{factories.UNKNOWN_ID}", headers=patient.headers)

    labels = {"route": "/api/appointments/<object_id:appointment_id>", "method": "GET", "status": "404"}
    assert counting.rise("arthomed_request_seconds_count", **labels) == 2


def test_unknown_paths_and_methods_share_one_series(counting: Counting) -> None:
    for number in range(3):
        counting.client.open(f"/api/made-up-{number}", method=f"BREW{number}")

    assert counting.rise("arthomed_request_seconds_count", route="none", method="any", status="404") == 3


def test_an_error_is_counted_by_its_code(counting: Counting) -> None:
    counting.client.get("/api/auth/me")

    assert counting.rise("arthomed_refusals_total", code="NO_TOKEN") == 1


def test_a_repeated_booking_is_counted_once(counting: Counting, patient: SignedIn) -> None:
    body = factories.booking_body(factories.make_doctor())
    for _ in range(2):
        response = counting.client.post(
            "/api/appointments/book", json=body, headers={**patient.headers, "Idempotency-Key": "of-the-test"}
        )
        assert response.status_code == 201

    assert counting.rise("arthomed_bookings_total") == 1


def test_codes_are_counted_when_sent_and_when_verified(counting: Counting) -> None:
    code = code_sent(counting.client)
    factories.submit_code(counting.client, MOBILE, factories.wrong_code(code))
    factories.submit_code(counting.client, MOBILE, code)

    assert (counting.rise("arthomed_codes_sent_total"), counting.rise("arthomed_codes_verified_total")) == (1, 1)


def test_a_message_is_counted_by_channel_and_outcome(counting: Counting) -> None:
    code_sent(counting.client)
    notifications.send(otp_message(MOBILE).id)

    assert counting.rise("arthomed_messages_total", channel="sms", outcome="sent") == 1


def test_a_message_that_was_not_sent_in_time_is_counted_as_expired(counting: Counting, now: Now) -> None:
    code_sent(counting.client)
    now.shift(timedelta(minutes=3))
    otp.sweep()

    assert counting.rise("arthomed_messages_total", channel="sms", outcome="expired") == 1


def test_slots_are_counted_once_when_they_are_generated(counting: Counting) -> None:
    factories.make_doctor()
    scheduling.generate()

    assert counting.rise("arthomed_slots_generated_total") == Slot.objects.count() > 0


def test_database_connections_are_counted_as_open_and_as_in_use(counting: Counting, patient: SignedIn) -> None:
    counting.client.get("/api/auth/me", headers=patient.headers)

    assert (counting.now("arthomed_mongo_connections") or 0) >= 1
    assert counting.now("arthomed_mongo_connections_in_use") == 0


def test_each_queue_has_its_length_and_the_age_of_its_oldest_job(counting: Counting) -> None:
    jobs.enqueue(Job.SEND_SMS, "1")

    assert counting.now("arthomed_queue_jobs", queue="sms") == 1
    assert counting.now("arthomed_queue_jobs", queue="email") == 0
    assert counting.now("arthomed_queue_oldest_seconds", queue="sms") is not None

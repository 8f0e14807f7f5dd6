"""Requests that waited too long for a thread are refused at once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import TypeVar

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from arthomed.http import overload
from tests import factories

T = TypeVar("T")
LIMIT = timedelta(milliseconds=50)
PLENTY = timedelta(minutes=1)


def after_waiting(work: Callable[[], T]) -> T:
    """Run work that has waited for the only thread for longer than LIMIT."""
    done = Event()
    with overload.TimedThreadPool(1) as threads:
        threads.submit(done.wait)
        waiting = threads.submit(work)
        assert not done.wait(1.1 * LIMIT.total_seconds())
        done.set()
        return waiting.result()  # type: ignore[no-any-return]


@pytest.fixture
def impatient(app: Flask) -> Iterator[Flask]:
    with factories.another_app(max_queue_wait=LIMIT) as application:
        yield application


def test_a_request_that_waited_too_long_is_refused_with_retry_after(impatient: Flask) -> None:
    response: TestResponse = after_waiting(lambda: impatient.test_client().get("/api/auth/me"))

    assert factories.error_of(response) == (503, "SERVICE_UNAVAILABLE")
    assert response.headers["Retry-After"] == "2"


@pytest.mark.usefixtures("app")
def test_a_request_that_got_a_thread_in_time_is_served() -> None:
    with factories.another_app(max_queue_wait=PLENTY) as patient, overload.TimedThreadPool(1) as threads:
        response = threads.submit(lambda: patient.test_client().get("/api/auth/me")).result()

    assert factories.error_of(response) == (401, "NO_TOKEN")


def test_health_is_served_after_any_wait(impatient: Flask) -> None:
    response: TestResponse = after_waiting(lambda: impatient.test_client().get("/health"))

    assert response.status_code == 200

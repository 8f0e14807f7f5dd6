"""A process with too much to do refuses at once what has waited too long."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import TypeVar

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from arthomed.core import underway
from arthomed.http import overload
from tests import factories

T = TypeVar("T")
MOST = timedelta(milliseconds=50)
PLENTY = timedelta(minutes=1)


def after_waiting(work: Callable[[], T]) -> T:
    """What comes of work that another one kept from the only thread for so long."""
    done = Event()
    with overload.TimedThreadPool(1) as threads:
        threads.submit(done.wait)
        waiting = threads.submit(work)
        assert not done.wait(1.1 * MOST.total_seconds())
        done.set()
        return waiting.result()  # type: ignore[no-any-return]


@pytest.fixture
def impatient(app: Flask) -> Iterator[Flask]:
    with factories.another_app(most_waiting=MOST) as application:
        yield application


def test_what_waited_too_long_is_refused_with_a_time_to_come_back(impatient: Flask) -> None:
    response: TestResponse = after_waiting(lambda: impatient.test_client().get("/api/auth/me"))

    assert factories.refused(response) == (503, "SERVICE_UNAVAILABLE")
    assert response.headers["Retry-After"] == "2"


@pytest.mark.usefixtures("app")
def test_what_found_a_thread_in_time_is_answered() -> None:
    with (
        factories.another_app(most_waiting=PLENTY) as patient,
        overload.TimedThreadPool(1) as threads,
    ):
        response = threads.submit(lambda: patient.test_client().get("/api/auth/me")).result()

    assert factories.refused(response) == (401, "NO_TOKEN")


def test_health_is_told_under_any_load(impatient: Flask) -> None:
    response: TestResponse = after_waiting(lambda: impatient.test_client().get("/health"))

    assert response.status_code == 200


def test_others_know_who_is_at_work() -> None:
    begun, over = Event(), Event()

    def work() -> None:
        begun.set()
        over.wait()

    with overload.TimedThreadPool(1) as threads:
        threads.submit(work)
        begun.wait()
        meanwhile = underway.threads.wait_for_none(0)
        over.set()

    assert (meanwhile, underway.threads.wait_for_none(0)) == (False, True)

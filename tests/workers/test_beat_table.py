"""The schedule of beat."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from celery import Celery

from arthomed.core.jobs import Job


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def server_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    zone: str = request.param
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    yield zone
    monkeypatch.undo()
    time.tzset()


def test_slots_are_generated_at_five_past_midnight_in_the_time_zone_of_the_clinic(
    celery: Celery, server_zone: str
) -> None:
    assert server_zone
    nightly = next(
        entry["schedule"] for entry in celery.conf.beat_schedule.values() if entry["task"] == Job.GENERATE_SLOTS
    )
    nightly.app = celery
    with time_machine.travel(datetime(2026, 12, 1, 18, 0, tzinfo=UTC), tick=False):
        assert nightly.remaining_estimate(celery.now()) == timedelta(minutes=35)  # 00:05 in India is 18:35 UTC


def test_every_entry_of_the_schedule_names_a_job(celery: Celery) -> None:
    assert {entry["task"] for entry in celery.conf.beat_schedule.values()} <= set(Job)


def test_frequent_jobs_expire_before_they_pile_up_but_after_the_clock_differences_of_hosts(celery: Celery) -> None:
    frequent = [entry for entry in celery.conf.beat_schedule.values() if isinstance(entry["schedule"], float)]
    assert frequent
    assert {entry["options"]["expires"] for entry in frequent} <= {120, 300}

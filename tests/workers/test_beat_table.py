"""When beat asks for what."""

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


def test_slots_are_made_at_five_past_midnight_of_the_clinic(celery: Celery, server_zone: str) -> None:
    assert server_zone
    nightly = next(row["schedule"] for row in celery.conf.beat_schedule.values() if row["task"] == Job.GENERATE_SLOTS)
    nightly.app = celery
    with time_machine.travel(datetime(2026, 12, 1, 18, 0, tzinfo=UTC), tick=False):
        assert nightly.remaining_estimate(celery.now()) == timedelta(minutes=35)  # 00:05 in India is 18:35 UTC


def test_every_row_names_a_job(celery: Celery) -> None:
    assert {row["task"] for row in celery.conf.beat_schedule.values()} <= set(Job)


def test_what_comes_again_soon_does_not_pile_up_though_clocks_are_apart(celery: Celery) -> None:
    often = [row for row in celery.conf.beat_schedule.values() if isinstance(row["schedule"], float)]
    assert often
    assert {row["options"]["expires"] for row in often} <= {120, 300}

"""beat logs that it runs, which jobs it enqueues, and why it enqueues none."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from arthomed.core.jobs import Job
from dev.servers import Mongo, Valkey
from tests.stack import Stack, stack_with, wait_for


@pytest.fixture
def stack(mongo: Mongo, valkey: Valkey, tmp_path: Path) -> Iterator[Stack]:
    found = stack_with(mongo, valkey, tmp_path, redis=9, parts=())
    yield found
    found.stop()


@pytest.mark.long  # the first job is due after ten seconds
def test_beat_logs_its_schedule_and_each_job(stack: Stack, celery: Celery) -> None:
    stack.start_beat()
    beat = stack.beat
    assert beat is not None

    line_of_a_job = re.compile(rf"periodic_job_enqueued +job={re.escape(Job.SWEEP_MESSAGES)}")
    wait_for(lambda: line_of_a_job.search(beat.log.read_text()), seconds=90, what="the line of a job")

    assert re.search(rf"beat_schedules_jobs +jobs={len(celery.conf.beat_schedule)}\b", beat.log.read_text())


@pytest.mark.long
def test_a_second_beat_logs_that_it_waits(stack: Stack) -> None:
    stack.start_beat()
    first = stack.beat
    assert first is not None
    wait_for(lambda: "periodic_job_enqueued" in first.log.read_text(), seconds=90, what="the first beat")
    stack.start_beat()
    second = stack.beat
    assert second is not None

    wait_for(lambda: "beat_waits_for_lock" in second.log.read_text(), seconds=60, what="the line of the second beat")

    assert "periodic_job_enqueued" not in second.log.read_text()

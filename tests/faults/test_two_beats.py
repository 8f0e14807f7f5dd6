"""Two beat processes: one enqueues the jobs, the other takes over when it dies."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import schedule
from redbeat import RedBeatSchedulerEntry
from redis import Redis

from tests.faults.conftest import System
from tests.stack import Stack, kill_group, wait_for

TAKEOVER_SECONDS = 60
QUEUE = "default"


class BeatStack:
    """A stack for beat processes, with a job that is due each second. No worker takes it from its queue."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.redis = Redis.from_url(stack.env["REDIS_URL"])
        app = Celery("beats", broker=stack.env["REDIS_URL"], set_as_current=False)
        app.conf.redbeat_redis_url = stack.env["REDIS_URL"]
        app.conf.redbeat_redis_options = {"socket_timeout": 5}
        RedBeatSchedulerEntry("each second", "default.tick", schedule(1.0, app=app), app=app).save()

    def ticks(self) -> int:
        """How often the job was enqueued."""
        messages: Any = self.redis.lrange(QUEUE, 0, -1)
        return sum(b"default.tick" in message for message in messages)


@pytest.fixture
def beats(system: System, tmp_path: Path) -> Iterator[BeatStack]:
    redis_url = system.valkey.url.removesuffix("/0") + "/3"
    stack = Stack(tmp_path, mongodb_uri=system.stack.env["MONGODB_URI"], redis_url=redis_url)
    beats = BeatStack(stack)
    yield beats
    stack.stop()
    beats.redis.flushdb()
    beats.redis.close()


@pytest.mark.long
def test_two_beats_enqueue_a_periodic_job_once_per_interval(beats: BeatStack) -> None:
    beats.stack.start_beat()
    beats.stack.start_beat()
    wait_for(lambda: beats.ticks() > 1, what="the first ticks")

    started, before = time.monotonic(), beats.ticks()
    wait_for(lambda: beats.ticks() >= before + 4, what="four more ticks")

    assert time.monotonic() - started > 3  # two beats that both enqueue would take two seconds


@pytest.mark.slow
def test_second_beat_takes_over_within_a_minute_after_the_first_is_killed(beats: BeatStack) -> None:
    beats.stack.start_beat()
    first = beats.stack.beat
    assert first
    wait_for(lambda: beats.ticks() > 1, what="the first ticks")
    beats.stack.start_beat()
    second = beats.stack.beat
    assert second
    wait_for(lambda: "is starting" in second.log.read_text(), what="the second beat")

    kill_group(first)
    before = beats.ticks()

    wait_for(lambda: beats.ticks() > before + 2, seconds=TAKEOVER_SECONDS, what="the takeover")

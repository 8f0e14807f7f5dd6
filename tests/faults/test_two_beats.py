"""Beat may run more than once, so that none is missed; the work is asked for once."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.schedules import schedule
from redbeat import RedBeatSchedulerEntry
from redis import Redis

from tests.faults.conftest import Fragile
from tests.stack import Stack, kill_group, wait_for

TAKEOVER_SECONDS = 60
QUEUE = "default"


class Clockwork:
    """Two beats and a job that is due each second, which nobody takes from its queue."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.redis = Redis.from_url(stack.env["REDIS_URL"])
        app = Celery("clockwork", broker=stack.env["REDIS_URL"], set_as_current=False)
        app.conf.redbeat_redis_url = stack.env["REDIS_URL"]
        app.conf.redbeat_redis_options = {"socket_timeout": 5}
        RedBeatSchedulerEntry("each second", "default.tick", schedule(1.0, app=app), app=app).save()

    def ticks(self) -> int:
        """How often it was sent."""
        messages: Any = self.redis.lrange(QUEUE, 0, -1)
        return sum(b"default.tick" in message for message in messages)


@pytest.fixture
def clockwork(fragile: Fragile, tmp_path: Path) -> Iterator[Clockwork]:
    redis_url = fragile.valkey.url.removesuffix("/0") + "/3"
    stack = Stack(tmp_path, mongodb_uri=fragile.stack.env["MONGODB_URI"], redis_url=redis_url)
    found = Clockwork(stack)
    yield found
    stack.stop()
    found.redis.flushdb()
    found.redis.close()


@pytest.mark.long
def test_two_beats_send_a_job_once_per_tick(clockwork: Clockwork) -> None:
    clockwork.stack.start_beat()
    clockwork.stack.start_beat()
    wait_for(lambda: clockwork.ticks() > 1, what="the first ticks")

    begun, before = time.monotonic(), clockwork.ticks()
    wait_for(lambda: clockwork.ticks() >= before + 4, what="four more ticks")

    assert time.monotonic() - begun > 3  # and not two, as with twice as many


@pytest.mark.slow
def test_a_killed_beat_is_taken_over_in_time(clockwork: Clockwork) -> None:
    clockwork.stack.start_beat()
    first = clockwork.stack.beat
    assert first
    wait_for(lambda: clockwork.ticks() > 1, what="the first ticks")
    clockwork.stack.start_beat()
    second = clockwork.stack.beat
    assert second
    wait_for(lambda: "is starting" in second.log.read_text(), what="the second beat")

    kill_group(first)
    before = clockwork.ticks()

    wait_for(lambda: clockwork.ticks() > before + 2, seconds=TAKEOVER_SECONDS, what="the takeover")

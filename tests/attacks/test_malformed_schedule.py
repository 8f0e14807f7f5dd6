"""Malformed entries in beat's schedule in Redis."""

import json
from itertools import product
from pathlib import Path

import pytest
from redis import Redis

from dev.servers import Mongo, Valkey
from tests.stack import stack_with, wait_for

SCHEDULE = "redbeat::schedule"
MALFORMED = [*product(["definition", "meta"], ["5", "not json", "[]", ""])]


@pytest.mark.long
def test_beat_replaces_the_malformed_entries_of_its_schedule(mongo: Mongo, valkey: Valkey, tmp_path: Path) -> None:
    stack = stack_with(mongo, valkey, tmp_path, redis=6, parts=())
    with stack, Redis.from_url(stack.env["REDIS_URL"]) as redis:
        redis.flushdb()
        stack.start_beat()
        assert stack.beat
        wait_for(lambda: "beat_schedules_jobs" in stack.beat.log.read_text(), what="the schedule")  # type: ignore[union-attr]
        keys = redis.zrange(SCHEDULE, 0, -1)
        stack.beat.stop(within=10)

        assert len(keys) > len(MALFORMED)
        for key, (field, value) in zip(keys, MALFORMED, strict=False):
            redis.hset(key, field, value)
        stack.start_beat()

        wait_for(lambda: "beat_schedules_jobs" in stack.beat.log.read_text(), what="beat's schedule")  # type: ignore[union-attr]
        assert stack.beat.exit_code is None
        assert all(json.loads(redis.hget(key, "definition"))["name"] for key in keys)
        assert redis.zcard(SCHEDULE) == len(keys)

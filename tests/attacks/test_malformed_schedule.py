"""A malformed entry in beat's schedule in Redis."""

import json
from pathlib import Path

import pytest
from redis import Redis

from dev.servers import Mongo, Valkey
from tests.stack import stack_with, wait_for

SCHEDULE = "redbeat::schedule"


@pytest.mark.long
@pytest.mark.parametrize("field", ["definition", "meta"])
@pytest.mark.parametrize("value", ["5", "not json", "[]", ""])
def test_beat_replaces_a_malformed_entry_of_its_schedule(
    mongo: Mongo, valkey: Valkey, tmp_path: Path, field: str, value: str
) -> None:
    stack = stack_with(mongo, valkey, tmp_path, redis=6, parts=())
    with stack, Redis.from_url(stack.env["REDIS_URL"]) as redis:
        redis.flushdb()
        stack.start_beat()
        assert stack.beat
        wait_for(lambda: "beat_schedules_jobs" in stack.beat.log.read_text(), what="the schedule")  # type: ignore[union-attr]
        entries = redis.zcard(SCHEDULE)
        [key] = redis.zrange(SCHEDULE, 0, 0)
        stack.beat.stop(within=10)

        redis.hset(key, field, value)
        stack.start_beat()

        wait_for(lambda: "beat_schedules_jobs" in stack.beat.log.read_text(), what="beat's schedule")  # type: ignore[union-attr]
        assert stack.beat.exit_code is None
        assert json.loads(redis.hget(key, "definition"))["name"]
        assert redis.zcard(SCHEDULE) == entries

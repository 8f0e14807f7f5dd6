"""Counts how often a task was started without finishing, for example because it kills its worker each time.

The count is in Redis, where the message is: if Redis loses one, it loses both. Without Redis nothing is counted.
"""

from contextlib import suppress

from redis.exceptions import RedisError

from workers.connection import redis

MAX_DELIVERIES = 3
_FORBIDDEN = 1_000_000
_LIFETIME_SECONDS = 24 * 3600


def start(task_id: str) -> str | None:
    """Count a start of the task; returns the reason if the task must not run again."""
    with suppress(RedisError), redis().pipeline() as pipeline:
        pipeline.incr(_key(task_id))
        pipeline.expire(_key(task_id), _LIFETIME_SECONDS)
        count, _ = pipeline.execute()
        if count > _FORBIDDEN:
            return "TimeLimitExceeded"
        if count > MAX_DELIVERIES:
            return "WorkerLost"
    return None


def finish(task_id: str) -> None:
    """Reset the count: the task has finished, whatever its result."""
    with suppress(RedisError):
        redis().delete(_key(task_id))


def forbid(task_id: str) -> None:
    """Prevent another start: the task exceeded the hard time limit and its process was killed."""
    with suppress(RedisError):
        redis().set(_key(task_id), _FORBIDDEN, ex=_LIFETIME_SECONDS)


def _key(task_id: str) -> str:
    return f"arthomed:begun:{task_id}"

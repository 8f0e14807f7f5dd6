"""Heartbeats of the workers: a sorted set in Redis, worker name -> time of the last heartbeat."""

from typing import Any

from redis import Redis

from arthomed.core import clock

_WORKERS = "arthomed:workers"
_MAX_AGE_SECONDS = 15


class NoWorker(Exception):
    """No worker has sent a heartbeat recently."""


def beat(redis: Redis, worker: str) -> None:
    """Store a heartbeat and remove outdated ones."""
    now = clock.now().timestamp()
    with redis.pipeline() as pipeline:
        pipeline.zadd(_WORKERS, {worker: now})
        pipeline.zremrangebyscore(_WORKERS, "-inf", now - _MAX_AGE_SECONDS)
        pipeline.execute()


def remove(redis: Redis, worker: str) -> None:
    """Remove a worker that stops."""
    redis.zrem(_WORKERS, worker)


def require_worker(redis: Redis) -> dict[str, int]:
    """Return the number of live workers and the age of the newest heartbeat. Raises NoWorker."""
    now = clock.now().timestamp()
    found: Any = redis.zrangebyscore(_WORKERS, now - _MAX_AGE_SECONDS, "+inf", withscores=True)
    if not found:
        raise NoWorker
    _, newest = found[-1]
    return {"alive": len(found), "ageMs": max(0, round((now - newest) * 1000))}

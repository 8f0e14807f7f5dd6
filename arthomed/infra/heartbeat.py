"""The workers' signs of life, kept in Redis with their times."""

from typing import Any

from redis import Redis

from arthomed.core import clock

_WORKERS = "arthomed:workers"
_FRESH_SECONDS = 15


class NoWorker(Exception):
    """No worker gave a sign of life lately."""


def beat(redis: Redis, worker: str) -> None:
    now = clock.now().timestamp()
    with redis.pipeline() as both:
        both.zadd(_WORKERS, {worker: now})
        both.zremrangebyscore(_WORKERS, "-inf", now - _FRESH_SECONDS)
        both.execute()


def stop(redis: Redis, worker: str) -> None:
    redis.zrem(_WORKERS, worker)


def require_worker(redis: Redis) -> dict[str, int]:
    """How many live, and how old the newest sign of it is. Raises NoWorker when none is alive."""
    now = clock.now().timestamp()
    found: Any = redis.zrangebyscore(_WORKERS, now - _FRESH_SECONDS, "+inf", withscores=True)
    if not found:
        raise NoWorker
    _, newest = found[-1]
    return {"alive": len(found), "ageMs": max(0, round((now - newest) * 1000))}

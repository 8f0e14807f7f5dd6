"""The workers' signs of life, kept in Redis with their times."""

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


def require_worker(redis: Redis) -> None:
    """Raises NoWorker when none is alive."""
    if not redis.zcount(_WORKERS, clock.now().timestamp() - _FRESH_SECONDS, "+inf"):
        raise NoWorker

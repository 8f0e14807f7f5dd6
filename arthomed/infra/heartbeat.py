"""The workers' sign of life, kept in Redis for as long as it is fresh."""

from redis import Redis

_PREFIX = "arthomed:worker:"
_FRESH_SECONDS = 15


class NoWorker(Exception):
    """No worker gave a sign of life lately."""


def beat(redis: Redis, worker: str) -> None:
    redis.set(_PREFIX + worker, "alive", ex=_FRESH_SECONDS)


def stop(redis: Redis, worker: str) -> None:
    redis.delete(_PREFIX + worker)


def require_worker(redis: Redis) -> None:
    """Raises NoWorker when none is alive."""
    if next(redis.scan_iter(_PREFIX + "*", count=1000), None) is None:
        raise NoWorker

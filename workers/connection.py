"""The Redis client of the workers for locks, heartbeats and delivery counts; Celery has its own connections."""

from functools import cache

from redis import Redis

from arthomed.config import settings


@cache
def redis() -> Redis:
    """Return the client of this process; redis-py opens new sockets after a fork."""
    return Redis.from_url(settings().redis_url, socket_timeout=2, socket_connect_timeout=2)

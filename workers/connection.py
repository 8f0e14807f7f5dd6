"""The workers' own connection to Redis, for what is not the broker's."""

from functools import cache

from redis import Redis

from arthomed.config import settings


@cache
def redis() -> Redis:
    """One a process: redis-py opens new sockets after a fork."""
    return Redis.from_url(settings().redis_url, socket_timeout=2, socket_connect_timeout=2)

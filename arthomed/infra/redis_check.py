"""The check of Redis, for readiness and at startup."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

_SOCKET_SECONDS = 1


def check_writes(redis: Redis) -> None:
    """Raises RedisError, also from a full Redis and a replica, which answer PING but refuse writes."""
    redis.set("arthomed:ready", 1, ex=60)


def problem_of(redis_url: str) -> str | None:
    """Why Redis can't be used, and the remedy; None if it can."""
    retry, seconds = Retry(NoBackoff(), 0), _SOCKET_SECONDS
    try:
        with Redis.from_url(redis_url, retry=retry, socket_timeout=seconds, socket_connect_timeout=seconds) as redis:
            check_writes(redis)
    except ResponseError as error:
        return f"Redis refuses writes; see REDIS_URL ({str(error).rstrip('.')})"
    except (RedisError, OSError) as error:
        return f"Redis can't be reached; see REDIS_URL ({str(error).rstrip('.')})"
    return None

"""How often a task was begun without coming to an end, as when it kills its worker each time.

The number is kept where the message is, in Redis: whoever loses the one loses the other. Without Redis none is counted.
"""

from contextlib import suppress

from redis.exceptions import RedisError

from workers.connection import redis

MOST_DEATHS = 3
_CONDEMNED = 1_000_000
_KEPT_SECONDS = 24 * 3600


def begin(task_id: str) -> str | None:
    """Note that a task begins; why it must not, when it must not."""
    with suppress(RedisError), redis().pipeline() as both:
        both.incr(_key(task_id))
        both.expire(_key(task_id), _KEPT_SECONDS)
        begun, _ = both.execute()
        if begun > _CONDEMNED:
            return "TimeLimitExceeded"
        if begun > MOST_DEATHS:
            return "WorkerLost"
    return None


def end(task_id: str) -> None:
    """Note that it came to an end, whatever that was."""
    with suppress(RedisError):
        redis().delete(_key(task_id))


def condemn(task_id: str) -> None:
    """Let it not begin again: its process was killed because it took too long."""
    with suppress(RedisError):
        redis().set(_key(task_id), _CONDEMNED, ex=_KEPT_SECONDS)


def _key(task_id: str) -> str:
    return f"arthomed:begun:{task_id}"

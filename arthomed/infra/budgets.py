"""core.limits.Budgets in Redis: a number for each limit, which goes with the end of its window."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError
from redis.retry import Retry

from arthomed.core.errors import RateLimitExceeded, ServiceUnavailable
from arthomed.core.limits import Limit
from arthomed.infra.connection import ThreadsOwn, script

_PREFIX = "budget:"
_SOCKET_SECONDS = 0.3
_RETRY_SECONDS = 0.05
_SPEND = script(
    b"""
for at = 1, #KEYS do
    if tonumber(redis.call("get", KEYS[at]) or 0) >= tonumber(ARGV[2 * at - 1]) then
        return math.max(redis.call("pttl", KEYS[at]), 1)
    end
end
for at = 1, #KEYS do
    if redis.call("incr", KEYS[at]) == 1 then redis.call("pexpire", KEYS[at], ARGV[2 * at]) end
end
return 0
"""
)
_GIVE_BACK = script(  # a window in which nothing was done after all never began
    b"""
for at = 1, #KEYS do
    if tonumber(redis.call("get", KEYS[at]) or 0) > 1 then
        redis.call("decr", KEYS[at])
    else
        redis.call("del", KEYS[at])
    end
end
"""
)


class RedisBudgets:
    """All limits of a use are looked at and counted by one script, so two uses at once can't share the last."""

    def __init__(self, redis_url: str) -> None:
        again = Retry(ConstantBackoff(_RETRY_SECONDS), 1, (NoConnection,))  # a silent Redis may have counted
        self._client = ThreadsOwn(redis_url, seconds=_SOCKET_SECONDS, retry=again)

    def spend(self, limits: Sequence[Limit]) -> None:
        numbers = [number for one in limits for number in (one.most, one.window // timedelta(milliseconds=1))]
        try:
            left_ms: int = _SPEND(_keys(limits), numbers, client=self._client())
        except (RedisError, OSError) as error:
            raise ServiceUnavailable from error
        if left_ms:
            raise RateLimitExceeded(retry_after=timedelta(milliseconds=left_ms))

    def give_back(self, limits: Sequence[Limit]) -> None:
        with suppress(RedisError, OSError):
            _GIVE_BACK(_keys(limits), client=self._client())


def _keys(limits: Sequence[Limit]) -> list[str]:
    return [_PREFIX + limit.key for limit in limits]

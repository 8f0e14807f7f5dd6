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
_MILLISECOND = timedelta(milliseconds=1)
_SPEND = script(
    b"""
local told, at, arg = {}, 0, 1
while ARGV[arg] do
    local size, left = tonumber(ARGV[arg]), 0
    for one = 1, size do
        if left == 0 and tonumber(redis.call("get", KEYS[at + one]) or 0) >= tonumber(ARGV[arg + 2 * one - 1]) then
            left = math.max(redis.call("pttl", KEYS[at + one]), 1)
        end
    end
    for one = 1, left == 0 and size or 0 do
        if redis.call("incr", KEYS[at + one]) == 1 then redis.call("pexpire", KEYS[at + one], ARGV[arg + 2 * one]) end
    end
    told[#told + 1] = left
    at, arg = at + size, arg + 2 * size + 1
end
return told
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
    """All limits of uses are looked at and counted by one script, so two uses at once can't share the last."""

    def __init__(self, redis_url: str) -> None:
        again = Retry(ConstantBackoff(_RETRY_SECONDS), 1, (NoConnection,))  # a silent Redis may have counted
        self._client = ThreadsOwn(redis_url, seconds=_SOCKET_SECONDS, retry=again)

    def spend(self, uses: Sequence[Sequence[Limit]]) -> list[RateLimitExceeded | None]:
        numbers: list[int] = []
        for use in uses:
            numbers.append(len(use))
            for limit in use:
                numbers += (limit.most, limit.window // _MILLISECOND)
        keys = _keys([limit for use in uses for limit in use])
        try:
            left_ms: list[int] = _SPEND(keys, numbers, client=self._client())
        except (RedisError, OSError) as error:
            raise ServiceUnavailable from error
        return [RateLimitExceeded(retry_after=one * _MILLISECOND) if one else None for one in left_ms]

    def give_back(self, limits: Sequence[Limit]) -> None:
        with suppress(RedisError, OSError):
            _GIVE_BACK(_keys(limits), client=self._client())


def _keys(limits: Sequence[Limit]) -> list[str]:
    return [_PREFIX + limit.key for limit in limits]

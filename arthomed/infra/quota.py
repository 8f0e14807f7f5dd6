"""`core.quota` in Redis: one counter per quota, which expires at the end of its window."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from arthomed.core.errors import AddressLimitExceeded, RateLimitExceeded, ServiceUnavailable
from arthomed.core.quota import Quota

_PREFIX = "quota:"
_USE_PREFIX = "quota-use:"
_SOCKET_SECONDS = 0.3
_RETRY_SECONDS = 0.05
_CHECK_AFTER_SECONDS = 1
_MILLISECOND = timedelta(milliseconds=1)
_TAKE = """
local quotas = #ARGV / 2
local use, used = KEYS[quotas + 1], {0}
if use and redis.call("exists", use) == 1 then
    for i = 1, quotas do used[i + 1] = tonumber(redis.call("get", KEYS[i]) or 0) end
    return used
end
for i = 1, quotas do
    if tonumber(redis.call("get", KEYS[i]) or 0) >= tonumber(ARGV[2 * i - 1]) then
        return {math.max(redis.call("pttl", KEYS[i]), 1), i}
    end
end
for i = 1, quotas do
    used[i + 1] = redis.call("incr", KEYS[i])
    if used[i + 1] == 1 then redis.call("pexpire", KEYS[i], ARGV[2 * i]) end
end
if use then redis.call("set", use, 1, "px", ARGV[2]) end
return used
"""
_GIVE_BACK = """
for _, key in ipairs(KEYS) do
    if tonumber(redis.call("get", key) or 0) > 1 then redis.call("decr", key) else redis.call("del", key) end
end
"""


class RedisQuotaCounter:
    """One script checks and counts all quotas, so that two uses at once cannot share the last one."""

    def __init__(self, redis_url: str) -> None:
        # After a timeout the script is not sent again: Redis may have counted. A Redis that stopped meanwhile would
        # count when it goes on, so an idle connection is checked before the script is sent.
        redis = Redis.from_url(
            redis_url,
            socket_timeout=_SOCKET_SECONDS,
            socket_connect_timeout=_SOCKET_SECONDS,
            retry=Retry(ConstantBackoff(_RETRY_SECONDS), 1, (RedisConnectionError,)),
            health_check_interval=_CHECK_AFTER_SECONDS,
        )
        self._take, self._give_back = redis.register_script(_TAKE), redis.register_script(_GIVE_BACK)

    def take(self, quotas: Sequence[Quota], *, use: str | None = None) -> list[int]:
        wait_ms: int
        used: list[int]
        uses = [f"{_USE_PREFIX}{quotas[0].key}:{use}"] if use else []
        numbers = [number for quota in quotas for number in (quota.limit, quota.window // _MILLISECOND)]
        try:
            wait_ms, *used = self._take([*_keys(quotas), *uses], numbers)
        except (RedisError, OSError) as error:
            raise ServiceUnavailable from error
        if wait_ms:
            is_of_address = quotas[used[0] - 1].is_of_address
            refusal = AddressLimitExceeded if is_of_address else RateLimitExceeded
            raise refusal(retry_after=wait_ms * _MILLISECOND)
        return used

    def give_back(self, quotas: Sequence[Quota]) -> None:
        with suppress(RedisError, OSError):
            self._give_back(_keys(quotas))


def _keys(quotas: Sequence[Quota]) -> list[str]:
    return [_PREFIX + quota.key for quota in quotas]

"""What all web processes share in Redis: how much of each limit on requests is used, and versions of what they copy."""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError
from redis.retry import Retry

from arthomed.core.copies import LIFETIME, Seen, VersionsUnavailable
from arthomed.core.limits import Limit
from arthomed.infra.connection import ThreadsOwn, script

_SOCKET_SECONDS = 0.2
_MOST_SILENT_SECONDS = 0.15  # below the time after which telling of a change fails
_LISTENING_SECONDS = 0.05
_PREFIX = "version:"
_MILLISECOND = timedelta(milliseconds=1)
_KEPT_MS = 3_600_000  # longer than any copy; a version that is gone is another one next time
_SCRIPT = script(
    b"""
local told, budgets = {}, tonumber(ARGV[1])
for at = 1, budgets do
    local count = redis.call("incr", KEYS[at])
    local left = redis.call("pttl", KEYS[at])
    if left < 0 then
        left = tonumber(ARGV[1 + 2 * at])
        redis.call("pexpire", KEYS[at], left)
    end
    told[2 * at - 1], told[2 * at] = count, left
    if count > tonumber(ARGV[2 * at]) then return table.concat(told, " ") end
end
for at = budgets + 1, #KEYS do
    local version = redis.call("get", KEYS[at])
    if not version then
        version = ARGV[#ARGV]
        redis.call("set", KEYS[at], version, "px", %d)
    end
    told[#told + 1] = version
end
return table.concat(told, " ")
"""
    % _KEPT_MS
)


@dataclass(frozen=True, slots=True)
class Used:
    """How often a budget was used in its window, this time included, and how long that goes on."""

    count: int
    left_ms: int


class RedisVersions:
    """core.copies.Versions, and what goes with them in the same round trip.

    An era ends with a new connection, behind which Redis may have older data than it had; and when Redis has not
    answered this process for so long that it may have been silent to one who wanted to tell of a change meanwhile. So
    that a pause between requests ends none, a thread asks on for as long as there may be copies.
    """

    def __init__(self, redis_url: str) -> None:
        again = Retry(NoBackoff(), 1, (NoConnection,))  # a connection may have been idle while Redis started anew
        self._client = ThreadsOwn(redis_url, seconds=_SOCKET_SECONDS, retry=again, connected=self._begin_era)
        self._eras = count(1)
        self._era = 0
        self._counted_at = 0.0
        self._listening = threading.Lock()
        self._answered_at = 0.0  # when the newest question that was answered was asked: then or later Redis was there

    def _begin_era(self) -> None:
        self._era = next(self._eras)

    def _note_answer(self, asked_at: float) -> None:
        if time.monotonic() - self._answered_at > _MOST_SILENT_SECONDS:
            self._begin_era()
        self._answered_at = max(self._answered_at, asked_at)

    def _listen(self) -> None:
        try:
            with self._client.another() as redis:  # no version is read by it, so it begins no era
                while time.monotonic() - self._counted_at < LIFETIME.total_seconds():
                    at = time.monotonic()
                    with suppress(RedisError, OSError):
                        redis.ping()
                        self._note_answer(at)
                    time.sleep(_LISTENING_SECONDS)
        finally:
            self._listening.release()

    def count(self, charges: Sequence[Limit], names: Sequence[str]) -> tuple[list[Used], Seen]:
        """Charge budgets in order, up to the first that is used up, after which no versions are looked at.

        Raises:
            VersionsUnavailable: nobody answered in time; what was counted is not known.
        """
        at, era = time.monotonic(), self._era
        numbers: list[Any] = [len(charges)]
        for charge in charges:
            numbers += (charge.most, charge.window // _MILLISECOND)
        keys = [charge.key for charge in charges]
        keys += [_PREFIX + name for name in names]
        try:
            told: list[bytes] = _SCRIPT(keys, [*numbers, os.urandom(12).hex()], client=self._client()).split()
        except (RedisError, OSError) as error:
            raise VersionsUnavailable from error
        self._note_answer(at)
        self._counted_at = at
        if self._listening.acquire(blocking=False):
            threading.Thread(target=self._listen, name="versions", daemon=True).start()
        counted = min(len(told), 2 * len(charges))
        used = [Used(int(told[one]), int(told[one + 1])) for one in range(0, counted, 2)]
        return used, Seen(dict(zip(names, told[counted:], strict=False)), at, era, self._era)

    def look(self, *names: str) -> Seen:
        """The present versions. Raises VersionsUnavailable."""
        return self.count((), names)[1]

    def forget(self, *names: str) -> None:
        keys = [_PREFIX + name for name in names]
        for may_fail in (True, False):  # one packet may get lost
            try:
                self._client().delete(*keys)
            except (RedisError, OSError) as error:
                if not may_fail:
                    raise VersionsUnavailable from error
            else:
                return

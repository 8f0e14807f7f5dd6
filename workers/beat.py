"""The scheduler of beat: RedBeat, made to outlive its Redis."""

from contextlib import suppress
from types import SimpleNamespace

import structlog
from redbeat import RedBeatScheduler
from redbeat.schedulers import acquire_distributed_beat_lock
from redis.exceptions import LockError, RedisError

log = structlog.get_logger()

_PAUSE_SECONDS = 2.0


class Scheduler(RedBeatScheduler):
    """Waits for a Redis that is away, where RedBeat would end.

    What it finds then may be empty, or its lock may be another beat's, so it begins anew: it stores the
    table of jobs again and queues up for the lock.
    """

    _has_begun = False

    def setup_schedule(self) -> None:
        """Leave it to the first tick, which may fail and be repeated."""

    def tick(self, *args: object, **kwargs: object) -> float:
        """Send what is due; returns the seconds to the next tick."""
        try:
            if not self._has_begun:
                self._begin()
            seconds: float = super().tick(*args, **kwargs)
        except RedisError as error:
            log.warning("beat_without_redis", error=type(error).__name__)
            self._has_begun = self._has_begun and not isinstance(error, LockError)
            return _PAUSE_SECONDS
        return seconds

    def close(self) -> None:
        """Give the lock back, if that can be done."""
        with suppress(RedisError):
            super().close()

    def _begin(self) -> None:
        super().setup_schedule()
        if self.lock is None or not self.lock.owned():
            acquire_distributed_beat_lock(sender=SimpleNamespace(scheduler=self))
        self._has_begun = True

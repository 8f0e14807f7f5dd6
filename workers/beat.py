"""The scheduler of beat: RedBeat, made to outlive its Redis."""

from contextlib import suppress
from datetime import datetime
from types import SimpleNamespace

import structlog
from redbeat import RedBeatScheduler
from redbeat.schedulers import RedBeatSchedulerEntry, acquire_distributed_beat_lock, ensure_conf, get_redis
from redis.exceptions import LockError, RedisError

log = structlog.get_logger()

_PAUSE_SECONDS = 2.0


class Scheduler(RedBeatScheduler):
    """Waits for a Redis that is away, where RedBeat would end.

    What it finds then may be empty, or its lock may be another beat's, so it begins anew: it stores the
    table of jobs again and queues up for the lock. When the clock steps back, what ran in what is the future now
    would not run again until then; it counts as having run just now.
    """

    _has_begun = False
    _last_tick: datetime | None = None

    def setup_schedule(self) -> None:
        """Leave it to the first tick, which may fail and be repeated."""

    def tick(self, *args: object, **kwargs: object) -> float:
        """Send what is due; returns the seconds to the next tick."""
        try:
            now = self.app.now()
            if self._has_begun and self._last_tick and now < self._last_tick:
                self._forget_the_future(now)
            self._last_tick = now
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
        self._forget_the_future(self.app.now())
        super().setup_schedule()
        if self.lock is None or not self.lock.owned():
            acquire_distributed_beat_lock(sender=SimpleNamespace(scheduler=self))
        self._has_begun = True

    def _forget_the_future(self, now: datetime) -> None:
        for key in get_redis(self.app).zrange(ensure_conf(self.app).schedule_key, 0, -1):
            with suppress(KeyError):  # it is no job any more
                entry = RedBeatSchedulerEntry.from_key(key, app=self.app)
                if entry.last_run_at and entry.last_run_at > now:
                    entry.reschedule()

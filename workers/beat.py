"""The scheduler of beat: RedBeat that survives an unavailable Redis."""

from contextlib import suppress
from datetime import datetime
from types import SimpleNamespace

import structlog
from celery import signals
from celery.beat import ScheduleEntry
from redbeat import RedBeatScheduler
from redbeat.schedulers import RedBeatSchedulerEntry, acquire_distributed_beat_lock, ensure_conf, get_redis
from redis.exceptions import LockError, RedisError

log = structlog.get_logger()

_PAUSE_SECONDS = 2.0

# The scheduler acquires the lock in its first tick, which can be repeated; RedBeat logs a stack trace without Redis.
signals.beat_init.disconnect(acquire_distributed_beat_lock)


class Scheduler(RedBeatScheduler):
    """Waits while Redis is unavailable, where RedBeat would exit.

    Afterwards Redis may be empty, or another beat may hold the lock. So the scheduler initialises again: it stores the
    schedule and acquires the lock. If the clock steps back, a last run in the future would delay the next run, so such
    entries are rescheduled from now.
    """

    _is_initialised = False
    _last_tick: datetime | None = None

    def setup_schedule(self) -> None:
        """Do nothing: the first tick stores the schedule, since a tick can be repeated when Redis is unavailable."""

    def tick(self, *args: object, **kwargs: object) -> float:
        """Publish due tasks; returns the seconds until the next tick."""
        try:
            now = self.app.now()
            if self._is_initialised and self._last_tick and now < self._last_tick:
                self._reschedule_future_entries(now)
            self._last_tick = now
            if not self._is_initialised:
                self._initialise()
            seconds: float = super().tick(*args, **kwargs)
        except RedisError as error:
            log.warning("beat_redis_unavailable", error=type(error).__name__, see="REDIS_URL")
            self._is_initialised = self._is_initialised and not isinstance(error, LockError)
            return _PAUSE_SECONDS
        return seconds

    def close(self) -> None:
        """Release the lock, if Redis is available."""
        with suppress(RedisError):
            super().close()

    def apply_async(self, entry: ScheduleEntry, *args: object, **kwargs: object) -> object:
        """Publish a due job."""
        result: object = super().apply_async(entry, *args, **kwargs)
        log.info("periodic_job_enqueued", job=entry.task)
        return result

    def _initialise(self) -> None:
        if self.lock is None or not self.lock.owned():
            log.info("beat_waits_for_lock")
            acquire_distributed_beat_lock(sender=SimpleNamespace(scheduler=self))
        self._reschedule_future_entries(self.app.now())
        super().setup_schedule()
        log.info("beat_schedules_jobs", jobs=len(self.app.conf.beat_schedule))
        self._is_initialised = True

    def _reschedule_future_entries(self, now: datetime) -> None:
        for key in get_redis(self.app).zrange(ensure_conf(self.app).schedule_key, 0, -1):
            try:
                entry = RedBeatSchedulerEntry.from_key(key, app=self.app)
                if entry.last_run_at and entry.last_run_at > now:
                    entry.reschedule()
            except KeyError:  # the entry was removed from the schedule
                pass
            except (AttributeError, TypeError, ValueError) as error:  # setup_schedule stores it again
                log.error("schedule_entry_malformed", key=key, error=type(error).__name__)  # noqa: TRY400
                get_redis(self.app).delete(key)

"""A Redis lock that lets one run of a periodic job proceed at a time, among all workers.

It only saves work. Redis may be unavailable or lose the lock, so every periodic job must tolerate a concurrent run: the
database refuses what must not happen twice.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from workers.connection import redis

log = structlog.get_logger()

LIFETIME_SECONDS = 30.0
"""The lock of a killed process expires after this time; a running process extends it."""


class AlreadyRunning(Exception):
    """Another run holds the lock."""


@contextmanager
def exclusive(job: str) -> Iterator[None]:
    """Hold the lock of a job. Without Redis the job runs without a lock.

    Raises:
        AlreadyRunning: before the body runs.
    """
    lock = Lock(redis(), f"arthomed:runs:{job}", timeout=LIFETIME_SECONDS, blocking=False, thread_local=False)
    with _extended(lock, job) if _acquire(lock, job) else nullcontext():
        yield


def _acquire(lock: Lock, job: str) -> bool:
    try:
        acquired = lock.acquire()
    except RedisError as error:
        log.warning("job_runs_without_lock", job=job, error=type(error).__name__)
        return False
    if not acquired:
        raise AlreadyRunning(job)
    return True


@contextmanager
def _extended(lock: Lock, job: str) -> Iterator[None]:
    finished = threading.Event()
    extender = threading.Thread(target=_extend, args=(lock, job, finished), name="lock-extender", daemon=True)
    extender.start()
    try:
        yield
    finally:
        finished.set()
        extender.join()
        with suppress(RedisError):  # another run holds the lock, or it will expire
            lock.release()


def _extend(lock: Lock, job: str, finished: threading.Event) -> None:
    while not finished.wait(LIFETIME_SECONDS / 3):
        try:
            lock.reacquire()
        except LockError:
            log.warning("lock_lost", job=job)
            return
        except RedisError as error:
            log.warning("lock_not_extended", job=job, error=type(error).__name__)

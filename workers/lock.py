"""One run of a periodic job at a time, among all workers.

It saves work and nothing else. Redis may be away or lose what it holds, so every periodic job must bear another run
beside it: what must not happen twice, the database refuses.
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
"""For which it outlives a process that was killed; a living one prolongs it."""


class AlreadyRuns(Exception):
    """Another run holds the lock."""


@contextmanager
def alone(job: str) -> Iterator[None]:
    """Hold the job's lock meanwhile. Without Redis the job runs all the same.

    Raises:
        AlreadyRuns: at the start.
    """
    lock = Lock(redis(), f"arthomed:runs:{job}", timeout=LIFETIME_SECONDS, blocking=False, thread_local=False)
    with _held(lock, job) if _is_taken(lock, job) else nullcontext():
        yield


def _is_taken(lock: Lock, job: str) -> bool:
    try:
        taken = lock.acquire()
    except RedisError as error:
        log.warning("runs_without_lock", job=job, error=type(error).__name__)
        return False
    if not taken:
        raise AlreadyRuns(job)
    return True


@contextmanager
def _held(lock: Lock, job: str) -> Iterator[None]:
    ending = threading.Event()
    keeper = threading.Thread(target=_keep, args=(lock, job, ending), name="lock-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join()
        with suppress(RedisError):  # it is another's, or will expire
            lock.release()


def _keep(lock: Lock, job: str, ending: threading.Event) -> None:
    while not ending.wait(LIFETIME_SECONDS / 3):
        try:
            lock.reacquire()
        except LockError:
            log.warning("lock_lost", job=job)
            return
        except RedisError as error:
            log.warning("lock_not_prolonged", job=job, error=type(error).__name__)

"""The lock of a periodic job."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis.lock import Lock

from dev.servers import free_port
from tests.factories import Records
from tests.stack import wait_for
from workers import lock

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def redis(database: Records, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(lock, "LIFETIME_SECONDS", 0.3)
    with Redis.from_url(environment["REDIS_URL"]) as client:
        monkeypatch.setattr(lock, "redis", lambda: client)
        yield client


def test_a_second_run_is_refused_until_the_first_one_ends(redis: Any) -> None:
    with lock.exclusive("a job"):
        before = redis.get("arthomed:runs:a job")
        redis.pexpire("arthomed:runs:a job", 200)
        wait_for(lambda: redis.pttl("arthomed:runs:a job") > 200, what="the extension of the lock")
        assert redis.get("arthomed:runs:a job") == before
        with pytest.raises(lock.AlreadyRunning), lock.exclusive("a job"):
            pass
    with lock.exclusive("a job"):
        pass


def test_the_lock_of_another_run_is_not_released(redis: Any) -> None:
    with lock.exclusive("a job"):
        redis.set("arthomed:runs:a job", "of another")
    assert redis.get("arthomed:runs:a job") == b"of another"


def test_the_lock_of_a_killed_process_expires(redis: Any) -> None:
    assert Lock(redis, "arthomed:runs:a job", timeout=lock.LIFETIME_SECONDS, blocking=False).acquire()
    wait_for(lambda: not redis.exists("arthomed:runs:a job"), what="expiry")
    with lock.exclusive("a job"):
        pass


def test_without_redis_the_job_runs_without_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "redis", lambda: Redis(port=free_port()))
    with lock.exclusive("a job"):
        pass

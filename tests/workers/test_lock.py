"""The lock of a periodic job."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database
from redis import Redis
from redis.lock import Lock

from dev.servers import free_port
from tests.stack import wait_for
from workers import lock

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def redis(
    database: Database[dict[str, Any]], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    monkeypatch.setattr(lock, "LIFETIME_SECONDS", 0.3)
    with Redis.from_url(environment["REDIS_URL"]) as client:
        monkeypatch.setattr(lock, "redis", lambda: client)
        yield client


def test_a_second_run_is_refused_for_as_long_as_the_first_lasts(redis: Any) -> None:
    with lock.alone("a job"):
        before = redis.get("arthomed:runs:a job")
        redis.pexpire("arthomed:runs:a job", 200)
        wait_for(lambda: redis.pttl("arthomed:runs:a job") > 200, what="prolonging")
        assert redis.get("arthomed:runs:a job") == before
        with pytest.raises(lock.AlreadyRuns), lock.alone("a job"):
            pass
    with lock.alone("a job"):
        pass


def test_only_its_owner_gives_it_back(redis: Any) -> None:
    with lock.alone("a job"):
        redis.set("arthomed:runs:a job", "of another")
    assert redis.get("arthomed:runs:a job") == b"of another"


def test_that_of_a_process_that_died_expires(redis: Any) -> None:
    assert Lock(redis, "arthomed:runs:a job", timeout=lock.LIFETIME_SECONDS, blocking=False).acquire()
    wait_for(lambda: not redis.exists("arthomed:runs:a job"), what="expiry")
    with lock.alone("a job"):
        pass


def test_without_redis_the_job_runs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "redis", lambda: Redis(port=free_port()))
    with lock.alone("a job"):
        pass

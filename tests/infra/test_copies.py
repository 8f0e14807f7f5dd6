"""Copies in several processes, each of which has connections of its own to Redis, and whose versions count."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from arthomed.core import clock, copies
from arthomed.core.copies import Copies, Seen, VersionsUnavailable
from arthomed.infra import versions
from arthomed.infra.versions import RedisVersions
from dev.servers import Valkey
from tests.stack import wait_for

NAMES = ("slots:1", "doctors")


@pytest.fixture(autouse=True)
def _slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time between two questions ends no copy."""
    monkeypatch.setattr(versions, "_MOST_SILENT_SECONDS", 60)


TIME_OUT = 0.2  # of a question to Redis


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Any]:
    with Redis.from_url(valkey.url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def reader(valkey: Valkey, redis: Any, monkeypatch: pytest.MonkeyPatch) -> RedisVersions:
    """Those of this process."""
    del redis  # it empties the database
    found = RedisVersions(valkey.url)
    found.look()  # the first connection begins an era
    monkeypatch.setattr(copies, "_versions", found)
    return found


@pytest.fixture
def writer(valkey: Valkey) -> RedisVersions:
    """Those of another process."""
    return RedisVersions(valkey.url)


def seen(reader: RedisVersions) -> Seen:
    return reader.look(*NAMES)


def kept(reader: RedisVersions, **how: Any) -> Copies[str]:
    found = Copies[str](10)
    found.keep("key", "read", NAMES, seen(reader), **how)
    return found


class TestFinding:
    def test_a_copy_is_good_while_nothing_of_it_has_changed(self, reader: RedisVersions, writer: RedisVersions) -> None:
        copy = kept(reader)
        writer.forget("slots:2")

        assert copy.find("key", seen(reader)) == "read"

    @pytest.mark.parametrize("name", NAMES)
    def test_not_once_a_process_has_told_of_a_change(
        self, reader: RedisVersions, writer: RedisVersions, name: str
    ) -> None:
        copy = kept(reader)
        writer.forget(name)

        assert copy.find("key", seen(reader)) is None

    def test_what_was_read_before_a_change_is_not_good_because_it_is_kept_after_it(
        self, reader: RedisVersions, writer: RedisVersions
    ) -> None:
        copy, before = Copies[str](10), seen(reader)
        writer.forget(NAMES[0])
        copy.keep("key", "read", NAMES, before)

        assert copy.find("key", seen(reader)) is None

    def test_not_when_the_versions_are_lost(self, reader: RedisVersions, redis: Any) -> None:
        copy = kept(reader)
        redis.flushdb()

        assert copy.find("key", seen(reader)) is None

    def test_not_when_older_versions_are_back_behind_new_connections(
        self, reader: RedisVersions, writer: RedisVersions, redis: Any
    ) -> None:
        copy = kept(reader)
        older = {key: redis.get(key) for key in redis.keys("version:*")}
        writer.forget(*NAMES)
        redis.mset(older)
        redis.client_kill_filter(_type="normal", skipme=True)
        after = seen(reader)

        assert after.versions == {name: older[f"version:{name}".encode()] for name in NAMES}
        assert copy.find("key", after) is None

    def test_not_when_a_change_went_by_unheard_while_redis_was_silent(
        self, reader: RedisVersions, writer: RedisVersions, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copy, before = kept(reader), seen(reader)
        monkeypatch.undo()
        os.kill(valkey.pid, signal.SIGSTOP)
        try:
            with pytest.raises(VersionsUnavailable):
                writer.forget(*NAMES)
        finally:
            os.kill(valkey.pid, signal.SIGCONT)
        after = seen(reader)

        assert after.versions == before.versions
        assert copy.find("key", after) is None

    def test_a_pause_between_requests_ends_none(self, reader: RedisVersions, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        copy = Copies[str](10)

        def is_found_after_a_pause() -> bool:
            copy.keep("key", "read", NAMES, seen(reader))
            wait({Future()}, timeout=2 * versions._MOST_SILENT_SECONDS)
            return copy.find("key", seen(reader)) == "read"

        assert wait_for(is_found_after_a_pause, what="a copy that outlives a pause")

    def test_not_when_the_versions_are_unknown(self, reader: RedisVersions) -> None:
        assert kept(reader).find("key", None) is None

    def test_not_after_its_lifetime(self, reader: RedisVersions) -> None:
        copy = Copies[str](10, timedelta(0))
        copy.keep("key", "read", NAMES, seen(reader))

        assert copy.find("key", seen(reader)) is None

    def test_not_from_the_instant_on_that_it_was_kept_until(self, reader: RedisVersions) -> None:
        soon, over = (kept(reader, until=clock.now() + timedelta(seconds=ahead)) for ahead in (60, 0))

        assert [soon.find("key", seen(reader)), over.find("key", seen(reader))] == ["read", None]

    def test_of_too_many_the_one_that_was_kept_first_goes(self, reader: RedisVersions) -> None:
        found, now = Copies[str](2), seen(reader)
        for key in ("first", "second", "first", "third"):
            found.keep(key, key, NAMES, now)

        assert [found.find(key, now) for key in ("first", "second", "third")] == ["first", None, "third"]


class TestTelling:
    def test_what_a_transaction_changed_is_told_when_it_is_over(self, reader: RedisVersions) -> None:
        copy = kept(reader)
        with copies.telling():
            copies.changed(NAMES[0])
            during = copy.find("key", seen(reader))

        assert (during, copy.find("key", seen(reader))) == ("read", None)

    def test_also_when_nobody_knows_how_it_ended(self, reader: RedisVersions) -> None:
        copy = kept(reader)
        with suppress(TimeoutError), copies.telling():
            copies.changed(NAMES[0])
            raise TimeoutError

        assert copy.find("key", seen(reader)) is None

    def test_a_change_outside_of_a_transaction_is_a_mistake(self) -> None:
        with pytest.raises(AssertionError):
            copies.changed(NAMES[0])


class TestRedisAway:
    @pytest.fixture
    def silent(self, valkey: Valkey, reader: RedisVersions) -> Iterator[int]:
        """The process of a server that has stopped to answer."""
        seen(reader)
        os.kill(valkey.pid, signal.SIGSTOP)
        yield valkey.pid
        os.kill(valkey.pid, signal.SIGCONT)

    def test_nothing_is_copied(self, reader: RedisVersions, silent: int) -> None:
        del silent
        with pytest.raises(VersionsUnavailable):
            reader.look(*NAMES)

    def test_a_booking_does_not_wait(self, silent: int) -> None:
        del silent
        started = time.monotonic()
        with copies.telling():
            copies.changed(NAMES[0])

        assert time.monotonic() - started < copies.SURE_LIFETIME.total_seconds() / 2

    def test_the_end_of_a_session_is_acknowledged_once_it_could_be_told(
        self, reader: RedisVersions, valkey: Valkey
    ) -> None:
        before = seen(reader)
        os.kill(valkey.pid, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as thread:
            ending = thread.submit(self._end)
            tried, _ = wait({ending}, timeout=3 * TIME_OUT)
            os.kill(valkey.pid, signal.SIGCONT)
            ending.result(timeout=10)

        assert not tried
        assert seen(reader).versions[NAMES[0]] != before.versions[NAMES[0]]

    def test_or_when_no_copy_of_it_can_be_left(self, silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
        del silent
        monkeypatch.setattr(copies, "SURE_LIFETIME", timedelta(seconds=1))
        started = time.monotonic()
        self._end()

        assert time.monotonic() - started >= 1

    @staticmethod
    def _end() -> None:
        with copies.telling():
            copies.changed(NAMES[0], surely=True)

"""The audit writer stores the events of reads in the background, and one bad event does not hold up the others."""

import subprocess
import sys
import time
from collections.abc import Iterator
from threading import Event, Thread, current_thread, main_thread
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.write_concern import WriteConcern
from structlog.testing import capture_logs

from arthomed.audit.writer import AuditWriter
from arthomed.core import clock
from dev.servers import free_port
from tests.stack import ROOT

Trail = Collection[dict[str, Any]]

PROGRAM = """
from bson import ObjectId
from arthomed.app import wire
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.config import settings
from arthomed.core.actor import Actor
from arthomed.core.permissions import Role

wire(settings(), database_timeout_ms=2000)
for _ in range(1000):
    audit.record_read(Actor(ObjectId(), Role.ADMIN), Kind.USER, [ObjectId()], [ObjectId()])
"""

REFUSED: dict[str, dict[str, Any]] = {
    "larger than a BSON document may be": {"changes": [{"field": "notes", "from": None, "to": "x" * 17 * 1024**2}]},
    "with a value that BSON cannot encode": {"requestId": object()},
    "with an integer that BSON cannot encode": {"requestId": 2**64},
    "refused by the validator of the collection": {"action": "look"},
}


@pytest.fixture
def trail(database: Database[dict[str, Any]]) -> Trail:
    return database.audit_events


@pytest.fixture
def unreachable_trail() -> Iterator[Trail]:
    url = f"mongodb://127.0.0.1:{free_port()}"
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=20) as client:
        yield client.arthomed.audit_events


def event(**fields: Any) -> dict[str, Any]:
    sound = {"_id": ObjectId(), "at": clock.now(), "action": "read", "kind": "user", "records": [], "subjects": []}
    return {**sound, **fields}


def write(writer: AuditWriter, *events: dict[str, Any]) -> None:
    for one in events:
        writer.put(one)
    writer.flush()


def stored_ids(trail: Trail) -> set[ObjectId]:
    return set(trail.distinct("_id"))


def lines(logs: list[Any], name: str) -> list[Any]:
    return [line for line in logs if line["event"] == name]


def test_pending_events_are_written_before_the_process_ends(trail: Trail, environment: dict[str, str]) -> None:
    assert environment
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, check=True, timeout=60)

    assert trail.count_documents({}) == 1000


def test_the_writer_retries_while_the_database_is_unavailable(trail: Trail, unreachable_trail: Trail) -> None:
    tries = iter([unreachable_trail, trail])
    writer = AuditWriter(lambda: next(tries))
    write(writer, event())

    assert trail.count_documents({}) == 1


def test_the_writer_retries_until_the_database_confirms_that_it_keeps_the_events(trail: Trail) -> None:
    more_members_than_there_are = trail.with_options(write_concern=WriteConcern(w=2))
    tries = iter([more_members_than_there_are, trail])
    writer = AuditWriter(lambda: next(tries))
    events = [event(), event()]
    with capture_logs() as logs:
        write(writer, *events)

    assert [line["count"] for line in lines(logs, "audit_events_delayed")] == [2]
    assert next(tries, None) is None
    assert stored_ids(trail) == {one["_id"] for one in events}


def test_an_event_stored_by_an_earlier_try_is_stored_once(trail: Trail) -> None:
    events = [event(), event()]
    trail.insert_one(events[0])
    writer = AuditWriter(lambda: trail)
    write(writer, *events)

    assert trail.count_documents({}) == 2


def test_the_caller_writes_its_event_itself_when_the_queue_is_full(trail: Trail) -> None:
    is_held, is_free = Event(), Event()

    def held_in_the_background() -> Trail:
        if current_thread() is not main_thread():
            is_held.set()
            is_free.wait()
        return trail

    writer = AuditWriter(held_in_the_background, max_pending=1)
    writer.put(event())
    is_held.wait()
    writer.put(event())
    writer.put(event())
    written_by_the_caller = trail.count_documents({})
    is_free.set()
    writer.flush()

    assert (written_by_the_caller, trail.count_documents({})) == (1, 3)


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_a_refused_event_is_dropped_and_the_events_behind_it_are_written(trail: Trail, fields: dict[str, Any]) -> None:
    before, refused, behind = event(), event(**fields), event()
    writer = AuditWriter(lambda: trail)
    with capture_logs() as logs:
        write(writer, before, refused, behind)

    assert stored_ids(trail) == {before["_id"], behind["_id"]}
    (line,) = lines(logs, "audit_event_refused")
    assert (line["id"], line["kind"], line["action"]) == (str(refused["_id"]), refused["kind"], refused["action"])
    assert line.keys() == {"event", "log_level", "id", "kind", "action", "error"}


def test_a_refused_event_alone_in_its_batch_does_not_stop_the_writer(trail: Trail) -> None:
    writer = AuditWriter(lambda: trail)
    write(writer, event(requestId=object()))
    behind = event()
    write(writer, behind)

    assert stored_ids(trail) == {behind["_id"]}


def test_the_writer_survives_an_unexpected_error(trail: Trail) -> None:
    tries = 0

    def broken_at_first() -> Trail:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError("9876543210")
        return trail

    writer = AuditWriter(broken_at_first)
    with capture_logs() as logs:
        write(writer, event())
    behind = event()
    write(writer, behind)

    assert stored_ids(trail) == {behind["_id"]}
    assert [line["error"] for line in lines(logs, "audit_event_refused")] == ["RuntimeError"]
    assert "9876543210" not in repr(logs)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_next_event_restarts_a_dead_thread(trail: Trail) -> None:
    threads: list[Thread] = []

    def exits_at_first() -> Trail:
        threads.append(current_thread())
        if len(threads) == 1:
            sys.exit()
        return trail

    writer = AuditWriter(exits_at_first)
    write(writer, event())
    threads[0].join()
    behind = event()
    write(writer, behind)

    assert stored_ids(trail) == {behind["_id"]}
    assert threads[0] is not threads[1]


def test_flush_returns_at_its_deadline_and_logs_how_many_events_are_lost(
    trail: Trail, unreachable_trail: Trail
) -> None:
    is_reachable = Event()
    writer = AuditWriter(lambda: trail if is_reachable.is_set() else unreachable_trail)
    events = [event(), event()]
    for one in events:
        writer.put(one)
    started = time.monotonic()
    with capture_logs() as logs:
        writer.flush(timeout=0.5)
    seconds = time.monotonic() - started
    is_reachable.set()
    writer.flush(timeout=30)

    assert 0.5 <= seconds < 2
    assert [line["count"] for line in lines(logs, "audit_events_lost")] == [2]
    assert stored_ids(trail) == {one["_id"] for one in events}

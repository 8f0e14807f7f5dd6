"""What was read is noted behind the requests' backs, and nothing of it is lost on the way."""

import subprocess
import sys
from collections.abc import Iterator
from threading import Event, current_thread, main_thread
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database

from arthomed.audit.writer import Writer
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
    audit.note_read(Actor(ObjectId(), Role.ADMIN), Kind.USER, [ObjectId()], [ObjectId()])
"""


@pytest.fixture
def trail(database: Database[dict[str, Any]]) -> Trail:
    return database.audit_events


@pytest.fixture
def away() -> Iterator[Trail]:
    """The trail of a database that can't be reached."""
    url = f"mongodb://127.0.0.1:{free_port()}"
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=20) as client:
        yield client.arthomed.audit_events


def event() -> dict[str, Any]:
    return {"_id": ObjectId(), "at": clock.now(), "action": "read", "kind": "user", "records": [], "subjects": []}


def test_what_waits_is_written_before_the_process_ends(trail: Trail, environment: dict[str, str]) -> None:
    assert environment
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, check=True, timeout=60)

    assert trail.count_documents({}) == 1000


def test_it_is_tried_again_while_the_database_is_away(trail: Trail, away: Trail) -> None:
    tries = iter([away, trail])
    writer = Writer(lambda: next(tries))
    writer.put(event())
    writer.flush()

    assert trail.count_documents({}) == 1


def test_what_an_earlier_try_wrote_is_not_written_twice(trail: Trail) -> None:
    events = [event(), event()]
    trail.insert_one(events[0])
    writer = Writer(lambda: trail)
    for one in events:
        writer.put(one)
    writer.flush()

    assert trail.count_documents({}) == 2


def test_who_finds_too_many_waiting_writes_alone(trail: Trail) -> None:
    is_held, is_free = Event(), Event()

    def held_in_the_background() -> Trail:
        if current_thread() is not main_thread():
            is_held.set()
            is_free.wait()
        return trail

    writer = Writer(held_in_the_background, most_waiting=1)
    writer.put(event())
    is_held.wait()
    writer.put(event())
    writer.put(event())
    written_by_the_caller = trail.count_documents({})
    is_free.set()
    writer.flush()

    assert (written_by_the_caller, trail.count_documents({})) == (1, 3)

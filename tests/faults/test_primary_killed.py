"""kill -9 of the primary of a replica set of three during bookings."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

from dev.servers import Member, ReplicaSet
from tests.faults.clinic import AUDIT_PASSED, Clinic
from tests.faults.conftest import FULL, ReportFigure, System
from tests.faults.desk import BOOKINGS, OUTCOMES, SEATS, TIMES, Desk
from tests.stack import Stack, kill_group, wait_for
from tests.whole_suite import suite_logs

ELECTION_MS = 10_000 if FULL else 1_000  # 10,000 is MongoDB's default
MAX_RECOVERY_SECONDS = 15.0


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    folder = tmp_path_factory.mktemp("trio")
    with ReplicaSet(folder / "mongo", folder, election_ms=ELECTION_MS) as replica_set:
        yield replica_set
        suite_logs.keep_personal_data(replica_set.uri("local"))


@pytest.fixture(scope="module")
def replicated(_system: System, trio: ReplicaSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """Web processes over the replica set."""
    stack = Stack(
        tmp_path_factory.mktemp("replicated"),
        mongodb_uri=trio.uri("arthomed"),
        redis_url=_system.valkey.url.removesuffix("/0") + "/4",
        parts=("web",),
    )
    with stack, Clinic(stack) as client:
        yield client


@pytest.mark.long
def test_killing_the_primary_loses_no_acknowledged_booking_and_gives_no_seat_twice(
    trio: ReplicaSet, replicated: Clinic, report_figure: ReportFigure
) -> None:
    desk = Desk(replicated, retry_seconds=60)
    with desk.serving() as acknowledged:
        victim = trio.primary()
        kill_group(victim.process)
        killed_at = time.monotonic()
    recovered_at = min(one.received_at for one in desk.answers if one.sent_at > killed_at and one.outcome[0] == 201)
    recovery = recovered_at - killed_at
    victim.restart()
    seen = Counter(answer.outcome for answer in desk.answers)
    report_figure(f"{len(acknowledged)} of {BOOKINGS} booked, recovery after {recovery:.1f} s, {dict(seen)}")

    assert sorted(acknowledged) == desk.stored()
    assert len(acknowledged) == SEATS * TIMES
    assert set(seen) <= OUTCOMES
    assert recovery < MAX_RECOVERY_SECONDS
    assert replicated.audit() == AUDIT_PASSED
    wait_for(lambda: has_caught_up(victim, acknowledged), what="the killed member's recovery")


def has_caught_up(member: Member, appointments: list[ObjectId]) -> bool:
    """Whether a member is a secondary that has all the appointments."""
    client: MongoClient[dict[str, Any]] = MongoClient(member.uri("arthomed"), readPreference="secondaryPreferred")
    with client:
        found = client.get_default_database().appointments.count_documents({"_id": {"$in": appointments}})
        return bool(client.admin.command("hello")["secondary"]) and found == len(appointments)

"""kill -9 of the primary of a replica set of three during bookings."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
from bson import ObjectId
from pymongo import MongoClient

from dev.servers import Member, ReplicaSet
from tests.faults.clinic import AUDIT_PASSED, Clinic, Person, error_code
from tests.faults.conftest import FULL, ReportFigure, System
from tests.stack import Stack, kill_group, wait_for
from tests.whole_suite import suite_logs

BOOKINGS = 500 if FULL else 100
CLIENTS = 8
TIMES = 20
SEATS = BOOKINGS // TIMES - 1  # at each time one fewer than patients
ELECTION_MS = 10_000 if FULL else 1_000  # 10,000 is MongoDB's default
MAX_RECOVERY_SECONDS = 15.0
NO_SEAT = (400, "SLOT_UNAVAILABLE")


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
        demo=False,
    )
    with stack, Clinic(stack) as client:
        yield client


@dataclass(frozen=True)
class Answer:
    """The outcome of one request."""

    sent_at: float
    received_at: float
    outcome: tuple[int, str]


@dataclass
class Crowd:
    """More patients than seats. Each repeats the booking until it succeeds or all seats are taken."""

    clinic: Clinic
    doctor: ObjectId
    times: list[str]
    answers: list[Answer] = field(default_factory=list)

    def book(self, nth: int, patient: Person) -> ObjectId | None:
        """Book with retries; returns the appointment, None when all seats are taken."""
        key = {"Idempotency-Key": f"primary-{patient.id}"}
        send = partial(self.clinic.book, patient, self.doctor, self.times[nth % TIMES], **key)
        response = wait_for(partial(self._try_once, send), seconds=60, what="a final response")
        return ObjectId(response.json()["data"]["appointment"]["_id"]) if response.status_code == 201 else None

    def first_booking_after(self, moment: float) -> float:
        """Find when the first booking sent after a moment was acknowledged."""
        return min(one.received_at for one in self.answers if one.sent_at > moment and one.outcome[0] == 201)

    def _try_once(self, send: Callable[[], httpx.Response]) -> httpx.Response | None:
        """Send a booking; None unless the outcome is final."""
        sent_at = time.monotonic()
        with suppress(httpx.TransportError):
            response = send()
            outcome = (response.status_code, error_code(response))
            self.answers.append(Answer(sent_at, time.monotonic(), outcome))
            return response if outcome in {(201, "OK"), NO_SEAT} else None
        return None


@pytest.mark.long
def test_killing_the_primary_loses_no_acknowledged_booking_and_gives_no_seat_twice(
    trio: ReplicaSet, replicated: Clinic, report_figure: ReportFigure
) -> None:
    doctor = replicated.doctor(slots=TIMES, capacity=SEATS)
    crowd = Crowd(replicated, doctor, replicated.times(doctor))
    with ThreadPoolExecutor(CLIENTS) as pool:
        patients = replicated.patients(BOOKINGS)
        futures = [pool.submit(crowd.book, nth, patient) for nth, patient in enumerate(patients)]
        wait_for(lambda: sum(one.done() for one in futures) > BOOKINGS // 4, what="a quarter of the bookings")
        victim = trio.primary()
        kill_group(victim.process)
        killed_at = time.monotonic()
        acknowledged = [appointment for one in futures if (appointment := one.result())]
    recovery = crowd.first_booking_after(killed_at) - killed_at
    victim.restart()
    seen = Counter(answer.outcome for answer in crowd.answers)
    report_figure(f"{len(acknowledged)} of {BOOKINGS} booked, recovery after {recovery:.1f} s, {dict(seen)}")

    appointments = replicated.database.appointments
    assert sorted(acknowledged) == sorted(appointments.distinct("_id", {"doctor": doctor}))
    assert len(acknowledged) == SEATS * TIMES
    assert set(seen) <= {(201, "OK"), NO_SEAT, (503, "SERVICE_UNAVAILABLE")}
    assert recovery < MAX_RECOVERY_SECONDS
    assert replicated.audit() == AUDIT_PASSED
    wait_for(lambda: has_caught_up(victim, acknowledged), what="the killed member's recovery")


def has_caught_up(member: Member, appointments: list[ObjectId]) -> bool:
    """Whether a member is a secondary that has all the appointments."""
    client: MongoClient[dict[str, Any]] = MongoClient(member.uri("arthomed"), readPreference="secondaryPreferred")
    with client:
        found = client.get_default_database().appointments.count_documents({"_id": {"$in": appointments}})
        return bool(client.admin.command("hello")["secondary"]) and found == len(appointments)

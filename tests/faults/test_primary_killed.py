"""kill -9 for the primary of a replica set of three, while people book."""

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
from tests.faults.clinic import BOOKS_IN_ORDER, Clinic, Person, code_of
from tests.faults.conftest import FULL, Fragile, Tell
from tests.stack import Stack, kill_group, wait_for
from tests.whole_suite import gathering

BOOKINGS = 500 if FULL else 100
CLIENTS = 8
TIMES = 20
SEATS = BOOKINGS // TIMES - 1  # at each time one fewer than who wants it
ELECTION_MS = 10_000 if FULL else 1_000  # the first is MongoDB's own
BACK_SECONDS = 15.0
NO_SEAT = (400, "SLOT_UNAVAILABLE")


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    folder = tmp_path_factory.mktemp("trio")
    with ReplicaSet(folder / "mongo", folder, election_ms=ELECTION_MS) as found:
        yield found
        gathering.keep_people(found.uri("local"))


@pytest.fixture(scope="module")
def replicated(_fragile: Fragile, trio: ReplicaSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """Web processes over the three."""
    stack = Stack(
        tmp_path_factory.mktemp("replicated"),
        mongodb_uri=trio.uri("arthomed"),
        redis_url=_fragile.valkey.url.removesuffix("/0") + "/4",
        parts=("web",),
        demo=False,
    )
    with stack, Clinic(stack) as found:
        yield found


@dataclass
class Crowd:
    """More patients than there are seats, who ask until they know."""

    clinic: Clinic
    doctor: ObjectId
    times: list[str]
    answers: list[tuple[float, float, tuple[int, str]]] = field(default_factory=list)
    """When each was asked for, when it came, and what it was."""

    def book_in_the_end(self, nth: int, patient: Person) -> ObjectId | None:
        """The visit that was acknowledged, None when all seats were taken."""
        key = {"Idempotency-Key": f"primary-{patient.id}"}
        ask = partial(self.clinic.book, patient, self.doctor, self.times[nth % TIMES], **key)
        answer = wait_for(partial(self._final, ask), seconds=60, what="a final answer")
        return ObjectId(answer.json()["data"]["appointment"]["_id"]) if answer.status_code == 201 else None

    def first_booking_after(self, moment: float) -> float:
        """When the first booking was acknowledged that had been asked for after a moment."""
        return min(came for asked, came, (status, _) in self.answers if asked > moment and status == 201)

    def _final(self, ask: Callable[[], httpx.Response]) -> httpx.Response | None:
        asked = time.monotonic()
        with suppress(httpx.TransportError):
            answer = ask()
            told = (answer.status_code, code_of(answer))
            self.answers.append((asked, time.monotonic(), told))
            return answer if told in {(201, "OK"), NO_SEAT} else None
        return None


@pytest.mark.long
def test_nothing_acknowledged_is_lost_and_no_seat_is_given_twice_when_the_primary_is_killed(
    trio: ReplicaSet, replicated: Clinic, tell: Tell
) -> None:
    doctor = replicated.doctor(slots=TIMES, capacity=SEATS)
    crowd = Crowd(replicated, doctor, replicated.times(doctor))
    with ThreadPoolExecutor(CLIENTS) as pool:
        asked = [pool.submit(crowd.book_in_the_end, nth, who) for nth, who in enumerate(replicated.patients(BOOKINGS))]
        wait_for(lambda: sum(one.done() for one in asked) > BOOKINGS // 4, what="a quarter of the bookings")
        victim = trio.primary()
        kill_group(victim.process)
        died = time.monotonic()
        acknowledged = [visit for one in asked if (visit := one.result())]
    back = crowd.first_booking_after(died) - died
    victim.restart()
    told = Counter(answer for *_, answer in crowd.answers)
    tell(f"{len(acknowledged)} of {BOOKINGS} booked, back after {back:.1f} s, {dict(told)}")

    visits = replicated.database.appointments
    assert sorted(acknowledged) == sorted(visits.distinct("_id", {"doctor": doctor}))
    assert len(acknowledged) == SEATS * TIMES
    assert set(told) <= {(201, "OK"), NO_SEAT, (503, "SERVICE_UNAVAILABLE")}
    assert back < BACK_SECONDS
    assert replicated.audit() == BOOKS_IN_ORDER
    wait_for(lambda: keeps(victim, acknowledged), what="the return of the one that was killed")


def keeps(member: Member, visits: list[ObjectId]) -> bool:
    """Whether one member has caught up, as it says itself."""
    client: MongoClient[dict[str, Any]] = MongoClient(member.uri("arthomed"), readPreference="secondaryPreferred")
    with client:
        kept = client.get_default_database().appointments.count_documents({"_id": {"$in": visits}})
        return bool(client.admin.command("hello")["secondary"]) and kept == len(visits)

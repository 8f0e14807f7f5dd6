"""Two desks work on one queue through several web processes, which are killed meanwhile."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
from bson import ObjectId

from arthomed.core.permissions import Role
from tests.faults.clinic import AUDIT_PASSED, Clinic, Person, final_response, in_parallel, kill_at_random, outcomes
from tests.faults.conftest import FULL, System
from tests.faults.moves import book, doctor_of_this_hour

PATIENTS = 60 if FULL else 12
PAIRS = 20 if FULL else 3
KILLS = 40 if FULL else 8
MAX_ROUNDS = 40 * PATIENTS
SKIPPED = 0.25
OK, REFUSED = (200, "OK"), (400, "INVALID_STATUS_TRANSITION")


@dataclass
class Queue:
    """The confirmed appointments of a doctor's day, and the requests of those who handle them."""

    clinic: Clinic
    size: int
    doctor: ObjectId = field(init=False)
    ids: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.doctor, self.day = doctor_of_this_hour(self.clinic, slots=self.size)
        self.admin, patients = self.clinic.person(Role.ADMIN), self.clinic.patients(self.size)
        times = self.clinic.times(self.doctor)
        self.ids = in_parallel(
            lambda nth: book(self.clinic, patients[nth], self.doctor, times[nth], self.day), range(self.size)
        )
        for one in self.ids:
            self.clinic.change_status(self.admin, one, "confirmed").raise_for_status()

    def step(self, desk: Person, name: str, appointment: str) -> httpx.Response:
        """Take a step, with retries; the answer to the first try may be lost."""
        put = partial(self.clinic.api.put, f"/appointments/{appointment}/{name}", headers=desk.headers)
        response = final_response(put)
        assert set(outcomes([response])) <= {OK, REFUSED}, response.text
        return response

    def see(self, appointment: str) -> None:
        """The doctor sees a patient; the other desk may have been faster."""
        for status in ("in-progress", "completed"):
            response = final_response(partial(self.clinic.change_status, self.admin, appointment, status))
            assert set(outcomes([response])) <= {OK, REFUSED}, response.text

    def stages(self, desk: Person) -> list[tuple[str, str]]:
        """The appointments in queue order, with their stages."""
        query = {"date": f"{self.day}", "doctorId": str(self.doctor)}
        response = final_response(partial(self.clinic.api.get, "/appointments/day", params=query, headers=desk.headers))
        items: list[Any] = response.json()["data"]["items"]
        return [(one["_id"], one["queue"]["stage"]) for one in items]

    def stored(self) -> Iterator[dict[str, Any]]:
        return self.clinic.database.appointments.find({"doctor": self.doctor})


def run_desk(queue: Queue, desk: Person, chance: random.Random) -> None:
    """Receive all patients and call one after the other until all were seen; some are skipped when they are called."""
    for _ in range(MAX_ROUNDS):
        stages = queue.stages(desk)
        by_stage = {stage: one for one, stage in reversed(stages)}
        assert [stage for _, stage in stages].count("called") <= 1
        if set(by_stage) == {"done"}:
            return
        if expected := [one for one, stage in stages if stage == "expected"]:
            queue.step(desk, "arrive", chance.choice(expected))
        if called := by_stage.get("called"):
            queue.step(desk, "skip", called) if chance.random() < SKIPPED else queue.see(called)
        elif started := by_stage.get("in-progress"):
            queue.see(started)
        elif waiting := by_stage.get("waiting"):
            queue.step(desk, "call", waiting)
    raise AssertionError("not all patients were seen")


def test_of_two_desks_that_call_at_once_one_calls_and_the_other_is_refused(clinic: Clinic) -> None:
    desks = clinic.users(Role.RECEPTIONIST, 2)
    for _ in range(PAIRS):
        queue = Queue(clinic, 2)
        for one in queue.ids:
            queue.step(desks[0], "arrive", one)

        responses = in_parallel(lambda nth: queue.step(desks[nth], "call", queue.ids[nth]), range(2))  # noqa: B023

        assert outcomes(responses) == {OK: 1, REFUSED: 1}
        assert sorted(stage for _, stage in queue.stages(desks[0])) == ["called", "waiting"]


@pytest.mark.long  # ten seconds
def test_two_desks_serve_one_queue_when_web_processes_are_killed(system: System, clinic: Clinic) -> None:
    queue, desks = Queue(clinic, PATIENTS), clinic.users(Role.RECEPTIONIST, 2)

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(run_desk, queue, desk, random.Random(nth)) for nth, desk in enumerate(desks)]
        kill_at_random(system.stack, kills=KILLS, until=lambda: all(one.done() for one in futures))
        for one in futures:
            one.result()

    assert clinic.tokens(queue.doctor) == list(range(1, PATIENTS + 1))
    assert {one["status"] for one in queue.stored()} == {"completed"}
    assert {len(one["history"]) for one in queue.stored()} == {4}  # booked, confirmed, started, completed: each once
    assert clinic.audit() == AUDIT_PASSED

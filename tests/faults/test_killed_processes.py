"""kill -9 of web processes and workers at random moments."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from bson import ObjectId

from tests.faults.clinic import AUDIT_PASSED, Clinic, Person, final_response, kill_at_random
from tests.faults.conftest import FULL, ReportFigure, System
from tests.stack import ROOT, Stack, children, kill_group, wait_for

BOOKINGS = 300 if FULL else 60
KILLS = 40 if FULL else 12
MESSAGES = 300 if FULL else 24
WORKERS_KILLED = 100 if FULL else 2
KILLED_AFTER_SECONDS = 2.0 if FULL else 0.7
POOL = 2  # processes of the worker
T = TypeVar("T")


def test_bookings_are_stored_completely_or_not_at_all_when_web_processes_are_killed(
    system: System, clinic: Clinic
) -> None:
    patients, doctor = clinic.patients(BOOKINGS), clinic.doctor(slots=20, capacity=BOOKINGS // 20)
    with booking(clinic, patients, doctor, book_with_retries) as futures:
        kill_at_random(system.stack, kills=KILLS, until=lambda: all(one.done() for one in futures))
        acknowledged = {one.result() for one in futures}

    stored = set(clinic.database.appointments.distinct("_id", {"doctor": doctor}))
    assert acknowledged == stored
    assert len(stored) == BOOKINGS
    assert clinic.audit() == AUDIT_PASSED


def book_with_retries(clinic: Clinic, patient: Person, doctor: ObjectId, time: str) -> ObjectId:
    """Send a booking with the same idempotency key until it succeeds, as the app does."""
    response = final_response(
        partial(clinic.book, patient, doctor, time, **{"Idempotency-Key": f"booking-{patient.id}"})
    )
    assert response.status_code == 201, response.text
    return ObjectId(response.json()["data"]["appointment"]["_id"])


@contextmanager
def booking(
    clinic: Clinic, patients: list[Person], doctor: ObjectId, book: Callable[[Clinic, Person, ObjectId, str], T]
) -> Iterator[list["Future[T]"]]:
    """Book for all patients, in turn at each time of the doctor, while the block runs."""
    times = clinic.times(doctor)
    with ThreadPoolExecutor(8) as pool:
        yield [
            pool.submit(book, clinic, patient, doctor, times[nth % len(times)]) for nth, patient in enumerate(patients)
        ]


class Outbox:
    """The messages of many bookings, one each."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._appointments: list[ObjectId] = []
        self.mobiles: set[str] = set()

    def fill(self) -> None:
        """Book appointments."""
        patients, doctor = self._clinic.patients(MESSAGES), self._clinic.doctor(slots=20, capacity=MESSAGES // 20 + 1)
        ids = [patient.id for patient in patients]
        with booking(self._clinic, patients, doctor, book_with_retries) as futures:
            self._appointments = [one.result() for one in futures]
        self.mobiles = set(self._clinic.database.users.distinct("mobileNumber", {"_id": {"$in": ids}}))

    def is_sent(self) -> bool:
        these = {"subject": {"$in": self._appointments}, "state": "sent"}
        return self._clinic.database.notifications.count_documents(these) == MESSAGES


@pytest.mark.long
def test_killing_workers_again_and_again_loses_no_message(
    system: System, clinic: Clinic, report_figure: ReportFigure
) -> None:
    system.twilio.delay_seconds = 0.2
    outbox, stack, logs = Outbox(clinic), system.stack, list[Path]()
    with ThreadPoolExecutor(1) as pool:
        filling = pool.submit(outbox.fill)
        wait_for(lambda: system.twilio.accepted, what="the first SMS")
        while len(logs) < WORKERS_KILLED and not happens(outbox.is_sent, seconds=KILLED_AFTER_SECONDS):
            logs.append(replace_worker(stack))
        filling.result()
    wait_for(lambda: system.sweep_outbox() and outbox.is_sent(), seconds=180, what="the sending of every message")

    accepted = Counter(number for number in system.twilio.accepted if number in outbox.mobiles)
    repeated = accepted.total() - MESSAGES
    report_figure(f"{MESSAGES} messages, {len(logs)} workers killed; {repeated} were sent again")
    assert set(accepted) == outbox.mobiles
    assert len(outbox.mobiles) == MESSAGES
    assert repeated <= POOL * len(logs)  # a message in flight when its worker is killed may be sent twice
    assert stack.worker
    assert max_sent({*logs, stack.worker.log}) == 1


def happens(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether a condition becomes true in time."""
    with suppress(AssertionError):
        return wait_for(condition, seconds=seconds)
    return False


def replace_worker(stack: Stack) -> Path:
    """Kill the worker with all its processes, and start another; returns the log of the killed one."""
    killed = stack.worker
    assert killed
    kill_group(killed)
    stack.start_worker()
    wait_for(lambda: stack.worker and len(children(stack.worker.pid)) == POOL, what="the new worker")
    return killed.log


@pytest.mark.slow
def test_killing_a_pool_process_while_it_sends_loses_no_message(system: System, clinic: Clinic) -> None:
    system.twilio.delay_seconds = 0.2
    outbox, worker = Outbox(clinic), system.stack.worker
    assert worker
    with ThreadPoolExecutor(1) as pool:
        filling = pool.submit(outbox.fill)
        wait_for(lambda: len(system.twilio.accepted) > POOL, what="the first messages")
        os.kill(children(worker.pid)[0], signal.SIGKILL)
        filling.result()

    wait_for(outbox.is_sent, seconds=180, what="the sending of every message")
    assert outbox.mobiles <= set(system.twilio.accepted)
    assert max_sent({worker.log}) == 1


def max_sent(logs: set[Path]) -> int:
    """How often the same message was marked as sent, at most."""
    text = "".join(log.read_text() for log in logs)
    return max(Counter(re.findall(r"message_sent .*notification_id=(\w+)", text)).values())


FORKED = """
import os, runpy
from bson import ObjectId
hook = runpy.run_path("gunicorn.conf.py")["post_fork"]
if os.fork() == 0:
    hook(None, None)
    print(ObjectId._pid == os.getpid(), flush=True)
    os._exit(0)
os.wait()
"""


def test_forked_web_process_generates_its_own_object_ids(system: System) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=ROOT, env=system.stack.env, capture_output=True, text=True, check=True
    )

    assert completed.stdout == "True\n"

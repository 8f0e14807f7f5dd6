"""kill -9, at any moment."""

import os
import random
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from bson import ObjectId

from tests.faults.clinic import BOOKS_IN_ORDER, Clinic, Person
from tests.faults.conftest import FULL, Fragile, Tell
from tests.stack import ROOT, Stack, children, kill_group, wait_for

BOOKINGS = 300 if FULL else 60
KILLS = 40 if FULL else 12
MESSAGES = 300 if FULL else 24
WORKERS_KILLED = 100 if FULL else 2
KILLED_AFTER_SECONDS = 2.0 if FULL else 0.7
POOL = 2  # processes of the worker


def test_bookings_are_whole_or_not_there_when_web_processes_are_killed(fragile: Fragile, clinic: Clinic) -> None:
    patients, doctor = clinic.patients(BOOKINGS), clinic.doctor(slots=20, capacity=BOOKINGS // 20)
    times = clinic.times(doctor)

    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(book_in_the_end, clinic, patient, doctor, times[nth % len(times)])
            for nth, patient in enumerate(patients)
        ]
        kill_at_random(fragile.stack, until=lambda: all(one.done() for one in asked))
        answered = {one.result() for one in asked}

    kept = set(clinic.database.appointments.distinct("_id", {"doctor": doctor}))
    assert answered == kept
    assert len(kept) == BOOKINGS
    assert clinic.audit() == BOOKS_IN_ORDER


def book_in_the_end(clinic: Clinic, patient: Person, doctor: ObjectId, when: str) -> ObjectId:
    """As a phone does it: the same booking again, under the same key, until there is an answer."""

    def booked() -> ObjectId | None:
        with suppress(httpx.TransportError):
            answer = clinic.book(patient, doctor, when, **{"Idempotency-Key": f"booking-{patient.id}"})
            assert answer.status_code in (201, 503), answer.text
            return ObjectId(answer.json()["data"]["appointment"]["_id"]) if answer.status_code == 201 else None
        return None

    return wait_for(booked, seconds=60, what="a booking")


def kill_at_random(stack: Stack, *, until: Callable[[], bool]) -> None:
    """Kill web processes at any moment; once in a while their master, which then is started again."""
    moment = threading.Event()
    for nth in range(1, KILLS + 1):
        assert stack.web
        moment.wait(random.uniform(0.02, 0.15))
        if until():
            return
        if nth % 10 == 0:
            os.kill(stack.web.pid, signal.SIGKILL)
            stack.web.wait()
            stack.start_web()
        elif victims := children(stack.web.pid):
            with suppress(ProcessLookupError):
                os.kill(random.choice(victims), signal.SIGKILL)


class Outbox:
    """The messages of many bookings."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._visits: list[ObjectId] = []
        self.mobiles: set[str] = set()

    def fill(self) -> None:
        """One for each booking."""
        patients, doctor = self._clinic.patients(MESSAGES), self._clinic.doctor(slots=20, capacity=MESSAGES // 20 + 1)
        times, ids = self._clinic.times(doctor), [patient.id for patient in patients]
        with ThreadPoolExecutor(8) as pool:
            asked = [
                pool.submit(book_in_the_end, self._clinic, patient, doctor, times[nth % len(times)])
                for nth, patient in enumerate(patients)
            ]
            self._visits = [one.result() for one in asked]
        self.mobiles = set(self._clinic.database.users.distinct("mobileNumber", {"_id": {"$in": ids}}))

    def is_sent(self) -> bool:
        these = {"subject": {"$in": self._visits}, "state": "sent"}
        return self._clinic.database.notifications.count_documents(these) == MESSAGES


@pytest.mark.long
def test_a_worker_that_is_killed_over_and_over_loses_no_message(fragile: Fragile, clinic: Clinic, tell: Tell) -> None:
    fragile.gateway.seconds = 0.2
    outbox, stack, logs = Outbox(clinic), fragile.stack, list[Path]()
    with ThreadPoolExecutor(1) as pool:
        filled = pool.submit(outbox.fill)
        wait_for(lambda: fragile.gateway.taken, what="the first SMS")
        while len(logs) < WORKERS_KILLED and not passes(outbox.is_sent, seconds=KILLED_AFTER_SECONDS):
            logs.append(next_worker(stack))
        filled.result()
    wait_for(lambda: fragile.sweep() and outbox.is_sent(), seconds=180, what="the sending of every message")

    taken = Counter(number for number in fragile.gateway.taken if number in outbox.mobiles)
    twice = taken.total() - MESSAGES
    tell(f"{MESSAGES} messages, {len(logs)} workers killed; {twice} were taken by the gateway again")
    assert set(taken) == outbox.mobiles
    assert len(outbox.mobiles) == MESSAGES
    assert twice <= POOL * len(logs)  # those that were under way are told twice rather than never
    assert stack.worker
    assert most_often_sent({*logs, stack.worker.log}) == 1


def passes(found: Callable[[], bool], *, seconds: float) -> bool:
    """Whether it comes true within a time."""
    with suppress(AssertionError):
        return wait_for(found, seconds=seconds)
    return False


def next_worker(stack: Stack) -> Path:
    """Kill the worker and all its processes, and wait for another one; the log of the first."""
    killed = stack.worker
    assert killed
    kill_group(killed)
    stack.start_worker()
    wait_for(lambda: stack.worker and len(children(stack.worker.pid)) == POOL, what="the next worker")
    return killed.log


@pytest.mark.slow
def test_a_process_of_the_pool_that_is_killed_while_it_sends_loses_no_message(fragile: Fragile, clinic: Clinic) -> None:
    fragile.gateway.seconds = 0.2
    outbox, worker = Outbox(clinic), fragile.stack.worker
    assert worker
    with ThreadPoolExecutor(1) as pool:
        filled = pool.submit(outbox.fill)
        wait_for(lambda: len(fragile.gateway.taken) > POOL, what="the first messages")
        os.kill(children(worker.pid)[0], signal.SIGKILL)
        filled.result()

    wait_for(outbox.is_sent, seconds=180, what="the sending of every message")
    assert outbox.mobiles <= set(fragile.gateway.taken)
    assert most_often_sent({worker.log}) == 1


def most_often_sent(logs: set[Path]) -> int:
    """How often the message that was marked as sent most often was."""
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


def test_a_web_process_makes_ids_of_its_own_from_the_first_request_on(fragile: Fragile) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=ROOT, env=fragile.stack.env, capture_output=True, text=True, check=True
    )

    assert done.stdout == "True\n"

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

from arthomed.core.jobs import Job
from arthomed.infra.queue import CeleryJobs
from tests.faults.clinic import BOOKS_IN_ORDER, Clinic, Person
from tests.faults.conftest import FULL, Fragile
from tests.stack import ROOT, Stack, kill_group, wait_for

BOOKINGS = 300 if FULL else 60
KILLS = 40 if FULL else 12
MESSAGES = 60 if FULL else 16
POOL = 2  # processes of the worker


def test_bookings_are_whole_or_not_there_when_web_processes_are_killed(
    fragile: Fragile, fragile_clinic: Clinic
) -> None:
    patients, doctor = fragile_clinic.patients(BOOKINGS), fragile_clinic.doctor(slots=20, capacity=BOOKINGS // 20)
    times = fragile_clinic.times(doctor)

    with ThreadPoolExecutor(8) as pool:
        asked = [
            pool.submit(book_in_the_end, fragile_clinic, patient, doctor, times[nth % len(times)])
            for nth, patient in enumerate(patients)
        ]
        kill_at_random(fragile.stack, until=lambda: all(one.done() for one in asked))
        answered = {one.result() for one in asked}

    kept = set(fragile_clinic.database.appointments.distinct("_id", {"doctor": doctor}))
    assert answered == kept
    assert len(kept) == BOOKINGS
    assert fragile_clinic.audit() == BOOKS_IN_ORDER


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


def children(pid: int, thread: int | None = None) -> list[int]:
    """What a thread of a process has started, the main one where no other is named."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{thread or pid}/children").read_text().split()]


@pytest.mark.parametrize("victim", ["the worker", pytest.param("a process of its pool", marks=pytest.mark.slow)])
def test_what_is_killed_in_the_middle_of_sending_loses_no_message(
    fragile: Fragile, fragile_clinic: Clinic, victim: str
) -> None:
    gateway, worker, outbox = fragile.gateway, fragile.stack.worker, fragile_clinic.database.notifications
    gateway.seconds = 0.2
    patients, doctor = fragile_clinic.patients(MESSAGES), fragile_clinic.doctor(slots=1, capacity=MESSAGES)
    visits = [fragile_clinic.book(patient, doctor).json()["data"]["appointment"] for patient in patients]
    these = {"subject": {"$in": [ObjectId(visit["_id"]) for visit in visits]}}

    wait_for(lambda: len(gateway.taken) >= MESSAGES // 3, what="a third of the messages")
    assert worker
    if victim == "the worker":
        kill_group(worker)
        fragile.stack.start_worker()
    else:
        os.kill(children(worker.pid)[0], signal.SIGKILL)
    assert outbox.count_documents({**these, "state": "waiting"}) > MESSAGES // 3
    successor = fragile.stack.worker
    jobs = CeleryJobs(fragile.stack.env["REDIS_URL"])

    def all_are_sent() -> bool:
        jobs.enqueue(Job.SWEEP_MESSAGES)  # as beat does, but at once
        return outbox.count_documents({**these, "state": "sent"}) == MESSAGES

    wait_for(all_are_sent, seconds=60, what="the sending of every message")
    taken = Counter(gateway.taken)
    assert {visit["patient"]["mobileNumber"] for visit in visits} <= set(taken)
    assert taken.total() - len(taken) <= POOL  # those that were under way are told twice rather than never
    assert successor
    assert most_often_sent({worker.log, successor.log}) == 1


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


def test_a_web_process_makes_ids_of_its_own_from_the_first_request_on(stack: Stack) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED], cwd=ROOT, env=stack.env, capture_output=True, text=True, check=True
    )

    assert done.stdout == "True\n"

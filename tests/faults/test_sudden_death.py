"""kill -9, at any moment."""

import os
import random
import re
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
from bson import ObjectId

from arthomed.core.jobs import Job
from arthomed.infra.queue import CeleryJobs
from dev.processes import Process
from tests.faults.clinic import BOOKS_IN_ORDER, Clinic, Person
from tests.faults.conftest import FULL, Fragile
from tests.stack import kill_group, wait_for

BOOKINGS = 300 if FULL else 60
KILLS = 40 if FULL else 12
MESSAGES = 60 if FULL else 16


def test_a_booking_is_kept_wholly_or_not_at_all_when_web_processes_are_killed(
    fragile: Fragile, fragile_clinic: Clinic
) -> None:
    patients = fragile_clinic.patients(BOOKINGS)
    doctors = [fragile_clinic.doctor(slots=10) for _ in range(BOOKINGS // 10)]
    wishes = [(patient, doctors[nth // 10], f"{nth % 10 // 2:02}:{nth % 2 * 30:02}") for nth, patient in enumerate(patients)]

    t = time.time()
    with ThreadPoolExecutor(8) as pool:
        booked = [pool.submit(_book_in_the_end, fragile_clinic, *wish) for wish in wishes]
        kills = _kill_while(lambda: not all(one.done() for one in booked), fragile)
    print("TOOK", time.time() - t, kills)

    answered = {one.result() for one in booked}
    kept = {str(visit["_id"]) for visit in fragile_clinic.database.appointments.find({"doctor": {"$in": doctors}})}
    assert answered == kept
    assert len(kept) == BOOKINGS
    assert fragile_clinic.audit() == BOOKS_IN_ORDER


def _book_in_the_end(clinic: Clinic, patient: Person, doctor: ObjectId, when: str) -> str:
    """As a phone does it: the same booking again under the same key until there is an answer."""

    def booked() -> str | None:
        with suppress(httpx.TransportError):
            answer = clinic.book(patient, doctor, when, **{"Idempotency-Key": f"booking-{patient.id}"})
            assert answer.status_code in (201, 503), answer.text
            return str(answer.json()["data"]["appointment"]["_id"]) if answer.status_code == 201 else None
        return None

    return wait_for(booked, seconds=60, what="a booking")


def _kill_while(going_on: object, fragile: Fragile) -> int:
    kills, chance = 0, threading.Event()
    while going_on() and kills < KILLS:
        chance.wait(random.uniform(0.02, 0.15))
        victims = _children(fragile.stack.web)
        if victims:
            os.kill(random.choice(victims), signal.SIGKILL)
            kills += 1
        if kills % 10 == 9:
            os.kill(fragile.stack.web.pid, signal.SIGKILL)
            fragile.stack.web.wait()
            fragile.stack.start_web()
            kills += 1
    return kills


def _children(process: Process) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_a_worker_killed_in_the_middle_of_sending_loses_no_message(fragile: Fragile, fragile_clinic: Clinic) -> None:
    gateway, worker = fragile.gateway, fragile.stack.worker
    gateway.seconds = 0.2
    doctor, patients = fragile_clinic.doctor(slots=1, capacity=MESSAGES), fragile_clinic.patients(MESSAGES)
    visits = [fragile_clinic.book(patient, doctor).json()["data"]["appointment"]["_id"] for patient in patients]
    outbox = fragile_clinic.database.notifications
    these = {"subject": {"$in": [ObjectId(visit) for visit in visits]}}

    wait_for(lambda: len(gateway.taken) >= MESSAGES // 3, what="a third of the messages")
    kill_group(worker)
    lost = len(gateway.taken)
    assert outbox.count_documents({**these, "state": "waiting"}) > 0
    fragile.stack.start_worker()
    jobs = CeleryJobs(fragile.stack.env["REDIS_URL"])

    def all_sent() -> bool:
        jobs.enqueue(Job.SWEEP_MESSAGES)
        return outbox.count_documents({**these, "state": "sent"}) == MESSAGES

    t = time.time()
    wait_for(all_sent, seconds=60, what="the sending of every message")
    wanted = {user["mobileNumber"] for user in fragile_clinic.database.users.find({"_id": {"$in": [p.id for p in patients]}})}
    print('TOOK', time.time()-t, lost, len(gateway.taken))
    assert wanted <= set(gateway.taken)
    assert len([one for one in gateway.taken if one in wanted]) <= MESSAGES + 2
    logs = "".join(one.log.read_text() for one in (worker, fragile.stack.worker))
    assert max(Counter(re.findall(r"message_sent .*notification_id=(\w+)", logs)).values()) == 1

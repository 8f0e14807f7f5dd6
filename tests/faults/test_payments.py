"""Payments through several web processes, which are killed meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from bson import ObjectId

from arthomed.core.permissions import Role
from tests.faults.clinic import AUDIT_PASSED, Clinic, Person, final_response, in_parallel, kill_at_random
from tests.faults.conftest import FULL, ReportFigure, System

pytestmark = pytest.mark.long  # several processes each

PAYMENTS = 200 if FULL else 40
PARALLEL = 20
KILLS = 40 if FULL else 10
CAPACITY = 20


def booked(clinic: Clinic, how_many: int) -> list[str]:
    """The ids of new appointments."""
    doctor = clinic.doctor(slots=how_many // CAPACITY, capacity=CAPACITY)
    with ThreadPoolExecutor(8) as pool:
        responses = list(
            pool.map(clinic.book, clinic.patients(how_many), [doctor] * how_many, clinic.times(doctor) * CAPACITY)
        )
    return [one.json()["data"]["appointment"]["_id"] for one in responses]


def pay(clinic: Clinic, desk: Person, appointment: str) -> str:
    """Send a payment with one key until it is answered; returns the number of its receipt."""
    headers = {**desk.headers, "Idempotency-Key": f"payment-{appointment}"}
    body = {"amount": 500, "method": "cash"}
    send = partial(clinic.api.post, f"/appointments/{appointment}/payments", json=body, headers=headers)
    response = final_response(send)
    assert response.status_code == 201, response.text
    number: str = response.json()["data"]["payment"]["receiptNumber"]
    return number


def number_of(receipt: str) -> int:
    return int(receipt.partition("/")[2])


def test_receipts_of_parallel_payments_have_no_gaps(
    system: System, clinic: Clinic, report_figure: ReportFigure
) -> None:
    del system
    desk, appointments = clinic.person(Role.RECEPTIONIST), booked(clinic, PARALLEL)
    before = clinic.database.payments.count_documents({})

    started = time.monotonic()
    numbers = in_parallel(partial(pay, clinic, desk), appointments)
    seconds = time.monotonic() - started

    assert sorted(map(number_of, numbers)) == list(range(before + 1, before + PARALLEL + 1))
    assert clinic.audit() == AUDIT_PASSED
    report_figure(f"{PARALLEL} payments at once in {seconds:.2f} s")


def test_receipts_have_no_gaps_when_web_processes_are_killed(system: System, clinic: Clinic) -> None:
    desks, appointments = clinic.users(Role.RECEPTIONIST, 2), booked(clinic, PAYMENTS)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(pay, clinic, desks[nth % 2], one) for nth, one in enumerate(appointments)]
        kill_at_random(system.stack, kills=KILLS, until=lambda: all(one.done() for one in futures))
        acknowledged = {one.result() for one in futures}

    ids = [ObjectId(one) for one in appointments]
    stored = clinic.database.payments.distinct("receiptNumber", {"appointment": {"$in": ids}})
    assert acknowledged == set(stored)
    assert len(stored) == PAYMENTS
    assert clinic.audit() == AUDIT_PASSED

"""Many walk-ins at once: no seat, token or patient is given twice, and tokens have no gaps."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest
from bson import ObjectId

from arthomed.core.permissions import Role
from tests.factories import new_mobile
from tests.faults.clinic import AUDIT_PASSED, Clinic, Person, final_response, in_parallel, kill_at_random, outcomes
from tests.faults.conftest import FULL, ReportFigure, System

pytestmark = pytest.mark.long  # several processes each

WALK_INS = 50
MAX_SECONDS = 10
KILLS = 20 if FULL else 6


def walk_in(clinic: Clinic, desk: Person, doctor: ObjectId, mobile: str) -> httpx.Response:
    """Send a walk-in with an idempotency key until it is final, as the dashboard does."""
    key = {"Idempotency-Key": f"walk-in-{ObjectId()}"}
    return final_response(partial(clinic.walk_in, desk, doctor, mobile, **key))


def test_50_walk_ins_for_one_number_make_one_patient_and_one_appointment(clinic: Clinic) -> None:
    doctor, desks, mobile = clinic.doctor_of_today(slots=10), clinic.users(Role.RECEPTIONIST, 2), new_mobile()

    responses = in_parallel(lambda nth: walk_in(clinic, desks[nth % 2], doctor, mobile), range(WALK_INS))

    assert outcomes(responses) == {(201, "OK"): 1, (400, "DUPLICATE_VALUE"): WALK_INS - 1}
    [patient] = clinic.database.users.find({"mobileNumber": mobile})
    assert patient["visitsBooked"] == 1
    [appointment] = clinic.database.appointments.find({"doctor": doctor})
    assert (appointment["patient"], appointment["queue"]["token"]) == (patient["_id"], 1)
    assert clinic.audit() == AUDIT_PASSED


def test_50_walk_ins_of_different_people_fill_10_slots_and_get_40_overflow_places(
    clinic: Clinic, report_figure: ReportFigure
) -> None:
    doctor, desks = clinic.doctor_of_today(slots=10), clinic.users(Role.RECEPTIONIST, 2)
    mobiles = [new_mobile() for _ in range(WALK_INS)]

    started = time.monotonic()
    responses = in_parallel(lambda nth: walk_in(clinic, desks[nth % 2], doctor, mobiles[nth]), range(WALK_INS))
    seconds = time.monotonic() - started

    report_figure(f"{WALK_INS} walk-ins of one doctor at once: {seconds:.1f} s")
    assert outcomes(responses) == {(201, "OK"): WALK_INS}
    assert seconds < MAX_SECONDS
    booked = list(clinic.database.appointments.find({"doctor": doctor}))
    assert Counter("slot" in one for one in booked) == {True: 10, False: 40}
    assert clinic.tokens(doctor) == list(range(1, WALK_INS + 1))
    seats = Counter((one["appointmentTime"], one["seat"]) for one in booked)
    assert set(seats.values()) == {1}
    assert clinic.database.slots.distinct("takenSeats", {"doctor": doctor}) == [1]
    assert clinic.audit() == AUDIT_PASSED


def test_tokens_have_no_gaps_when_web_processes_are_killed(system: System, clinic: Clinic) -> None:
    doctor, desks = clinic.doctor_of_today(slots=10), clinic.users(Role.RECEPTIONIST, 2)
    mobiles = [new_mobile() for _ in range(WALK_INS)]

    def token_of(nth: int) -> int:
        response = walk_in(clinic, desks[nth % 2], doctor, mobiles[nth])
        assert response.status_code == 201, response.text
        return int(response.json()["data"]["appointment"]["queue"]["token"])

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(token_of, nth) for nth in range(WALK_INS)]
        kill_at_random(system.stack, kills=KILLS, until=lambda: all(one.done() for one in futures))
        acknowledged = sorted(one.result() for one in futures)

    assert acknowledged == clinic.tokens(doctor) == list(range(1, WALK_INS + 1))
    assert clinic.database.users.count_documents({"mobileNumber": {"$in": mobiles}}) == WALK_INS
    assert clinic.audit() == AUDIT_PASSED

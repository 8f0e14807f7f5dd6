"""Moves that compete with each other and with other changes, and moves during which processes are killed."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from arthomed.core.permissions import Role
from tests.faults.clinic import AUDIT_PASSED, Clinic, final_response, in_parallel, kill_at_random, outcomes
from tests.faults.conftest import FULL, System
from tests.faults.moves import book, doctor_of_this_hour, held, reschedule, save_hours, taken

pytestmark = pytest.mark.long  # several processes each

PAIRS = 40 if FULL else 4
ROUNDS = 10 if FULL else 2
MOVES = 200 if FULL else 40
KILLS = 40 if FULL else 12
OK, TAKEN, CHANGED = (200, "OK"), (400, "SLOT_UNAVAILABLE"), (400, "INVALID_STATUS_TRANSITION")


def test_of_two_moves_into_one_slot_one_wins_and_the_other_keeps_its_old_slot(clinic: Clinic) -> None:
    for _ in range(PAIRS):
        doctor, patients, old = clinic.doctor(slots=3), clinic.patients(2), ("00:00", "00:30")
        ids = [book(clinic, one, doctor, time) for one, time in zip(patients, old, strict=True)]

        first, second = in_parallel(lambda nth: reschedule(clinic, patients[nth], ids[nth], "01:00"), range(2))  # noqa: B023

        assert outcomes([first, second]) == {OK: 1, TAKEN: 1}
        assert held(clinic, doctor) == taken(clinic, doctor) == [old[first.status_code == 200], "01:00"]
    assert clinic.audit() == AUDIT_PASSED


def test_many_moves_into_one_slot_fill_exactly_its_seats(clinic: Clinic) -> None:
    doctor, patients = clinic.doctor(slots=3, capacity=10), clinic.patients(20)
    ids = in_parallel(lambda nth: book(clinic, patients[nth], doctor, ("00:00", "00:30")[nth % 2]), range(20))

    responses = in_parallel(lambda nth: reschedule(clinic, patients[nth], ids[nth], "01:00"), range(20))

    assert outcomes(responses) == {OK: 10, TAKEN: 10}
    assert Counter(taken(clinic, doctor))["01:00"] == 10
    assert held(clinic, doctor) == taken(clinic, doctor)
    assert clinic.audit() == AUDIT_PASSED


@pytest.mark.parametrize("status", ["cancelled", "confirmed", "rejected"])
def test_move_and_change_of_the_status_at_once_leave_a_clean_state(clinic: Clinic, status: str) -> None:
    doctor, desk, patients = clinic.doctor(slots=2, capacity=PAIRS), clinic.person(Role.ADMIN), clinic.patients(PAIRS)
    ids = [book(clinic, one, doctor, "00:00") for one in patients]

    def act(nth: int) -> httpx.Response:
        if nth % 2:
            return clinic.change_status(desk, ids[nth // 2], status, reason="As agreed")
        return reschedule(clinic, patients[nth // 2], ids[nth // 2], "00:30")

    assert set(outcomes(in_parallel(act, range(2 * PAIRS)))) <= {OK, CHANGED}
    assert held(clinic, doctor) == taken(clinic, doctor)
    assert clinic.audit() == AUDIT_PASSED


def test_move_and_start_at_once_leave_a_clean_state(clinic: Clinic) -> None:
    doctor, day = doctor_of_this_hour(clinic, slots=2 * PAIRS)
    desk, patients, times = clinic.person(Role.ADMIN), clinic.patients(PAIRS), clinic.times(doctor)
    ids = [book(clinic, one, doctor, times[nth], day) for nth, one in enumerate(patients)]
    for one in ids:
        clinic.change_status(desk, one, "confirmed").raise_for_status()

    def act(nth: int) -> list[httpx.Response]:
        appointment, new_time = ids[nth // 2], times[PAIRS + nth // 2]
        if nth % 2:
            return [clinic.change_status(desk, appointment, status) for status in ("in-progress", "completed")]
        return [reschedule(clinic, desk, appointment, new_time, day)]

    responses = [response for several in in_parallel(act, range(2 * PAIRS)) for response in several]

    assert set(outcomes(responses)) <= {OK, CHANGED}
    assert held(clinic, doctor) == taken(clinic, doctor)
    assert clinic.audit() == AUDIT_PASSED


def test_moves_and_change_of_the_hours_at_once_leave_a_clean_state(clinic: Clinic) -> None:
    admin = clinic.person(Role.ADMIN)
    for _ in range(ROUNDS):
        doctor, patients = clinic.doctor(slots=6), clinic.patients(3)
        times = clinic.times(doctor)
        ids = [book(clinic, patients[nth], doctor, times[nth]) for nth in range(3)]
        moves = [partial(reschedule, clinic, admin, ids[nth], times[nth + 3]) for nth in range(3)]

        *moved, saved = in_parallel(
            lambda change: change(), [*moves, partial(save_hours, clinic, admin, doctor, "02:00", "03:00")]
        )

        assert saved.status_code == 200, saved.text
        assert set(outcomes(moved)) <= {OK, TAKEN}
        assert held(clinic, doctor) == taken(clinic, doctor)
        assert len(held(clinic, doctor)) == 3
    assert clinic.audit() == AUDIT_PASSED


def test_repeated_move_never_frees_a_seat_that_somebody_else_took(clinic: Clinic) -> None:
    doctor, desk, (mover, other) = clinic.doctor(slots=3), clinic.person(Role.RECEPTIONIST), clinic.patients(2)
    appointment, key = book(clinic, mover, doctor, "00:00"), "a-lost-response"
    reschedule(clinic, mover, appointment, "00:30", key=key).raise_for_status()
    reschedule(clinic, desk, appointment, "01:00").raise_for_status()
    book(clinic, other, doctor, "00:30")

    responses = in_parallel(lambda _: reschedule(clinic, mover, appointment, "00:30", key=key), range(5))

    assert outcomes(responses) == {OK: 5}
    assert held(clinic, doctor) == taken(clinic, doctor) == ["00:30", "01:00"]
    assert clinic.audit() == AUDIT_PASSED


def test_moves_are_stored_completely_or_not_at_all_when_web_processes_are_killed(
    system: System, clinic: Clinic
) -> None:
    patients, doctor = clinic.patients(MOVES), clinic.doctor(slots=20, capacity=MOVES)
    times = clinic.times(doctor)
    ids = in_parallel(lambda nth: book(clinic, patients[nth], doctor, times[nth % 10]), range(MOVES))

    def move(nth: int) -> httpx.Response:
        key = f"move-{ids[nth]}"
        return final_response(partial(reschedule, clinic, patients[nth], ids[nth], times[10 + nth % 10], key=key))

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(move, nth) for nth in range(MOVES)]
        kill_at_random(system.stack, kills=KILLS, until=lambda: all(one.done() for one in futures))
        assert outcomes(one.result() for one in futures) == {OK: MOVES}

    moved = list(clinic.database.appointments.find({"doctor": doctor}))
    assert {len(one["history"]) for one in moved} == {2}
    assert held(clinic, doctor) == taken(clinic, doctor) == sorted(times[10:] * (MOVES // 10))
    told = {"subject": {"$in": [one["_id"] for one in moved]}, "kind": "appointment-rescheduled"}
    assert clinic.database.notifications.count_documents(told) == MOVES
    assert clinic.audit() == AUDIT_PASSED

"""Concurrent requests for the same slots."""

import random
import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from arthomed.core.permissions import Role
from tests.faults.clinic import AUDIT_PASSED, Clinic, error_code, in_parallel, outcomes
from tests.faults.conftest import FULL

MIXED_SECONDS = 20 if FULL else 4


@pytest.mark.parametrize("capacity", [pytest.param(1, marks=pytest.mark.long), 2])
def test_200_parallel_bookings_of_a_slot_fill_exactly_its_seats(clinic: Clinic, capacity: int) -> None:
    doctor, patients = clinic.doctor(slots=5, capacity=capacity), clinic.patients(200)

    responses = in_parallel(lambda patient: clinic.book(patient, doctor, "01:00"), patients)

    assert outcomes(responses) == {(201, "OK"): capacity, (400, "SLOT_UNAVAILABLE"): 200 - capacity}
    alternatives = [one.json()["error"]["alternatives"] for one in responses if one.status_code == 400]
    assert {tuple(one["appointmentTime"] for one in three) for three in alternatives} == {("01:30", "00:30", "02:00")}
    assert clinic.audit() == AUDIT_PASSED


@pytest.mark.long
def test_audit_passes_while_appointments_are_booked_confirmed_and_cancelled(clinic: Clinic) -> None:
    crowd = Crowd(clinic)
    until = time.monotonic() + MIXED_SECONDS

    *_, audits = in_parallel(lambda work: work(until), [*[crowd.act] * 12, crowd.audit])

    assert set(audits) == {AUDIT_PASSED}
    assert clinic.audit() == AUDIT_PASSED
    assert not [outcome for outcome in crowd.seen if outcome[1] >= 500]
    assert all(crowd.seen[action, 200 + (action == "book"), "OK"] for action in ("book", "confirm", "cancel"))


class Crowd:
    """Patients of two doctors with two seats per slot, and a receptionist; `seen` counts their responses."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._doctors = [clinic.doctor(slots=3, capacity=2) for _ in range(2)]
        self._patients = clinic.patients(40)
        self._receptionist = clinic.person(Role.RECEPTIONIST)
        self._appointment_ids: list[str] = []
        self.seen: Counter[tuple[str, int, str]] = Counter()

    def act(self, until: float) -> list[str]:
        actions: dict[str, Callable[[], httpx.Response | None]] = {
            "book": self._book,
            "confirm": lambda: self._change_status("confirmed"),
            "cancel": lambda: self._change_status("cancelled"),
        }
        while time.monotonic() < until:
            name = random.choice(list(actions))
            if (response := actions[name]()) is not None:
                self.seen[name, response.status_code, error_code(response)] += 1
        return []

    def audit(self, until: float) -> list[str]:
        outputs = []
        while time.monotonic() < until:
            outputs.append(self._clinic.audit())
        return outputs

    def _book(self) -> httpx.Response:
        doctor, patient = random.choice(self._doctors), random.choice(self._patients)
        response = self._clinic.book(patient, doctor, random.choice(["00:00", "00:30", "01:00"]))
        if response.status_code == 201:
            self._appointment_ids.append(response.json()["data"]["appointment"]["_id"])
        return response

    def _change_status(self, status: str) -> httpx.Response | None:
        recent = self._appointment_ids[-8:]  # few, so that threads compete for the same appointments
        return self._clinic.change_status(self._receptionist, random.choice(recent), status) if recent else None


def test_parallel_bookings_with_one_idempotency_key_create_one_appointment(clinic: Clinic) -> None:
    doctor, patient = clinic.doctor(slots=1, capacity=5), clinic.patients(1)[0]
    key = {"Idempotency-Key": f"five-at-once-{patient.id}"}

    responses = in_parallel(lambda _: clinic.book(patient, doctor, **key), range(5))

    assert outcomes(responses) == {(201, "OK"): 5}
    assert len({response.json()["data"]["appointment"]["_id"] for response in responses}) == 1
    assert clinic.database.appointments.count_documents({"doctor": doctor}) == 1
    assert clinic.database.slots.find_one({"doctor": doctor}, {"_id": 0, "takenSeats": 1}) == {"takenSeats": [1]}


def test_parallel_bookings_give_a_patient_at_most_ten_open_appointments(clinic: Clinic) -> None:
    doctors, patient = [clinic.doctor(slots=15) for _ in range(15)], clinic.patients(1)[0]

    responses = in_parallel(
        lambda nth: clinic.book(patient, doctors[nth], clinic.times(doctors[nth])[nth]), range(len(doctors))
    )

    assert outcomes(responses) == {(201, "OK"): 10, (400, "BOOKING_LIMIT_REACHED"): 5}
    assert clinic.audit() == AUDIT_PASSED

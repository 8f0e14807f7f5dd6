"""Many people want the same at the same moment."""

import random
import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from arthomed.core.permissions import Role
from tests.faults.clinic import BOOKS_IN_ORDER, Clinic, all_at_once, code_of, outcomes
from tests.faults.conftest import FULL

MIXED_SECONDS = 20 if FULL else 4


@pytest.mark.parametrize("capacity", [1, 2])
def test_of_200_parallel_bookings_as_many_win_as_there_are_seats(clinic: Clinic, capacity: int) -> None:
    doctor, patients = clinic.doctor(slots=5, capacity=capacity), clinic.patients(200)

    answers = all_at_once(lambda patient: clinic.book(patient, doctor, "01:00"), patients)

    assert outcomes(answers) == {(201, "OK"): capacity, (400, "SLOT_UNAVAILABLE"): 200 - capacity}
    refused = [answer.json()["error"]["alternatives"] for answer in answers if answer.status_code == 400]
    assert {tuple(one["appointmentTime"] for one in three) for three in refused} == {("01:30", "00:30", "02:00")}
    assert clinic.audit() == BOOKS_IN_ORDER


@pytest.mark.long
def test_the_books_stay_in_order_while_people_book_confirm_and_cancel(clinic: Clinic) -> None:
    crowd = Crowd(clinic)
    until = time.monotonic() + MIXED_SECONDS

    audits = all_at_once(lambda work: work(until), [*[crowd.act] * 12, crowd.audit])[-1]

    assert set(audits) == {BOOKS_IN_ORDER}
    assert clinic.audit() == BOOKS_IN_ORDER
    assert not [outcome for outcome in crowd.seen if outcome[1] >= 500]
    assert all(crowd.seen[action, 200 + (action == "book"), "OK"] for action in ("book", "confirm", "cancel"))


class Crowd:
    """Patients of two doctors with two seats each half hour, and a receptionist; `seen` counts what they were told."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self._doctors = [clinic.doctor(slots=3, capacity=2) for _ in range(2)]
        self._patients = clinic.patients(40)
        self._reception = clinic.person(Role.RECEPTIONIST)
        self._visits: list[str] = []
        self.seen: Counter[tuple[str, int, str]] = Counter()

    def act(self, until: float) -> list[str]:
        actions: dict[str, Callable[[], httpx.Response | None]] = {
            "book": self._book,
            "confirm": lambda: self._move("confirmed"),
            "cancel": lambda: self._move("cancelled"),
        }
        while time.monotonic() < until:
            name = random.choice(list(actions))
            if (answer := actions[name]()) is not None:
                self.seen[name, answer.status_code, code_of(answer)] += 1
        return []

    def audit(self, until: float) -> list[str]:
        found = []
        while time.monotonic() < until:
            found.append(self._clinic.audit())
        return found

    def _book(self) -> httpx.Response:
        doctor, patient = random.choice(self._doctors), random.choice(self._patients)
        answer = self._clinic.book(patient, doctor, random.choice(["00:00", "00:30", "01:00"]))
        if answer.status_code == 201:
            self._visits.append(answer.json()["data"]["appointment"]["_id"])
        return answer

    def _move(self, status: str) -> httpx.Response | None:
        recent = self._visits[-8:]  # several people go for the same ones
        return self._clinic.move(self._reception, random.choice(recent), status) if recent else None


def test_one_booking_sent_five_times_at_once_with_one_key_is_one_visit(clinic: Clinic) -> None:
    doctor, patient = clinic.doctor(slots=1, capacity=5), clinic.patients(1)[0]
    key = {"Idempotency-Key": f"five-at-once-{patient.id}"}

    answers = all_at_once(lambda _: clinic.book(patient, doctor, **key), range(5))

    assert outcomes(answers) == {(201, "OK"): 5}
    assert len({answer.json()["data"]["appointment"]["_id"] for answer in answers}) == 1
    assert clinic.database.appointments.count_documents({"doctor": doctor}) == 1
    assert clinic.database.slots.find_one({"doctor": doctor}, {"_id": 0, "takenSeats": 1}) == {"takenSeats": [1]}


def test_one_patient_who_books_everything_at_once_gets_no_more_than_ten_visits(clinic: Clinic) -> None:
    doctors, patient = [clinic.doctor(slots=15) for _ in range(15)], clinic.patients(1)[0]

    answers = all_at_once(
        lambda nth: clinic.book(patient, doctors[nth], clinic.times(doctors[nth])[nth]), range(len(doctors))
    )

    assert outcomes(answers) == {(201, "OK"): 10, (400, "BOOKING_LIMIT_REACHED"): 5}
    assert clinic.audit() == BOOKS_IN_ORDER

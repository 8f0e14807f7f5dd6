"""Many bookings with retries, during which a test breaks a part of the system."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import httpx
from bson import ObjectId

from arthomed.core.permissions import Role
from tests.faults.clinic import Clinic, Person, error_code, final_response
from tests.faults.conftest import FULL
from tests.stack import wait_for

BOOKINGS = 600 if FULL else 120
TIMES = 20
SEATS = BOOKINGS // TIMES - 1  # at each time one fewer than patients
CLIENTS = 8
NO_SEAT = (400, "SLOT_UNAVAILABLE")
ALREADY_CONFIRMED = (400, "INVALID_STATUS_TRANSITION")  # the response to an earlier try was lost
UNAVAILABLE = (503, "SERVICE_UNAVAILABLE")
OUTCOMES = {(201, "OK"), (200, "OK"), NO_SEAT, ALREADY_CONFIRMED, UNAVAILABLE}


@dataclass(frozen=True)
class Answer:
    """The outcome of one request."""

    sent_at: float
    received_at: float
    outcome: tuple[int, str]


@dataclass
class Desk:
    """Patients, more than seats, who repeat a booking until it is final, and a receptionist who confirms it."""

    clinic: Clinic
    retry_seconds: float = 15
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.doctor = self.clinic.doctor(slots=TIMES, capacity=SEATS)
        self.patients = self.clinic.patients(BOOKINGS)
        self._times = self.clinic.times(self.doctor)
        self._receptionist = self.clinic.person(Role.RECEPTIONIST)

    @contextmanager
    def serving(self) -> Iterator[list[ObjectId]]:
        """Serve the patients in parallel. The block begins after a quarter; its end fills the list of appointments."""
        served: list[ObjectId] = []
        with ThreadPoolExecutor(CLIENTS) as pool:
            futures = [pool.submit(self._serve, *one) for one in enumerate(self.patients)]
            quarter = BOOKINGS // 4
            wait_for(lambda: sum(one.done() for one in futures) > quarter, seconds=60, what="a quarter of the bookings")
            yield served
            served += [appointment for one in futures if (appointment := one.result())]

    def stored(self) -> list[ObjectId]:
        """The appointments in the database, in order."""
        return sorted(self.clinic.database.appointments.distinct("_id", {"doctor": self.doctor}))

    def _serve(self, nth: int, patient: Person) -> ObjectId | None:
        """Book and confirm an appointment; None when all seats are taken."""
        key = {"Idempotency-Key": f"desk-{patient.id}"}
        booked = self._send(partial(self.clinic.book, patient, self.doctor, self._times[nth % TIMES], **key))
        if booked.status_code != 201:
            return None
        appointment_id = booked.json()["data"]["appointment"]["_id"]
        self._send(partial(self.clinic.change_status, self._receptionist, appointment_id, "confirmed"))
        return ObjectId(appointment_id)

    def _send(self, request: Callable[[], httpx.Response]) -> httpx.Response:
        def send_once() -> httpx.Response:
            sent_at = time.monotonic()
            response = request()
            outcome = (response.status_code, error_code(response))
            self.answers.append(Answer(sent_at, time.monotonic(), outcome))
            return response

        return final_response(send_once, seconds=self.retry_seconds)

"""Requests while MongoDB or Redis is stopped, or accepts connections without a response."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any

import httpx
import pytest
from bson import ObjectId
from redis import Redis

from arthomed.core.permissions import Role
from tests.factories import new_mobile
from tests.faults.clinic import AUDIT_PASSED, DAY, Clinic, error_code, in_parallel, outcomes
from tests.faults.conftest import System
from tests.faults.outage import OUTAGES, outage
from tests.stack import wait_for

MAX_SECONDS = 3.0  # which docs/architecture.md promises
MORE_THAN_THREADS = 100


def slowest(responses: Iterable[httpx.Response]) -> float:
    """The seconds of the slowest; those of undisturbed requests show how loaded the machine is."""
    return max(one.elapsed.total_seconds() for one in responses)


class RequestsOfEachKind:
    """Requests to all kinds of routes, for new users and slots, so that all can succeed."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self.mobile, self.other_mobile = new_mobile(), new_mobile()
        self.patient, other = clinic.patients(2)
        admin, receptionist = clinic.person(Role.ADMIN), clinic.person(Role.RECEPTIONIST)
        self.doctor = clinic.doctor(slots=3)
        appointment_id = clinic.book(other, clinic.doctor(slots=1)).json()["data"]["appointment"]["_id"]
        send = clinic.api.request
        as_patient = partial(send, headers=self.patient.headers)
        of_day = {"doctorId": str(self.doctor), "date": DAY.isoformat()}
        created = {"mobileNumber": self.other_mobile, "name": "Ravi", "role": "patient"}
        days = {"from": DAY.isoformat(), "to": DAY.isoformat()}
        self.requests: dict[str, Callable[[], httpx.Response]] = {
            "send-otp": partial(send, "POST", "/auth/send-otp", json={"mobileNumber": self.mobile}),
            "me": partial(as_patient, "GET", "/auth/me"),
            "sessions": partial(as_patient, "GET", "/auth/sessions"),
            "update profile": partial(as_patient, "PUT", "/users/profile", json={"name": "Asha Verma"}),
            "users": partial(send, "GET", "/users", headers=admin.headers),
            "create user": partial(send, "POST", "/users", headers=admin.headers, json=created),
            "doctors": partial(as_patient, "GET", "/users/doctors", params={"date": DAY.isoformat()}),
            "availability": partial(as_patient, "GET", f"/users/doctors/{self.doctor}/availability", params=days),
            "slots": partial(as_patient, "GET", "/appointments/slots", params=of_day),
            "book": partial(clinic.book, self.patient, self.doctor),
            "my appointments": partial(as_patient, "GET", "/appointments/my-appointments"),
            "pending": partial(send, "GET", "/appointments/pending", headers=receptionist.headers),
            "confirm": partial(clinic.change_status, receptionist, appointment_id, "confirmed"),
        }

    def send(self) -> dict[str, httpx.Response]:
        """Send all in parallel; each response must come in time."""
        health = f"{self._clinic.stack.url}/health"
        usual = slowest(in_parallel(lambda _: self._clinic.api.get(health), range(len(self.requests))))
        sent = in_parallel(lambda request: request(), self.requests.values())
        responses = dict(zip(self.requests, sent, strict=True))
        slow = {name: one.elapsed for name, one in responses.items() if slowest([one]) > MAX_SECONDS + usual}
        assert not slow
        return responses

    def written(self) -> list[dict[str, Any]]:
        """Find the documents that the requests wrote.

        A code that the outbox sweeper is to send does not count: a silent database stores it when it wakes up.
        """
        database, mobiles = self._clinic.database, [self.mobile, self.other_mobile]
        return [
            *database.appointments.find({"patient": self.patient.id}),
            *database.otps.find({"mobileNumber": {"$in": mobiles}, "tellAt": None}),
            *database.users.find({"mobileNumber": {"$in": mobiles}}),
            *database.users.find({"_id": self.patient.id, "name": "Asha Verma"}),
        ]

    def allow_resend(self, redis_url: str) -> None:
        """Skip the minute between two codes: the silent database may have stored one."""
        with Redis.from_url(redis_url) as redis:
            redis.delete(f"quota:resend:{self.mobile}")


each_kind = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == "silent" else pytest.mark.long) for kind in OUTAGES]
)


def readiness(system: System) -> tuple[int, str, set[str]]:
    """Read /health/ready: status code, status, and the unavailable dependencies."""
    response = httpx.get(f"{system.stack.url}/health/ready", timeout=MAX_SECONDS)
    body = response.json()
    unavailable = {name for name, one in body["dependencies"].items() if not one["ok"]}
    return response.status_code, body["status"], unavailable


@each_kind
def test_every_route_returns_503_within_three_seconds_and_writes_nothing_without_mongodb(
    system: System, clinic: Clinic, kind: str
) -> None:
    requests = RequestsOfEachKind(clinic)

    with outage(system.mongo, kind):
        responses = requests.send()
        assert outcomes(responses.values()) == {(503, "SERVICE_UNAVAILABLE"): len(responses)}
        assert httpx.get(f"{system.stack.url}/health").status_code == 200
        assert readiness(system) == (503, "unavailable", {"mongo"})

    system.stack.wait_until_ready()
    assert requests.written() == []
    requests.allow_resend(system.valkey.url)
    wait_for(clinic.is_available, what="the recovery of all processes")
    assert {name for name, one in requests.send().items() if not one.is_success} == set()
    wait_for(lambda: requests.mobile in system.twilio.accepted, what="the code's SMS")


def test_queued_requests_return_503_within_three_seconds_without_mongodb(system: System, clinic: Clinic) -> None:
    headers = clinic.patients(1)[0].headers

    def send() -> list[httpx.Response]:
        return in_parallel(lambda _: clinic.api.get("/auth/me", headers=headers), range(MORE_THAN_THREADS))

    usual = slowest(send())
    with outage(system.mongo, "silent"):
        responses = send()
    assert outcomes(responses) == {(503, "SERVICE_UNAVAILABLE"): MORE_THAN_THREADS}
    assert slowest(responses) < MAX_SECONDS + usual


@each_kind
def test_every_route_but_send_otp_works_without_redis(system: System, clinic: Clinic, kind: str) -> None:
    requests = RequestsOfEachKind(clinic)

    with outage(system.valkey, kind):
        responses = requests.send()
        assert {name: error_code(one) for name, one in responses.items() if not one.is_success} == {
            "send-otp": "SERVICE_UNAVAILABLE"
        }
        assert httpx.get(f"{system.stack.url}/health").status_code == 200
        assert readiness(system) == (200, "degraded", {"redis", "workers"})

    system.stack.wait_until_ready()
    assert not clinic.database.otps.find_one({"mobileNumber": requests.mobile})
    # The failed request used nothing of the number's quota: otherwise the next code would take a minute.
    wait_for(lambda: requests.requests["send-otp"]().is_success, seconds=20, what="another code")
    wait_for(lambda: requests.mobile in system.twilio.accepted, what="the code's SMS")


@pytest.mark.long
def test_bookings_in_flight_at_an_outage_of_mongodb_are_stored_completely_or_not_at_all(
    system: System, clinic: Clinic
) -> None:
    doctor, patients = clinic.doctor(slots=1, capacity=40), clinic.patients(40)

    def book(nth: int) -> httpx.Response:
        return clinic.book(patients[nth], doctor, **{"Idempotency-Key": f"silence-{patients[nth].id}"})

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(book, nth) for nth in range(len(patients))]
        next(as_completed(futures))
        with outage(system.mongo, "silent"):
            wait_for(lambda: any(one.done() and one.result().status_code == 503 for one in futures), what="a 503")
        first = [one.result() for one in futures]
    acknowledged = {ObjectId(one.json()["data"]["appointment"]["_id"]) for one in first if one.status_code == 201}
    wait_for(clinic.is_available, what="the recovery of all processes")
    assert set(outcomes(first)) == {(201, "OK"), (503, "SERVICE_UNAVAILABLE")}

    def booked(nth: int) -> bool:
        response = book(nth)
        assert response.status_code in (201, 503), response.text
        return response.status_code == 201

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda nth: wait_for(partial(booked, nth), what="a booking"), range(len(patients))))

    stored = clinic.database.appointments.distinct("_id", {"doctor": doctor})
    assert acknowledged <= set(stored)
    assert len(stored) == len(patients)
    assert clinic.audit() == AUDIT_PASSED

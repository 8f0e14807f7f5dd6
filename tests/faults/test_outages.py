"""MongoDB or Redis stopped, or alive but silent, while requests come in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any

import httpx
import pytest
from bson import ObjectId
from redis import Redis

from arthomed.core.permissions import Role
from tests.faults.away import HOW, away
from tests.faults.clinic import BOOKS_IN_ORDER, DAY, Clinic, all_at_once, code_of, new_mobile, outcomes
from tests.faults.conftest import Fragile
from tests.stack import wait_for

PATIENCE = 3.0  # seconds; the contract's own number
CROWD = 100


class Round:
    """A request of every kind, for people and slots of its own, so that all can succeed."""

    def __init__(self, clinic: Clinic) -> None:
        self._clinic = clinic
        self.mobile, self.other_mobile = new_mobile(), new_mobile()
        self.patient, other = clinic.patients(2)
        admin, reception = clinic.person(Role.ADMIN), clinic.person(Role.RECEPTIONIST)
        self.doctor = clinic.doctor(slots=3)
        visit = clinic.book(other, clinic.doctor(slots=1)).json()["data"]["appointment"]["_id"]
        ask = clinic.api.request
        mine = partial(ask, headers=self.patient.headers)
        of_day = {"doctorId": str(self.doctor), "date": DAY.isoformat()}
        created = {"mobileNumber": self.other_mobile, "name": "Ravi", "role": "patient"}
        days = {"from": DAY.isoformat(), "to": DAY.isoformat()}
        self.requests: dict[str, Callable[[], httpx.Response]] = {
            "send-otp": partial(ask, "POST", "/auth/send-otp", json={"mobileNumber": self.mobile}),
            "me": partial(mine, "GET", "/auth/me"),
            "sessions": partial(mine, "GET", "/auth/sessions"),
            "update profile": partial(mine, "PUT", "/users/profile", json={"name": "Asha Verma"}),
            "users": partial(ask, "GET", "/users", headers=admin.headers),
            "create user": partial(ask, "POST", "/users", headers=admin.headers, json=created),
            "doctors": partial(mine, "GET", "/users/doctors", params={"date": DAY.isoformat()}),
            "availability": partial(mine, "GET", f"/users/doctors/{self.doctor}/availability", params=days),
            "slots": partial(mine, "GET", "/appointments/slots", params=of_day),
            "book": partial(clinic.book, self.patient, self.doctor),
            "my visits": partial(mine, "GET", "/appointments/my-appointments"),
            "pending": partial(ask, "GET", "/appointments/pending", headers=reception.headers),
            "confirm": partial(clinic.move, reception, visit, "confirmed"),
        }

    def send(self) -> dict[str, httpx.Response]:
        """All of them at once; each must be answered in time."""
        answers = dict(zip(self.requests, all_at_once(lambda ask: ask(), self.requests.values()), strict=True))
        slow = {name: one.elapsed for name, one in answers.items() if one.elapsed.total_seconds() > PATIENCE}
        assert not slow
        return answers

    def traces(self) -> list[dict[str, Any]]:
        """What the requests that write have left behind.

        A silent database makes the code that it was asked for when it wakes; the sweep then tells it.
        """
        database, mobiles = self._clinic.database, [self.mobile, self.other_mobile]
        return [
            *database.appointments.find({"patient": self.patient.id}),
            *database.otps.find({"mobileNumber": {"$in": mobiles}, "tellAt": None}),
            *database.users.find({"mobileNumber": {"$in": mobiles}}),
            *database.users.find({"_id": self.patient.id, "name": "Asha Verma"}),
        ]

    def let_pass(self, redis_url: str) -> None:
        """The minute until the next code: whether the database made one is not known."""
        with Redis.from_url(redis_url) as redis:
            redis.delete(f"budget:resend:{self.mobile}")


def readiness(fragile: Fragile) -> tuple[int, str, set[str]]:
    """The status of the answer, what it says of the whole, and which dependencies it names as away."""
    answer = httpx.get(f"{fragile.stack.url}/health/ready", timeout=PATIENCE)
    told = answer.json()
    return answer.status_code, told["status"], {name for name, one in told["dependencies"].items() if not one["ok"]}


@pytest.mark.parametrize("how", HOW)
def test_without_the_database_every_route_says_so_in_time_and_does_nothing(
    fragile: Fragile, clinic: Clinic, how: str
) -> None:
    some = Round(clinic)

    with away(fragile.mongo, how):
        answers = some.send()
        assert outcomes(answers.values()) == {(503, "SERVICE_UNAVAILABLE"): len(answers)}
        assert httpx.get(f"{fragile.stack.url}/health").status_code == 200
        assert readiness(fragile) == (503, "unavailable", {"mongo"})

    fragile.stack.wait_until_ready()
    assert some.traces() == []
    some.let_pass(fragile.valkey.url)
    wait_for(clinic.is_open, what="the recovery of all processes")
    assert {name for name, one in some.send().items() if not one.is_success} == set()
    wait_for(lambda: some.mobile in fragile.gateway.taken, what="the code's SMS")


def test_without_the_database_a_crowd_is_told_in_time_as_well(fragile: Fragile, clinic: Clinic) -> None:
    """More requests than there are threads, so that some have to queue."""
    headers = clinic.patients(1)[0].headers
    with away(fragile.mongo, "silent"):
        answers = all_at_once(lambda _: clinic.api.get("/auth/me", headers=headers), range(CROWD))
    assert outcomes(answers) == {(503, "SERVICE_UNAVAILABLE"): CROWD}
    assert max(answer.elapsed.total_seconds() for answer in answers) < PATIENCE


@pytest.mark.parametrize("how", HOW)
def test_without_redis_all_but_the_sending_of_codes_goes_on(fragile: Fragile, clinic: Clinic, how: str) -> None:
    some = Round(clinic)

    with away(fragile.valkey, how):
        answers = some.send()
        assert {name: code_of(one) for name, one in answers.items() if not one.is_success} == {
            "send-otp": "SERVICE_UNAVAILABLE"
        }
        assert httpx.get(f"{fragile.stack.url}/health").status_code == 200
        assert readiness(fragile) == (200, "degraded", {"redis", "workers"})

    fragile.stack.wait_until_ready()
    assert not clinic.database.otps.find_one({"mobileNumber": some.mobile})
    # It cost nothing of the number's budget, or that would take a minute.
    wait_for(lambda: some.requests["send-otp"]().is_success, seconds=20, what="another code")
    wait_for(lambda: some.mobile in fragile.gateway.taken, what="the code's SMS")


@pytest.mark.long
def test_bookings_under_way_when_the_database_falls_silent_are_whole_or_not_there(
    fragile: Fragile, clinic: Clinic
) -> None:
    doctor, patients = clinic.doctor(slots=1, capacity=40), clinic.patients(40)

    def book(nth: int) -> httpx.Response:
        return clinic.book(patients[nth], doctor, **{"Idempotency-Key": f"silence-{patients[nth].id}"})

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(book, nth) for nth in range(len(patients))]
        next(as_completed(asked))
        with away(fragile.mongo, "silent"):
            wait_for(lambda: any(one.done() and one.result().status_code == 503 for one in asked), what="a refusal")
        first = [one.result() for one in asked]
    told = {ObjectId(one.json()["data"]["appointment"]["_id"]) for one in first if one.status_code == 201}
    wait_for(clinic.is_open, what="the recovery of all processes")
    assert set(outcomes(first)) == {(201, "OK"), (503, "SERVICE_UNAVAILABLE")}

    def booked(nth: int) -> bool:
        answer = book(nth)
        assert answer.status_code in (201, 503), answer.text
        return answer.status_code == 201

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda nth: wait_for(partial(booked, nth), what="a booking"), range(len(patients))))

    kept = clinic.database.appointments.distinct("_id", {"doctor": doctor})
    assert told <= set(kept)
    assert len(kept) == len(patients)
    assert clinic.audit() == BOOKS_IN_ORDER

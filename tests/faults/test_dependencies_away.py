"""MongoDB and Redis stopped, or alive but silent, while requests come in."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from bson import ObjectId
from redis import Redis

from arthomed.core.permissions import Role
from dev.processes import Process
from dev.servers import Server
from tests.faults.clinic import BOOKS_IN_ORDER, DAY, Clinic, all_at_once, code_of, new_mobile, outcomes
from tests.faults.conftest import Fragile
from tests.stack import asleep, wait_for

PATIENCE = 3.0  # seconds; the contract's own number
CROWD = 100
HOW = ["stopped", "silent"]


@contextmanager
def away(server: Server, how: str) -> Iterator[None]:
    """A server that refuses connections, or takes them and says nothing; afterwards it is back on its port."""
    if how == "silent":
        with asleep(server.pid):
            yield
        return
    server.stop()
    try:
        yield
    finally:
        command = [*server._command(server.port), *server._extra_args]
        server.process = Process(server.name, command, server._log, env={**os.environ, **server._env})
        server._wait(server.port, server.process)


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
        """What the requests that write have left behind."""
        database, mobiles = self._clinic.database, [self.mobile, self.other_mobile]
        return [
            *database.appointments.find({"patient": self.patient.id}),
            *database.otps.find({"mobileNumber": {"$in": mobiles}}),
            *database.users.find({"mobileNumber": {"$in": mobiles}}),
            *database.users.find({"_id": self.patient.id, "name": "Asha Verma"}),
            *database.budgets.find({"_id": f"resend:{self.mobile}", "used": {"$gt": 0}}),
        ]


def not_ready(fragile: Fragile) -> set[str]:
    answer = httpx.get(f"{fragile.stack.url}/health/ready", timeout=PATIENCE)
    assert answer.status_code == 503
    return {name for name, found in answer.json()["dependencies"].items() if not found["ok"]}


@pytest.mark.parametrize("how", HOW)
def test_without_the_database_every_route_says_so_in_time_and_does_nothing(
    fragile: Fragile, fragile_clinic: Clinic, how: str
) -> None:
    some = Round(fragile_clinic)

    with away(fragile.mongo, how):
        answers = some.send()
        assert outcomes(answers.values()) == {(503, "SERVICE_UNAVAILABLE"): len(answers)}
        assert httpx.get(f"{fragile.stack.url}/health").status_code == 200
        assert not_ready(fragile) == {"mongo"}

    fragile.stack.wait_until_ready()
    assert some.traces() == []
    wait_for(fragile_clinic.is_open, what="the recovery of all processes")
    assert {name for name, one in some.send().items() if not one.is_success} == set()
    wait_for(lambda: some.mobile in fragile.gateway.taken, what="the code's SMS")


def test_without_the_database_a_crowd_is_told_in_time_as_well(fragile: Fragile, fragile_clinic: Clinic) -> None:
    """More requests than there are threads, so that some have to queue."""
    headers = fragile_clinic.patients(1)[0].headers
    with away(fragile.mongo, "silent"):
        answers = all_at_once(lambda _: fragile_clinic.api.get("/auth/me", headers=headers), range(CROWD))
    assert outcomes(answers) == {(503, "SERVICE_UNAVAILABLE"): CROWD}
    assert max(answer.elapsed.total_seconds() for answer in answers) < PATIENCE


@pytest.mark.parametrize("how", HOW)
def test_without_redis_all_but_the_sending_of_codes_goes_on(fragile: Fragile, fragile_clinic: Clinic, how: str) -> None:
    some = Round(fragile_clinic)

    with away(fragile.valkey, how):
        answers = some.send()
        assert {name: code_of(one) for name, one in answers.items() if not one.is_success} == {
            "send-otp": "SERVICE_UNAVAILABLE"
        }
        assert httpx.get(f"{fragile.stack.url}/health").status_code == 200
        assert not_ready(fragile) == {"redis", "workers"}

    fragile.stack.wait_until_ready()
    assert not fragile_clinic.database.otps.find_one({"mobileNumber": some.mobile})
    assert some.requests["send-otp"]().status_code == 200  # it cost nothing of the number's budget
    wait_for(lambda: some.mobile in fragile.gateway.taken, what="the code's SMS")


def test_beat_and_worker_go_on_when_redis_comes_back_empty(fragile: Fragile, fragile_clinic: Clinic) -> None:
    beat, worker = go_through_the_loss_of_redis(fragile, fragile_clinic, lambda: True)

    with Redis.from_url(fragile.valkey.url) as redis:
        wait_for(lambda: redis.exists("redbeat::lock", "redbeat::schedule") == 2, what="beat's new start")
    fragile.stack.wait_until_ready()
    assert (beat.exit_code, worker.exit_code) == (None, None)


@pytest.mark.slow
def test_what_was_booked_without_redis_is_told_when_it_is_back_even_empty(
    fragile: Fragile, fragile_clinic: Clinic
) -> None:
    booked = []

    def while_it_is_away() -> bool:
        booked.append(mobile_of(fragile_clinic.book(fragile_clinic.patients(1)[0], fragile_clinic.doctor(slots=1))))
        return bool(wait_for(lambda: fragile.stack.beat and "beat_without_redis" in fragile.stack.beat.log.read_text()))

    beat, worker = go_through_the_loss_of_redis(fragile, fragile_clinic, while_it_is_away)

    wait_for(lambda: booked[0] in fragile.gateway.taken, seconds=60, what="the SMS")
    assert (beat.exit_code, worker.exit_code) == (None, None)


def go_through_the_loss_of_redis(
    fragile: Fragile, clinic: Clinic, while_it_is_away: Callable[[], bool]
) -> tuple[Process, Process]:
    """Redis stops while an SMS is under way, and comes back without its data; gives beat and worker."""
    beat, worker = fragile.stack.beat, fragile.stack.worker
    assert beat
    assert worker
    fragile.gateway.seconds = 0.5
    under_way = mobile_of(clinic.book(clinic.patients(1)[0], clinic.doctor(slots=1)))
    wait_for(lambda: under_way in fragile.gateway.taken, what="an SMS under way")
    with away(fragile.valkey, "stopped"):
        assert while_it_is_away()
        shutil.rmtree(fragile.valkey.data_dir)
        fragile.valkey.data_dir.mkdir()
    return beat, worker


def mobile_of(booked: httpx.Response) -> str:
    return str(booked.json()["data"]["appointment"]["patient"]["mobileNumber"])


def test_bookings_under_way_when_the_database_falls_silent_are_whole_or_not_there(
    fragile: Fragile, fragile_clinic: Clinic
) -> None:
    doctor, patients = fragile_clinic.doctor(slots=1, capacity=40), fragile_clinic.patients(40)

    def book(nth: int) -> httpx.Response:
        return fragile_clinic.book(patients[nth], doctor, **{"Idempotency-Key": f"silence-{patients[nth].id}"})

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(book, nth) for nth in range(len(patients))]
        next(as_completed(asked))
        with away(fragile.mongo, "silent"):
            wait_for(lambda: any(one.done() and one.result().status_code == 503 for one in asked), what="a refusal")
        first = [one.result() for one in asked]
    told = {ObjectId(one.json()["data"]["appointment"]["_id"]) for one in first if one.status_code == 201}
    assert set(outcomes(first)) == {(201, "OK"), (503, "SERVICE_UNAVAILABLE")}

    again = all_at_once(book, range(len(patients)))

    assert outcomes(again) == {(201, "OK"): len(patients)}
    kept = fragile_clinic.database.appointments.distinct("_id", {"doctor": doctor})
    assert told <= set(kept)
    assert len(kept) == len(patients)
    assert fragile_clinic.audit() == BOOKS_IN_ORDER

"""What many do at the same moment goes into few transactions, each with an answer and a trail of its own."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event
from typing import Any
from unittest.mock import Mock

import pytest
from arthomed.core.together import Together
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from mongoengine.connection import get_connection
from pymongo.database import Database
from pymongo.errors import OperationFailure
from werkzeug.test import TestResponse

from arthomed.appointments import rules
from arthomed.appointments.models import IdempotencyKey
from arthomed.appointments.service import audit, booking
from arthomed.auth.models import Otp, Session
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core import together as waiting
from arthomed.core.errors import NotFound
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn
from tests.stack import wait_for

Records = Database[dict[str, Any]]
TIMES = ("09:00", "09:30", "10:00", "10:30", "11:00", "11:30")

pytestmark = pytest.mark.usefixtures("database")


def committed(database: Records) -> int:
    return int(database.command("serverStatus")["transactions"]["totalCommitted"])


def asked_for(redis: Any, queue: str) -> dict[str, list[str]]:
    """The ids of the jobs in a queue, by the request behind each."""
    waiting = [json.loads(one) for one in redis.lrange(queue, 0, -1)]
    return {one["headers"]["request_id"]: json.loads(b64decode(one["body"]))[0] for one in waiting}


def no_room(*_: object) -> None:
    raise OperationFailure("out of disk space", 14031)


@contextmanager
def somebody_in_the_way(database: Records, user: User) -> Iterator[None]:
    """Who has to write to that person tries again and again."""
    with get_connection().start_session() as session, session.start_transaction():
        database.users.update_one({"_id": user.id}, {"$set": {"inTheWay": True}}, session=session)
        yield
        session.abort_transaction()


@contextmanager
def gathering(
    together: Together[Any, Any], ask: Callable[[int], TestResponse], many: int, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list["Future[TestResponse]"]]:
    """The first is being served and the others wait for it; in the end all go on."""
    is_let_go, work = Event(), together._work

    def held(wishes: Any, *, once: bool) -> Any:
        is_let_go.wait()
        return work(wishes, once=once)

    monkeypatch.setattr(together, "_work", held)
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 60)
    with ThreadPoolExecutor(many) as threads:
        try:
            asked = [threads.submit(ask, 0)]
            wait_for(lambda: together._is_busy and not together._waiting, what="the first to be served")
            asked += [threads.submit(ask, number) for number in range(1, many)]
            wait_for(lambda: len(together._waiting) == many - 1, what="the others to wait")
            yield asked
        finally:
            is_let_go.set()


class TestBookings:
    @pytest.fixture
    def doctor(self) -> User:
        return factories.make_doctor(factories.every_day("09:00", "12:00"))

    @pytest.fixture
    def patients(self, app: Flask) -> list[SignedIn]:
        return [factories.sign_in(app) for _ in TIMES]

    def test_those_of_one_moment_are_one_transaction(
        self,
        app: Flask,
        database: Records,
        redis: Any,
        doctor: User,
        patients: list[SignedIn],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def book(number: int) -> TestResponse:
            who, body = patients[number], factories.booking_body(doctor, appointmentTime=TIMES[number])
            headers = {**who.headers, "Idempotency-Key": f"of patient {number}".replace(" ", "-")}
            address = {"REMOTE_ADDR": f"127.0.0.{number + 1}"}
            return app.test_client().post("/api/appointments/book", json=body, headers=headers, environ_base=address)

        before = committed(database)
        with gathering(booking._book_with_others, book, len(TIMES), monkeypatch) as asked:
            pass
        answers = [one.result() for one in asked]

        assert committed(database) - before == 2  # the first, and the others
        sending = {ids[0]: request for request, ids in asked_for(redis, "sms").items()}
        for number, answer in enumerate(answers):
            visit = factories.told(answer, 201)["appointment"]
            assert (visit["patient"]["_id"], visit["appointmentTime"]) == (str(patients[number].user.id), TIMES[number])
            [event] = database.audit_events.find({"records": ObjectId(visit["_id"])})
            assert (event["requestId"], event["actor"]) == (answer.headers["X-Request-ID"], patients[number].user.id)
            assert event["address"] == f"127.0.0.{number + 1}"
            [message] = database.notifications.find({"subject": ObjectId(visit["_id"])})
            assert sending[str(message["_id"])] == answer.headers["X-Request-ID"]
        assert list(audit.faults()) == []

    def test_each_is_refused_for_its_own_reason_and_leaves_nothing(
        self, database: Records, doctor: User, patients: list[SignedIn]
    ) -> None:
        factories.make_visit(doctor=doctor, time="09:00")
        busy, gone = factories.make_user(visits_booked=10), factories.make_user(is_active=False)
        for hour in range(10):
            factories.make_visit(
                busy, factories.make_doctor(factories.every_day("08:00", "20:00")), time=f"{hour + 8:02}:00"
            )
        unknown = factories.make_user()

        def request(patient: User, doctor: User, time: str) -> booking.Request:
            asked = booking.Request(factories.acting(patient), factories.make_details(doctor, time=time))
            of = {"user": patient.id, "key": f"key-of-{time}", "fingerprint": "one"}
            return booking.Request(asked.actor, asked.wish, asked.id, IdempotencyKey(appointment=asked.id, **of))

        outcomes = booking._book_all(
            [
                request(patients[0].user, doctor, "09:30"),
                request(patients[1].user, doctor, "09:00"),
                request(patients[2].user, unknown, "10:00"),
                request(gone, doctor, "10:30"),
                request(busy, doctor, "11:00"),
                request(patients[3].user, doctor, "11:30"),
            ],
            once=True,
        )

        kinds = [type(outcome) for outcome in outcomes]
        assert kinds[1:5] == [rules.SlotUnavailable, NotFound, NotFound, rules.BookingLimitReached]
        assert database.idempotency_keys.distinct("key") == ["key-of-09:30", "key-of-11:30"]
        assert database.appointments.distinct("appointmentTime", {"doctor": doctor.id}) == ["09:00", "09:30", "11:30"]
        assert list(audit.faults()) == []

    def test_one_that_a_unique_index_refuses_is_refused_alone(
        self,
        app: Flask,
        database: Records,
        doctor: User,
        patients: list[SignedIn],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        factories.make_visit(patients[0].user, doctor, time="09:00")

        def book(number: int) -> TestResponse:
            body = factories.booking_body(doctor, appointmentTime=TIMES[number + 1])
            who = (patients[1], patients[0], patients[2])[number]
            return app.test_client().post("/api/appointments/book", json=body, headers=who.headers)

        with gathering(booking._book_with_others, book, 3, monkeypatch) as asked:
            pass

        codes = [one.result().status_code for one in asked]
        assert codes == [201, 400, 201]
        assert database.appointments.distinct("appointmentTime") == ["09:00", "09:30", "10:30"]
        assert list(audit.faults()) == []

    def test_who_has_somebody_in_the_way_holds_up_nobody_else(
        self, app: Flask, database: Records, doctor: User, patients: list[SignedIn]
    ) -> None:
        def book(number: int) -> TestResponse:
            body = factories.booking_body(doctor, appointmentTime=TIMES[number])
            return app.test_client().post("/api/appointments/book", json=body, headers=patients[number].headers)

        with ThreadPoolExecutor(len(TIMES)) as threads:
            with somebody_in_the_way(database, patients[0].user):
                held_up, *others = [threads.submit(book, number) for number in range(len(TIMES))]
                assert [one.result().status_code for one in others] == [201] * len(others)
                assert not held_up.done()
            assert held_up.result().status_code == 201
        assert list(audit.faults()) == []

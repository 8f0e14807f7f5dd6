"""Parallel bookings: no seat is given twice, and each booking has its own outcome."""

import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from bson import ObjectId
from flask import Flask
from mongoengine.connection import get_connection
from werkzeug.test import TestResponse

from arthomed.appointments.service import consistency, staff
from arthomed.core.permissions import Role
from arthomed.notifications import service as notifications
from tests import factories
from tests.api.appointments.bookings import EVERY_MORNING, MORNING, TUESDAY, alternatives, book
from tests.api.appointments.clinic import aborted_transactions
from tests.factories import Records
from tests.stack import wait_for

pytestmark = pytest.mark.usefixtures("database", "monday_evening")


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_parallel_bookings_of_one_slot_get_exactly_its_seats(app: Flask, capacity: int) -> None:
    doctor = factories.make_doctor(
        [*factories.every_day("09:00", "09:30", max_patients=capacity), *factories.every_day("10:00", "12:00")]
    )
    patients = [factories.sign_in(app) for _ in range(20)]

    responses = factories.in_parallel(20, lambda number: book(app, patients[number], doctor))

    lost = [response for response in responses if response.status_code != 201]
    assert len(responses) - len(lost) == capacity
    assert {factories.error_of(response) for response in lost} == {(400, "SLOT_UNAVAILABLE")}
    assert {len(alternatives(response)) for response in lost} == {3}
    assert list(consistency.violations()) == []


def test_parallel_bookings_of_one_patient_stop_at_ten_open_appointments(app: Flask) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    days = [(TUESDAY + timedelta(days=ahead)).isoformat() for ahead in range(14)]

    responses = factories.in_parallel(14, lambda number: book(app, patient, doctor, appointmentDate=days[number]))

    codes = [factories.error_of(response) for response in responses if response.status_code != 201]
    assert codes == [(400, "BOOKING_LIMIT_REACHED")] * 4
    assert list(consistency.violations()) == []


def test_parallel_bookings_of_one_patient_at_one_time_book_one(app: Flask) -> None:
    patient, doctors = factories.sign_in(app), [factories.make_doctor(MORNING) for _ in range(4)]

    responses = factories.in_parallel(4, lambda number: book(app, patient, doctors[number]))

    assert sorted(response.status_code for response in responses) == [201, 400, 400, 400]
    assert list(consistency.violations()) == []


def test_parallel_bookings_of_different_slots_of_one_day_all_succeed(app: Flask) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "17:00"))
    patients = [factories.sign_in(app) for _ in range(16)]
    times = [f"{9 + number // 2:02}:{number % 2 * 30:02}" for number in range(16)]

    responses = factories.in_parallel(16, lambda at: book(app, patients[at], doctor, appointmentTime=times[at]))

    assert [response.status_code for response in responses] == [201] * 16
    assert list(consistency.violations()) == []


def test_each_parallel_booking_is_refused_for_its_own_reason(app: Flask, database: Records) -> None:
    doctor, other_doctor = factories.make_doctor(EVERY_MORNING), factories.make_doctor(EVERY_MORNING)
    patients = [factories.sign_in(app) for _ in range(6)]
    factories.make_appointment(doctor=doctor, time="09:00")
    factories.make_appointment(patients[2].user, other_doctor, time="10:00")  # only a unique index finds this conflict
    for ahead in range(1, 11):
        factories.make_appointment(patients[3].user, other_doctor, day=TUESDAY + timedelta(days=ahead))
    requests = [
        (patients[0], doctor, "09:30"),
        (patients[1], doctor, "09:00"),
        (patients[2], doctor, "10:00"),
        (patients[3], doctor, "10:30"),
        (patients[4], patients[0].user, "11:00"),
        (patients[5], doctor, "11:30"),
    ]

    def send(at: int) -> TestResponse:
        patient, of, time = requests[at]
        return book(app, patient, of, f"key-number-{at}", appointmentTime=time)

    responses = factories.in_parallel(len(requests), send)

    assert [factories.error_of(response) for response in responses] == [
        (201, ""),
        (400, "SLOT_UNAVAILABLE"),
        (400, "DUPLICATE_VALUE"),
        (400, "BOOKING_LIMIT_REACHED"),
        (404, "NOT_FOUND"),
        (201, ""),
    ]
    assert sorted(database.idempotency_keys.distinct("key")) == ["key-number-0", "key-number-5"]
    assert database.appointments.distinct("appointmentTime", {"doctor": doctor.id}) == ["09:00", "09:30", "11:30"]
    assert list(consistency.violations()) == []


def test_each_parallel_booking_has_its_own_request_id_and_address(app: Flask, database: Records, redis: Any) -> None:
    doctor, patients = factories.make_doctor(EVERY_MORNING), [factories.sign_in(app) for _ in range(6)]

    def send(at: int) -> TestResponse:
        body = factories.booking_body(doctor, appointmentTime=f"{9 + at // 2:02}:{at % 2 * 30:02}")
        address = {"REMOTE_ADDR": f"127.0.0.{at + 1}"}
        client = app.test_client()
        return client.post("/api/appointments/book", json=body, headers=patients[at].headers, environ_base=address)

    responses = factories.in_parallel(6, send)

    jobs = [json.loads(job) for job in redis.lrange("sms", 0, -1)]
    request_ids = {json.loads(b64decode(job["body"]))[0][0]: job["headers"]["request_id"] for job in jobs}
    for at, response in enumerate(responses):
        appointment = factories.data_of(response, 201)["appointment"]
        assert appointment["patient"]["_id"] == str(patients[at].user.id)
        [event] = database.audit_events.find({"records": ObjectId(appointment["_id"])})
        assert (event["requestId"], event["actor"]) == (response.headers["X-Request-ID"], patients[at].user.id)
        assert event["address"] == f"127.0.0.{at + 1}"
        [message] = database.notifications.find({"subject": ObjectId(appointment["_id"])})
        assert request_ids[str(message["_id"])] == response.headers["X-Request-ID"]


def test_patient_with_a_lasting_write_conflict_delays_no_other_booking(app: Flask, database: Records) -> None:
    doctor, patients = factories.make_doctor(EVERY_MORNING), [factories.sign_in(app) for _ in range(6)]
    times = ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30"]

    with ThreadPoolExecutor(6) as threads:
        with get_connection().start_session() as session, session.start_transaction():
            database.users.update_one({"_id": patients[0].user.id}, {"$set": {"locked": True}}, session=session)
            blocked, *others = [
                threads.submit(book, app, patients[at], doctor, appointmentTime=times[at]) for at in range(6)
            ]
            assert [one.result().status_code for one in others] == [201] * 5
            assert not blocked.done()
            session.abort_transaction()
        assert blocked.result().status_code == 201
    assert list(consistency.violations()) == []


def test_deactivation_of_a_doctor_waits_for_a_booking_in_progress(
    app: Flask, database: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    admin = factories.actor_of(factories.make_user(Role.ADMIN))
    is_in_progress, may_commit = Event(), Event()
    add_to_outbox = notifications.add_to_outbox

    def wait_before_the_commit(*args: Any) -> None:
        is_in_progress.set()
        may_commit.wait(10)
        add_to_outbox(*args)

    monkeypatch.setattr(notifications, "add_to_outbox", wait_before_the_commit)
    with ThreadPoolExecutor(2) as threads:
        booking = threads.submit(book, app, patient, doctor)
        assert is_in_progress.wait(10)
        before = aborted_transactions(database)
        deactivation = threads.submit(staff.set_active, admin, doctor.id, is_active=False)
        wait_for(lambda: aborted_transactions(database) > before, what="the deactivation to conflict with the booking")
        assert not deactivation.done()
        may_commit.set()

        appointment = factories.data_of(booking.result(), 201)["appointment"]
        assert [str(one.id) for one in deactivation.result().upcoming] == [appointment["_id"]]

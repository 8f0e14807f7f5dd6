"""Booking over HTTP: what is promised, what is refused, and that both hold when many ask at once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from werkzeug.test import TestResponse

from arthomed.appointments.service import consistency, transitions
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn

TUESDAY = date(2026, 12, 1)
EVERY_MORNING = factories.every_day("09:00", "12:00")
MORNING = EVERY_MORNING[1:2]  # Tuesdays
Records = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def monday_evening() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 11, 30, 14, 0, tzinfo=UTC), tick=True):
        yield


def book(app: Flask, patient: SignedIn, doctor: User, key: str | None = None, **parts: Any) -> TestResponse:
    headers = patient.headers if key is None else {**patient.headers, "Idempotency-Key": key}
    body = factories.booking_body(doctor, **parts)
    return app.test_client().post("/api/appointments/book", json=body, headers=headers)


def alternatives(answer: TestResponse) -> list[str]:
    body: Any = answer.json
    return [f"{one['appointmentDate']} {one['appointmentTime']}" for one in body["error"]["alternatives"]]


def nothing_was_written(database: Records) -> bool:
    return (
        not any(database[name].count_documents({}) for name in ("appointments", "notifications", "idempotency_keys"))
        and not database.slots.count_documents({"bookedPatients": {"$gt": 0}})
        and not database.users.count_documents({"visitsBooked": {"$gt": 0}})
    )


def test_a_booking_answers_with_the_whole_visit(app: Flask) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)

    visit = factories.told(book(app, patient, doctor, symptoms="Since Sunday"), 201)["appointment"]

    assert visit["patient"] == {
        "_id": str(patient.user.id),
        "name": patient.user.name,
        "mobileNumber": patient.user.mobile_number,
    }
    assert visit["doctor"] == {
        "_id": str(doctor.id),
        "name": doctor.name,
        "doctorInfo": {"specialization": "Cardiology", "consultationFee": 500},
    }
    assert (visit["appointmentDate"], visit["appointmentTime"]) == ("2026-12-01", "09:00")
    assert (visit["startsAt"], visit["status"]) == ("2026-12-01T03:30:00.000Z", "pending")
    assert (visit["purposeOfVisit"], visit["symptoms"]) == ("consultation", "Since Sunday")
    assert visit["paymentInfo"] == {"amount": 500, "status": "pending"}
    assert visit["createdBy"] == str(patient.user.id)
    assert "cancellation" not in visit
    read = app.test_client().get(f"/api/appointments/{visit['_id']}", headers=patient.headers)
    assert factories.told(read)["appointment"] == visit


def test_what_is_internal_is_not_told(app: Flask) -> None:
    visit = factories.told(book(app, factories.sign_in(app), factories.make_doctor(MORNING)), 201)["appointment"]

    assert not {"slot", "seat", "takenSeats", "idempotencyKey", "endsAt", "otp"} & set(visit)


def test_a_pending_visit_holds_its_seat(app: Flask, database: Records) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.told(book(app, factories.sign_in(app), doctor), 201)

    [slot] = database.slots.find({"bookedPatients": 1})
    assert (slot["startTime"], slot["takenSeats"], slot["isAvailable"]) == ("09:00", [1], False)


def test_a_taken_slot_is_refused_with_the_three_nearest_free_ones(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.make_visit(doctor=doctor, time="10:00")

    answer = book(app, factories.sign_in(app), doctor, appointmentTime="10:00")

    assert factories.refused(answer) == (400, "SLOT_UNAVAILABLE")
    assert alternatives(answer) == ["2026-12-01 10:30", "2026-12-01 09:30", "2026-12-01 11:00"]


def test_the_alternatives_are_bookable(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.make_visit(doctor=doctor, time="10:00")
    refused: Any = book(app, factories.sign_in(app), doctor, appointmentTime="10:00").json

    answers = [book(app, factories.sign_in(app), doctor, **one) for one in refused["error"]["alternatives"]]

    assert {answer.status_code for answer in answers} == {201}


@pytest.mark.parametrize(
    ("day", "time"),
    [
        ("2026-11-30", "11:00"),  # today, but past
        ("2026-11-29", "09:00"),
        ("2026-12-30", "09:00"),  # the day after the horizon
        ("2999-12-31", "09:00"),
        ("1000-01-01", "09:00"),
        ("2026-12-01", "09:15"),  # no slot begins then
        ("2026-12-01", "12:00"),
        ("2026-12-01", "08:30"),
    ],
)
def test_a_time_that_cannot_be_booked_is_refused_and_nothing_is_written(
    app: Flask, database: Records, day: str, time: str
) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)

    answer = book(app, factories.sign_in(app), doctor, "some-key-1", appointmentDate=day, appointmentTime=time)

    assert factories.refused(answer) == (400, "SLOT_UNAVAILABLE")
    assert len(alternatives(answer)) == 3
    assert nothing_was_written(database)


def test_the_last_day_of_the_horizon_can_be_booked(app: Flask) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)

    assert book(app, factories.sign_in(app), doctor, appointmentDate="2026-12-29").status_code == 201


@pytest.mark.parametrize(("time", "status"), [("10:00", 400), ("10:30", 201)])
def test_a_slot_can_be_booked_until_it_starts(app: Flask, time: str, status: int) -> None:
    doctor = factories.make_doctor(MORNING)
    wish = {"appointmentDate": TUESDAY.isoformat(), "appointmentTime": time}
    with time_machine.travel(factories.at_clinic(TUESDAY, "10:00"), tick=False):
        assert book(app, factories.sign_in(app), doctor, **wish).status_code == status


def test_a_slot_beyond_the_horizon_is_refused_though_it_exists(app: Flask, database: Records) -> None:
    doctor = factories.make_doctor(EVERY_MORNING)
    with time_machine.travel(datetime(2026, 11, 29, 14, 0, tzinfo=UTC), tick=True):
        answer = book(app, factories.sign_in(app), doctor, appointmentDate="2026-12-29")

    assert database.slots.count_documents({"date": datetime(2026, 12, 29, tzinfo=UTC)}) > 0
    assert factories.refused(answer) == (400, "SLOT_UNAVAILABLE")


def test_a_blocked_slot_is_refused(app: Flask, database: Records) -> None:
    doctor = factories.make_doctor(MORNING)
    database.slots.update_many({"startTime": "09:00"}, {"$set": {"isBlocked": True, "isAvailable": False}})

    assert factories.refused(book(app, factories.sign_in(app), doctor)) == (400, "SLOT_UNAVAILABLE")


@pytest.mark.parametrize("parts", [{"is_active": False}, {"is_verified": False}], ids=str)
def test_a_doctor_who_is_not_active_and_verified_is_not_found(
    app: Flask, database: Records, parts: dict[str, bool]
) -> None:
    doctor = factories.make_doctor(MORNING, **parts)

    assert factories.refused(book(app, factories.sign_in(app), doctor)) == (404, "NOT_FOUND")
    assert nothing_was_written(database)


def test_a_person_who_is_no_doctor_is_not_found(app: Flask) -> None:
    assert factories.refused(book(app, factories.sign_in(app), factories.make_user())) == (404, "NOT_FOUND")


def test_a_patient_who_is_deactivated_at_that_moment_books_nothing(database: Records) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.make_user(is_active=False)
    with pytest.raises(NotFound):
        factories.make_visit(patient, doctor)

    assert nothing_was_written(database)


def test_one_doctor_is_visited_once_a_day(app: Flask) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    factories.told(book(app, patient, doctor), 201)

    assert factories.refused(book(app, patient, doctor, appointmentTime="11:00")) == (400, "DUPLICATE_VALUE")


def test_one_doctor_may_be_visited_on_two_days(app: Flask) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    factories.told(book(app, patient, doctor), 201)

    assert book(app, patient, doctor, appointmentDate="2026-12-02").status_code == 201


def test_nobody_is_at_two_doctors_at_one_time(app: Flask) -> None:
    patient = factories.sign_in(app)
    factories.told(book(app, patient, factories.make_doctor(MORNING)), 201)

    assert factories.refused(book(app, patient, factories.make_doctor(MORNING))) == (400, "DUPLICATE_VALUE")


def test_the_same_slot_twice_is_no_second_seat_for_one_patient(app: Flask) -> None:
    doctor, patient = (
        factories.make_doctor(factories.every_day("09:00", "09:30", max_patients=2)),
        factories.sign_in(app),
    )
    factories.told(book(app, patient, doctor), 201)

    assert factories.refused(book(app, patient, doctor)) == (400, "DUPLICATE_VALUE")
    assert list(consistency.violations()) == []


def test_a_visit_that_was_given_up_stands_in_no_ones_way(app: Flask, client: FlaskClient) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    visit = factories.told(book(app, patient, doctor), 201)["appointment"]
    factories.told(client.put(f"/api/appointments/{visit['_id']}/cancel", headers=patient.headers))

    assert book(app, patient, doctor).status_code == 201


def test_an_eleventh_open_visit_is_refused(app: Flask) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    days = [(TUESDAY + timedelta(days=ahead)).isoformat() for ahead in range(11)]

    answers = [book(app, patient, doctor, appointmentDate=day) for day in days]

    assert [answer.status_code for answer in answers[:10]] == [201] * 10
    assert factories.refused(answers[10]) == (400, "BOOKING_LIMIT_REACHED")


def test_ten_open_visits_are_the_most_also_when_all_are_booked_at_once(app: Flask) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    days = [(TUESDAY + timedelta(days=ahead)).isoformat() for ahead in range(14)]

    answers = factories.at_once(14, lambda number: book(app, patient, doctor, appointmentDate=days[number]))

    codes = [factories.refused(answer) for answer in answers if answer.status_code != 201]
    assert codes == [(400, "BOOKING_LIMIT_REACHED")] * 4
    assert list(consistency.violations()) == []


def test_closed_visits_do_not_count_as_open(app: Flask) -> None:
    doctor, patient = factories.make_doctor(EVERY_MORNING), factories.sign_in(app)
    for ahead in range(10):
        visit = factories.make_visit(patient.user, doctor, day=TUESDAY + timedelta(days=ahead))
    transitions.cancel(factories.acting(patient.user), visit.id, reason=None)

    assert book(app, patient, doctor, appointmentDate="2026-12-20").status_code == 201


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_many_at_once_get_exactly_the_seats_there_are(app: Flask, capacity: int) -> None:
    doctor = factories.make_doctor(
        [*factories.every_day("09:00", "09:30", max_patients=capacity), *factories.every_day("10:00", "12:00")]
    )
    patients = [factories.sign_in(app) for _ in range(12)]

    answers = factories.at_once(12, lambda number: book(app, patients[number], doctor))

    lost = [answer for answer in answers if answer.status_code != 201]
    assert len(answers) - len(lost) == capacity
    assert {factories.refused(answer) for answer in lost} == {(400, "SLOT_UNAVAILABLE")}
    assert {len(alternatives(answer)) for answer in lost} == {3}
    assert list(consistency.violations()) == []


def test_one_patient_at_once_at_two_doctors_gets_one_visit(app: Flask) -> None:
    patient, doctors = factories.sign_in(app), [factories.make_doctor(MORNING) for _ in range(4)]

    answers = factories.at_once(4, lambda number: book(app, patient, doctors[number]))

    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]
    assert list(consistency.violations()) == []


def test_the_same_request_with_its_key_is_the_same_visit(app: Flask, database: Records) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)

    answers = [book(app, patient, doctor, "a-key-of-mine") for _ in range(3)]

    assert len({factories.told(answer, 201)["appointment"]["_id"] for answer in answers}) == 1
    assert database.appointments.count_documents({}) == 1
    assert database.notifications.count_documents({}) == 1


def test_five_of_the_same_request_at_once_agree_on_one_visit(app: Flask, database: Records) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)

    answers = factories.at_once(5, lambda _: book(app, patient, doctor, "a-key-of-mine"))

    visits = [factories.told(answer, 201)["appointment"] for answer in answers]
    assert visits == [visits[0]] * 5
    assert database.appointments.count_documents({}) == 1
    assert list(consistency.violations()) == []


@pytest.mark.parametrize(
    "other", [{"reason": "Fever"}, {"appointmentTime": "10:00"}, {"symptoms": "Cough"}], ids=lambda one: next(iter(one))
)
def test_a_key_is_not_good_for_another_wish(app: Flask, other: dict[str, str]) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    factories.told(book(app, patient, doctor, "a-key-of-mine"), 201)

    answer = book(app, patient, doctor, "a-key-of-mine", **other)

    assert factories.refused(answer) == (422, "IDEMPOTENCY_KEY_REUSED")


def test_a_key_used_at_once_for_two_wishes_stands_for_one(app: Flask) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)

    answers = factories.at_once(2, lambda number: book(app, patient, doctor, "a-key-of-mine", reason="AB"[number]))

    assert sorted(answer.status_code for answer in answers) == [201, 422]


def test_the_key_of_another_patient_is_another_key(app: Flask) -> None:
    doctor = factories.make_doctor(MORNING)
    factories.told(book(app, factories.sign_in(app), doctor, "a-key-of-mine"), 201)

    answer = book(app, factories.sign_in(app), doctor, "a-key-of-mine", appointmentTime="10:00")

    assert answer.status_code == 201


def test_a_key_is_good_again_when_the_booking_came_to_nothing(app: Flask) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    other = factories.make_visit(doctor=doctor)
    assert book(app, patient, doctor, "a-key-of-mine").status_code == 400
    transitions.cancel(factories.acting(factories.make_user(Role.ADMIN)), other.id, reason=None)

    assert book(app, patient, doctor, "a-key-of-mine").status_code == 201


def test_a_repetition_shows_the_visit_as_it_is_by_now(app: Flask, client: FlaskClient) -> None:
    doctor, patient = factories.make_doctor(MORNING), factories.sign_in(app)
    visit = factories.told(book(app, patient, doctor, "a-key-of-mine"), 201)["appointment"]
    factories.told(client.put(f"/api/appointments/{visit['_id']}/cancel", headers=patient.headers))

    again = factories.told(book(app, patient, doctor, "a-key-of-mine"), 201)["appointment"]

    assert (again["_id"], again["status"]) == (visit["_id"], "cancelled")


@pytest.mark.parametrize("key", ["short", "k" * 129, "with space", "käse-käse"])
def test_a_key_that_is_no_key_is_refused(app: Flask, key: str) -> None:
    answer = book(app, factories.sign_in(app), factories.make_doctor(MORNING), key)

    assert factories.refused(answer) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "wrong",
    [
        {"doctorId": "x"},
        {"doctorId": None},
        {"appointmentDate": "01-12-2026"},
        {"appointmentDate": "2026-02-30"},
        {"appointmentTime": "9:00"},
        {"appointmentTime": "24:00"},
        {"appointmentTime": {"$gt": ""}},
        {"reason": ""},
        {"reason": "x" * 501},
        {"symptoms": "x" * 1001},
        {"status": "confirmed"},
        {"patientId": "672b1234a1b2c3d4e5f60718"},
    ],
    ids=str,
)
def test_a_malformed_wish_is_refused_by_its_field(app: Flask, database: Records, wrong: dict[str, Any]) -> None:
    answer = book(app, factories.sign_in(app), factories.make_doctor(MORNING), **wrong)

    assert factories.fields_refused(answer) == list(wrong)
    assert nothing_was_written(database)

"""Whom one can book: the list of doctors, their public profile, and what happens when one leaves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.appointments.rules import Status
from arthomed.appointments.service import booking, consistency, transitions
from arthomed.core import copies
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories
from tests.stack import wait_for

TUESDAY = date(2026, 12, 1)
MIDDAY = factories.every_day("10:00", "12:00")[1:4]  # Tuesday to Thursday
TUESDAYS = [{"day": "tuesday", "start_time": "10:00", "end_time": "10:30"}]
Records = Database[dict[str, Any]]


@pytest.fixture(autouse=True)
def nine_in_the_morning() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 12, 1, 3, 30, tzinfo=UTC), tick=True):
        yield


def listed(app: Flask, client: FlaskClient, **query: Any) -> list[str]:
    answer = client.get("/api/users/doctors", query_string=query, headers=factories.sign_in(app).headers)
    return [doctor["name"] for doctor in factories.told(answer)["items"]]


def specialist(name: str, specialization: str, week: list[dict[str, Any]] | None = None) -> User:
    doctor = factories.make_user(Role.DOCTOR, name=name, doctor_info={"specialization": specialization})
    scheduling.save_schedule(factories.acting(doctor), doctor.id, week or [])
    return doctor


def test_doctors_are_listed_by_name(app: Flask, client: FlaskClient) -> None:
    for name in ("Dr Zoya", "Dr Amit", "Dr Meera"):
        specialist(name, "Cardiology")

    assert listed(app, client) == ["Dr Amit", "Dr Meera", "Dr Zoya"]


@pytest.mark.parametrize("parts", [{"is_active": False}, {"is_verified": False}], ids=str)
def test_who_cannot_be_booked_is_not_listed(app: Flask, client: FlaskClient, parts: dict[str, bool]) -> None:
    doctor = factories.make_doctor([], **parts)
    factories.make_user(Role.RECEPTIONIST)

    assert listed(app, client) == []
    answer = client.get(f"/api/users/doctors/{doctor.id}", headers=factories.sign_in(app).headers)
    assert factories.refused(answer) == (404, "NOT_FOUND")


def test_a_specialization_narrows_the_list(app: Flask, client: FlaskClient) -> None:
    specialist("Dr Amit", "Cardiology")
    specialist("Dr Meera", "Dermatology")

    assert listed(app, client, specialization="Dermatology") == ["Dr Meera"]


@pytest.mark.parametrize(
    ("search", "found"),
    [("meera", ["Dr Meera"]), ("DR", ["Dr Amit", "Dr Meera"]), (".*", []), ("(", []), ("Dr.Meera", [])],
)
def test_a_search_is_literal_text_whatever_its_case(
    app: Flask, client: FlaskClient, search: str, found: list[str]
) -> None:
    specialist("Dr Amit", "Cardiology")
    specialist("Dr Meera", "Dermatology")

    assert listed(app, client, search=search) == found


@pytest.mark.parametrize(
    ("day", "found"),
    [("2026-12-01", ["Dr Amit"]), ("2026-12-02", []), ("2026-11-24", []), ("2027-12-07", [])],
)
def test_a_date_keeps_those_with_a_free_slot_on_that_day(
    app: Flask, client: FlaskClient, day: str, found: list[str]
) -> None:
    specialist("Dr Amit", "Cardiology", TUESDAYS)
    specialist("Dr Meera", "Dermatology")

    assert listed(app, client, date=day) == found


def test_a_doctor_who_is_full_or_whose_slots_have_started_is_not_free_that_day(app: Flask, client: FlaskClient) -> None:
    full = specialist("Dr Amit", "Cardiology", TUESDAYS)
    specialist("Dr Meera", "Cardiology", [{"day": "tuesday", "start_time": "09:30", "end_time": "10:00"}])
    factories.make_visit(doctor=full, day=TUESDAY, time="10:00")
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:30"), tick=True):
        assert listed(app, client, date="2026-12-01") == []


def test_filters_narrow_together(app: Flask, client: FlaskClient) -> None:
    specialist("Dr Amit", "Cardiology", TUESDAYS)
    specialist("Dr Anil", "Dermatology", TUESDAYS)
    specialist("Dr Arun", "Cardiology")

    assert listed(app, client, search="Dr A", specialization="Cardiology", date="2026-12-01") == ["Dr Amit"]


def test_the_list_comes_in_pages(app: Flask, client: FlaskClient) -> None:
    for letter in "ABCDE":
        specialist(f"Dr {letter}{letter}", "Cardiology")
    query = {"page": "2", "limit": "2"}
    answer = client.get("/api/users/doctors", query_string=query, headers=factories.sign_in(app).headers)

    page = factories.told(answer)

    assert [doctor["name"] for doctor in page["items"]] == ["Dr CC", "Dr DD"]
    assert page["pagination"] == {
        "current": 2,
        "pages": 3,
        "total": 5,
        "limit": 2,
        "hasNext": True,
        "hasPrev": True,
    }


def test_a_doctor_is_shown_without_mobile_number_and_address(app: Flask, client: FlaskClient) -> None:
    doctor = specialist("Dr Amit", "Cardiology", TUESDAYS)
    answer = client.get(f"/api/users/doctors/{doctor.id}", headers=factories.sign_in(app).headers)

    found = factories.told(answer)["doctor"]

    assert set(found) == {"_id", "name", "isActive", "doctorInfo"}
    assert found["doctorInfo"]["schedule"] == [
        {"day": "tuesday", "startTime": "10:00", "endTime": "10:30", "isAvailable": True, "maxPatients": 1}
    ]
    assert "registrationNumber" not in found["doctorInfo"]


def test_a_patient_is_no_doctor(app: Flask, client: FlaskClient) -> None:
    patient = factories.sign_in(app)

    answer = client.get(f"/api/users/doctors/{patient.user.id}", headers=patient.headers)

    assert factories.refused(answer) == (404, "NOT_FOUND")


def dismiss(app: Flask, client: FlaskClient, doctor: User) -> Any:
    admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
    return factories.told(client.delete(f"/api/users/{doctor.id}", headers=admin.headers))


def test_a_deactivated_doctors_coming_visits_are_listed_soonest_first(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MIDDAY)
    later = factories.make_visit(doctor=doctor, day=TUESDAY + timedelta(days=2), time="10:00")
    sooner = factories.make_visit(doctor=doctor, day=TUESDAY, time="10:30")
    given_up = factories.make_visit(doctor=doctor, day=TUESDAY, time="11:00")
    transitions.cancel(factories.acting(factories.make_user(Role.RECEPTIONIST)), given_up.id, reason=None)
    factories.make_visit(day=TUESDAY, doctor=factories.make_doctor(MIDDAY), time="10:00")

    left = dismiss(app, client, doctor)

    assert left["user"]["isActive"] is False
    assert [visit["_id"] for visit in left["upcomingAppointments"]] == [str(sooner.id), str(later.id)]


def test_the_visits_of_a_deactivated_doctor_are_not_lost(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MIDDAY)
    visit = factories.make_visit(doctor=doctor, day=TUESDAY, time="10:00")

    dismiss(app, client, doctor)

    reception = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
    waiting = factories.told(client.get("/api/appointments/pending", headers=reception.headers))["items"]
    assert [one["_id"] for one in waiting] == [str(visit.id)]
    confirmed = transitions.change_status(factories.acting(reception.user), visit.id, Status.CONFIRMED)
    assert confirmed.status is Status.CONFIRMED


def test_a_patient_who_is_deactivated_leaves_nothing_to_settle(app: Flask, client: FlaskClient) -> None:
    visit = factories.make_visit(day=TUESDAY, time="10:00")

    assert dismiss(app, client, User.objects.get(id=visit.patient_id))["upcomingAppointments"] == []


def test_nobody_books_a_doctor_who_was_deactivated(app: Flask, client: FlaskClient, database: Records) -> None:
    doctor = factories.make_doctor()
    dismiss(app, client, doctor)

    answer = client.post(
        "/api/appointments/book", json=factories.booking_body(doctor), headers=factories.sign_in(app).headers
    )

    assert factories.refused(answer) == (404, "NOT_FOUND")
    assert database.appointments.count_documents({}) == 0


def test_a_doctor_who_comes_back_can_be_booked_again_at_once(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MIDDAY)
    factories.make_visit(doctor=doctor, day=TUESDAY, time="10:00")
    dismiss(app, client, doctor)
    admin = factories.sign_in(app, factories.make_user(Role.ADMIN))

    factories.told(
        client.put(
            f"/api/users/{doctor.id}/status", json={"isActive": True, "reason": "Came back"}, headers=admin.headers
        )
    )

    assert factories.make_visit(doctor=doctor, day=TUESDAY, time="10:30").status is Status.PENDING
    assert list(consistency.violations()) == []


def test_a_deactivated_doctors_coming_slots_are_closed(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MIDDAY)

    dismiss(app, client, doctor)

    assert Slot.objects(doctor=doctor.id, is_available=True).count() == 0
    assert list(consistency.violations()) == []


def aborted_transactions(database: Records) -> int:
    return int(database.command("serverStatus")["transactions"]["totalAborted"])


def test_a_deactivation_waits_for_a_booking_that_is_under_way(app: Flask, database: Records) -> None:
    doctor, patient = factories.make_doctor(MIDDAY), factories.make_user()
    wish = factories.make_wish(doctor, day=TUESDAY, time="10:00")
    before = aborted_transactions(database)
    with ThreadPoolExecutor(1) as thread, database.client.start_session() as session, session.start_transaction():
        with copies.telling():
            booking._book([booking.Request(factories.acting(patient), wish)], session)
        left = thread.submit(dismiss, app, app.test_client(), doctor)
        wait_for(lambda: left.done() or aborted_transactions(database) > before, what="the two to meet")
        session.commit_transaction()

        booked = [str(visit["_id"]) for visit in database.appointments.find()]
        assert [one["_id"] for one in left.result()["upcomingAppointments"]] == booked
        assert len(booked) == 1


def test_a_visit_booked_while_its_doctor_is_deactivated_is_listed_or_was_refused(app: Flask) -> None:
    doctor = factories.make_doctor(factories.every_day("10:00", "15:00"))
    patients = [factories.sign_in(app) for _ in range(10)]
    bodies = [
        factories.booking_body(doctor, appointmentTime=f"{10 + number // 2}:{number % 2 * 30:02}")
        for number in range(10)
    ]

    def book(number: int) -> Any:
        headers = patients[number].headers
        return app.test_client().post("/api/appointments/book", json=bodies[number], headers=headers)

    with ThreadPoolExecutor(11) as threads:
        bookings = [threads.submit(book, number) for number in range(10)]
        left = threads.submit(dismiss, app, app.test_client(), doctor).result()
        answers = [one.result() for one in bookings]

    assert {answer.status_code for answer in answers} <= {201, 404}
    booked = {factories.told(one, 201)["appointment"]["_id"] for one in answers if one.status_code == 201}
    assert {visit["_id"] for visit in left["upcomingAppointments"]} == booked

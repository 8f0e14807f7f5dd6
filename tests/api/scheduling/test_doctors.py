"""The list of bookable doctors, their public profile, and the deactivation of a doctor."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories
from tests.factories import Records

TUESDAY = date(2026, 12, 1)
MIDDAY = factories.every_day("10:00", "12:00")[1:4]  # Tuesday to Thursday
TUESDAYS = [{"day": "tuesday", "start_time": "10:00", "end_time": "10:30"}]


@pytest.fixture(autouse=True)
def nine_in_the_morning() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 12, 1, 3, 30, tzinfo=UTC), tick=True):
        yield


def listed(app: Flask, client: FlaskClient, **query: Any) -> list[str]:
    answer = client.get("/api/users/doctors", query_string=query, headers=factories.sign_in(app).headers)
    return [doctor["name"] for doctor in factories.data_of(answer)["items"]]


def specialist(name: str, specialization: str, week: list[dict[str, Any]] | None = None) -> User:
    doctor = factories.make_user(Role.DOCTOR, name=name, doctor_info={"specialization": specialization})
    scheduling.save_schedule(factories.actor_of(doctor), doctor.id, week or [])
    return doctor


def test_doctors_are_listed_by_name(app: Flask, client: FlaskClient) -> None:
    for name in ("Dr Zoya", "Dr Amit", "Dr Meera"):
        specialist(name, "Cardiology")

    assert listed(app, client) == ["Dr Amit", "Dr Meera", "Dr Zoya"]


@pytest.mark.parametrize("parts", [{"is_active": False}, {"is_verified": False}], ids=str)
def test_doctor_who_is_not_bookable_is_not_listed(app: Flask, client: FlaskClient, parts: dict[str, bool]) -> None:
    doctor = factories.make_doctor([], **parts)
    factories.make_user(Role.RECEPTIONIST)

    assert listed(app, client) == []
    answer = client.get(f"/api/users/doctors/{doctor.id}", headers=factories.sign_in(app).headers)
    assert factories.error_of(answer) == (404, "NOT_FOUND")


def test_doctors_are_filtered_by_specialization(app: Flask, client: FlaskClient) -> None:
    specialist("Dr Amit", "Cardiology")
    specialist("Dr Meera", "Dermatology")

    assert listed(app, client, specialization="Dermatology") == ["Dr Meera"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("meera", ["Dr Meera"]),
        ("DR", ["Dr Amit", "Dr Meera"]),
        ("Dr.Meera", ["Dr Meera"]),
        ("am dr", ["Dr Amit"]),
        (".*", []),
        ("(", []),
        ("M.era", []),
    ],
)
def test_search_matches_beginnings_of_words_in_any_case(
    app: Flask, client: FlaskClient, search: str, found: list[str]
) -> None:
    specialist("Dr Amit", "Cardiology")
    specialist("Dr Meera", "Dermatology")

    assert listed(app, client, search=search) == found


@pytest.mark.parametrize(
    ("day", "found"), [("2026-12-01", ["Dr Amit"]), ("2026-12-02", []), ("2026-11-24", []), ("2027-12-07", [])]
)
def test_doctors_are_filtered_by_a_free_slot_on_a_date(
    app: Flask, client: FlaskClient, day: str, found: list[str]
) -> None:
    specialist("Dr Amit", "Cardiology", TUESDAYS)
    specialist("Dr Meera", "Dermatology")

    assert listed(app, client, date=day) == found


def test_doctor_without_an_upcoming_free_slot_is_not_free_on_that_date(app: Flask, client: FlaskClient) -> None:
    full = specialist("Dr Amit", "Cardiology", TUESDAYS)
    specialist("Dr Meera", "Cardiology", [{"day": "tuesday", "start_time": "09:30", "end_time": "10:00"}])
    factories.make_appointment(doctor=full, day=TUESDAY, time="10:00")
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:30"), tick=True):
        assert listed(app, client, date="2026-12-01") == []


def test_filters_are_combined(app: Flask, client: FlaskClient) -> None:
    specialist("Dr Amit", "Cardiology", TUESDAYS)
    specialist("Dr Anil", "Dermatology", TUESDAYS)
    specialist("Dr Arun", "Cardiology")

    assert listed(app, client, search="Dr A", specialization="Cardiology", date="2026-12-01") == ["Dr Amit"]


def test_list_of_doctors_is_paginated(app: Flask, client: FlaskClient) -> None:
    for letter in "ABCDE":
        specialist(f"Dr {letter}{letter}", "Cardiology")
    query = {"page": "2", "limit": "2"}
    answer = client.get("/api/users/doctors", query_string=query, headers=factories.sign_in(app).headers)

    page = factories.data_of(answer)

    assert [doctor["name"] for doctor in page["items"]] == ["Dr CC", "Dr DD"]
    assert page["pagination"] == {"current": 2, "pages": 3, "total": 5, "limit": 2, "hasNext": True, "hasPrev": True}


def test_public_profile_includes_the_schedule(app: Flask, client: FlaskClient) -> None:
    doctor = specialist("Dr Amit", "Cardiology", TUESDAYS)
    answer = client.get(f"/api/users/doctors/{doctor.id}", headers=factories.sign_in(app).headers)

    found = factories.data_of(answer)["doctor"]

    assert found["doctorInfo"]["schedule"] == [
        {"day": "tuesday", "startTime": "10:00", "endTime": "10:30", "isAvailable": True, "maxPatients": 1}
    ]


def test_patient_is_not_found_as_a_doctor(app: Flask, client: FlaskClient) -> None:
    patient = factories.sign_in(app)

    answer = client.get(f"/api/users/doctors/{patient.user.id}", headers=patient.headers)

    assert factories.error_of(answer) == (404, "NOT_FOUND")


def deactivate(app: Flask, client: FlaskClient, doctor: User) -> Any:
    admin = factories.sign_in(app, factories.make_user(Role.ADMIN))
    return factories.data_of(client.delete(f"/api/users/{doctor.id}", headers=admin.headers))


def test_deactivating_a_doctor_lists_the_upcoming_appointments_soonest_first(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MIDDAY)
    later = factories.make_appointment(doctor=doctor, day=TUESDAY + timedelta(days=2), time="10:00")
    sooner = factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:30")
    cancelled = factories.make_appointment(doctor=doctor, day=TUESDAY, time="11:00")
    transitions.cancel(factories.actor_of(factories.make_user(Role.RECEPTIONIST)), cancelled.id, reason=None)
    factories.make_appointment(day=TUESDAY, doctor=factories.make_doctor(MIDDAY), time="10:00")

    left = deactivate(app, client, doctor)

    assert left["user"]["isActive"] is False
    assert [appointment["_id"] for appointment in left["upcomingAppointments"]] == [str(sooner.id), str(later.id)]


def test_appointments_of_a_deactivated_doctor_can_still_be_confirmed(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MIDDAY)
    appointment = factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:00")

    deactivate(app, client, doctor)

    reception = factories.sign_in(app, factories.make_user(Role.RECEPTIONIST))
    waiting = factories.data_of(client.get("/api/appointments/pending", headers=reception.headers))["items"]
    assert [one["_id"] for one in waiting] == [str(appointment.id)]
    confirmed = transitions.change_status(factories.actor_of(reception.user), appointment.id, Status.CONFIRMED)
    assert confirmed.status is Status.CONFIRMED


def test_deactivating_a_patient_lists_no_upcoming_appointments(app: Flask, client: FlaskClient) -> None:
    appointment = factories.make_appointment(day=TUESDAY, time="10:00")

    assert deactivate(app, client, User.objects.get(id=appointment.patient_id))["upcomingAppointments"] == []


def test_deactivated_doctor_cannot_be_booked(app: Flask, client: FlaskClient, database: Records) -> None:
    doctor = factories.make_doctor()
    deactivate(app, client, doctor)

    answer = client.post(
        "/api/appointments/book", json=factories.booking_body(doctor), headers=factories.sign_in(app).headers
    )

    assert factories.error_of(answer) == (404, "NOT_FOUND")
    assert database.appointments.count_documents({}) == 0


def test_reactivated_doctor_can_be_booked_at_once(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MIDDAY)
    factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:00")
    deactivate(app, client, doctor)
    admin = factories.sign_in(app, factories.make_user(Role.ADMIN))

    factories.data_of(
        client.put(
            f"/api/users/{doctor.id}/status",
            json={"isActive": True, "reason": "Back from leave"},
            headers=admin.headers,
        )
    )

    assert factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:30").status is Status.PENDING
    assert list(consistency.violations()) == []


def test_deactivating_a_doctor_blocks_the_upcoming_slots(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(MIDDAY)

    deactivate(app, client, doctor)

    assert Slot.objects(doctor=doctor.id, is_available=True).count() == 0
    assert list(consistency.violations()) == []


def test_booking_during_a_deactivation_is_listed_or_refused(app: Flask) -> None:
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
        left = threads.submit(deactivate, app, app.test_client(), doctor).result()
        answers = [one.result() for one in bookings]

    assert {answer.status_code for answer in answers} <= {201, 404}
    booked = {factories.data_of(one, 201)["appointment"]["_id"] for one in answers if one.status_code == 201}
    assert {appointment["_id"] for appointment in left["upcomingAppointments"]} == booked

"""Lists, details and statistics of appointments, and which of them each role sees."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.rules import Status
from arthomed.core.permissions import Role
from tests import factories
from tests.api.appointments.clinic import DAY, TUESDAY, Clinic, move, sign_in_staff
from tests.factories import SignedIn

pytestmark = pytest.mark.usefixtures("database", "monday_evening")

Query = dict[str, str]
Expected = Callable[[Clinic], list[str]]


def ids(client: FlaskClient, caller: SignedIn, path: str = "", **query: object) -> list[str]:
    response = client.get(f"/api/appointments{path}", query_string=query, headers=caller.headers)
    return [appointment["_id"] for appointment in factories.data_of(response)["items"]]


def test_patient_lists_their_own_appointments_latest_first(client: FlaskClient, clinic: Clinic) -> None:
    assert ids(client, clinic.asha, "/my-appointments") == [clinic.third, clinic.second, clinic.first]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "confirmed"}, lambda clinic: [clinic.second]),
        ({"status": "no-show"}, lambda _: []),
        ({"startDate": "2026-12-02"}, lambda clinic: [clinic.third, clinic.second]),
        ({"endDate": "2026-12-02"}, lambda clinic: [clinic.second, clinic.first]),
        ({"startDate": "2026-12-02", "endDate": "2026-12-02"}, lambda clinic: [clinic.second]),
        ({"startDate": "2026-12-03", "endDate": "2026-12-02"}, lambda _: []),
        ({"when": "upcoming"}, lambda clinic: [clinic.first, clinic.second, clinic.third]),
        ({"when": "past"}, lambda _: []),
        ({"when": "upcoming", "status": "cancelled"}, lambda clinic: [clinic.third]),
        ({"limit": "2"}, lambda clinic: [clinic.third, clinic.second]),
        ({"limit": "2", "page": "2"}, lambda clinic: [clinic.first]),
        ({"page": "9"}, lambda _: []),
    ],
)
def test_own_list_is_filtered_and_paginated(
    client: FlaskClient, clinic: Clinic, query: Query, expected: Expected
) -> None:
    assert ids(client, clinic.asha, "/my-appointments", **query) == expected(clinic)


@pytest.mark.parametrize(
    ("at", "upcoming", "past"),
    [("08:59", True, False), ("09:00", True, False), ("09:01", False, True)],
)
def test_appointment_is_past_after_its_start(
    app: Flask, client: FlaskClient, at: str, *, upcoming: bool, past: bool
) -> None:
    person = factories.make_user()
    appointment = factories.make_appointment(person, factories.make_doctor(DAY), day=TUESDAY)
    with time_machine.travel(factories.at_clinic(TUESDAY, at), tick=False):
        patient = factories.sign_in(app, person)
        found = {when: ids(client, patient, "/my-appointments", when=when) for when in ("upcoming", "past")}

    assert found == {"upcoming": [str(appointment.id)] * upcoming, "past": [str(appointment.id)] * past}


def test_page_has_its_position_and_the_total(client: FlaskClient, clinic: Clinic) -> None:
    query = {"limit": "2", "page": "2"}
    response = client.get("/api/appointments/my-appointments", query_string=query, headers=clinic.asha.headers)

    assert factories.data_of(response)["pagination"] == {
        "current": 2,
        "pages": 2,
        "total": 3,
        "limit": 2,
        "hasNext": False,
        "hasPrev": True,
    }


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"limit": "0"},
        {"limit": "101"},
        {"page": "x"},
        {"status": "open"},
        {"when": "now"},
        {"startDate": "1.12.2026"},
        {"doctorId": "672b1234a1b2c3d4e5f60718"},
        {"patient": "me"},
    ],
    ids=str,
)
def test_invalid_query_of_the_own_list_is_refused(app: Flask, client: FlaskClient, query: dict[str, str]) -> None:
    path, headers = "/api/appointments/my-appointments", factories.sign_in(app).headers
    assert factories.error_of(client.get(path, query_string=query, headers=headers)) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("role", [Role.RECEPTIONIST, Role.ADMIN])
def test_receptionist_and_admin_list_all_appointments_latest_first(
    app: Flask, client: FlaskClient, clinic: Clinic, role: Role
) -> None:
    assert ids(client, sign_in_staff(app, role)) == [
        clinic.third,
        clinic.second,
        clinic.ravis_appointment,
        clinic.first,
    ]


def test_doctor_lists_only_their_own_appointments(app: Flask, client: FlaskClient, clinic: Clinic) -> None:
    doctor = factories.sign_in(app, clinic.other_doctor)

    assert ids(client, doctor) == [clinic.second]


def test_doctor_cannot_list_appointments_of_another_doctor(app: Flask, client: FlaskClient, clinic: Clinic) -> None:
    doctor = factories.sign_in(app, clinic.other_doctor)

    assert ids(client, doctor, doctorId=clinic.doctor.id) == []


def test_receptionist_filters_by_doctor_and_patient(app: Flask, client: FlaskClient, clinic: Clinic) -> None:
    receptionist, asha, doctor = sign_in_staff(app), clinic.asha.user.id, clinic.doctor.id

    assert ids(client, receptionist, doctorId=doctor) == [clinic.third, clinic.ravis_appointment, clinic.first]
    assert ids(client, receptionist, patientId=asha) == [clinic.third, clinic.second, clinic.first]
    assert ids(client, receptionist, patientId=asha, doctorId=doctor, status="pending") == [clinic.first]


def test_pending_appointments_are_listed_in_the_order_of_booking(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(DAY)
    pending = [factories.make_appointment(doctor=doctor, day=TUESDAY + timedelta(days=ahead)) for ahead in (2, 0, 1)]
    move(factories.make_appointment(doctor=doctor, day=TUESDAY, time="10:00"), Status.CONFIRMED)

    assert ids(client, sign_in_staff(app), "/pending") == [str(appointment.id) for appointment in pending]


def test_list_of_pending_appointments_is_paginated(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(DAY)
    pending = [factories.make_appointment(doctor=doctor, day=TUESDAY + timedelta(days=ahead)) for ahead in range(3)]

    assert ids(client, sign_in_staff(app), "/pending", page=2, limit=2) == [str(pending[2].id)]


@pytest.mark.parametrize(
    ("role", "status"),
    [
        ("owner", 200),
        ("stranger", 404),
        ("doctor", 200),
        ("another doctor", 404),
        ("receptionist", 200),
        ("admin", 200),
    ],
)
def test_appointment_is_read_by_its_patient_its_doctor_receptionists_and_admins(
    app: Flask, client: FlaskClient, clinic: Clinic, role: str, status: int
) -> None:
    callers: dict[str, Callable[[], SignedIn]] = {
        "owner": lambda: clinic.asha,
        "stranger": lambda: clinic.ravi,
        "doctor": lambda: factories.sign_in(app, clinic.doctor),
        "another doctor": lambda: factories.sign_in(app, clinic.other_doctor),
        "receptionist": lambda: sign_in_staff(app),
        "admin": lambda: sign_in_staff(app, Role.ADMIN),
    }

    assert client.get(f"/api/appointments/{clinic.first}", headers=callers[role]().headers).status_code == status


def test_unknown_appointment_is_not_found(app: Flask, client: FlaskClient) -> None:
    response = client.get(f"/api/appointments/{ObjectId()}", headers=sign_in_staff(app).headers)

    assert factories.error_of(response) == (404, "NOT_FOUND")


def test_statistics_count_the_appointments_that_the_caller_may_see(
    app: Flask, client: FlaskClient, clinic: Clinic
) -> None:
    def stats(caller: SignedIn) -> tuple[int, int, dict[str, int]]:
        found = factories.data_of(client.get("/api/appointments/stats", headers=caller.headers))
        return found["total"], found["upcoming"], {name: n for name, n in found["byStatus"].items() if n}

    assert stats(clinic.asha) == (3, 2, {"pending": 1, "confirmed": 1, "cancelled": 1})
    assert stats(factories.sign_in(app, clinic.other_doctor)) == (1, 1, {"confirmed": 1})
    assert stats(sign_in_staff(app)) == (4, 3, {"pending": 2, "confirmed": 1, "cancelled": 1})


@pytest.mark.parametrize(
    ("days", "total"),
    [
        ({"startDate": "2026-12-01", "endDate": "2026-12-01"}, 2),
        ({"startDate": "2026-12-02"}, 2),
        ({"endDate": "2026-12-02"}, 3),
        ({"startDate": "2026-12-04"}, 0),
        ({"startDate": "2026-12-03", "endDate": "2026-12-01"}, 0),
    ],
    ids=str,
)
def test_statistics_count_the_appointments_of_a_range_of_days(
    app: Flask, client: FlaskClient, clinic: Clinic, days: dict[str, str], total: int
) -> None:
    del clinic  # its appointments
    response = client.get("/api/appointments/stats", query_string=days, headers=sign_in_staff(app).headers)

    found = factories.data_of(response)
    assert (found["total"], sum(found["byStatus"].values())) == (total, total)


def test_statistics_count_only_the_upcoming_appointments_of_the_range(
    app: Flask, client: FlaskClient, clinic: Clinic
) -> None:
    del clinic  # its appointments
    query = {"startDate": "2026-12-02", "endDate": "2026-12-03"}
    response = client.get("/api/appointments/stats", query_string=query, headers=sign_in_staff(app).headers)

    assert factories.data_of(response)["upcoming"] == 1


@pytest.mark.parametrize("query", [{"startDate": "yesterday"}, {"from": "2026-12-01"}], ids=str)
def test_statistics_refuse_what_is_no_range(app: Flask, client: FlaskClient, query: dict[str, str]) -> None:
    response = client.get("/api/appointments/stats", query_string=query, headers=sign_in_staff(app).headers)

    assert factories.invalid_fields(response) == list(query)


@pytest.mark.parametrize("path", ["/api/users/stats", "/api/users/profile", "/api/auth/me", "/api/auth/sessions"])
def test_a_route_without_parameters_refuses_them(app: Flask, client: FlaskClient, path: str) -> None:
    admin = sign_in_staff(app, Role.ADMIN)

    response = client.get(path, query_string={"startDate": "2026-12-01"}, headers=admin.headers)

    assert factories.invalid_fields(response) == ["startDate"]

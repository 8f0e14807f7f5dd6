"""Lists of visits, who sees which, and what may be edited about them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import transitions
from arthomed.core.permissions import Role
from arthomed.users.models import User
from tests import factories
from tests.factories import SignedIn
from tests.stack import wait_for

TUESDAY = date(2026, 12, 1)
Records = Database[dict[str, Any]]
DAY = factories.every_day("09:00", "12:00")[1:4]  # Tuesday to Thursday

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def monday_evening() -> Iterator[None]:
    with time_machine.travel(datetime(2026, 11, 30, 14, 0, tzinfo=UTC), tick=True):
        yield


def staff(app: Flask, role: Role = Role.RECEPTIONIST) -> SignedIn:
    return factories.sign_in(app, factories.make_user(role))


def become(visit: Appointment, *path: Status) -> Appointment:
    """The visit after an admin moved it along."""
    admin = factories.acting(factories.make_user(Role.ADMIN))
    for status in path:
        transitions.change_status(admin, visit.id, status, reason="As agreed")
    return visit


def ids(client: FlaskClient, who: SignedIn, path: str = "", **query: object) -> list[str]:
    answer = client.get(f"/api/appointments{path}", query_string=query, headers=who.headers)
    return [visit["_id"] for visit in factories.told(answer)["items"]]


@dataclass
class Clinic:
    """Asha has visits on three days with two doctors; Ravi has one."""

    asha: SignedIn
    ravi: SignedIn
    doctor: User
    other_doctor: User
    first: str
    second: str
    third: str
    ravis: str


@pytest.fixture
def clinic(app: Flask) -> Clinic:
    asha, ravi = factories.sign_in(app), factories.sign_in(app)
    doctor, other = factories.make_doctor(DAY), factories.make_doctor(DAY)
    first = factories.make_visit(asha.user, doctor, day=TUESDAY)
    second = become(factories.make_visit(asha.user, other, day=TUESDAY + timedelta(days=1)), Status.CONFIRMED)
    third = become(factories.make_visit(asha.user, doctor, day=TUESDAY + timedelta(days=2)), Status.CANCELLED)
    ravis = factories.make_visit(ravi.user, doctor, day=TUESDAY, time="10:00")
    return Clinic(asha, ravi, doctor, other, *(str(one.id) for one in (first, second, third, ravis)))


def test_patients_list_their_own_visits_latest_first(client: FlaskClient, clinic: Clinic) -> None:
    assert ids(client, clinic.asha, "/my-appointments") == [clinic.third, clinic.second, clinic.first]


Query = dict[str, str]
Expected = Callable[[Clinic], list[str]]


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
def test_filters_and_pages_narrow_ones_own_list(
    client: FlaskClient, clinic: Clinic, query: Query, expected: Expected
) -> None:
    assert ids(client, clinic.asha, "/my-appointments", **query) == expected(clinic)


@pytest.mark.parametrize(
    ("at", "upcoming", "past"),
    [("08:59", True, False), ("09:00", True, False), ("09:01", False, True)],
)
def test_a_visit_is_past_once_it_has_started(
    app: Flask, client: FlaskClient, at: str, *, upcoming: bool, past: bool
) -> None:
    person = factories.make_user()
    visit = factories.make_visit(person, factories.make_doctor(DAY), day=TUESDAY)
    with time_machine.travel(factories.at_clinic(TUESDAY, at), tick=False):
        patient = factories.sign_in(app, person)
        found = {when: ids(client, patient, "/my-appointments", when=when) for when in ("upcoming", "past")}

    assert found == {"upcoming": [str(visit.id)] * upcoming, "past": [str(visit.id)] * past}


def test_a_page_says_where_it_stands(client: FlaskClient, clinic: Clinic) -> None:
    query = {"limit": "2", "page": "2"}
    answer = client.get("/api/appointments/my-appointments", query_string=query, headers=clinic.asha.headers)

    assert factories.told(answer)["pagination"] == {
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
def test_a_malformed_question_about_ones_own_visits_is_refused(
    app: Flask, client: FlaskClient, query: dict[str, str]
) -> None:
    path, headers = "/api/appointments/my-appointments", factories.sign_in(app).headers
    assert factories.refused(client.get(path, query_string=query, headers=headers)) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("role", [Role.RECEPTIONIST, Role.ADMIN])
def test_the_desk_lists_all_visits_latest_first(app: Flask, client: FlaskClient, clinic: Clinic, role: Role) -> None:
    assert ids(client, staff(app, role)) == [clinic.third, clinic.second, clinic.ravis, clinic.first]


def test_a_doctor_lists_their_own_visits_only(app: Flask, client: FlaskClient, clinic: Clinic) -> None:
    doctor = factories.sign_in(app, clinic.other_doctor)

    assert ids(client, doctor) == [clinic.second]


def test_a_doctor_cannot_ask_for_another_doctors_visits(app: Flask, client: FlaskClient, clinic: Clinic) -> None:
    doctor = factories.sign_in(app, clinic.other_doctor)

    assert ids(client, doctor, doctorId=clinic.doctor.id) == []


def test_the_desk_filters_by_doctor_and_patient(app: Flask, client: FlaskClient, clinic: Clinic) -> None:
    desk, asha, doctor = staff(app), clinic.asha.user.id, clinic.doctor.id

    assert ids(client, desk, doctorId=doctor) == [clinic.third, clinic.ravis, clinic.first]
    assert ids(client, desk, patientId=asha) == [clinic.third, clinic.second, clinic.first]
    assert ids(client, desk, patientId=asha, doctorId=doctor, status="pending") == [clinic.first]


def test_requests_wait_in_the_order_they_came(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(DAY)
    came = [factories.make_visit(doctor=doctor, day=TUESDAY + timedelta(days=ahead)) for ahead in (2, 0, 1)]
    become(factories.make_visit(doctor=doctor, day=TUESDAY, time="10:00"), Status.CONFIRMED)

    assert ids(client, staff(app), "/pending") == [str(visit.id) for visit in came]


def test_the_list_of_requests_comes_in_pages(app: Flask, client: FlaskClient) -> None:
    doctor = factories.make_doctor(DAY)
    came = [factories.make_visit(doctor=doctor, day=TUESDAY + timedelta(days=ahead)) for ahead in range(3)]

    assert ids(client, staff(app), "/pending", page=2, limit=2) == [str(came[2].id)]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("owner", 200),
        ("stranger", 404),
        ("doctor", 200),
        ("another doctor", 404),
        ("receptionist", 200),
        ("admin", 200),
    ],
)
def test_a_visit_is_read_by_its_people_and_the_desk(
    app: Flask, client: FlaskClient, clinic: Clinic, who: str, status: int
) -> None:
    callers: dict[str, Callable[[], SignedIn]] = {
        "owner": lambda: clinic.asha,
        "stranger": lambda: clinic.ravi,
        "doctor": lambda: factories.sign_in(app, clinic.doctor),
        "another doctor": lambda: factories.sign_in(app, clinic.other_doctor),
        "receptionist": lambda: staff(app),
        "admin": lambda: staff(app, Role.ADMIN),
    }

    assert client.get(f"/api/appointments/{clinic.first}", headers=callers[who]().headers).status_code == status


def test_a_visit_nobody_knows_is_not_found(app: Flask, client: FlaskClient) -> None:
    answer = client.get(f"/api/appointments/{ObjectId()}", headers=staff(app).headers)

    assert factories.refused(answer) == (404, "NOT_FOUND")


def test_statistics_count_what_the_caller_may_know_of(app: Flask, client: FlaskClient, clinic: Clinic) -> None:
    def stats(who: SignedIn) -> tuple[int, int, dict[str, int]]:
        found = factories.told(client.get("/api/appointments/stats", headers=who.headers))
        return found["total"], found["upcoming"], {name: n for name, n in found["byStatus"].items() if n}

    assert stats(clinic.asha) == (3, 2, {"pending": 1, "confirmed": 1, "cancelled": 1})
    assert stats(factories.sign_in(app, clinic.other_doctor)) == (1, 1, {"confirmed": 1})
    assert stats(staff(app)) == (4, 3, {"pending": 2, "confirmed": 1, "cancelled": 1})


def edit(client: FlaskClient, who: SignedIn, visit_id: object, **changes: Any) -> Any:
    return client.put(f"/api/appointments/{visit_id}", json=changes, headers=who.headers)


@pytest.mark.parametrize(
    ("role", "changes"),
    [
        (Role.PATIENT, {"reason": "Fever", "symptoms": "Since Sunday"}),
        (Role.DOCTOR, {"notes": "120/80", "prescription": "Paracetamol"}),
        (Role.RECEPTIONIST, {"purposeOfVisit": "check-up", "reason": "Fever"}),
        (Role.ADMIN, {"purposeOfVisit": "check-up", "reason": "Fever"}),
    ],
)
def test_each_role_edits_its_fields_and_the_rest_stays(
    app: Flask, client: FlaskClient, role: Role, changes: dict[str, str]
) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(DAY)
    visit = factories.make_visit(patient.user, doctor)
    who = {Role.PATIENT: lambda: patient, Role.DOCTOR: lambda: factories.sign_in(app, doctor)}
    before = factories.told(client.get(f"/api/appointments/{visit.id}", headers=patient.headers))["appointment"]

    caller = who.get(role, lambda: staff(app, role))()
    after = factories.told(edit(client, caller, visit.id, **changes))["appointment"]

    assert after == {**before, **changes, "updatedAt": after["updatedAt"]}
    assert after["updatedAt"] > before["updatedAt"]


@pytest.mark.parametrize(
    ("role", "field"),
    [
        (Role.PATIENT, "notes"),
        (Role.PATIENT, "prescription"),
        (Role.PATIENT, "purposeOfVisit"),
        (Role.DOCTOR, "reason"),
        (Role.DOCTOR, "symptoms"),
        (Role.RECEPTIONIST, "notes"),
        (Role.RECEPTIONIST, "symptoms"),
        (Role.ADMIN, "prescription"),
    ],
)
def test_the_fields_of_another_role_are_refused(app: Flask, client: FlaskClient, role: Role, field: str) -> None:
    patient, doctor = factories.sign_in(app), factories.make_doctor(DAY)
    visit = factories.make_visit(patient.user, doctor)
    who = {Role.PATIENT: lambda: patient, Role.DOCTOR: lambda: factories.sign_in(app, doctor)}
    caller = who.get(role, lambda: staff(app, role))()

    assert factories.refused(edit(client, caller, visit.id, **{field: "Words"})) == (403, "PERMISSION_DENIED")
    assert Appointment.objects.get(id=visit.id).updated_at == visit.updated_at


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "confirmed"},
        {"appointmentDate": "2026-12-02"},
        {"doctorId": "672b1234a1b2c3d4e5f60718"},
        {"paymentInfo": {"amount": 0}},
        {"reason": None},
        {"reason": "x" * 501},
        {"history": []},
    ],
    ids=str,
)
def test_status_date_people_and_money_are_never_edited(
    app: Flask, client: FlaskClient, changes: dict[str, Any]
) -> None:
    visit = factories.make_visit(doctor=factories.make_doctor(DAY))

    answer = edit(client, staff(app, Role.ADMIN), visit.id, **changes)

    assert factories.refused(answer) == (400, "VALIDATION_ERROR")


def test_a_patient_edits_a_visit_before_its_confirmation_only(client: FlaskClient, clinic: Clinic) -> None:
    assert factories.refused(edit(client, clinic.asha, clinic.second, reason="Fever")) == (400, "TOO_LATE")


@pytest.mark.parametrize("who", ["ravi", "another doctor"])
def test_nobody_edits_a_visit_that_is_not_theirs(app: Flask, client: FlaskClient, clinic: Clinic, who: str) -> None:
    caller = clinic.ravi if who == "ravi" else factories.sign_in(app, clinic.other_doctor)
    changes = {"reason": "Fever"} if who == "ravi" else {"notes": "120/80"}

    assert factories.refused(edit(client, caller, clinic.first, **changes)) == (404, "NOT_FOUND")


def test_symptoms_can_be_taken_back(client: FlaskClient, clinic: Clinic) -> None:
    factories.told(edit(client, clinic.asha, clinic.first, symptoms="Cough"))

    assert factories.told(edit(client, clinic.asha, clinic.first, symptoms=None))["appointment"]["symptoms"] is None


def transactions_given_up(database: Records) -> int:
    """How many had to make way for another so far."""
    given_up: int = database.client.admin.command("serverStatus")["transactions"]["totalAborted"]
    return given_up


def test_an_edit_that_a_confirmation_overtakes_is_too_late(app: Flask, database: Records) -> None:
    patient = factories.sign_in(app)
    visit = factories.make_visit(patient.user, factories.make_doctor(DAY))
    before = transactions_given_up(database)
    with ThreadPoolExecutor(1) as thread, database.client.start_session() as session, session.start_transaction():
        confirmed = {"$set": {"status": "confirmed"}}
        database.appointments.update_one({"_id": visit.id}, confirmed, session=session)
        answer = thread.submit(edit, app.test_client(), patient, visit.id, reason="Fever")
        wait_for(lambda: answer.done() or transactions_given_up(database) > before, what="the two to meet")
        session.commit_transaction()

        assert factories.refused(answer.result()) == (400, "TOO_LATE")


def test_an_edit_that_meets_a_confirmation_is_done_before_it_or_too_late(app: Flask) -> None:
    doctor, desk = factories.make_doctor(factories.every_day("09:00", "15:00")[1:2]), staff(app)
    patients = [factories.sign_in(app) for _ in range(6)]
    visits = [
        factories.make_visit(one.user, doctor, time=f"{9 + number}:00".zfill(5)) for number, one in enumerate(patients)
    ]

    def words(number: int) -> tuple[int, str]:
        return factories.refused(edit(app.test_client(), patients[number], visits[number].id, reason="Fever"))

    with ThreadPoolExecutor(12) as threads:
        edits = [threads.submit(words, number) for number in range(6)]
        moves = [
            threads.submit(transitions.change_status, factories.acting(desk.user), visit.id, Status.CONFIRMED)
            for visit in visits
        ]
        assert {one.result().status for one in moves} == {Status.CONFIRMED}
        answers = [one.result() for one in edits]

    assert set(answers) <= {(200, ""), (400, "TOO_LATE")}
    for visit, answer in zip(visits, answers, strict=True):
        assert (Appointment.objects.get(id=visit.id).reason == "Fever") is (answer[0] == 200)

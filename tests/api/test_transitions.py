"""What becomes of a visit over HTTP: every row of the table, its history, its seat, and who wins at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from arthomed.scheduling.models import Slot
from arthomed.users.models import User
from tests import factories

TUESDAY = date(2026, 12, 1)
DAY = factories.every_day("09:00", "12:00")[1:2]  # Tuesdays
Records = Database[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def seven_on_tuesday() -> Iterator[None]:
    """Seven o'clock at the clinic, two hours before the first slot."""
    with time_machine.travel(datetime(2026, 12, 1, 1, 30, tzinfo=UTC), tick=True):
        yield


@dataclass
class Case:
    """A visit at nine on Tuesday, and one person of each role who may know of it."""

    app: Flask
    visit: Appointment
    people: dict[Role, User]

    def put(self, role: Role, status: str, at: str | None = None, **body: Any) -> TestResponse:
        """Ask for a status as that role, at a time of Tuesday."""
        return self._put(role, "status", {"status": status, **body}, at)

    def cancel(self, role: Role, at: str | None = None, **body: Any) -> TestResponse:
        return self._put(role, "cancel", body, at)

    def _put(self, role: Role, path: str, body: dict[str, Any], at: str | None) -> TestResponse:
        moment = clock.now() if at is None else factories.at_clinic(TUESDAY, at)
        with time_machine.travel(moment, tick=True):
            headers = factories.sign_in(self.app, self.people[role]).headers
            url = f"/api/appointments/{self.visit.id}/{path}"
            return self.app.test_client().put(url, json=body, headers=headers)

    @property
    def slot(self) -> Slot:
        found: Slot = Slot.objects.get(id=self.visit.slot)
        return found

    @property
    def status(self) -> Status:
        found: Status = Appointment.objects.get(id=self.visit.id).status
        return found


@pytest.fixture
def case(app: Flask) -> Case:
    return make_case(app)


def make_case(app: Flask, week: list[dict[str, Any]] = DAY, time: str = "09:00") -> Case:
    people = {role: factories.make_user(role) for role in (Role.PATIENT, Role.RECEPTIONIST, Role.ADMIN)}
    people[Role.DOCTOR] = factories.make_doctor(week)
    visit = factories.make_visit(people[Role.PATIENT], people[Role.DOCTOR], day=TUESDAY, time=time)
    return Case(app, visit, people)


P, D, R, A = Role.PATIENT, Role.DOCTOR, Role.RECEPTIONIST, Role.ADMIN
CONFIRM = (R, "confirmed", "06:50")
START = (D, "in-progress", "09:00")
MISS = (R, "no-show", "09:30")
Step = tuple[Role, str, str]


@pytest.mark.parametrize(
    ("before", "step"),
    [
        *(([], (role, "confirmed", "09:29")) for role in (R, A)),
        *(([], (role, "rejected", "08:00")) for role in (R, A)),
        *(([], (role, "cancelled", "08:00")) for role in (P, R, A)),
        *(([CONFIRM], (role, "in-progress", "08:55")) for role in (D, A)),
        ([CONFIRM], (P, "cancelled", "06:55")),
        *(([CONFIRM], (role, "cancelled", "09:10")) for role in (D, R, A)),
        *(([CONFIRM], (role, "no-show", "09:05")) for role in (D, R, A)),
        *(([CONFIRM, MISS], (role, "confirmed", "23:59")) for role in (R, A)),
        *(([CONFIRM, START], (role, "completed", "09:20")) for role in (D, A)),
        *(([CONFIRM, START], (role, "cancelled", "09:20")) for role in (D, A)),
    ],
    ids=str,
)
def test_a_step_of_the_table_is_made_by_whom_it_names_and_written_down(
    case: Case, before: list[Step], step: Step
) -> None:
    for role, status, at in before:
        factories.told(case.put(role, status, at, reason="As agreed"))
    role, status, at = step

    visit = factories.told(case.put(role, status, at, reason="As agreed"))["appointment"]

    steps = [None, "pending", *(one[1] for one in before), status]
    assert visit["status"] == status
    assert [(one["from"], one["to"]) for one in visit["history"]] == list(pairwise(steps))
    last = visit["history"][-1]
    assert (last["by"], last["reason"]) == (str(case.people[role].id), "As agreed")
    assert last["at"].startswith(clock.iso(factories.at_clinic(TUESDAY, at))[:15])
    assert case.slot.booked_patients == (status in ("confirmed", "in-progress"))
    assert list(consistency.violations()) == []


@pytest.mark.parametrize(
    ("before", "step", "refusal"),
    [
        ([], (P, "confirmed", "07:00"), (403, "PERMISSION_DENIED")),
        ([], (D, "confirmed", "07:00"), (403, "PERMISSION_DENIED")),
        ([], (R, "confirmed", "09:30"), (400, "TOO_LATE")),
        ([], (R, "completed", "09:10"), (400, "INVALID_STATUS_TRANSITION")),
        ([], (A, "no-show", "10:40"), (400, "INVALID_STATUS_TRANSITION")),
        ([CONFIRM], (R, "confirmed", "07:05"), (400, "INVALID_STATUS_TRANSITION")),
        ([CONFIRM], (A, "rejected", "07:05"), (400, "INVALID_STATUS_TRANSITION")),
        ([CONFIRM], (P, "cancelled", "07:01"), (400, "TOO_LATE")),
        ([CONFIRM], (P, "in-progress", "09:00"), (403, "PERMISSION_DENIED")),
        ([CONFIRM], (R, "no-show", "08:59"), (400, "INVALID_STATUS_TRANSITION")),
        ([CONFIRM, START], (R, "completed", "09:20"), (403, "PERMISSION_DENIED")),
        ([CONFIRM, START], (P, "cancelled", "09:20"), (403, "PERMISSION_DENIED")),
        ([(R, "cancelled", "07:00")], (A, "confirmed", "07:05"), (400, "INVALID_STATUS_TRANSITION")),
        ([(R, "cancelled", "07:00")], (A, "cancelled", "07:05"), (400, "INVALID_STATUS_TRANSITION")),
        ([], (A, "pending", "07:00"), (400, "INVALID_STATUS_TRANSITION")),
        ([], (A, "done", "07:00"), (400, "VALIDATION_ERROR")),
    ],
    ids=str,
)
def test_a_step_beside_the_table_is_refused_and_changes_nothing(
    case: Case, before: list[Step], step: Step, refusal: tuple[int, str]
) -> None:
    for role, status, at in before:
        factories.told(case.put(role, status, at))
    known, slot = Appointment.objects.get(id=case.visit.id).to_mongo(), case.slot.to_mongo()

    role, status, at = step

    assert factories.refused(case.put(role, status, at, reason="As agreed")) == refusal
    assert (Appointment.objects.get(id=case.visit.id).to_mongo(), case.slot.to_mongo()) == (known, slot)


@pytest.mark.parametrize(("before", "status"), [([], "rejected"), ([CONFIRM, START], "cancelled")], ids=str)
def test_a_step_that_needs_a_reason_is_refused_without(case: Case, before: list[Step], status: str) -> None:
    for role, done, at in before:
        factories.told(case.put(role, done, at))

    answer = case.put(A, status, "09:10")

    assert factories.fields_refused(answer) == ["reason"]


@pytest.mark.parametrize("role", [P, D])
def test_the_visits_of_others_are_not_found(app: Flask, case: Case, role: Role) -> None:
    other = make_case(app)
    other.visit = case.visit

    assert factories.refused(other.put(role, "cancelled")) == (404, "NOT_FOUND")
    assert factories.refused(other.cancel(role)) == (404, "NOT_FOUND")


def test_notes_and_prescription_come_with_the_completion(case: Case) -> None:
    for role, status, at in (CONFIRM, START):
        factories.told(case.put(role, status, at))

    done = factories.told(case.put(D, "completed", "09:20", notes="120/80", prescription="Rest"))["appointment"]

    assert (done["notes"], done["prescription"]) == ("120/80", "Rest")


@pytest.mark.parametrize("field", ["notes", "prescription"])
def test_notes_and_prescription_come_with_no_other_step(case: Case, field: str) -> None:
    assert factories.refused(case.put(R, "confirmed", **{field: "Words"})) == (400, "VALIDATION_ERROR")
    assert case.status is Status.PENDING


@pytest.mark.parametrize(
    ("role", "days_ahead", "amount", "status"),
    [(P, 7, 501, "pending"), (P, 0, 250, "pending"), (R, 0, 501, "pending"), (D, 7, 501, "pending")],
)
def test_cancelling_tells_what_is_refunded(app: Flask, role: Role, days_ahead: int, amount: int, status: str) -> None:
    case = make_case(app, factories.every_day("12:00", "13:00")[1:2], "12:00")
    database_fee(case.visit, 501)
    factories.told(case.put(*CONFIRM))
    moment = factories.at_clinic(TUESDAY, "07:00") - timedelta(days=days_ahead)

    with time_machine.travel(moment, tick=True):
        answer = factories.told(case.cancel(role, reason="Well again"))

    info, told = answer["refundInfo"], answer["appointment"]["cancellation"]
    assert (info["refundAmount"], info["refundStatus"]) == (amount, status)
    assert info["refundDate"] is told["refundDate"] is None
    assert (told["by"], told["reason"]) == (str(case.people[role].id), "Well again")


def database_fee(visit: Appointment, fee: int) -> None:
    Appointment.objects(id=visit.id).update(set__payment__amount=fee)


def test_nothing_is_refunded_of_a_visit_that_cost_nothing(app: Flask) -> None:
    case = make_case(app)
    database_fee(case.visit, 0)

    info = factories.told(case.cancel(R))["refundInfo"]

    assert info == {"refundAmount": 0, "refundStatus": "none", "refundDate": None}


def test_a_cancellation_needs_no_body(app: Flask, client: FlaskClient, case: Case) -> None:
    patient = factories.sign_in(app, case.people[P])

    answer = client.put(f"/api/appointments/{case.visit.id}/cancel", headers=patient.headers)

    assert factories.told(answer)["appointment"]["status"] == "cancelled"


def test_cancelling_frees_the_seat_at_once(case: Case) -> None:
    factories.told(case.cancel(P))

    again = factories.make_visit(doctor=case.people[D], day=TUESDAY)

    assert (again.slot, again.seat) == (case.visit.slot, case.visit.seat)


def test_cancelling_frees_no_seat_of_another(app: Flask) -> None:
    case = make_case(app, factories.every_day("09:00", "10:00", max_patients=2))
    other = factories.make_visit(doctor=case.people[D], day=TUESDAY)
    factories.told(case.cancel(P))

    assert case.slot.taken_seats == [other.seat]


def test_a_no_show_undone_the_same_day_takes_its_seat_again(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    assert case.slot.taken_seats == []

    factories.told(case.put(R, "confirmed", "11:00"))

    assert (case.status, case.slot.taken_seats) == (Status.CONFIRMED, [1])
    assert list(consistency.violations()) == []


def test_a_no_show_is_not_undone_the_next_day(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    with time_machine.travel(datetime(2026, 12, 1, 18, 30, tzinfo=UTC), tick=True):
        assert factories.refused(case.put(R, "confirmed")) == (400, "INVALID_STATUS_TRANSITION")


def test_a_no_show_is_undone_though_the_hours_have_changed(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "10:00"), tick=True):
        scheduling.save_schedule(factories.acting(case.people[D]), case.people[D].id, [])

    assert factories.told(case.put(A, "confirmed", "10:30"))["appointment"]["status"] == "confirmed"
    assert list(consistency.violations()) == []


def test_a_no_show_is_not_undone_when_the_seat_is_taken_by_then(case: Case, database: Records) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    taken = {"takenSeats": [1], "bookedPatients": 1, "isAvailable": False}
    database.slots.update_one({"_id": case.visit.slot}, {"$set": taken})

    assert factories.refused(case.put(R, "confirmed", "10:00")) == (400, "SLOT_UNAVAILABLE")
    assert case.status is Status.NO_SHOW


def test_a_no_show_is_not_undone_when_the_patient_has_another_visit_in_its_place(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.told(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:40"), tick=True):
        factories.make_visit(case.people[P], case.people[D], day=TUESDAY, time="11:00")

    assert factories.refused(case.put(R, "confirmed", "10:00")) == (400, "DUPLICATE_VALUE")
    assert (case.status, case.slot.taken_seats) == (Status.NO_SHOW, [])
    assert list(consistency.violations()) == []


def tried_at_once(case: Case, steps: list[tuple[Role, str]]) -> list[TestResponse]:
    headers = {role: factories.sign_in(case.app, case.people[role]).headers for role, _ in steps}

    def put(number: int) -> TestResponse:
        role, status = steps[number]
        body = {"status": status, "reason": "As agreed"}
        path = f"/api/appointments/{case.visit.id}/status"
        return case.app.test_client().put(path, json=body, headers=headers[role])

    return factories.at_once(len(steps), put)


@pytest.mark.parametrize(
    "steps",
    [
        [(R, "confirmed"), (P, "cancelled")],  # with less than two hours to go
        [(R, "confirmed"), (R, "rejected")],
        [(R, "rejected"), (P, "cancelled")],
        [(R, "confirmed")] * 4,
        [(P, "cancelled")] * 4,
    ],
    ids=str,
)
def test_of_several_steps_at_once_exactly_one_wins(app: Flask, steps: list[tuple[Role, str]]) -> None:
    for _ in range(3):
        case = make_case(app)

        answers = tried_at_once(case, steps)

        won = [step for step, answer in zip(steps, answers, strict=True) if answer.status_code == 200]
        lost = {factories.refused(answer) for answer in answers if answer.status_code != 200}
        assert len(won) == 1
        assert lost <= {(400, "INVALID_STATUS_TRANSITION"), (400, "TOO_LATE")}
        assert case.status == won[0][1]
    assert list(consistency.violations()) == []


def test_confirming_and_cancelling_at_once_leaves_one_story(app: Flask, database: Records) -> None:
    """A confirmed visit may be cancelled after, so both may succeed, but only one after the other."""
    for _ in range(3):
        case = make_case(app)

        answers = tried_at_once(case, [(R, "confirmed"), (A, "cancelled")])

        stored = database.appointments.find_one({"_id": case.visit.id})
        assert stored is not None
        steps = [None, *(one["to"] for one in stored["history"])]
        assert [one.get("from") for one in stored["history"]] == steps[:-1]
        assert len(stored["history"]) - 1 == sum(answer.status_code == 200 for answer in answers)
        assert case.slot.booked_patients == (stored["status"] == "confirmed")
    assert list(consistency.violations()) == []


def test_cancelling_and_booking_at_once_promises_no_time_twice(app: Flask) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30", max_patients=2))
    visits = [factories.make_visit(doctor=doctor, day=TUESDAY) for _ in range(2)]
    patients = [factories.sign_in(app) for _ in range(6)]
    admin = factories.acting(factories.make_user(A))
    body = factories.booking_body(doctor, appointmentDate=TUESDAY.isoformat())

    def book(number: int) -> int:
        headers = patients[number].headers
        return app.test_client().post("/api/appointments/book", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as threads:
        bookings = [threads.submit(book, number) for number in range(6)]
        for visit in visits:
            threads.submit(transitions.cancel, admin, visit.id, reason=None).result()
        answers = [one.result() for one in bookings]

    assert set(answers) <= {201, 400}
    assert answers.count(201) == Appointment.objects(status=Status.PENDING).count() <= 2
    assert list(consistency.violations()) == []


@pytest.mark.parametrize(("at", "moved"), [("08:59", 0), ("09:00", 1)])
def test_the_system_rejects_what_nobody_confirmed_by_its_start(case: Case, at: str, moved: int) -> None:
    with time_machine.travel(factories.at_clinic(TUESDAY, at), tick=False):
        assert transitions.reject_unconfirmed() == moved

    assert case.status is (Status.REJECTED if moved else Status.PENDING)
    assert case.slot.booked_patients == 1 - moved
    assert list(consistency.violations()) == []


def test_what_the_system_does_is_written_down_without_a_person(app: Flask, client: FlaskClient, case: Case) -> None:
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        transitions.reject_unconfirmed()
        patient = factories.sign_in(app, case.people[P])
        visit = factories.told(client.get(f"/api/appointments/{case.visit.id}", headers=patient.headers))

    last = visit["appointment"]["history"][-1]
    assert (last["from"], last["to"], last["by"]) == ("pending", "rejected", None)
    assert last["reason"] == "Nobody could confirm the visit before it was to start"


@pytest.mark.parametrize(("at", "moved"), [("10:29", 0), ("10:30", 1)])
def test_the_system_notes_a_no_show_an_hour_after_the_end(case: Case, at: str, moved: int) -> None:
    factories.told(case.put(*CONFIRM))
    with time_machine.travel(factories.at_clinic(TUESDAY, at), tick=False):
        assert transitions.mark_no_shows() == moved

    assert case.status is (Status.NO_SHOW if moved else Status.CONFIRMED)
    assert list(consistency.violations()) == []


def test_the_system_leaves_a_visit_that_is_under_way(case: Case) -> None:
    for step in (CONFIRM, START):
        factories.told(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "23:00"), tick=True):
        assert transitions.mark_no_shows() + transitions.reject_unconfirmed() == 0


def test_the_system_does_not_take_the_undoing_of_a_no_show_back_at_once(case: Case) -> None:
    for step in (CONFIRM, MISS, (R, "confirmed", "11:00")):
        factories.told(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "11:55"), tick=True):
        assert transitions.mark_no_shows() == 0
    with time_machine.travel(factories.at_clinic(TUESDAY, "12:05"), tick=True):
        assert transitions.mark_no_shows() == 1


def test_the_systems_jobs_run_twice_at_once_do_each_thing_once(app: Flask, database: Records) -> None:
    cases = [make_case(app) for _ in range(4)]
    moment = factories.at_clinic(TUESDAY, "09:00")
    with time_machine.travel(moment, tick=True):
        done = factories.at_once(3, lambda _: transitions.reject_unconfirmed())

    assert sum(done) == len(cases)
    assert {len(one["history"]) for one in database.appointments.find()} == {2}
    assert list(consistency.violations()) == []

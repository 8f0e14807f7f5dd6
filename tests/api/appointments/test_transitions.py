"""Status transitions: the table, the history, undone no-shows, and parallel transitions."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.scheduling import service as scheduling
from tests import factories
from tests.api.appointments.case import (
    ADMIN,
    CONFIRM,
    DOCTOR,
    MISS,
    PATIENT,
    RECEPTIONIST,
    START,
    TUESDAY,
    Case,
    Step,
    make_case,
)
from tests.factories import Records

pytestmark = pytest.mark.usefixtures("database", "tuesday_at_seven")


@pytest.mark.parametrize(
    ("before", "step"),
    [
        *(([], (role, "confirmed", "09:29")) for role in (RECEPTIONIST, ADMIN)),
        *(([], (role, "rejected", "08:00")) for role in (RECEPTIONIST, ADMIN)),
        *(([], (role, "cancelled", "08:00")) for role in (PATIENT, RECEPTIONIST, ADMIN)),
        *(([CONFIRM], (role, "in-progress", "08:55")) for role in (DOCTOR, ADMIN)),
        ([CONFIRM], (PATIENT, "cancelled", "06:55")),
        *(([CONFIRM], (role, "cancelled", "09:10")) for role in (DOCTOR, RECEPTIONIST, ADMIN)),
        *(([CONFIRM], (role, "no-show", "09:05")) for role in (DOCTOR, RECEPTIONIST, ADMIN)),
        *(([CONFIRM, MISS], (role, "confirmed", "23:59")) for role in (RECEPTIONIST, ADMIN)),
        *(([CONFIRM, START], (role, "completed", "09:20")) for role in (DOCTOR, ADMIN)),
        *(([CONFIRM, START], (role, "cancelled", "09:20")) for role in (DOCTOR, ADMIN)),
    ],
    ids=str,
)
def test_listed_transition_is_allowed_for_its_roles_and_is_recorded_in_the_history(
    case: Case, before: list[Step], step: Step
) -> None:
    for role, status, at in before:
        factories.data_of(case.put(role, status, at, reason="As agreed"))
    role, status, at = step

    appointment = factories.data_of(case.put(role, status, at, reason="As agreed"))["appointment"]

    steps = [None, "pending", *(one[1] for one in before), status]
    assert appointment["status"] == status
    assert [(one["from"], one["to"]) for one in appointment["history"]] == list(pairwise(steps))
    last = appointment["history"][-1]
    assert (last["by"], last["reason"]) == (str(case.people[role].id), "As agreed")
    assert last["at"].startswith(clock.iso(factories.at_clinic(TUESDAY, at))[:15])
    assert case.slot.booked_patients == (status in ("confirmed", "in-progress"))
    assert list(consistency.violations()) == []


@pytest.mark.parametrize(
    ("before", "step", "refusal"),
    [
        ([], (PATIENT, "confirmed", "07:00"), (403, "PERMISSION_DENIED")),
        ([], (DOCTOR, "confirmed", "07:00"), (403, "PERMISSION_DENIED")),
        ([], (RECEPTIONIST, "confirmed", "09:30"), (400, "TOO_LATE")),
        ([], (RECEPTIONIST, "completed", "09:10"), (400, "INVALID_STATUS_TRANSITION")),
        ([], (ADMIN, "no-show", "10:40"), (400, "INVALID_STATUS_TRANSITION")),
        ([CONFIRM], (RECEPTIONIST, "confirmed", "07:05"), (400, "INVALID_STATUS_TRANSITION")),
        ([CONFIRM], (ADMIN, "rejected", "07:05"), (400, "INVALID_STATUS_TRANSITION")),
        ([CONFIRM], (PATIENT, "cancelled", "07:01"), (400, "TOO_LATE")),
        ([CONFIRM], (PATIENT, "in-progress", "09:00"), (403, "PERMISSION_DENIED")),
        ([CONFIRM], (RECEPTIONIST, "no-show", "08:59"), (400, "INVALID_STATUS_TRANSITION")),
        ([CONFIRM, START], (RECEPTIONIST, "completed", "09:20"), (403, "PERMISSION_DENIED")),
        ([CONFIRM, START], (PATIENT, "cancelled", "09:20"), (403, "PERMISSION_DENIED")),
        ([(RECEPTIONIST, "cancelled", "07:00")], (ADMIN, "confirmed", "07:05"), (400, "INVALID_STATUS_TRANSITION")),
        ([(RECEPTIONIST, "cancelled", "07:00")], (ADMIN, "cancelled", "07:05"), (400, "INVALID_STATUS_TRANSITION")),
        ([], (ADMIN, "pending", "07:00"), (400, "INVALID_STATUS_TRANSITION")),
        ([], (ADMIN, "done", "07:00"), (400, "VALIDATION_ERROR")),
    ],
    ids=str,
)
def test_unlisted_transition_is_refused_and_changes_nothing(
    case: Case, before: list[Step], step: Step, refusal: tuple[int, str]
) -> None:
    for role, status, at in before:
        factories.data_of(case.put(role, status, at))
    known, slot = Appointment.objects.get(id=case.appointment.id).to_mongo(), case.slot.to_mongo()

    role, status, at = step

    assert factories.error_of(case.put(role, status, at, reason="As agreed")) == refusal
    assert (Appointment.objects.get(id=case.appointment.id).to_mongo(), case.slot.to_mongo()) == (known, slot)


@pytest.mark.parametrize(("before", "status"), [([], "rejected"), ([CONFIRM, START], "cancelled")], ids=str)
def test_transition_that_requires_a_reason_is_refused_without_one(case: Case, before: list[Step], status: str) -> None:
    for role, done, at in before:
        factories.data_of(case.put(role, done, at))

    response = case.put(ADMIN, status, "09:10")

    assert factories.invalid_fields(response) == ["reason"]


@pytest.mark.parametrize("role", [PATIENT, DOCTOR])
def test_appointment_of_another_patient_or_doctor_is_not_found(app: Flask, case: Case, role: Role) -> None:
    other = make_case(app)
    other.appointment = case.appointment

    assert factories.error_of(other.put(role, "cancelled")) == (404, "NOT_FOUND")
    assert factories.error_of(other.cancel(role)) == (404, "NOT_FOUND")


def test_completion_stores_notes_and_prescription(case: Case) -> None:
    for role, status, at in (CONFIRM, START):
        factories.data_of(case.put(role, status, at))

    done = factories.data_of(case.put(DOCTOR, "completed", "09:20", notes="120/80", prescription="Rest"))["appointment"]

    assert (done["notes"], done["prescription"]) == ("120/80", "Rest")


@pytest.mark.parametrize("field", ["notes", "prescription"])
def test_other_transitions_refuse_notes_and_prescription(case: Case, field: str) -> None:
    assert factories.error_of(case.put(RECEPTIONIST, "confirmed", **{field: "Text"})) == (400, "VALIDATION_ERROR")
    assert case.status is Status.PENDING


def test_no_show_undone_on_its_day_takes_its_seat_again(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.data_of(case.put(*step))
    assert case.slot.taken_seats == []

    factories.data_of(case.put(RECEPTIONIST, "confirmed", "11:00"))

    assert (case.status, case.slot.taken_seats) == (Status.CONFIRMED, [1])
    assert list(consistency.violations()) == []


def test_no_show_cannot_be_undone_after_24_hours(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.data_of(case.put(*step))
    with time_machine.travel(datetime(2026, 12, 2, 4, 1, tzinfo=UTC), tick=True):
        assert factories.error_of(case.put(RECEPTIONIST, "confirmed")) == (400, "INVALID_STATUS_TRANSITION")


def test_no_show_can_be_undone_after_the_weekly_hours_changed(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.data_of(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "10:00"), tick=True):
        scheduling.save_schedule(factories.actor_of(case.people[DOCTOR]), case.people[DOCTOR].id, [])

    assert factories.data_of(case.put(ADMIN, "confirmed", "10:30"))["appointment"]["status"] == "confirmed"
    assert list(consistency.violations()) == []


def test_no_show_cannot_be_undone_after_its_seat_was_taken(case: Case, database: Records) -> None:
    for step in (CONFIRM, MISS):
        factories.data_of(case.put(*step))
    taken = {"takenSeats": [1], "bookedPatients": 1, "isAvailable": False}
    database.slots.update_one({"_id": case.appointment.slot}, {"$set": taken})

    assert factories.error_of(case.put(RECEPTIONIST, "confirmed", "10:00")) == (400, "SLOT_UNAVAILABLE")
    assert case.status is Status.NO_SHOW


def test_no_show_cannot_be_undone_after_the_patient_booked_the_doctor_again(case: Case) -> None:
    for step in (CONFIRM, MISS):
        factories.data_of(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:40"), tick=True):
        factories.make_appointment(case.people[PATIENT], case.people[DOCTOR], day=TUESDAY, time="11:00")

    assert factories.error_of(case.put(RECEPTIONIST, "confirmed", "10:00")) == (400, "DUPLICATE_VALUE")
    assert (case.status, case.slot.taken_seats) == (Status.NO_SHOW, [])
    assert list(consistency.violations()) == []


def put_in_parallel(case: Case, steps: list[tuple[Role, str]]) -> list[TestResponse]:
    headers = {role: factories.sign_in(case.app, case.people[role]).headers for role, _ in steps}

    def put(number: int) -> TestResponse:
        role, status = steps[number]
        body = {"status": status, "reason": "As agreed"}
        path = f"/api/appointments/{case.appointment.id}/status"
        return case.app.test_client().put(path, json=body, headers=headers[role])

    return factories.in_parallel(len(steps), put)


@pytest.mark.parametrize(
    "steps",
    [
        [(RECEPTIONIST, "confirmed"), (PATIENT, "cancelled")],  # with less than two hours to go
        [(RECEPTIONIST, "confirmed"), (RECEPTIONIST, "rejected")],
        [(RECEPTIONIST, "rejected"), (PATIENT, "cancelled")],
        [(RECEPTIONIST, "confirmed")] * 4,
        [(PATIENT, "cancelled")] * 4,
    ],
    ids=str,
)
def test_one_of_several_parallel_transitions_succeeds(app: Flask, steps: list[tuple[Role, str]]) -> None:
    for _ in range(3):
        case = make_case(app)

        responses = put_in_parallel(case, steps)

        won = [step for step, response in zip(steps, responses, strict=True) if response.status_code == 200]
        lost = {factories.error_of(response) for response in responses if response.status_code != 200}
        assert len(won) == 1
        assert lost <= {(400, "INVALID_STATUS_TRANSITION"), (400, "TOO_LATE")}
        assert case.status == won[0][1]
    assert list(consistency.violations()) == []


def test_history_is_complete_after_a_parallel_confirmation_and_cancellation(app: Flask, database: Records) -> None:
    """ADMIN confirmed appointment may be cancelled after, so both may succeed, but only one after the other."""
    for _ in range(3):
        case = make_case(app)

        responses = put_in_parallel(case, [(RECEPTIONIST, "confirmed"), (ADMIN, "cancelled")])

        stored = database.appointments.find_one({"_id": case.appointment.id})
        assert stored is not None
        steps = [None, *(one["to"] for one in stored["history"])]
        assert [one.get("from") for one in stored["history"]] == steps[:-1]
        assert len(stored["history"]) - 1 == sum(response.status_code == 200 for response in responses)
        assert case.slot.booked_patients == (stored["status"] == "confirmed")
    assert list(consistency.violations()) == []

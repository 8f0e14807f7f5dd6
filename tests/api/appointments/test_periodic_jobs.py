"""Periodic jobs: unconfirmed appointments are rejected, missed ones are marked as no-shows."""

from collections.abc import Iterator

import pytest
import time_machine
from bson import ObjectId
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core import error_reporting
from tests import factories
from tests.api.appointments.case import (
    CONFIRM,
    MISS,
    PATIENT,
    RECEPTIONIST,
    START,
    TUESDAY,
    Case,
    make_case,
)
from tests.factories import Records

pytestmark = pytest.mark.usefixtures("database", "tuesday_at_seven")


@pytest.mark.parametrize(("at", "moved"), [("08:59", 0), ("09:00", 1)])
def test_job_rejects_appointments_that_are_pending_at_their_start(case: Case, at: str, moved: int) -> None:
    with time_machine.travel(factories.at_clinic(TUESDAY, at), tick=False):
        assert transitions.reject_unconfirmed() == moved

    assert case.status is (Status.REJECTED if moved else Status.PENDING)
    assert case.slot.booked_patients == 1 - moved
    assert list(consistency.violations()) == []


def test_history_of_a_job_names_no_user(app: Flask, client: FlaskClient, case: Case) -> None:
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        transitions.reject_unconfirmed()
        patient = factories.sign_in(app, case.people[PATIENT])
        appointment = factories.data_of(client.get(f"/api/appointments/{case.appointment.id}", headers=patient.headers))

    last = appointment["appointment"]["history"][-1]
    assert (last["from"], last["to"], last["by"]) == ("pending", "rejected", None)
    assert last["reason"] == "The clinic could not confirm the appointment before it was to start"


@pytest.mark.parametrize(("at", "moved"), [("10:29", 0), ("10:30", 1)])
def test_job_marks_a_no_show_an_hour_after_the_end(case: Case, at: str, moved: int) -> None:
    factories.data_of(case.put(*CONFIRM))
    with time_machine.travel(factories.at_clinic(TUESDAY, at), tick=False):
        assert transitions.mark_no_shows() == moved

    assert case.status is (Status.NO_SHOW if moved else Status.CONFIRMED)
    assert list(consistency.violations()) == []


def test_job_does_not_move_an_appointment_in_progress(case: Case) -> None:
    for step in (CONFIRM, START):
        factories.data_of(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "23:00"), tick=True):
        assert transitions.mark_no_shows() + transitions.reject_unconfirmed() == 0


def test_job_waits_an_hour_after_a_no_show_was_undone(case: Case) -> None:
    for step in (CONFIRM, MISS, (RECEPTIONIST, "confirmed", "11:00")):
        factories.data_of(case.put(*step))
    with time_machine.travel(factories.at_clinic(TUESDAY, "11:55"), tick=True):
        assert transitions.mark_no_shows() == 0
    with time_machine.travel(factories.at_clinic(TUESDAY, "12:05"), tick=True):
        assert transitions.mark_no_shows() == 1


def test_parallel_runs_of_a_job_move_each_appointment_once(app: Flask, database: Records) -> None:
    cases = [make_case(app) for _ in range(4)]
    moment = factories.at_clinic(TUESDAY, "09:00")
    with time_machine.travel(moment, tick=True):
        done = factories.in_parallel(3, lambda _: transitions.reject_unconfirmed())

    assert sum(done) == len(cases)
    assert {len(one["history"]) for one in database.appointments.find()} == {2}
    assert list(consistency.violations()) == []


@pytest.fixture
def reported() -> Iterator[list[BaseException]]:
    """The errors that were reported to the error tracker."""
    errors: list[BaseException] = []
    error_reporting.use(lambda error, _place, _user_id: errors.append(error))
    yield errors
    error_reporting.use(None)


@pytest.mark.parametrize("broken_field", ["history", "patient"])
def test_an_appointment_that_cannot_be_rejected_stops_no_other_and_is_reported(
    app: Flask, database: Records, reported: list[BaseException], broken_field: str
) -> None:
    broken, other = make_case(app), make_case(app)
    value = {"history": "lost", "patient": ObjectId()}[broken_field]
    database.appointments.update_one({"_id": broken.appointment.id}, {"$set": {broken_field: value}})
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        moved = [transitions.reject_unconfirmed() for _ in range(2)]

    assert moved == [1, 0]
    assert (other.status, len(reported)) == (Status.REJECTED, 2)
    stored = database.appointments.find_one({"_id": broken.appointment.id}, {"status": 1})
    assert stored == {"_id": broken.appointment.id, "status": "pending"}


def test_an_appointment_that_cannot_be_marked_as_a_no_show_stops_no_other(
    app: Flask, database: Records, reported: list[BaseException]
) -> None:
    broken, other = make_case(app), make_case(app)
    for case in (broken, other):
        factories.data_of(case.put(*CONFIRM))
    database.appointments.update_one({"_id": broken.appointment.id}, {"$set": {"history": []}})
    with time_machine.travel(factories.at_clinic(TUESDAY, "12:00"), tick=True):
        moved = [transitions.mark_no_shows() for _ in range(2)]

    assert moved == [1, 0]
    assert (other.status, len(reported)) == (Status.NO_SHOW, 2)


def test_an_appointment_of_an_unknown_doctor_is_rejected(case: Case, database: Records) -> None:
    database.appointments.update_one({"_id": case.appointment.id}, {"$set": {"doctor": ObjectId()}})
    with time_machine.travel(factories.at_clinic(TUESDAY, "09:00"), tick=True):
        assert transitions.reject_unconfirmed() == 1

    assert case.status is Status.REJECTED

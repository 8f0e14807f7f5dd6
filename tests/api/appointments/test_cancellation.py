"""Cancellations and their refunds; the freed seat."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency, transitions
from arthomed.core.permissions import Role
from tests import factories
from tests.api.appointments.case import ADMIN, CONFIRM, DOCTOR, PATIENT, RECEPTIONIST, TUESDAY, Case, make_case

pytestmark = pytest.mark.usefixtures("database", "tuesday_at_seven")


def make_cancellation(app: Flask, role: Role, *, days_ahead: int, payment: str) -> dict[str, Any]:
    """Cancel a confirmed appointment that costs 501 rupees, five hours and some days before its start."""
    case = make_case(app, factories.every_day("12:00", "13:00")[1:2], "12:00")
    Appointment.objects(id=case.appointment.id).update(set__payment__amount=501, set__payment__status=payment)
    factories.data_of(case.put(*CONFIRM))
    with time_machine.travel(factories.at_clinic(TUESDAY, "07:00") - timedelta(days=days_ahead), tick=True):
        cancelled = factories.data_of(case.cancel(role, reason="Well again"))
    cancellation = cancelled["appointment"]["cancellation"]
    assert (cancellation["by"], cancellation["reason"]) == (str(case.people[role].id), "Well again")
    refund: dict[str, Any] = cancelled["refundInfo"]
    assert {name: cancellation[name] for name in refund} == refund
    return refund


@pytest.mark.parametrize(
    ("role", "days_ahead", "amount"), [(PATIENT, 7, 501), (PATIENT, 0, 250), (RECEPTIONIST, 0, 501), (DOCTOR, 7, 501)]
)
def test_refund_of_a_paid_appointment_depends_on_role_and_notice(
    app: Flask, role: Role, days_ahead: int, amount: int
) -> None:
    refund = make_cancellation(app, role, days_ahead=days_ahead, payment="paid")

    assert refund == {"refundAmount": amount, "refundStatus": "pending", "refundDate": None}


@pytest.mark.parametrize("role", [PATIENT, RECEPTIONIST])
def test_nothing_is_refunded_when_nothing_was_paid(app: Flask, role: Role) -> None:
    refund = make_cancellation(app, role, days_ahead=7, payment="pending")

    assert refund == {"refundAmount": 0, "refundStatus": "none", "refundDate": None}


def test_cancellation_needs_no_body(app: Flask, client: FlaskClient, case: Case) -> None:
    patient = factories.sign_in(app, case.people[PATIENT])

    response = client.put(f"/api/appointments/{case.appointment.id}/cancel", headers=patient.headers)

    assert factories.data_of(response)["appointment"]["status"] == "cancelled"


def test_cancellation_frees_the_seat_at_once(case: Case) -> None:
    factories.data_of(case.cancel(PATIENT))

    again = factories.make_appointment(doctor=case.people[DOCTOR], day=TUESDAY)

    assert (again.slot, again.seat) == (case.appointment.slot, case.appointment.seat)


def test_cancellation_frees_no_seat_of_another_patient(app: Flask) -> None:
    case = make_case(app, factories.every_day("09:00", "10:00", max_patients=2))
    other = factories.make_appointment(doctor=case.people[DOCTOR], day=TUESDAY)
    factories.data_of(case.cancel(PATIENT))

    assert case.slot.taken_seats == [other.seat]


def test_parallel_cancellations_and_bookings_give_no_seat_twice(app: Flask) -> None:
    doctor = factories.make_doctor(factories.every_day("09:00", "09:30", max_patients=2))
    appointments = [factories.make_appointment(doctor=doctor, day=TUESDAY) for _ in range(2)]
    patients = [factories.sign_in(app) for _ in range(6)]
    admin = factories.actor_of(factories.make_user(ADMIN))
    body = factories.booking_body(doctor, appointmentDate=TUESDAY.isoformat())

    def book(number: int) -> int:
        headers = patients[number].headers
        return app.test_client().post("/api/appointments/book", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as threads:
        bookings = [threads.submit(book, number) for number in range(6)]
        for appointment in appointments:
            threads.submit(transitions.cancel, admin, appointment.id, reason=None).result()
        responses = [one.result() for one in bookings]

    assert set(responses) <= {201, 400}
    assert responses.count(201) == Appointment.objects(status=Status.PENDING).count() <= 2
    assert list(consistency.violations()) == []

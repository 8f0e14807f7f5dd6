"""What is refunded of a payment, by who cancels and when."""

from datetime import timedelta

import pytest

from arthomed.appointments import fees
from arthomed.appointments.rules import Status
from arthomed.core.actor import SYSTEM, Actor
from tests.unit.appointments.fakes import (
    ADMIN,
    DOCTOR,
    ENDS_AT,
    INSTANT,
    PATIENT,
    RECEPTIONIST,
    STARTS_AT,
    FakeAppointment,
)

PENDING, CONFIRMED, IN_PROGRESS = Status.PENDING, Status.CONFIRMED, Status.IN_PROGRESS
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("early", "percent"),
    [
        (timedelta(days=30), 100),
        (timedelta(hours=24), 100),
        (timedelta(hours=24) - INSTANT, 50),
        (timedelta(hours=2), 50),
        (timedelta(hours=2) - INSTANT, 0),
        (timedelta(0), 0),
        (-timedelta(hours=1), 0),
    ],
)
def test_refund_of_a_patient_depends_on_the_notice(early: timedelta, percent: int) -> None:
    assert fees.refund_percent(FakeAppointment(CONFIRMED), actor=PATIENT, now=STARTS_AT - early) == percent


@pytest.mark.parametrize(
    "actor", [DOCTOR, RECEPTIONIST, ADMIN, SYSTEM], ids=["doctor", "receptionist", "admin", "system"]
)
@pytest.mark.parametrize("status", [CONFIRMED, IN_PROGRESS])
def test_cancellation_by_the_clinic_is_refunded_in_full(actor: Actor, status: Status) -> None:
    assert fees.refund_percent(FakeAppointment(status), actor=actor, now=ENDS_AT) == 100


def test_cancellation_of_a_pending_appointment_is_refunded_in_full() -> None:
    assert fees.refund_percent(FakeAppointment(PENDING), actor=PATIENT, now=STARTS_AT) == 100


@pytest.mark.parametrize(
    ("fee", "percent", "amount"), [(500, 100, 500), (500, 50, 250), (501, 50, 250), (500, 0, 0), (0, 100, 0)]
)
def test_refund_is_rounded_down_to_whole_rupees(fee: int, percent: int, amount: int) -> None:
    assert fees.refund_amount(fee, percent) == amount

"""Who may move which appointment until when, and the refund of a moved one."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from arthomed.appointments import fees, rescheduling, rules
from arthomed.appointments.rules import Status
from arthomed.config import Policy
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.errors import PermissionDenied, ValidationFailed
from tests.unit.appointments.fakes import ADMIN, DOCTOR, PATIENT, RECEPTIONIST, STARTS_AT, FakeAppointment

INSTANT, NOTICE = timedelta(milliseconds=1), timedelta(minutes=120)
POLICY = Policy(
    timezone=ZoneInfo("Asia/Kolkata"),
    slot_minutes=30,
    horizon_days=90,
    cancel_notice=NOTICE,
    max_open_appointments=10,
    no_show_after=timedelta(minutes=60),
)


@pytest.mark.parametrize("status", [Status.PENDING, Status.CONFIRMED])
@pytest.mark.parametrize("actor", [PATIENT, RECEPTIONIST, ADMIN])
def test_patient_and_desk_move_a_pending_or_confirmed_appointment(status: Status, actor: Actor) -> None:
    rescheduling.ensure_may_reschedule(FakeAppointment(status), actor)


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.PENDING, Status.CONFIRMED}))
def test_appointment_that_began_or_ended_cannot_be_moved(status: Status) -> None:
    with pytest.raises(rules.InvalidTransition):
        rescheduling.ensure_may_reschedule(FakeAppointment(status), ADMIN)


@pytest.mark.parametrize("actor", [DOCTOR, SYSTEM])
def test_doctor_and_system_move_no_appointment(actor: Actor) -> None:
    with pytest.raises(PermissionDenied):
        rescheduling.ensure_may_reschedule(FakeAppointment(Status.CONFIRMED), actor)


def is_in_time(actor: Actor, now: datetime, *, has_arrived: bool = False) -> bool:
    appointment = FakeAppointment(Status.CONFIRMED, has_arrived=has_arrived)
    try:
        rescheduling.ensure_in_time(appointment, actor, now, POLICY)
    except (rules.TooLate, rules.InvalidTransition):
        return False
    return True


def test_patient_moves_until_the_notice_before_the_start() -> None:
    assert is_in_time(PATIENT, STARTS_AT - NOTICE)
    assert not is_in_time(PATIENT, STARTS_AT - NOTICE + INSTANT)


@pytest.mark.parametrize("actor", [RECEPTIONIST, ADMIN])
def test_desk_moves_until_the_start(actor: Actor) -> None:
    assert is_in_time(actor, STARTS_AT - INSTANT)
    assert not is_in_time(actor, STARTS_AT)


@pytest.mark.parametrize("actor", [PATIENT, RECEPTIONIST, ADMIN])
def test_nobody_moves_the_appointment_of_a_patient_who_has_arrived(actor: Actor) -> None:
    assert not is_in_time(actor, STARTS_AT - timedelta(hours=3), has_arrived=True)


def test_another_doctor_has_the_same_specialization() -> None:
    rescheduling.ensure_same_specialization("Cardiology", "Cardiology", DOCTOR.user_id)
    with pytest.raises(ValidationFailed):
        rescheduling.ensure_same_specialization("Cardiology", "Dermatology", DOCTOR.user_id)


@pytest.mark.parametrize(("early", "percent"), [(timedelta(hours=24), 100), (timedelta(hours=2), 50), (-INSTANT, 0)])
def test_refund_counts_from_the_earliest_start(early: timedelta, percent: int) -> None:
    moved = FakeAppointment(Status.CONFIRMED, starts_at=STARTS_AT + timedelta(days=7), earlier_start=STARTS_AT)

    assert fees.refund_percent(moved, actor=PATIENT, now=STARTS_AT - early) == percent

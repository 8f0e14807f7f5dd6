"""The demo clinic obeys the clinic's own rules."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest
import time_machine
from bson import ObjectId

from arthomed import demo
from arthomed.appointments import rules
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Status
from arthomed.appointments.service import consistency
from arthomed.config import settings
from arthomed.core.actor import SYSTEM, Actor
from arthomed.core.permissions import Role
from arthomed.payments.service import consistency as payments_consistency
from arthomed.scheduling.models import Slot
from arthomed.scheduling.rules import WEEK
from arthomed.users.models import User
from tests import factories

MONDAY = date(2026, 12, 7)
EVERY_DAY = [MONDAY + timedelta(days=ahead) for ahead in range(7)]
OF_MAKE_TEST = (EVERY_DAY[0], EVERY_DAY[-1])

pytestmark = pytest.mark.usefixtures("database")


@dataclass(frozen=True)
class View:
    """An appointment as it was before a change of its status."""

    patient_id: ObjectId
    doctor_id: ObjectId
    status: Status
    since: datetime
    starts_at: datetime
    ends_at: datetime
    is_overflow: bool = False
    has_arrived: bool = False
    has_findings: bool = False

    @property
    def earliest_starts_at(self) -> datetime:
        return self.starts_at


@pytest.fixture(
    params=[
        pytest.param(day, marks=[] if day in OF_MAKE_TEST else pytest.mark.long, id=f"{day:%A}") for day in EVERY_DAY
    ]
)
def appointments(request: pytest.FixtureRequest) -> list[Appointment]:
    """Those of a demo clinic that was loaded on this day of the week."""
    with time_machine.travel(factories.at_clinic(request.param, "11:20"), tick=True):
        demo.load(if_empty=True)
    return list(Appointment.objects.order_by("starts_at"))


def role_of(by: object) -> Role | None:
    return None if by is None else Role(User.objects.get(id=by).role)


def test_the_demo_clinic_obeys_the_rules(appointments: list[Appointment]) -> None:
    assert len(appointments) == 6
    for one in appointments:
        check_times(one)
        check_history(one)
    assert list(consistency.violations()) == []


def check_times(appointment: Appointment) -> None:
    """It is in a slot of the doctor's weekly hours, with their seats and fee."""
    doctor: User = User.objects.get(id=appointment.doctor_id)
    day, time = appointment.appointment_date.date(), appointment.appointment_time
    hours = [one for one in doctor.doctor_info.schedule if str(one.day) == str(WEEK[day.weekday()])]
    slot = Slot.objects.get(id=appointment.slot)

    assert any(one.start_time <= time < one.end_time for one in hours), (doctor.name, day, time)
    assert slot.max_patients == hours[0].max_patients
    assert slot.consultation_fee == appointment.payment.amount == doctor.doctor_info.consultation_fee
    assert (slot.starts_at, slot.start_time) == (appointment.starts_at, time)
    assert appointment.ends_at - appointment.starts_at == timedelta(minutes=settings().policy.slot_minutes)


def check_history(appointment: Appointment) -> None:
    """Each change of the status was allowed, when it was made, to whoever made it."""
    booked, *changes = appointment.history
    assert (booked.source, booked.target, booked.by) == (None, Status.PENDING, appointment.patient_id)
    assert abs(appointment.created_at - booked.at) < timedelta(seconds=5)
    assert booked.at < appointment.starts_at
    people, times = (appointment.patient_id, appointment.doctor_id), (appointment.starts_at, appointment.ends_at)
    view = View(*people, Status.PENDING, booked.at, *times)
    for change in changes:
        role = role_of(change.by)
        actor = Actor(change.by, role) if role else SYSTEM
        assert change.source is view.status
        rules.move(view, change.target, actor=actor, reason=change.reason, now=change.at, policy=settings().policy)
        assert change.at > view.since
        assert role is not Role.DOCTOR or change.by == appointment.doctor_id
        assert role is not Role.PATIENT or change.by == appointment.patient_id
        view = View(*people, change.target, change.at, *times)
    assert view.status is appointment.status


def test_whoever_ends_a_demo_appointment_early_gives_a_reason(appointments: list[Appointment]) -> None:
    ended = [one for one in appointments if one.status in (Status.REJECTED, Status.CANCELLED)]

    assert len(ended) == 2
    for one in ended:
        assert one.history[-1].reason
    [cancelled] = [one for one in ended if one.status is Status.CANCELLED]
    assert cancelled.cancellation.reason == cancelled.history[-1].reason


def test_a_treated_demo_patient_has_paid_and_a_confirmed_one_in_part(appointments: list[Appointment]) -> None:
    fees = [one.payment for one in appointments if one.payment.paid_amount]

    assert sorted((fee.status, fee.paid_amount / fee.amount) for fee in fees) == [("paid", 1), ("pending", 0.5)]
    assert list(payments_consistency.violations()) == []


def test_a_treated_demo_patient_has_findings(appointments: list[Appointment]) -> None:
    found = {one.status: (bool(one.notes), bool(one.prescription)) for one in appointments}

    assert found.pop(Status.COMPLETED) == (True, True)
    assert set(found.values()) == {(False, False)}

"""The demo clinic's day has patients in all states, whatever the weekday and the hour."""

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
import time_machine
from structlog.testing import capture_logs

from arthomed import demo
from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Source, Status
from arthomed.appointments.service import consistency
from arthomed.appointments.stages import Stage
from arthomed.core import clock
from arthomed.core.permissions import Role
from arthomed.frontdesk.service import lines
from arthomed.payments.models import Payment
from arthomed.payments.rules import Kind, Method
from arthomed.payments.service import consistency as payments_consistency
from arthomed.users.models import User
from tests import factories

MONDAY = date(2026, 12, 7)
CASES = ((0, "11:20"), (6, "22:10"), (1, "00:20"), (3, "07:40"), (5, "23:05"))
OF_MAKE_TEST = CASES[:2]

pytestmark = pytest.mark.usefixtures("database")


def load(day: date, hour: str) -> list[object]:
    """Load clinic and day; returns what the services refused."""
    with time_machine.travel(factories.at_clinic(day, hour), tick=True), capture_logs() as logs:
        demo.load(if_empty=True)
        demo.load_today()
    return [one for one in logs if one["event"] == "demo_step_refused"]


def of_today(day: date) -> list[Appointment]:
    return list(Appointment.objects(appointment_date=clock.midnight_utc(day)))


def stages(day: date) -> Counter[Stage]:
    doctors = User.objects(role=Role.DOCTOR)
    return Counter(entry.stage for one in doctors for entry in lines.of_doctor(one.id, day))


@pytest.mark.parametrize(
    ("weekday", "hour"),
    [pytest.param(*one, marks=[] if one in OF_MAKE_TEST else pytest.mark.long) for one in CASES],
)
def test_the_day_has_all_states_and_payments_and_breaks_no_rule(weekday: int, hour: str) -> None:
    day = MONDAY + timedelta(days=weekday)

    assert load(day, hour) == []

    appointments = of_today(day)
    assert 25 <= len(appointments) <= 40
    assert len({one.doctor_id for one in appointments}) == 5
    assert {one.status for one in appointments} == set(Status)
    assert set(stages(day)) == set(Stage)
    check_sources(appointments)
    check_families(appointments)
    check_payments(appointments)
    check_times(appointments, factories.at_clinic(day, hour))
    assert list(consistency.violations()) == []
    assert list(payments_consistency.violations()) == []


def check_sources(appointments: list[Appointment]) -> None:
    walk_ins = [one for one in appointments if one.source is Source.WALK_IN]

    assert {one.source for one in appointments} == set(Source)
    assert {one.is_overflow for one in walk_ins} == {True, False}


def check_families(appointments: list[Appointment]) -> None:
    """Two families, one with two children."""
    of_family = Counter(one.patient_id for one in appointments if one.dependent_id)

    assert sorted(of_family.values()) == [1, 2]


def check_payments(appointments: list[Appointment]) -> None:
    """In each method, one in part, one refunded, one corrected; the receipts are numbered."""
    payments = list(Payment.objects(appointment__in=[one.id for one in appointments]).order_by("receipt_number"))
    states = {one.payment.status for one in appointments if one.payment.paid_amount or one.payment.status != "pending"}

    assert {one.method for one in payments} == set(Method)
    assert {one.kind for one in payments} == set(Kind)
    assert states == {"pending", "paid", "refunded"}
    assert [one.at for one in payments] == sorted(one.at for one in payments)


def check_times(appointments: list[Appointment], now: datetime) -> None:
    """Nothing is later than now, and the history is in order."""
    for one in appointments:
        times = [change.at for change in one.history]
        assert times == sorted(times)
        assert times[-1] < now + timedelta(minutes=1)
        assert one.status is not Status.PENDING or one.starts_at > now


def test_a_day_is_loaded_once() -> None:
    with time_machine.travel(factories.at_clinic(MONDAY, "11:20"), tick=True):
        demo.load(if_empty=True)
        patient = factories.make_user(mobile_number="9000000101")
        factories.make_appointment(patient, User.objects.get(mobile_number="9000000011"), day=MONDAY, time="16:00")

        assert demo.load_today() == "The demo clinic has a day of today already."

    assert len(of_today(MONDAY)) == 1


@pytest.mark.long
def test_each_day_can_be_loaded() -> None:
    load(MONDAY, "11:20")

    assert load(MONDAY + timedelta(days=1), "10:10") == []
    assert len(of_today(MONDAY + timedelta(days=1))) == len(of_today(MONDAY)) == 39


def test_another_clinic_gets_no_day() -> None:
    factories.make_user()

    assert demo.load_today() == "There is no demo clinic, so it has no day."
    assert Appointment.objects.count() == 0

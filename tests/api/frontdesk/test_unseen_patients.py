"""Patients who arrived and were not seen: the system settles their appointments in the night."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine

from arthomed.appointments.models import Appointment
from arthomed.appointments.service import consistency, transitions
from arthomed.audit.models import AuditEvent
from arthomed.notifications.models import Notification
from arthomed.payments.rules import Method
from arthomed.payments.service import consistency as payments_consistency
from arthomed.payments.service import recording
from tests import factories
from tests.api.frontdesk.waiting_room import TUESDAY, WaitingRoom
from tests.factories import data_of


@contextmanager
def next_day(hhmm: str) -> Iterator[None]:
    with time_machine.travel(factories.at_clinic(TUESDAY + timedelta(days=1), hhmm), tick=True):
        yield


def stored(room: WaitingRoom, number: int) -> Appointment:
    found: Appointment = Appointment.objects.get(id=room.appointments[number].id)
    return found


@pytest.mark.parametrize("steps", [(), ("call",), ("skip",)], ids=str)
def test_patient_who_arrived_and_was_not_seen_is_cancelled_by_the_system_in_the_night(
    room: WaitingRoom, steps: tuple[str, ...]
) -> None:
    for number in (0, 1):
        room.step("arrive", number, "08:50")
    for step in steps:
        room.step(step, 0, "09:00")
    data_of(room.status(1, "in-progress", "09:30"))

    with next_day("02:59"):
        assert transitions.close_earlier_days() == 0
    with next_day("03:00"):
        assert (transitions.close_earlier_days(), transitions.close_earlier_days()) == (2, 0)

    found = stored(room, 0)
    assert (str(found.status), found.cancellation.by) == ("cancelled", None)
    assert found.cancellation.reason == "The clinic did not see the patient"
    assert (found.queue.token, str(stored(room, 1).status)) == (1, "completed")
    assert list(consistency.violations()) == []
    assert AuditEvent.objects(records=found.id, actor=None, changes__field="status").count() == 1


def test_all_that_the_patient_paid_is_due_back(room: WaitingRoom) -> None:
    room.step("arrive", 0, "08:50")
    with room.at("08:55"):
        desk = factories.actor_of(room.desk)
        recording.pay(desk, room.appointments[0].id, 500, Method.CASH, reference=None, key=None)

    with next_day("03:00"):
        transitions.close_earlier_days()

    cancellation = stored(room, 0).cancellation
    assert (cancellation.refund_amount, str(cancellation.refund_status)) == (500, "pending")
    assert Notification.objects(subject=room.appointments[0].id, kind="appointment-cancelled").count() == 1
    assert list(payments_consistency.violations()) == []


def test_patient_whose_arrival_was_undone_is_a_no_show(room: WaitingRoom) -> None:
    room.step("arrive", 0, "08:50")
    room.step("undo", 0, "08:51")
    with room.at("11:00"):
        transitions.mark_no_shows()
    with next_day("03:00"):
        transitions.close_earlier_days()

    assert str(stored(room, 0).status) == "no-show"


def test_patient_who_is_called_while_the_system_settles_has_one_outcome(room: WaitingRoom) -> None:
    room.step("arrive", 0, "08:50")
    with next_day("03:00"):
        settled = factories.in_parallel(3, lambda _: transitions.close_earlier_days())

    assert sum(settled) == 1
    assert [str(change.target) for change in stored(room, 0).history].count("cancelled") == 1
    assert list(consistency.violations()) == []

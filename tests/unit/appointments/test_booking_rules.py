"""What is booked by whom, and until when."""

from dataclasses import replace
from datetime import timedelta

import pytest

from arthomed.appointments import booking_rules, rules
from arthomed.appointments.rules import Source, Status
from tests.unit.appointments.fakes import ENDS_AT, INSTANT, POLICY

PENDING, CONFIRMED = Status.PENDING, Status.CONFIRMED


def test_no_place_is_given_that_could_not_be_started_any_more() -> None:
    booking_rules.ensure_can_start(ENDS_AT, ENDS_AT + timedelta(hours=4))
    with pytest.raises(rules.SlotUnavailable):
        booking_rules.ensure_can_start(ENDS_AT, ENDS_AT + timedelta(hours=4) + INSTANT)


@pytest.mark.parametrize(
    ("source", "status", "is_limited"),
    [(Source.APP, PENDING, True), (Source.DESK, CONFIRMED, False), (Source.WALK_IN, CONFIRMED, False)],
)
def test_bookings_at_the_desk_need_no_confirmation_and_have_no_limit(
    source: Source, status: Status, *, is_limited: bool
) -> None:
    assert (booking_rules.status_when_booked(source), booking_rules.is_limited(source)) == (status, is_limited)


@pytest.mark.parametrize(("days_ahead", "bookable"), [(-1, False), (0, True), (89, True), (90, False)])
def test_appointments_can_be_booked_from_today_to_the_end_of_the_horizon(days_ahead: int, *, bookable: bool) -> None:
    try:
        booking_rules.ensure_bookable_day(days_ahead, POLICY)
        found = True
    except rules.SlotUnavailable:
        found = False

    assert found is bookable


def test_horizon_comes_from_the_policy() -> None:
    with pytest.raises(rules.SlotUnavailable):
        booking_rules.ensure_bookable_day(7, replace(POLICY, horizon_days=7))

"""Why a time can be booked or not."""

from datetime import UTC, datetime, timedelta

import pytest

from arthomed.scheduling import bookability
from arthomed.scheduling.bookability import Obstacle, SlotState

NOW = datetime(2026, 12, 1, 4, 30, tzinfo=UTC)
FREE = SlotState(NOW + timedelta(minutes=1), is_blocked=False, is_full=False)
HORIZON = 90


def obstacles(slot: SlotState | None = FREE, *, days_ahead: int = 0, is_doctor_bookable: bool = True) -> list[Obstacle]:
    return bookability.obstacles(
        is_doctor_bookable=is_doctor_bookable, days_ahead=days_ahead, horizon_days=HORIZON, slot=slot, now=NOW
    )


def test_free_slot_of_an_active_doctor_can_be_booked() -> None:
    assert obstacles() == []


@pytest.mark.parametrize(
    ("slot", "expected"),
    [
        (None, [Obstacle.OUTSIDE_HOURS]),
        (FREE._replace(starts_at=NOW), [Obstacle.PAST]),
        (FREE._replace(is_blocked=True), [Obstacle.BLOCKED]),
        (FREE._replace(is_full=True), [Obstacle.FULL]),
        (SlotState(NOW, is_blocked=True, is_full=True), [Obstacle.PAST, Obstacle.BLOCKED, Obstacle.FULL]),
    ],
)
def test_every_obstacle_of_a_slot_is_named(slot: SlotState | None, expected: list[Obstacle]) -> None:
    assert obstacles(slot) == expected


@pytest.mark.parametrize(
    ("days_ahead", "expected"),
    [(-1, [Obstacle.PAST]), (0, []), (HORIZON - 1, []), (HORIZON, [Obstacle.BEYOND_HORIZON])],
)
def test_days_from_today_to_the_horizon_can_be_booked(days_ahead: int, expected: list[Obstacle]) -> None:
    assert obstacles(days_ahead=days_ahead) == expected


def test_outside_the_bookable_days_the_slot_does_not_matter() -> None:
    assert obstacles(None, days_ahead=HORIZON) == [Obstacle.BEYOND_HORIZON]


def test_doctor_who_is_not_active_is_an_obstacle_besides_the_others() -> None:
    assert obstacles(None, is_doctor_bookable=False) == [Obstacle.DOCTOR_INACTIVE, Obstacle.OUTSIDE_HOURS]

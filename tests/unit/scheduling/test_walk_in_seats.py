"""Which seat of a day a walk-in gets."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from bson import ObjectId

from arthomed.core.documents import Raw
from arthomed.scheduling.seats import Seat

DAY, DOCTOR = datetime(2026, 12, 1, tzinfo=UTC), ObjectId()
NINE, HALF_AN_HOUR, INSTANT = DAY + timedelta(hours=3, minutes=30), timedelta(minutes=30), timedelta(milliseconds=1)


def slot(start: str, end: str, starts_at: datetime, *taken: int) -> Raw:
    return {
        "_id": ObjectId(),
        "doctor": DOCTOR,
        "date": DAY,
        "startTime": start,
        "endTime": end,
        "startsAt": starts_at,
        "takenSeats": list(taken),
        "maxPatients": 2,
        "consultationFee": 500,
    }


FIRST, SECOND = slot("09:00", "09:30", NINE, 1), slot("09:30", "10:00", NINE + HALF_AN_HOUR, 2)
FULL = slot("09:00", "09:30", NINE, 1, 2)


@pytest.mark.parametrize(
    ("day", "now", "expected"),
    [
        ([FIRST, SECOND], NINE - HALF_AN_HOUR, (FIRST["_id"], 2)),
        ([FIRST, SECOND], NINE + HALF_AN_HOUR - INSTANT, (FIRST["_id"], 2)),
        ([FIRST, SECOND], NINE + HALF_AN_HOUR, (SECOND["_id"], 1)),
        ([FULL, SECOND], NINE, (SECOND["_id"], 1)),
        ([FULL], NINE, (None, 0)),
        ([FIRST, SECOND], NINE + 2 * HALF_AN_HOUR, (None, 0)),
    ],
)
def test_walk_in_gets_the_first_free_seat_of_a_slot_that_has_not_ended(
    day: list[Raw], now: datetime, expected: tuple[ObjectId | None, int]
) -> None:
    seat = next(Seat.for_walk_ins(day, now))

    assert (seat.slot, seat.number) == expected


def test_walk_ins_of_one_moment_get_the_free_seats_in_order_and_then_overflow_places() -> None:
    empty = slot("10:00", "10:30", NINE + 2 * HALF_AN_HOUR)

    seats = list(islice(Seat.for_walk_ins([FULL, SECOND, empty], NINE), 5))

    assert [(seat.slot, seat.number, seat.taken) for seat in seats] == [
        (SECOND["_id"], 1, [2]),
        (empty["_id"], 1, []),
        (empty["_id"], 2, [1]),
        (None, 0, []),
        (None, 0, []),
    ]


def test_overflow_place_follows_the_last_slot_and_is_as_long() -> None:
    place = next(Seat.for_walk_ins([FULL], NINE))

    assert place.is_overflow
    assert (place.start_time, place.starts_at) == ("09:30", NINE + HALF_AN_HOUR)
    assert (place.ends_at, place.fee, place.taken) == (NINE + 2 * HALF_AN_HOUR, 500, [])


def test_overflow_place_after_hours_until_midnight_is_at_24_00() -> None:
    starts_at = NINE + timedelta(hours=14, minutes=30)

    place = next(Seat.for_walk_ins([slot("23:30", "24:00", starts_at, 1, 2)], NINE))

    assert (place.date, place.start_time, place.starts_at) == (DAY, "24:00", starts_at + HALF_AN_HOUR)

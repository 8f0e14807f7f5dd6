"""Instants and the local time of the clinic."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from arthomed.core import clock

INDIA = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")


def test_now_is_in_utc() -> None:
    assert clock.now().utcoffset() == timedelta(0)


@time_machine.travel("2026-11-22T04:30:00.123987Z", tick=False)
def test_now_has_the_millisecond_precision_of_the_database() -> None:
    assert clock.now() == datetime(2026, 11, 22, 4, 30, 0, 123000, UTC)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-11-22T18:29:59.999Z", date(2026, 11, 22)),
        ("2026-11-22T18:30:00Z", date(2026, 11, 23)),
        ("2026-11-22T23:59:59Z", date(2026, 11, 23)),
    ],
)
def test_today_changes_at_midnight_at_the_clinic(instant: str, day: date) -> None:
    with time_machine.travel(instant, tick=False):
        assert clock.today(INDIA) == day


def test_local_time_of_day_is_converted_to_utc() -> None:
    assert clock.wall_clock(date(2026, 11, 22), "09:30", INDIA) == datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def test_repeated_local_time_is_its_first_occurrence() -> None:
    assert clock.wall_clock(date(2026, 11, 1), "01:30", NEW_YORK) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.times().map(lambda one: time(one.hour, one.minute)))
def test_local_date_is_the_inverse_of_wall_clock(day: date, at: time) -> None:
    assert clock.local_date(clock.wall_clock(day, f"{at:%H:%M}", INDIA), INDIA) == day


@given(st.dates())
def test_calendar_date_is_stored_as_midnight_utc(day: date) -> None:
    assert clock.iso(clock.midnight_utc(day)) == f"{day.isoformat()}T00:00:00.000Z"


def test_days_continue_after_the_end_of_a_month() -> None:
    assert clock.days(date(2028, 2, 28), 3) == [date(2028, 2, 28), date(2028, 2, 29), date(2028, 3, 1)]


def test_instant_is_formatted_in_utc_with_milliseconds() -> None:
    assert clock.iso(datetime(2026, 11, 22, 10, 0, 0, 5999, INDIA)) == "2026-11-22T04:30:00.005Z"

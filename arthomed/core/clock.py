"""The only source of time, and the way between instants and the clinic's wall clock."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The present instant in UTC, in whole milliseconds as MongoDB keeps them."""
    instant = datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def today(zone: ZoneInfo) -> date:
    """The calendar date at the clinic."""
    return now().astimezone(zone).date()


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()


def wall_clock(day: date, hhmm: str, zone: ZoneInfo) -> datetime:
    """The UTC instant of a time of day ("09:30") at the clinic; the earlier one where it comes twice."""
    hours, minutes = hhmm.split(":")
    return datetime.combine(day, time(int(hours), int(minutes)), zone).astimezone(UTC)


@lru_cache(maxsize=1000)
def fixed_utc_offset(day: date, zone: ZoneInfo) -> timedelta | None:
    """How far the clinic's clock is ahead of UTC; None on a day on which, or at whose end, it changes."""
    start = datetime.combine(day, time(), zone)
    found = {(start + timedelta(hours=hour)).replace(fold=fold).utcoffset() for hour in range(25) for fold in (0, 1)}
    return found.pop() if len(found) == 1 else None


def midnight_utc(day: date) -> datetime:
    """How a calendar date is stored: midnight UTC of that date, whatever the clinic's zone."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=offset) for offset in range(count)]


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

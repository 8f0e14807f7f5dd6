"""The only source of the current time, and conversions between UTC instants and the clinic's local time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_arranged: ContextVar[datetime | None] = ContextVar("arranged", default=None)


def now() -> datetime:
    """The current instant in UTC, in whole milliseconds, which is the precision of MongoDB."""
    instant = _arranged.get() or datetime.now(UTC)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Let the current time be this instant, in this context: example data has a past."""
    token = _arranged.set(instant)
    try:
        yield
    finally:
        _arranged.reset(token)


def today(zone: ZoneInfo) -> date:
    """The current calendar date at the clinic."""
    return now().astimezone(zone).date()


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The calendar date of an instant at the clinic."""
    return instant.astimezone(zone).date()


def wall_clock(day: date, hhmm: str, zone: ZoneInfo) -> datetime:
    """The UTC instant of a local time of day ("09:30"); the first one if daylight saving time makes it occur twice."""
    hours, minutes = hhmm.split(":")
    return datetime.combine(day, time(int(hours), int(minutes)), zone).astimezone(UTC)


@lru_cache(maxsize=1000)
def fixed_utc_offset(day: date, zone: ZoneInfo) -> timedelta | None:
    """The UTC offset of a day; None if the clocks change during the day or at its end."""
    start = datetime.combine(day, time(), zone)
    found = {(start + timedelta(hours=hour)).replace(fold=fold).utcoffset() for hour in range(25) for fold in (0, 1)}
    return found.pop() if len(found) == 1 else None


def midnight_utc(day: date) -> datetime:
    """The stored form of a calendar date: midnight UTC of that date, in every time zone of the clinic."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def days(first: date, count: int) -> list[date]:
    """`count` consecutive dates, starting with `first`."""
    return [first + timedelta(days=offset) for offset in range(count)]


def iso(instant: datetime) -> str:
    """Format an instant as ISO 8601 in UTC, with milliseconds and `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Which slots a doctor's week makes, and how a day's slots follow a change of the week."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from arthomed.core import clock


class Weekday(StrEnum):
    """In the order of `date.weekday()`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


WEEK = tuple(Weekday)


class HoursLike(Protocol):
    """One range of a week, as `users.models.Hours` has it."""

    day: str
    start_time: str
    end_time: str
    is_available: bool
    max_patients: int


class PlannedSlot(NamedTuple):
    """A slot that the hours ask for: half-open, from `start_time` up to but not including `end_time`."""

    date: date
    start_time: str
    end_time: str
    starts_at: datetime
    max_patients: int


class ExistingSlot(NamedTuple):
    """As much of a stored slot as a change of the week depends on; `bookings` counts its active visits."""

    id: object
    date: date
    start_time: str
    end_time: str
    starts_at: datetime
    max_patients: int
    consultation_fee: int
    is_blocked: bool
    bookings: int

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + length(self.start_time, self.end_time)


Shapes = dict[tuple[str, str, int, int, bool], set[datetime]]
"""Slots by start, end, patients, fee and whether they are blocked, each with its days as they are stored."""


@dataclass(frozen=True, slots=True)
class Change:
    """What to do with the slots: make, take away, alter, and which booked ones fit the hours no more."""

    made: list[PlannedSlot]
    removed: list[ExistingSlot]
    altered: list[tuple[ExistingSlot, PlannedSlot]]
    conflicts: list[ExistingSlot]

    @property
    def is_needed(self) -> bool:
        open_conflicts = any(not slot.is_blocked for slot in self.conflicts)
        return bool(self.made or self.removed or self.altered) or open_conflicts


def minutes(hhmm: str) -> int:
    """Minutes since midnight of "HH:MM"."""
    hours, rest = hhmm.split(":")
    return int(hours) * 60 + int(rest)


def length(start: str, end: str) -> timedelta:
    """How long it is from one "HH:MM" to another of the same day."""
    return timedelta(minutes=minutes(end) - minutes(start))


def hhmm(since_midnight: int) -> str:
    return f"{since_midnight // 60:02}:{since_midnight % 60:02}"


_SINCE_MIDNIGHT = {hhmm(minute): timedelta(minutes=minute) for minute in range(24 * 60)}


def faults(week: Sequence[HoursLike], slot_minutes: int) -> dict[int, str]:
    """What is wrong with a week, by the index of the range."""
    wrong: dict[int, str] = {}
    for index, hours in enumerate(week):
        start, end = minutes(hours.start_time), minutes(hours.end_time)
        if end <= start:
            wrong[index] = "Must end after it starts."
        elif (end - start) % slot_minutes:
            wrong[index] = f"Must be a multiple of {slot_minutes} minutes long."
        elif any(_overlap(hours, earlier) for earlier in week[:index]):
            wrong[index] = "Overlaps with another range of that day."
    return wrong


def slots_of_day(ranges: Iterable[HoursLike], slot_minutes: int) -> list[tuple[str, str, int]]:
    """(start, end, patients) of a day's slots in order; the last one of a range may not overrun it."""
    return sorted(
        (hhmm(start), hhmm(start + slot_minutes), hours.max_patients)
        for hours in ranges
        if hours.is_available
        for start in range(minutes(hours.start_time), minutes(hours.end_time) - slot_minutes + 1, slot_minutes)
    )


def plan(
    week: Sequence[HoursLike], days: Iterable[date], *, slot_minutes: int, zone: ZoneInfo, after: datetime
) -> list[PlannedSlot]:
    """The slots of those days that start after an instant.

    A time of day that comes twice when the clocks change makes the earlier slot; one that is skipped makes
    none, and neither does one between whose start and end they change: it would run into another.
    """
    of_day = [tuple(slots_of_day([hours for hours in week if hours.day == weekday], slot_minutes)) for weekday in WEEK]
    planned = (_plan_of_day(of_day[day.weekday()], day, slot_minutes, zone) for day in days)
    return [slot for slots in planned for slot in slots if slot.starts_at > after]


@lru_cache(maxsize=4096)
def _plan_of_day(
    times: tuple[tuple[str, str, int], ...], day: date, slot_minutes: int, zone: ZoneInfo
) -> list[PlannedSlot]:
    """As `plan` for one day; remembered, because many doctors have the same hours."""
    offset = clock.offset_all_day(day, zone)
    midnight = None if offset is None else clock.midnight_utc(day) - offset
    planned = []
    for start, end, patients in times:
        starts_at = clock.wall_clock(day, start, zone) if midnight is None else midnight + _SINCE_MIDNIGHT[start]
        if midnight or _is_on_the_clock(starts_at, start, slot_minutes, zone):
            planned.append(PlannedSlot(day, start, end, starts_at, patients))
    return planned


def shapes(planned: Iterable[PlannedSlot], *, fee: int) -> Shapes:
    """What `Slot.shapes` tells of free slots that are just as planned."""
    found: Shapes = {}
    for day, start, end, _, patients in planned:
        found.setdefault((start, end, patients, fee, False), set()).add(clock.midnight_utc(day))
    return found


def change(planned: Sequence[PlannedSlot], existing: Sequence[ExistingSlot], *, fee: int, after: datetime) -> Change:
    """How the stored slots become the planned ones, all of which start after an instant.

    Free slots follow; booked ones and those under way stay, and nothing new is made over one that stays.
    A booked slot that the hours no longer ask for takes no further patients: it is a conflict for the
    clinic to settle.
    """
    wanted = {_key(slot): slot for slot in planned}
    under_way = [slot for slot in existing if slot.starts_at <= after]
    coming = {_key(slot): slot for slot in existing if slot.starts_at > after}
    outside = [slot for key, slot in coming.items() if key not in wanted]
    conflicts = [slot for slot in outside if slot.bookings]
    kept = [*under_way, *conflicts]
    return Change(
        made=[slot for key, slot in wanted.items() if key not in coming and not (kept and _meets_any(slot, kept))],
        removed=[slot for slot in outside if not slot.bookings],
        altered=[
            (slot, asked)
            for key, slot in coming.items()
            if (asked := wanted.get(key)) is not None and _differs(slot, asked, fee)
        ],
        conflicts=conflicts,
    )


def capacity(slot: ExistingSlot, asked: PlannedSlot) -> int:
    """How many patients a slot takes from now on: as asked, but never fewer than it holds."""
    return max(asked.max_patients, slot.bookings)


def horizon(now: datetime, zone: ZoneInfo, days: int) -> list[date]:
    """The calendar days that can be booked: today at the clinic and the following, `days` in all."""
    return clock.days(clock.local_date(now, zone), days)


def _is_on_the_clock(starts_at: datetime, start: str, slot_minutes: int, zone: ZoneInfo) -> bool:
    """Whether the clinic's clock shows that start, and runs on evenly from there to the end of the slot."""
    local = starts_at.astimezone(zone)
    last_moment = (starts_at + timedelta(minutes=slot_minutes, microseconds=-1)).astimezone(zone)
    return f"{local:%H:%M}" == start and local.utcoffset() == last_moment.utcoffset()


def _overlap(one: HoursLike, other: HoursLike) -> bool:
    return one.day == other.day and _meet(one.start_time, one.end_time, other.start_time, other.end_time)


def _meet(start: str, end: str, other_start: str, other_end: str) -> bool:
    """Whether two half-open ranges of one day share a moment."""
    return start < other_end and other_start < end


def _meets_any(slot: PlannedSlot, others: Iterable[ExistingSlot]) -> bool:
    return any(
        slot.date == one.date and _meet(slot.start_time, slot.end_time, one.start_time, one.end_time) for one in others
    )


def _key(slot: PlannedSlot | ExistingSlot) -> tuple[date, str, str]:
    return (slot.date, slot.start_time, slot.end_time)


def _differs(slot: ExistingSlot, asked: PlannedSlot, fee: int) -> bool:
    wanted = capacity(slot, asked)
    return slot.is_blocked or slot.max_patients != wanted or slot.consultation_fee != fee


def smallest_free_seat(taken: Collection[int], patients: int) -> int:
    """Seats are counted from one."""
    return next(seat for seat in range(1, patients + 1) if seat not in taken)

"""Plan slots from a doctor's weekly hours, and compare the plan with the stored slots."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from arthomed.core import clock


class Weekday(StrEnum):
    """The members have the order of `date.weekday()`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


WEEK = tuple(Weekday)


class HoursLike(Protocol):
    """One range of the weekly hours; `users.models.Hours` implements it."""

    day: str
    start_time: str
    end_time: str
    is_available: bool
    max_patients: int


class PlannedSlot(NamedTuple):
    """A slot that follows from the weekly hours. It includes `start_time` and excludes `end_time`."""

    date: date
    start_time: str
    end_time: str
    starts_at: datetime
    max_patients: int


class ExistingSlot(NamedTuple):
    """The fields of a stored slot that `diff` needs; `bookings` counts its active appointments.

    A person has blocked it, with a reason, or added it besides the weekly hours (`is_extra`).
    """

    id: object
    date: date
    start_time: str
    end_time: str
    starts_at: datetime
    max_patients: int
    consultation_fee: int
    is_blocked: bool
    bookings: int
    is_blocked_by_person: bool = False
    is_extra: bool = False

    @property
    def stays(self) -> bool:
        """Whether the slot stays although the hours change."""
        return self.is_blocked_by_person or self.is_extra

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + length(self.start_time, self.end_time)


SlotGroups = dict[tuple[str, str, int, int, bool], set[datetime]]
"""Slot dates (midnight UTC) by start time, end time, maximum of patients, fee and whether the slot is blocked."""


@dataclass(frozen=True, slots=True)
class SlotChanges:
    """The changes that bring the stored slots in line with the plan.

    `updated` has the new maximum of patients of each slot. `conflicts` are booked slots outside the hours; they stay,
    but take no further appointments.
    """

    created: list[PlannedSlot]
    removed: list[ExistingSlot]
    updated: list[tuple[ExistingSlot, int]]
    conflicts: list[ExistingSlot]

    @property
    def is_needed(self) -> bool:
        has_open_conflicts = any(not slot.is_blocked for slot in self.conflicts)
        return bool(self.created or self.removed or self.updated) or has_open_conflicts


def minutes(hhmm: str) -> int:
    """Minutes since midnight of "HH:MM"."""
    hours, rest = hhmm.split(":")
    return int(hours) * 60 + int(rest)


def length(start: str, end: str) -> timedelta:
    """The time between two "HH:MM" of the same day."""
    return timedelta(minutes=minutes(end) - minutes(start))


def hhmm(since_midnight: int) -> str:
    """Format minutes since midnight as "HH:MM"."""
    return f"{since_midnight // 60:02}:{since_midnight % 60:02}"


def end_of(start: str, length_minutes: int) -> str | None:
    """The end of a slot; None if it would be after midnight."""
    end = minutes(start) + length_minutes
    return hhmm(end) if end <= 24 * 60 else None


_OFFSETS = {hhmm(minute): timedelta(minutes=minute) for minute in range(24 * 60)}


def validation_errors(week: Sequence[HoursLike], slot_minutes: int) -> dict[int, str]:
    """Check weekly hours. Return an error message for each invalid range, by its index."""
    errors: dict[int, str] = {}
    for index, hours in enumerate(week):
        start, end = minutes(hours.start_time), minutes(hours.end_time)
        if end <= start:
            errors[index] = "Must end after it starts." + (" Midnight is 24:00 as an end." if end == 0 else "")
        elif (end - start) % slot_minutes:
            errors[index] = f"Must be a multiple of {slot_minutes} minutes long."
        elif any(_overlap(hours, earlier) for earlier in week[:index]):
            errors[index] = "Overlaps with another range of that day."
    return errors


def split_into_slots(ranges: Iterable[HoursLike], slot_minutes: int) -> list[tuple[str, str, int]]:
    """Return (start, end, maximum of patients) of a day's slots in order. No slot ends after its range."""
    return sorted(
        (hhmm(start), hhmm(start + slot_minutes), hours.max_patients)
        for hours in ranges
        if hours.is_available
        for start in range(minutes(hours.start_time), minutes(hours.end_time) - slot_minutes + 1, slot_minutes)
    )


def plan(
    week: Sequence[HoursLike], days: Iterable[date], *, slot_minutes: int, zone: ZoneInfo, after: datetime
) -> list[PlannedSlot]:
    """Plan the slots of these days that start later than `after`.

    Daylight saving time: a time of day that occurs twice makes one slot, at its first occurrence. A time of day that
    is skipped makes no slot. A slot during which the clocks change is left out, because it would overlap another one.
    """
    by_weekday = [tuple(split_into_slots([one for one in week if one.day == day], slot_minutes)) for day in WEEK]
    planned = (_plan_day(by_weekday[day.weekday()], day, slot_minutes, zone) for day in days)
    return [slot for slots in planned for slot in slots if slot.starts_at > after]


@lru_cache(maxsize=4096)
def _plan_day(
    times: tuple[tuple[str, str, int], ...], day: date, slot_minutes: int, zone: ZoneInfo
) -> list[PlannedSlot]:
    """Plan one day. The result is cached, because many doctors have the same hours."""
    offset = clock.fixed_utc_offset(day, zone)
    midnight = None if offset is None else clock.midnight_utc(day) - offset
    planned = []
    for start, end, patients in times:
        starts_at = clock.wall_clock(day, start, zone) if midnight is None else midnight + _OFFSETS[start]
        if midnight or _is_regular(starts_at, start, slot_minutes, zone):
            planned.append(PlannedSlot(day, start, end, starts_at, patients))
    return planned


def group(planned: Iterable[PlannedSlot], *, fee: int) -> SlotGroups:
    """Group planned slots as `Slot.group_upcoming` groups stored ones, for a comparison."""
    found: SlotGroups = {}
    for day, start, end, _, patients in planned:
        found.setdefault((start, end, patients, fee, False), set()).add(clock.midnight_utc(day))
    return found


def diff(planned: Sequence[PlannedSlot], existing: Sequence[ExistingSlot], *, fee: int, after: datetime) -> SlotChanges:
    """Compare the stored slots with the planned ones, which all start later than `after`.

    Free slots follow the plan. Booked slots, slots in progress, extra slots and those that a person blocked stay, and
    no new slot overlaps them. A booked slot outside the planned hours takes no further patients, unless it is an extra
    one; the clinic resolves that conflict.
    """
    planned_by_key = {_key(slot): slot for slot in planned}
    in_progress = [slot for slot in existing if slot.starts_at <= after]
    upcoming = {_key(slot): slot for slot in existing if slot.starts_at > after}
    outside = [slot for key, slot in upcoming.items() if key not in planned_by_key and not slot.is_extra]
    conflicts = [slot for slot in outside if slot.bookings]
    kept = [*in_progress, *conflicts, *(slot for slot in upcoming.values() if slot.stays)]
    return SlotChanges(
        created=[
            slot
            for key, slot in planned_by_key.items()
            if key not in upcoming and not (kept and _overlaps_any(slot, kept))
        ],
        removed=[slot for slot in outside if not slot.bookings and not slot.stays],
        updated=[
            (slot, capacity(slot, target))
            for slot in upcoming.values()
            if (target := _target(slot, planned_by_key)) is not None and _differs(slot, target, fee)
        ],
        conflicts=conflicts,
    )


def _target(
    slot: ExistingSlot, planned: Mapping[tuple[date, str, str], PlannedSlot]
) -> PlannedSlot | ExistingSlot | None:
    """What a stored slot should be like: as planned, or an extra one as it is; None when nothing changes it."""
    if slot.is_blocked_by_person:
        return None
    return slot if slot.is_extra else planned.get(_key(slot))


def capacity(slot: ExistingSlot, target: PlannedSlot | ExistingSlot) -> int:
    """The new maximum of patients: as planned, but never lower than the number of bookings."""
    return max(target.max_patients, slot.bookings)


def plan_extra(day: date, start: str, end: str, *, max_patients: int, zone: ZoneInfo) -> PlannedSlot | None:
    """A single slot besides the weekly hours; None if the clocks change meanwhile or skip its start."""
    starts_at = clock.wall_clock(day, start, zone)
    if not _is_regular(starts_at, start, minutes(end) - minutes(start), zone):
        return None
    return PlannedSlot(day, start, end, starts_at, max_patients)


def horizon(now: datetime, zone: ZoneInfo, days: int) -> list[date]:
    """The `days` calendar days that can be booked, from today at the clinic on."""
    return clock.days(clock.local_date(now, zone), days)


def _is_regular(starts_at: datetime, start: str, slot_minutes: int, zone: ZoneInfo) -> bool:
    """Whether the clinic's clock shows `start` at that instant, and does not change before the slot ends."""
    local = starts_at.astimezone(zone)
    last_moment = (starts_at + timedelta(minutes=slot_minutes, microseconds=-1)).astimezone(zone)
    return f"{local:%H:%M}" == start and local.utcoffset() == last_moment.utcoffset()


def _overlap(one: HoursLike, other: HoursLike) -> bool:
    return one.day == other.day and times_overlap(one.start_time, one.end_time, other.start_time, other.end_time)


def times_overlap(start: str, end: str, other_start: str, other_end: str) -> bool:
    """Whether two half-open ranges of one day overlap."""
    return start < other_end and other_start < end


def _overlaps_any(slot: PlannedSlot, others: Iterable[ExistingSlot]) -> bool:
    return any(
        slot.date == one.date and times_overlap(slot.start_time, slot.end_time, one.start_time, one.end_time)
        for one in others
    )


def _key(slot: PlannedSlot | ExistingSlot) -> tuple[date, str, str]:
    return (slot.date, slot.start_time, slot.end_time)


def _differs(slot: ExistingSlot, target: PlannedSlot | ExistingSlot, fee: int) -> bool:
    return slot.is_blocked or slot.max_patients != capacity(slot, target) or slot.consultation_fee != fee


def smallest_free_seat(taken: Collection[int], patients: int) -> int:
    """Return the smallest seat number, counted from 1, that is not taken."""
    return next(seat for seat in range(1, patients + 1) if seat not in taken)

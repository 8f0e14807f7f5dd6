"""Properties of planned and stored slots for random hours, time zones and instants."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from arthomed.core import clock
from arthomed.scheduling import rules
from arthomed.scheduling.rules import ExistingSlot, PlannedSlot, SlotChanges, Weekday
from arthomed.users.models import Hours
from tests.factories import FEE, stored_slot

ZONES = ["Asia/Kolkata", "America/New_York", "Europe/London", "Australia/Lord_Howe", "UTC"]
DST_CHANGES = [date(2026, 3, 8), date(2026, 11, 1), date(2026, 3, 29), date(2026, 10, 25), date(2026, 4, 5)]
few = settings(max_examples=60, deadline=None)


@dataclass(frozen=True)
class Clinic:
    """The inputs of slot planning besides the weekly hours."""

    zone: ZoneInfo
    days: list[date]
    slot_minutes: int
    now: datetime

    def plan(self, week: Sequence[Hours]) -> list[PlannedSlot]:
        return rules.plan(week, self.days, slot_minutes=self.slot_minutes, zone=self.zone, after=self.now)


@st.composite
def clinics(draw: st.DrawFn) -> Clinic:
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    around = draw(st.sampled_from(DST_CHANGES)) - timedelta(days=draw(st.integers(0, 2)))
    days = clock.days(around, draw(st.integers(1, 4)))
    now = datetime(around.year, around.month, around.day, tzinfo=UTC) + timedelta(minutes=draw(st.integers(-900, 900)))
    return Clinic(zone, days, draw(st.sampled_from([15, 20, 30, 60])), now)


@st.composite
def weeks(draw: st.DrawFn, slot_minutes: int) -> list[Hours]:
    """Valid weekly hours: ranges that `validation_errors` refuses are left out."""
    week: list[Hours] = []
    for _ in range(draw(st.integers(0, 10))):
        start = draw(st.integers(0, 22 * 12)) * 5
        length = draw(st.integers(1, 8)) * slot_minutes
        hours = Hours(
            day=draw(st.sampled_from([Weekday.SATURDAY, Weekday.SUNDAY, Weekday.MONDAY])),
            start_time=rules.hhmm(start),
            end_time=rules.hhmm(min(start + length, 23 * 60 + 59)),
            is_available=draw(st.booleans()),
            max_patients=draw(st.integers(1, 3)),
        )
        if not rules.validation_errors([*week, hours], slot_minutes):
            week.append(hours)
    return week


@st.composite
def clinics_and_weeks(draw: st.DrawFn, max_weeks: int = 1) -> tuple[Clinic, list[list[Hours]]]:
    clinic = draw(clinics())
    return clinic, draw(st.lists(weeks(clinic.slot_minutes), min_size=1, max_size=max_weeks))


@few
@given(clinics_and_weeks())
def test_planned_slots_do_not_overlap(drawn: tuple[Clinic, list[list[Hours]]]) -> None:
    clinic, [week] = drawn
    length = timedelta(minutes=clinic.slot_minutes)
    planned = sorted(clinic.plan(week), key=lambda slot: slot.starts_at)

    assert all(one.starts_at + length <= following.starts_at for one, following in pairwise(planned))


@few
@given(clinics_and_weeks())
def test_planned_slots_have_full_length_and_lie_within_the_hours(drawn: tuple[Clinic, list[list[Hours]]]) -> None:
    clinic, [week] = drawn

    for slot in clinic.plan(week):
        assert rules.length(slot.start_time, slot.end_time) == timedelta(minutes=clinic.slot_minutes)
        assert any(
            hours.day == rules.WEEK[slot.date.weekday()]
            and hours.is_available
            and hours.start_time <= slot.start_time
            and slot.end_time <= hours.end_time
            for hours in week
        )


@few
@given(clinics_and_weeks())
def test_planned_slots_start_at_the_local_time_of_the_clinic(drawn: tuple[Clinic, list[list[Hours]]]) -> None:
    clinic, [week] = drawn

    for slot in clinic.plan(week):
        local = slot.starts_at.astimezone(clinic.zone)
        assert (local.date(), f"{local:%H:%M}") == (slot.date, slot.start_time)
        assert slot.starts_at > clinic.now


@few
@given(clinics_and_weeks())
def test_hours_are_filled_without_gaps_on_days_without_a_clock_change(drawn: tuple[Clinic, list[list[Hours]]]) -> None:
    clinic, [week] = drawn
    without_dst = replace(clinic, zone=ZoneInfo("Asia/Kolkata"), now=datetime(2026, 1, 1, tzinfo=UTC))
    expected = sum(
        rules.length(hours.start_time, hours.end_time) // timedelta(minutes=clinic.slot_minutes)
        for day in clinic.days
        for hours in week
        if hours.is_available and hours.day == rules.WEEK[day.weekday()]
    )

    assert len(without_dst.plan(week)) == expected


@few
@given(clinics_and_weeks(max_weeks=4), st.integers(), st.integers(0, 120))
def test_repeated_schedule_changes_keep_bookings_and_never_overlap(
    drawn: tuple[Clinic, list[list[Hours]]], seed: int, minutes_between: int
) -> None:
    clinic, saved = drawn
    random, stored = Random(seed), list[ExistingSlot]()
    for week in saved:
        stored = _with_random_bookings(stored, random)
        unfinished = [slot for slot in stored if slot.ends_at > clinic.now]
        planned = clinic.plan(week)
        changes = rules.diff(planned, unfinished, fee=FEE, after=clinic.now)
        after = _apply(changes, stored)

        assert _bookings_by_slot(after) >= _bookings_by_slot(stored)
        assert _have_no_overlap(after)
        again = rules.diff(planned, [s for s in after if s.ends_at > clinic.now], fee=FEE, after=clinic.now)
        assert not again.is_needed
        stored, clinic = after, replace(clinic, now=clinic.now + timedelta(minutes=minutes_between))


def _with_random_bookings(stored: list[ExistingSlot], random: Random) -> list[ExistingSlot]:
    """Change the number of bookings at random; as in the database, a blocked slot takes none."""
    return [
        slot if slot.is_blocked else slot._replace(bookings=random.choice([0, 0, slot.bookings, slot.max_patients]))
        for slot in stored
    ]


def _apply(changes: SlotChanges, stored: list[ExistingSlot]) -> list[ExistingSlot]:
    """Apply changes to slots in memory, as `Slot.apply` does in the database."""
    removed = {slot.id for slot in changes.removed}
    closed = {slot.id for slot in changes.conflicts}
    updated = {slot.id: max_patients for slot, max_patients in changes.updated}
    kept = [
        slot._replace(is_blocked=True)
        if slot.id in closed
        else slot._replace(is_blocked=False, consultation_fee=FEE, max_patients=updated[slot.id])
        if slot.id in updated
        else slot
        for slot in stored
        if slot.id not in removed
    ]
    return [*kept, *map(stored_slot, changes.created)]


def _bookings_by_slot(stored: list[ExistingSlot]) -> set[tuple[object, int]]:
    return {(slot.id, slot.bookings) for slot in stored if slot.bookings}


def _have_no_overlap(stored: list[ExistingSlot]) -> bool:
    in_order = sorted(stored, key=lambda slot: slot.starts_at)
    return all(one.ends_at <= following.starts_at for one, following in pairwise(in_order))

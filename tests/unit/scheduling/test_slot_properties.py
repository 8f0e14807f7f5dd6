"""What holds for every week, zone and moment: half-open slots, no overlap, no overrun, idempotent changes."""

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
CHANGES_OF_CLOCKS = [date(2026, 3, 8), date(2026, 11, 1), date(2026, 3, 29), date(2026, 10, 25), date(2026, 4, 5)]
few = settings(max_examples=60, deadline=None)


@dataclass(frozen=True)
class Clinic:
    """What the slots of a doctor depend on besides the week."""

    zone: ZoneInfo
    days: list[date]
    slot_minutes: int
    now: datetime

    def plan(self, week: Sequence[Hours]) -> list[PlannedSlot]:
        return rules.plan(week, self.days, slot_minutes=self.slot_minutes, zone=self.zone, after=self.now)


@st.composite
def clinics(draw: st.DrawFn) -> Clinic:
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    around = draw(st.sampled_from(CHANGES_OF_CLOCKS)) - timedelta(days=draw(st.integers(0, 2)))
    days = clock.days(around, draw(st.integers(1, 4)))
    now = datetime(around.year, around.month, around.day, tzinfo=UTC) + timedelta(minutes=draw(st.integers(-900, 900)))
    return Clinic(zone, days, draw(st.sampled_from([15, 20, 30, 60])), now)


@st.composite
def weeks(draw: st.DrawFn, slot_minutes: int) -> list[Hours]:
    """A sound week: ranges are dropped that `faults` would refuse."""
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
def clinics_and_weeks(draw: st.DrawFn, most: int = 1) -> tuple[Clinic, list[list[Hours]]]:
    clinic = draw(clinics())
    return clinic, draw(st.lists(weeks(clinic.slot_minutes), min_size=1, max_size=most))


@few
@given(clinics_and_weeks())
def test_planned_slots_never_share_a_moment(drawn: tuple[Clinic, list[list[Hours]]]) -> None:
    clinic, [week] = drawn
    length = timedelta(minutes=clinic.slot_minutes)
    planned = sorted(clinic.plan(week), key=lambda slot: slot.starts_at)

    assert all(one.starts_at + length <= following.starts_at for one, following in pairwise(planned))


@few
@given(clinics_and_weeks())
def test_planned_slots_are_whole_and_lie_within_their_hours(drawn: tuple[Clinic, list[list[Hours]]]) -> None:
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
def test_planned_slots_start_when_the_clinics_clock_says_so(drawn: tuple[Clinic, list[list[Hours]]]) -> None:
    clinic, [week] = drawn

    for slot in clinic.plan(week):
        local = slot.starts_at.astimezone(clinic.zone)
        assert (local.date(), f"{local:%H:%M}") == (slot.date, slot.start_time)
        assert slot.starts_at > clinic.now


@few
@given(clinics_and_weeks())
def test_hours_are_filled_without_a_gap_when_the_clocks_run_evenly(drawn: tuple[Clinic, list[list[Hours]]]) -> None:
    clinic, [week] = drawn
    evenly = replace(clinic, zone=ZoneInfo("Asia/Kolkata"), now=datetime(2026, 1, 1, tzinfo=UTC))
    expected = sum(
        rules.length(hours.start_time, hours.end_time) // timedelta(minutes=clinic.slot_minutes)
        for day in clinic.days
        for hours in week
        if hours.is_available and hours.day == rules.WEEK[day.weekday()]
    )

    assert len(evenly.plan(week)) == expected


@few
@given(clinics_and_weeks(most=4), st.integers(), st.integers(0, 120))
def test_however_often_the_week_changes_the_stored_slots_stay_sound(
    drawn: tuple[Clinic, list[list[Hours]]], seed: int, minutes_between: int
) -> None:
    clinic, saved = drawn
    random, store = Random(seed), list[ExistingSlot]()
    for week in saved:
        store = _booked(store, random)
        unfinished = [slot for slot in store if slot.ends_at > clinic.now]
        planned = clinic.plan(week)
        change = rules.diff(planned, unfinished, fee=FEE, after=clinic.now)
        after = _carried_out(change, store)

        assert _holds(after) >= _holds(store)
        assert _share_no_moment(after)
        again = rules.diff(planned, [s for s in after if s.ends_at > clinic.now], fee=FEE, after=clinic.now)
        assert not again.is_needed
        store, clinic = after, replace(clinic, now=clinic.now + timedelta(minutes=minutes_between))


def _booked(store: list[ExistingSlot], random: Random) -> list[ExistingSlot]:
    """Some visits come, some go; as in the database, a closed slot takes none."""
    return [
        slot if slot.is_blocked else slot._replace(bookings=random.choice([0, 0, slot.bookings, slot.max_patients]))
        for slot in store
    ]


def _carried_out(change: SlotChanges, store: list[ExistingSlot]) -> list[ExistingSlot]:
    """What `Slot.apply` makes of the store."""
    removed = {slot.id for slot in change.removed}
    closed = {slot.id for slot in change.conflicts}
    updated = {slot.id: max_patients for slot, max_patients in change.updated}
    kept = [
        slot._replace(is_blocked=True)
        if slot.id in closed
        else slot._replace(is_blocked=False, consultation_fee=FEE, max_patients=updated[slot.id])
        if slot.id in updated
        else slot
        for slot in store
        if slot.id not in removed
    ]
    return [*kept, *map(stored_slot, change.created)]


def _holds(store: list[ExistingSlot]) -> set[tuple[object, int]]:
    return {(slot.id, slot.bookings) for slot in store if slot.bookings}


def _share_no_moment(store: list[ExistingSlot]) -> bool:
    in_order = sorted(store, key=lambda slot: slot.starts_at)
    return all(one.ends_at <= following.starts_at for one, following in pairwise(in_order))

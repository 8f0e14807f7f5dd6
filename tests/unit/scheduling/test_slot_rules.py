"""Planning slots from weekly hours, and the diff between planned and stored slots."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from arthomed.scheduling import rules
from arthomed.scheduling.rules import ExistingSlot, PlannedSlot, Weekday
from arthomed.users.models import Hours
from tests.factories import FEE, stored_slot

KOLKATA, NEW_YORK = ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")
MONDAY = date(2026, 11, 30)
BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
SPRING, AUTUMN = date(2026, 3, 8), date(2026, 11, 1)  # daylight saving time begins and ends in New York at 02:00


def hours(start: str, end: str, day: Weekday = Weekday.MONDAY, **more: object) -> Hours:
    return Hours(day=day, start_time=start, end_time=end, **more)


def plan(
    *ranges: Hours, day: date = MONDAY, zone: ZoneInfo = KOLKATA, after: datetime = BEFORE, slot_minutes: int = 30
) -> list[PlannedSlot]:
    return rules.plan(ranges, [day], slot_minutes=slot_minutes, zone=zone, after=after)


def starts(planned: list[PlannedSlot]) -> list[str]:
    return [slot.start_time for slot in planned]


def diff(planned: list[PlannedSlot], existing: list[ExistingSlot], after: datetime = BEFORE) -> rules.SlotChanges:
    return rules.diff(planned, existing, fee=FEE, after=after)


def test_week_has_the_order_of_date_weekday() -> None:
    assert [rules.WEEK[(MONDAY + timedelta(days=ahead)).weekday()] for ahead in range(7)] == list(Weekday)


def test_range_is_split_into_slots_up_to_its_end() -> None:
    assert [(slot.start_time, slot.end_time) for slot in plan(hours("09:00", "10:30"))] == [
        ("09:00", "09:30"),
        ("09:30", "10:00"),
        ("10:00", "10:30"),
    ]


@pytest.mark.parametrize("end", ["10:01", "10:15", "10:29"])
def test_last_slot_does_not_end_after_the_range(end: str) -> None:
    assert starts(plan(hours("09:00", end))) == ["09:00", "09:30"]


def test_day_can_have_several_ranges() -> None:
    assert starts(plan(hours("16:00", "17:00"), hours("09:00", "10:00"))) == ["09:00", "09:30", "16:00", "16:30"]


def test_slot_has_the_maximum_of_patients_of_its_range() -> None:
    planned = plan(hours("09:00", "09:30", max_patients=3), hours("10:00", "10:30"))

    assert [slot.max_patients for slot in planned] == [3, 1]


def test_slot_that_starts_now_is_not_planned() -> None:
    half_past_nine = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)

    assert starts(plan(hours("09:00", "11:00"), after=half_past_nine)) == ["10:00", "10:30"]


def test_skipped_local_times_create_no_slots() -> None:
    planned = plan(hours("01:00", "04:00", Weekday.SUNDAY), day=SPRING, zone=NEW_YORK)

    assert starts(planned) == ["01:00", "01:30", "03:00", "03:30"]
    assert planned[2].starts_at - planned[1].starts_at == timedelta(minutes=30)


def test_repeated_local_times_create_one_slot_at_the_first_occurrence() -> None:
    planned = plan(hours("00:30", "03:00", Weekday.SUNDAY), day=AUTUMN, zone=NEW_YORK)

    assert starts(planned) == ["00:30", "01:00", "01:30", "02:00", "02:30"]
    assert planned[1].starts_at == datetime(2026, 11, 1, 5, 0, tzinfo=UTC)
    assert planned[3].starts_at - planned[2].starts_at == timedelta(minutes=90)


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_slot_during_a_clock_change_is_not_planned(day: date) -> None:
    assert "01:45" not in starts(plan(hours("01:15", "03:45", Weekday.SUNDAY), day=day, zone=NEW_YORK))


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (hours("10:00", "09:00"), "Must end after it starts."),
        (hours("09:00", "09:00"), "Must end after it starts."),
        (hours("09:00", "09:45"), "Must be a multiple of 30 minutes long."),
        (hours("09:00", "09:29"), "Must be a multiple of 30 minutes long."),
    ],
)
def test_range_must_end_after_its_start_and_hold_whole_slots(refused: Hours, message: str) -> None:
    assert rules.validation_errors([refused], 30) == {0: message}


@pytest.mark.parametrize(
    "other",
    [hours("09:00", "10:00"), hours("09:30", "10:30"), hours("08:30", "09:30"), hours("08:00", "12:00")],
    ids=lambda one: f"{one.start_time}-{one.end_time}",
)
def test_overlapping_ranges_of_one_day_are_refused(other: Hours) -> None:
    assert rules.validation_errors([hours("09:00", "10:00"), other], 30) == {
        1: "Overlaps with another range of that day."
    }


def test_adjacent_ranges_are_valid() -> None:
    assert (
        rules.validation_errors([hours("09:00", "10:00"), hours("10:00", "11:00"), hours("08:00", "09:00")], 30) == {}
    )


def test_ranges_of_different_days_do_not_overlap() -> None:
    assert rules.validation_errors([hours("09:00", "10:00", day) for day in Weekday], 30) == {}


def test_each_invalid_range_is_reported_by_its_index() -> None:
    week = [hours("10:00", "09:00"), hours("11:00", "12:00"), hours("11:30", "12:30"), hours("14:00", "14:10")]

    assert set(rules.validation_errors(week, 30)) == {0, 2, 3}


def test_all_planned_slots_are_created_when_none_is_stored() -> None:
    planned = plan(hours("09:00", "10:00"))

    assert diff(planned, []) == rules.SlotChanges(created=planned, removed=[], updated=[], conflicts=[])


def test_free_slots_outside_the_hours_are_removed() -> None:
    existing = [stored_slot(slot) for slot in plan(hours("09:00", "10:00"))]

    assert diff([], existing) == rules.SlotChanges(created=[], removed=existing, updated=[], conflicts=[])


def test_blocked_conflict_needs_no_change() -> None:
    existing = [stored_slot(slot, bookings=1, is_blocked=True) for slot in plan(hours("09:00", "09:30"))]

    assert not diff([], existing).is_needed


def test_no_new_slot_overlaps_a_conflict() -> None:
    existing = [stored_slot(slot, bookings=1) for slot in plan(hours("09:15", "09:45"))]

    assert starts(diff(plan(hours("08:30", "10:30")), existing).created) == ["08:30", "10:00"]


@pytest.mark.parametrize("bookings", [0, 1])
def test_slot_in_progress_stays_and_no_new_slot_overlaps_it(bookings: int) -> None:
    now = datetime(2026, 11, 30, 3, 35, tzinfo=UTC)  # 09:05
    existing = [stored_slot(slot, bookings=bookings) for slot in plan(hours("09:00", "09:30"))]

    found = diff(plan(hours("09:15", "10:15"), after=now), existing, after=now)

    assert starts(found.created) == ["09:45"]
    assert (found.removed, found.updated, found.conflicts) == ([], [], [])


def test_same_hour_on_another_day_is_no_conflict() -> None:
    existing = [stored_slot(slot, bookings=1) for slot in plan(hours("09:15", "09:45"))]
    tuesday = plan(hours("09:00", "09:30", Weekday.TUESDAY), day=MONDAY + timedelta(days=1))

    assert diff(tuesday, existing).created == tuesday


@pytest.mark.parametrize(
    ("parts", "needed"),
    [
        ({}, False),
        ({"max_patients": 2}, True),
        ({"consultation_fee": 400}, True),
        ({"is_blocked": True}, True),
        ({"max_patients": 3, "bookings": 3}, False),
        ({"max_patients": 3, "bookings": 2}, True),
    ],
    ids=str,
)
def test_slot_is_updated_when_capacity_fee_or_blocking_differs(parts: dict[str, object], *, needed: bool) -> None:
    planned = plan(hours("09:00", "09:30"))

    assert diff(planned, [stored_slot(planned[0], **parts)]).is_needed is needed


@pytest.mark.parametrize(("planned_patients", "bookings", "expected"), [(1, 0, 1), (1, 3, 3), (3, 1, 3), (2, 2, 2)])
def test_capacity_never_falls_below_the_bookings(planned_patients: int, bookings: int, expected: int) -> None:
    planned = plan(hours("09:00", "09:30", max_patients=planned_patients))[0]

    assert rules.capacity(stored_slot(planned, max_patients=3, bookings=bookings), planned) == expected


@pytest.mark.parametrize(("text", "minutes"), [("00:00", 0), ("09:05", 545), ("23:59", 1439)])
def test_time_of_day_is_parsed_and_formatted(text: str, minutes: int) -> None:
    assert (rules.minutes(text), rules.hhmm(minutes)) == (minutes, text)


@pytest.mark.parametrize("part", ["is_extra", "is_blocked_by_person"])
def test_slot_that_a_person_added_or_blocked_stays_outside_the_hours(part: str) -> None:
    [noon] = plan(hours("12:00", "12:30"))
    stays = stored_slot(noon, **{part: True}, is_blocked=part == "is_blocked_by_person")

    changes = diff(plan(hours("11:45", "13:15")), [stays])

    assert (changes.removed, changes.updated, changes.conflicts) == ([], [], [])
    assert starts(changes.created) == ["12:45"]


def test_block_of_a_person_stays_within_the_hours() -> None:
    [noon] = plan(hours("12:00", "12:30", max_patients=2))
    blocked = stored_slot(noon, is_blocked=True, is_blocked_by_person=True, max_patients=1)

    assert not diff([noon], [blocked]).is_needed


def test_booked_extra_slot_is_no_conflict() -> None:
    [noon] = plan(hours("12:00", "12:30"))

    assert not diff([], [stored_slot(noon, is_extra=True, bookings=1)]).is_needed


def test_booked_slot_outside_the_hours_is_a_conflict_although_a_person_blocked_it() -> None:
    [noon] = plan(hours("12:00", "12:30"))
    blocked = stored_slot(noon, is_blocked=True, is_blocked_by_person=True, bookings=1)

    assert diff([], [blocked]).conflicts == [blocked]


def test_extra_slot_of_a_doctor_who_is_active_again_is_unblocked_and_keeps_its_seats() -> None:
    [noon] = plan(hours("12:00", "12:30"))
    extra = stored_slot(noon, is_extra=True, is_blocked=True, max_patients=3)

    assert diff([], [extra]).updated == [(extra, 3)]


@pytest.mark.parametrize(("start", "end"), [("09:00", "09:30"), ("23:30", "24:00"), ("23:45", None)])
def test_slot_ends_until_midnight(start: str, end: str | None) -> None:
    assert rules.end_of(start, 30) == end


@pytest.mark.parametrize(("day", "start"), [(SPRING, "01:45"), (SPRING, "02:15"), (AUTUMN, "01:45")])
def test_extra_slot_during_a_clock_change_is_not_planned(day: date, start: str) -> None:
    assert rules.plan_extra(day, start, rules.end_of(start, 30) or "", max_patients=1, zone=NEW_YORK) is None

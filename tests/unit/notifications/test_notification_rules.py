"""When a message leaves, by which way, when it is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from arthomed.auth import codes
from arthomed.notifications import rules
from arthomed.notifications.models import Channel

MOST = rules.MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 10), (2, 20), (3, 40), (7, 640), (8, 1280), (9, 1800), (30, 1800)]
)
def test_the_wait_doubles_with_each_failure_up_to_half_an_hour(failures: int, seconds: int) -> None:
    assert rules.wait_before(failures, luck=0.5) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("luck", "seconds"), [(0, 8), (0.5, 10), (1, 12)])
def test_luck_moves_a_wait_by_a_fifth_so_that_not_all_come_back_at_once(luck: float, seconds: int) -> None:
    assert rules.wait_before(1, luck=luck) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("asked", "seconds"), [(None, 10), (3, 10), (90, 90), (3600, 1800)])
def test_a_wait_that_was_asked_for_is_kept_up_to_half_an_hour(asked: int | None, seconds: int) -> None:
    wanted = None if asked is None else timedelta(seconds=asked)

    assert rules.wait_before(1, luck=0.5, asked=wanted) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("attempts", "given_up"), [(1, False), (MOST - 1, False), (MOST, True), (MOST + 1, True)])
def test_a_message_is_given_up_with_the_last_failure_that_is_borne(attempts: int, *, given_up: bool) -> None:
    assert rules.is_given_up(attempts, permanent=False) is given_up


def test_a_gateway_may_be_away_for_most_of_a_day() -> None:
    waited = sum((rules.wait_before(attempt, luck=0.5) for attempt in range(1, MOST)), timedelta())

    assert timedelta(hours=20) < waited < timedelta(hours=28)


def test_a_message_that_can_never_arrive_is_given_up_at_once() -> None:
    assert rules.is_given_up(1, permanent=True)


@pytest.mark.parametrize(("attempts", "worn_out"), [(MOST, False), (MOST + 1, True)])
def test_a_message_whose_attempts_never_ended_is_not_tried_for_ever(attempts: int, *, worn_out: bool) -> None:
    assert rules.is_worn_out(attempts) is worn_out


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize("verified", [False, True])
def test_a_code_goes_to_the_number_else_only_to_a_verified_address(channel: Channel, *, verified: bool) -> None:
    may = channel is Channel.SMS or (channel is Channel.EMAIL and verified)

    assert rules.may_go_by(channel, codes.MESSAGE, address_is_verified=verified) is may


@pytest.mark.parametrize("channel", Channel)
def test_what_is_no_code_may_go_any_way(channel: Channel) -> None:
    assert rules.may_go_by(channel, "appointment-confirmed")


KOLKATA = ZoneInfo("Asia/Kolkata")
NIGHT = rules.Quiet("21:00", "08:00", KOLKATA)
MIDDAY = rules.Quiet("13:00", "14:30", KOLKATA)


def at(day: int, hhmm: str) -> datetime:
    """A time of December 2026 at the clinic."""
    return datetime.strptime(f"2026-12-{day:02} {hhmm}", "%Y-%m-%d %H:%M").replace(tzinfo=KOLKATA).astimezone(UTC)


@pytest.mark.parametrize(
    ("quiet", "now", "end"),
    [
        (NIGHT, at(1, "20:59"), None),
        (NIGHT, at(1, "21:00"), at(2, "08:00")),
        (NIGHT, at(2, "00:00"), at(2, "08:00")),
        (NIGHT, at(2, "07:59"), at(2, "08:00")),
        (NIGHT, at(2, "08:00"), None),
        (MIDDAY, at(1, "12:59"), None),
        (MIDDAY, at(1, "13:00"), at(1, "14:30")),
        (MIDDAY, at(1, "14:30"), None),
        (rules.Quiet("09:00", "09:00", KOLKATA), at(1, "09:00"), None),
    ],
)
def test_quiet_hours_are_the_clinics_and_may_go_over_midnight(
    quiet: rules.Quiet, now: datetime, end: datetime | None
) -> None:
    assert quiet.ends_at(now) == end


@pytest.mark.parametrize(
    ("about", "useful_until", "until"),
    [
        (at(5, "09:00"), at(5, "09:30"), at(2, "08:00")),
        (at(2, "12:00"), at(2, "12:30"), at(2, "08:00")),
        (at(2, "10:00"), at(2, "10:30"), None),  # eleven hours away
        (at(1, "23:30"), at(1, "23:59"), None),
        (at(1, "22:45"), at(1, "23:15"), None),  # it has begun, and ends before the morning
        (at(1, "18:00"), at(2, "18:30"), at(2, "08:00")),  # what came of a visit that is over
        (None, at(1, "23:02"), None),  # a code
        (None, None, None),
    ],
)
def test_at_eleven_at_night_only_what_is_awaited_or_near_leaves(
    about: datetime | None, useful_until: datetime | None, until: datetime | None
) -> None:
    assert rules.put_aside_until(about, useful_until, quiet=NIGHT, now=at(1, "23:00"), luck=0) == until


@pytest.mark.parametrize(("luck", "until"), [(0, "08:00"), (0.5, "08:07:30"), (1, "08:15")])
def test_what_waited_for_the_morning_does_not_leave_all_at_once(luck: float, until: str) -> None:
    morning = rules.put_aside_until(at(5, "09:00"), None, quiet=NIGHT, now=at(1, "23:00"), luck=luck)
    assert morning is not None
    assert f"{morning.astimezone(KOLKATA):%H:%M:%S}".startswith(until)


def test_without_quiet_hours_everything_leaves() -> None:
    assert rules.put_aside_until(at(5, "09:00"), None, quiet=None, now=at(1, "23:00"), luck=0) is None


@pytest.mark.parametrize(("seconds", "of_use"), [(-1, True), (0, False), (1, False)])
def test_a_message_is_of_use_until_its_time(seconds: int, *, of_use: bool) -> None:
    assert rules.is_of_use(at(1, "09:00"), at(1, "09:00") + timedelta(seconds=seconds)) is of_use

"""When a message is sent, by which channel, when it is retried, and when it fails."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from arthomed.auth.service import otp
from arthomed.notifications import rules
from arthomed.notifications.models import Channel

MAX = rules.MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 10), (2, 20), (3, 40), (7, 640), (8, 1280), (9, 1800), (30, 1800)]
)
def test_retry_delay_doubles_with_each_failure_up_to_half_an_hour(failures: int, seconds: int) -> None:
    assert rules.retry_delay(failures, jitter=0.5) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("jitter", "seconds"), [(0, 8), (0.5, 10), (1, 12)])
def test_jitter_changes_a_retry_delay_by_up_to_a_fifth(jitter: float, seconds: int) -> None:
    assert rules.retry_delay(1, jitter=jitter) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 10), (3, 10), (90, 90), (3600, 1800)])
def test_longer_retry_after_takes_precedence_up_to_half_an_hour(retry_after: int | None, seconds: int) -> None:
    requested = None if retry_after is None else timedelta(seconds=retry_after)

    assert rules.retry_delay(1, jitter=0.5, retry_after=requested) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("attempts", "permanent", "given_up"),
    [(1, False, False), (1, True, True), (MAX - 1, False, False), (MAX, False, True), (MAX + 1, False, True)],
)
def test_message_fails_permanently_or_after_the_maximum_of_attempts(
    attempts: int, *, permanent: bool, given_up: bool
) -> None:
    assert rules.should_give_up(attempts, permanent=permanent) is given_up


def test_retries_outlast_an_outage_of_most_of_a_day() -> None:
    total = sum((rules.retry_delay(attempt, jitter=0.5) for attempt in range(1, MAX)), timedelta())

    assert timedelta(hours=20) < total < timedelta(hours=28)


@pytest.mark.parametrize(("attempts", "too_many"), [(MAX, False), (MAX + 1, True)])
def test_attempts_that_never_end_are_limited(attempts: int, *, too_many: bool) -> None:
    assert rules.has_too_many_attempts(attempts) is too_many


@pytest.mark.parametrize("channel", Channel)
def test_code_goes_by_sms_only(channel: Channel) -> None:
    assert rules.is_channel_allowed(channel, otp.MESSAGE) is (channel is Channel.SMS)


@pytest.mark.parametrize("channel", Channel)
def test_other_messages_may_use_any_channel(channel: Channel) -> None:
    assert rules.is_channel_allowed(channel, "appointment-confirmed")


KOLKATA = ZoneInfo("Asia/Kolkata")
NIGHT = rules.QuietHours("21:00", "08:00", KOLKATA)
MIDDAY = rules.QuietHours("13:00", "14:30", KOLKATA)


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
        (rules.QuietHours("09:00", "09:00", KOLKATA), at(1, "09:00"), None),
    ],
)
def test_quiet_hours_are_in_the_clinics_time_zone_and_may_span_midnight(
    quiet: rules.QuietHours, now: datetime, end: datetime | None
) -> None:
    assert quiet.ends_at(now) == end


@pytest.mark.parametrize(
    ("event_at", "useful_until", "until"),
    [
        (at(5, "09:00"), at(5, "09:30"), at(2, "08:00")),
        (at(2, "12:00"), at(2, "12:30"), at(2, "08:00")),
        (at(2, "10:00"), at(2, "10:30"), None),  # eleven hours away
        (at(1, "23:30"), at(1, "23:59"), None),
        (at(1, "22:45"), at(1, "23:15"), None),  # it has begun, and ends before morning
        (at(1, "18:00"), at(2, "18:30"), at(2, "08:00")),  # the outcome of a past appointment
        (None, at(1, "23:02"), None),  # a code
        (None, None, None),
    ],
)
def test_only_codes_and_messages_about_imminent_appointments_are_sent_at_night(
    event_at: datetime | None, useful_until: datetime | None, until: datetime | None
) -> None:
    assert rules.postponed_until(event_at, useful_until, quiet=NIGHT, now=at(1, "23:00"), jitter=0) == until


@pytest.mark.parametrize(("jitter", "until"), [(0, "08:00"), (0.5, "08:07:30"), (1, "08:15")])
def test_jitter_spreads_postponed_messages_over_a_quarter_of_an_hour(jitter: float, until: str) -> None:
    morning = rules.postponed_until(at(5, "09:00"), None, quiet=NIGHT, now=at(1, "23:00"), jitter=jitter)
    assert morning is not None
    assert f"{morning.astimezone(KOLKATA):%H:%M:%S}".startswith(until)


def test_no_message_is_postponed_without_quiet_hours() -> None:
    assert rules.postponed_until(at(5, "09:00"), None, quiet=None, now=at(1, "23:00"), jitter=0) is None


@pytest.mark.parametrize(("seconds", "useful"), [(-1, True), (0, False), (1, False)])
def test_message_is_useful_before_its_time_has_passed(seconds: int, *, useful: bool) -> None:
    assert rules.is_useful(at(1, "09:00"), at(1, "09:00") + timedelta(seconds=seconds)) is useful

"""When a message is tried again, and when it is given up."""

from datetime import timedelta

import pytest

from arthomed.notifications import rules

MOST = rules.MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 10), (2, 20), (3, 40), (7, 640), (8, 1280), (9, 1800), (30, 1800)]
)
def test_the_wait_doubles_with_each_failure_up_to_half_an_hour(failures: int, seconds: int) -> None:
    assert rules.wait_before(failures) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("attempts", "given_up"), [(1, False), (MOST - 1, False), (MOST, True), (MOST + 1, True)])
def test_a_message_is_given_up_with_the_last_failure_that_is_borne(attempts: int, *, given_up: bool) -> None:
    assert rules.is_given_up(attempts, permanent=False) is given_up


def test_a_gateway_may_be_away_for_most_of_a_day() -> None:
    waited = sum((rules.wait_before(attempt) for attempt in range(1, MOST)), timedelta())

    assert timedelta(hours=20) < waited < timedelta(hours=28)


def test_a_message_that_can_never_arrive_is_given_up_at_once() -> None:
    assert rules.is_given_up(1, permanent=True)


@pytest.mark.parametrize(("attempts", "worn_out"), [(MOST, False), (MOST + 1, True)])
def test_a_message_whose_attempts_never_ended_is_not_tried_for_ever(attempts: int, *, worn_out: bool) -> None:
    assert rules.is_worn_out(attempts) is worn_out

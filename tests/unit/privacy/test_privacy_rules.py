"""What outlives an erasure, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from arthomed.privacy import rules

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TREATED = NOW - timedelta(days=30)


def test_who_was_never_treated_has_no_medical_record_to_keep() -> None:
    assert rules.records_until(None, NOW) is None


def test_a_medical_record_is_kept_for_three_years_after_the_last_treatment() -> None:
    assert rules.records_until(TREATED, NOW) == TREATED + rules.RECORDS_KEPT
    assert timedelta(days=3 * 365 + 1) <= rules.RECORDS_KEPT


@pytest.mark.parametrize("age", [rules.RECORDS_KEPT, rules.RECORDS_KEPT + timedelta(days=1)], ids=["just", "long"])
def test_a_record_that_is_old_enough_need_not_be_kept(age: timedelta) -> None:
    assert rules.records_until(NOW - age, NOW) is None


def test_the_name_goes_unless_a_medical_record_needs_it() -> None:
    assert [any("Name" in what for what in rules.erased(until)) for until in (None, NOW)] == [True, False]


def test_what_is_kept_says_why_and_until_when() -> None:
    until = rules.records_until(TREATED, NOW)
    record, trail = rules.kept(until, NOW)

    assert (record.until, trail.until) == (until, NOW + rules.TRAIL_KEPT)
    assert "Medical Council" in record.why
    assert "Digital Personal Data Protection" in trail.why


def test_without_a_record_only_the_trail_is_kept() -> None:
    (trail,) = rules.kept(None, NOW)

    assert "Who read or changed" in trail.what

"""What an erasure retains, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from arthomed.privacy import rules

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TREATED = NOW - timedelta(days=30)


def test_a_patient_without_treatment_has_no_medical_record_to_retain() -> None:
    assert rules.medical_record_until(None, NOW) is None


def test_a_medical_record_is_retained_for_three_years_after_the_last_treatment() -> None:
    assert rules.medical_record_until(TREATED, NOW) == TREATED + rules.MEDICAL_RECORD_RETENTION
    assert timedelta(days=3 * 365 + 1) <= rules.MEDICAL_RECORD_RETENTION


@pytest.mark.parametrize(
    "age", [rules.MEDICAL_RECORD_RETENTION, rules.MEDICAL_RECORD_RETENTION + timedelta(days=1)], ids=["just", "long"]
)
def test_a_medical_record_is_not_retained_after_three_years(age: timedelta) -> None:
    assert rules.medical_record_until(NOW - age, NOW) is None


def test_the_name_is_erased_unless_a_medical_record_is_retained() -> None:
    assert [any("Name" in what for what in rules.erased(until)) for until in (None, NOW)] == [True, False]


def test_each_retained_item_has_a_reason_and_an_end() -> None:
    record_until = rules.medical_record_until(TREATED, NOW)
    record, trail = rules.retained(record_until, NOW)

    assert (record.until, trail.until) == (record_until, NOW + rules.AUDIT_TRAIL_RETENTION)
    assert "Medical Council" in record.why
    assert "Digital Personal Data Protection" in trail.why


def test_only_the_audit_trail_is_retained_without_a_medical_record() -> None:
    (trail,) = rules.retained(None, NOW)

    assert "Who read or changed" in trail.what


def test_receipts_are_retained_for_six_years_after_the_assessment_year() -> None:
    first_day, six_years_after = datetime(2026, 4, 1, tzinfo=UTC), datetime(2034, 3, 31, tzinfo=UTC)
    until = rules.receipts_until(first_day, NOW)

    assert until is not None
    assert until >= six_years_after
    assert rules.receipts_until(None, NOW) is None
    assert rules.receipts_until(NOW - rules.RECEIPT_RETENTION, NOW) is None
    assert [one.until for one in rules.retained(None, NOW, until)] == [until, NOW + rules.AUDIT_TRAIL_RETENTION]

"""Which personal data an erasure must retain by law, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_YEAR = timedelta(days=366)
MEDICAL_RECORD_RETENTION = 3 * _YEAR
"""Indian Medical Council (Professional Conduct, Etiquette and Ethics) Regulations 2002, 1.3.1."""
AUDIT_TRAIL_RETENTION = 3 * _YEAR
"""As long as the medical records; at least a year by rule 8(3) of the DPDP Rules 2025."""

RECEIPT_RETENTION = 8 * _YEAR
"""Income-tax Rules 1962, rule 6F: six years from the end of the assessment year, which follows the financial year."""


@dataclass(frozen=True, slots=True)
class RetainedData:
    """Data that stays after an erasure."""

    what: str
    why: str
    until: datetime


ERASED = (
    "Mobile number, e-mail address, postal address and emergency contacts",
    "Appointments without a treatment: what you wrote about them, and their files",
    "Your picture",
    "Signed-in devices",
)
ERASED_WITHOUT_TREATMENT = ("Name, date of birth, gender and medical history, yours and those of your family members",)


def medical_record_until(last_treatment_at: datetime | None, now: datetime) -> datetime | None:
    """The end of the retention period of the medical record; None if the clinic need not retain it."""
    until = None if last_treatment_at is None else last_treatment_at + MEDICAL_RECORD_RETENTION
    return until if until is not None and until > now else None


def erased(record_until: datetime | None) -> Sequence[str]:
    """What the erasure removes, in words for the patient."""
    return ERASED if record_until else (*ERASED, *ERASED_WITHOUT_TREATMENT)


def receipts_until(last_payment_at: datetime | None, now: datetime) -> datetime | None:
    """The end of the retention period of receipts; None if there are none that the clinic must retain."""
    until = None if last_payment_at is None else last_payment_at + RECEIPT_RETENTION
    return until if until is not None and until > now else None


def retained(
    record_until: datetime | None, now: datetime, receipts_until: datetime | None = None
) -> Sequence[RetainedData]:
    """What stays after the erasure, in words for the patient."""
    trail = RetainedData(
        "Who read or changed your records, with old and new values, what staff searched for, and your consent",
        "Digital Personal Data Protection Rules 2025, rule 8(3)",
        now + AUDIT_TRAIL_RETENTION,
    )
    kept = [trail]
    if receipts_until is not None:
        what = "Receipts of your payments and refunds: number, time, amount, method and reference"
        kept.insert(0, RetainedData(what, "Income-tax Rules 1962, rule 6F", receipts_until))
    if record_until is not None:
        what = (
            "What your doctors recorded about you and your family members, with names, dates of birth, genders and "
            "medical history"
        )
        why = "Indian Medical Council (Professional Conduct, Etiquette and Ethics) Regulations 2002, 1.3.1"
        kept.insert(0, RetainedData(what, why, record_until))
    return kept

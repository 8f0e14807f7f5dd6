"""What of a person's data must be kept, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_YEAR = timedelta(days=366)
RECORDS_KEPT = 3 * _YEAR
"""Indian Medical Council (Professional Conduct, Etiquette and Ethics) Regulations 2002, 1.3.1."""
TRAIL_KEPT = 3 * _YEAR
"""As long as the records that it is about; at least a year by rule 8(3) of the DPDP Rules 2025."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that outlives an erasure."""

    what: str
    why: str
    until: datetime


ERASED = (
    "Mobile number, e-mail address, postal address and emergency contacts",
    "Requests and visits that came to no treatment: what you wrote about them, and their files",
    "Your picture",
    "Signed-in devices",
)
ERASED_WITHOUT_TREATMENT = ("Name, date of birth, gender and medical history",)


def records_until(last_treatment: datetime | None, now: datetime) -> datetime | None:
    """Until when the medical record must be kept; None when nothing of it must."""
    until = None if last_treatment is None else last_treatment + RECORDS_KEPT
    return until if until is not None and until > now else None


def erased(records: datetime | None) -> Sequence[str]:
    return ERASED if records else (*ERASED, *ERASED_WITHOUT_TREATMENT)


def kept(records: datetime | None, now: datetime) -> Sequence[Kept]:
    """What stays after an erasure, why, and until when."""
    trail = Kept(
        "Who read or changed your records, with the values of before and after, and that you gave your consent",
        "Digital Personal Data Protection Rules 2025, rule 8(3)",
        now + TRAIL_KEPT,
    )
    if records is None:
        return (trail,)
    record = Kept(
        "What your doctors recorded, with your name, date of birth, gender and medical history",
        "Indian Medical Council (Professional Conduct, Etiquette and Ethics) Regulations 2002, 1.3.1",
        records,
    )
    return record, trail

"""What reads of slots return, as plain values: a free seat, and the public fields of a slot."""

import datetime as dt
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from bson import ObjectId

from arthomed.core.documents import Raw
from arthomed.scheduling.rules import length, smallest_free_seat

Start = tuple[ObjectId, dt.date, str]
"""Identifies a slot: doctor, date at the clinic, start time as "HH:MM"."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The smallest free seat of a slot, with the fields that an appointment copies; `taken` are the other seats."""

    slot: ObjectId
    number: int
    taken: list[int]
    doctor: ObjectId
    date: datetime
    start_time: str
    starts_at: datetime
    ends_at: datetime
    fee: int

    @classmethod
    def in_slot(cls, raw: Raw) -> Self:
        return cls(
            slot=raw["_id"],
            number=smallest_free_seat(raw["takenSeats"], raw["maxPatients"]),
            taken=raw["takenSeats"],
            doctor=raw["doctor"],
            date=raw["date"],
            start_time=raw["startTime"],
            starts_at=raw["startsAt"],
            ends_at=raw["startsAt"] + length(raw["startTime"], raw["endTime"]),
            fee=raw["consultationFee"],
        )


@dataclass(frozen=True, slots=True)
class PublicSlot:
    """What every user may see of a slot."""

    id: ObjectId
    start_time: str
    end_time: str
    starts_at: datetime
    is_available: bool
    consultation_fee: int
    max_patients: int
    booked_patients: int


PUBLIC_FIELDS = (
    "startTime",
    "endTime",
    "startsAt",
    "isAvailable",
    "consultationFee",
    "maxPatients",
    "bookedPatients",
)

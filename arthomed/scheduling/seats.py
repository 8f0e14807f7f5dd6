"""What reads of slots return, as plain values: a free seat, and the public fields of a slot."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Self

from bson import ObjectId

from arthomed.core.documents import Raw
from arthomed.scheduling.rules import length, smallest_free_seat

Start = tuple[ObjectId, dt.date, str | None]
"""Identifies a slot: doctor, date at the clinic, start time as "HH:MM"; None is the next free one of the day."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The smallest free seat of a slot, with the fields that an appointment copies; `taken` are the other seats.

    An overflow place has no slot and no number yet: the appointment gets one of its own.
    """

    slot: ObjectId | None
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
            ends_at=_end(raw),
            fee=raw["consultationFee"],
        )

    @classmethod
    def for_walk_ins(cls, day: Sequence[Raw], now: datetime) -> Iterator[Self]:
        """The free seats of a day's slots, also of one that has begun; then overflow places after the last slot."""
        for slot in day:
            taken = slot["takenSeats"]
            while now < _end(slot) and len(taken) < slot["maxPatients"]:
                seat = cls.in_slot({**slot, "takenSeats": taken})
                yield seat
                taken = [*taken, seat.number]
        yield from repeat(cls._after(day[-1]))

    @classmethod
    def _after(cls, last: Raw) -> Self:
        return cls(
            slot=None,
            number=0,
            taken=[],
            doctor=last["doctor"],
            date=last["date"],
            start_time=last["endTime"],
            starts_at=_end(last),
            ends_at=_end(last) + length(last["startTime"], last["endTime"]),
            fee=last["consultationFee"],
        )

    @property
    def is_overflow(self) -> bool:
        return self.slot is None


def _end(slot: Raw) -> datetime:
    end: datetime = slot["startsAt"] + length(slot["startTime"], slot["endTime"])
    return end


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

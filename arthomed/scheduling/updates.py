"""The raw updates and rows with which `Slot` writes slots."""

from collections.abc import Sequence

from pymongo import UpdateMany

from arthomed.core import clock
from arthomed.core.documents import Pipeline, Raw
from arthomed.scheduling.rules import PlannedSlot, SlotChanges

# Derives the other fields from `takenSeats`. Every update of a slot ends with these two stages.
DERIVED: Pipeline = [
    {"$set": {"bookedPatients": {"$size": "$takenSeats"}}},
    {
        "$set": {
            "isAvailable": {"$and": [{"$not": "$isBlocked"}, {"$lt": ["$bookedPatients", "$maxPatients"]}]},
            "updatedAt": "$$NOW",
        }
    },
]

REMOVED = "$$REMOVE"  # an aggregation variable: `$set` to it removes the field


def to_operations(changes: SlotChanges, fee: int) -> list[UpdateMany]:
    """Build one update for all slots that get the same maximum of patients."""
    ids: dict[int, list[object]] = {}
    for slot, max_patients in changes.updated:
        ids.setdefault(max_patients, []).append(slot.id)
    return [
        UpdateMany(
            {"_id": {"$in": slot_ids}},
            [{"$set": {"isBlocked": False, "maxPatients": max_patients, "consultationFee": fee}}, *DERIVED],
        )
        for max_patients, slot_ids in ids.items()
    ]


def to_rows(planned: Sequence[PlannedSlot], shape: Raw) -> list[Raw]:
    """The records of new slots, which have the other fields of `shape`: a night may create millions of slots."""
    return [
        {
            **shape,
            "date": clock.midnight_utc(slot.date),
            "startTime": slot.start_time,
            "endTime": slot.end_time,
            "startsAt": slot.starts_at,
            "maxPatients": slot.max_patients,
        }
        for slot in planned
    ]

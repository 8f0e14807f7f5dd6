"""Checks the database for slots and appointments that contradict each other, and for wrong overflow places."""

from collections.abc import Iterator

from mongoengine.connection import get_connection
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import ACTIVE, OVERFLOW_SEAT, Source
from arthomed.core.documents import Pipeline
from arthomed.scheduling.models import Slot

_ACTIVE_APPOINTMENTS: Pipeline = [
    {
        "$lookup": {
            "from": "appointments",
            "let": {"slot": "$_id"},
            "pipeline": [
                {"$match": {"$expr": {"$eq": ["$slot", "$$slot"]}, "status": {"$in": sorted(ACTIVE)}}},
                {"$project": {"seat": 1}},
            ],
            "as": "active",
        }
    },
    {"$set": {"activeCount": {"$size": "$active"}}},
]
_IS_AVAILABLE = {"$and": [{"$not": "$isBlocked"}, {"$lt": ["$bookedPatients", "$maxPatients"]}]}
_HOLDER = {"$cond": [{"$eq": ["$activeCount", 1]}, {"$first": "$active._id"}, None]}
_SLOT_VIOLATIONS = {
    "more active appointments than seats": {"$gt": ["$activeCount", "$maxPatients"]},
    "bookedPatients is not the number of active appointments": {"$ne": ["$bookedPatients", "$activeCount"]},
    "a taken seat without an appointment": {"$ne": [{"$setDifference": ["$takenSeats", "$active.seat"]}, []]},
    "isAvailable does not match the free seats": {"$ne": ["$isAvailable", _IS_AVAILABLE]},
    "appointment is not its only active appointment": {"$ne": [{"$ifNull": ["$appointment", None]}, _HOLDER]},
}
# The other slots are empty and need no lookup; `_appointments_without_seat` finds an active appointment in one of them.
_SUSPECT_SLOTS = {
    "$match": {
        "$or": [
            {"bookedPatients": {"$ne": 0}},
            {"takenSeats": {"$ne": []}},
            {"appointment": {"$exists": True}},
            {"$expr": {"$ne": ["$isAvailable", _IS_AVAILABLE]}},
        ]
    }
}
_SEAT_IS_TAKEN = [
    {"$in": ["$seat", {"$ifNull": ["$slotDocument.takenSeats", []]}]},
    {"$eq": ["$doctor", "$slotDocument.doctor"]},
    {"$eq": ["$startsAt", "$slotDocument.startsAt"]},
]
_IS_OVERFLOW = {"source": str(Source.WALK_IN), "seat": {"$gt": OVERFLOW_SEAT}}


def violations() -> Iterator[str]:
    """One line for each slot or appointment that is inconsistent.

    Both checks read the same snapshot, so a booking that runs meanwhile causes no false alarm.
    """
    with get_connection().start_session(snapshot=True) as snapshot:
        yield from _inconsistent_slots(snapshot)
        yield from _appointments_without_seat(snapshot)
        yield from _wrong_overflow_places(snapshot)


def _inconsistent_slots(snapshot: ClientSession) -> Iterator[str]:
    messages = {f"violation{index}": message for index, message in enumerate(_SLOT_VIOLATIONS)}
    checks = {key: _SLOT_VIOLATIONS[message] for key, message in messages.items()}
    any_violation = {"$match": {"$expr": {"$or": list(_SLOT_VIOLATIONS.values())}}}
    stages = [_SUSPECT_SLOTS, *_ACTIVE_APPOINTMENTS, any_violation, {"$project": checks}]
    for row in Slot.collection().aggregate(stages, session=snapshot):
        yield f"slot {row['_id']}: {'; '.join(message for key, message in messages.items() if row[key])}"


def _appointments_without_seat(snapshot: ClientSession) -> Iterator[str]:
    stages: Pipeline = [
        {"$match": {"status": {"$in": sorted(ACTIVE)}, "slot": {"$exists": True}}},
        {"$lookup": {"from": "slots", "localField": "slot", "foreignField": "_id", "as": "slotDocument"}},
        {"$set": {"slotDocument": {"$first": "$slotDocument"}}},
        {"$match": {"$expr": {"$not": {"$and": _SEAT_IS_TAKEN}}}},
    ]
    for row in Appointment.collection().aggregate(stages, session=snapshot):
        yield f"appointment {row['_id']}: active, but its seat is not taken in its slot"


def _wrong_overflow_places(snapshot: ClientSession) -> Iterator[str]:
    wrong = {"status": {"$in": sorted(ACTIVE)}, "slot": {"$exists": False}, "$nor": [_IS_OVERFLOW]}
    for row in Appointment.collection().find(wrong, {"_id": 1}, session=snapshot):
        yield f"appointment {row['_id']}: active, but has neither a slot nor an overflow place"

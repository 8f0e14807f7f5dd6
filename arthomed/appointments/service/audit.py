"""Looks at the live database for what must never be."""

from collections.abc import Iterator

from mongoengine.connection import get_connection
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import ACTIVE
from arthomed.core.documents import Pipeline
from arthomed.scheduling.models import Slot

_ACTIVE_VISITS: Pipeline = [
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
    {"$set": {"visits": {"$size": "$active"}}},
]
_AVAILABLE = {"$and": [{"$not": "$isBlocked"}, {"$lt": ["$bookedPatients", "$maxPatients"]}]}
_WRONG_SLOT = {
    "more active visits than patients it takes": {"$gt": ["$visits", "$maxPatients"]},
    "bookedPatients is not the number of active visits": {"$ne": ["$bookedPatients", "$visits"]},
    "a seat without its visit": {"$ne": [{"$setDifference": ["$takenSeats", "$active.seat"]}, []]},
    "isAvailable does not follow from the seats": {"$ne": ["$isAvailable", _AVAILABLE]},
}
# Only a slot that claims to be held can be wrong by itself; a visit that no slot knows is found from the visit.
_SUSPECT = {
    "$match": {
        "$or": [
            {"bookedPatients": {"$ne": 0}},
            {"takenSeats": {"$ne": []}},
            {"$expr": {"$ne": ["$isAvailable", _AVAILABLE]}},
        ]
    }
}
_HOLDS_SEAT = [
    {"$in": ["$seat", {"$ifNull": ["$its.takenSeats", []]}]},
    {"$eq": ["$doctor", "$its.doctor"]},
    {"$eq": ["$startsAt", "$its.startsAt"]},
]


def faults() -> Iterator[str]:
    """What is wrong, a line each; nothing when the books are in order.

    All of it is read as of one moment, so a booking under way is never seen half done.
    """
    with get_connection().start_session(snapshot=True) as moment:
        yield from _wrong_slots(moment)
        yield from _visits_without_seat(moment)


def _wrong_slots(moment: ClientSession) -> Iterator[str]:
    names = {f"fault{index}": name for index, name in enumerate(_WRONG_SLOT)}
    found = {key: _WRONG_SLOT[name] for key, name in names.items()}
    wrong = {"$match": {"$expr": {"$or": list(_WRONG_SLOT.values())}}}
    stages = [_SUSPECT, *_ACTIVE_VISITS, wrong, {"$project": found}]
    for row in Slot.collection().aggregate(stages, session=moment):
        yield f"slot {row['_id']}: {'; '.join(name for key, name in names.items() if row[key])}"


def _visits_without_seat(moment: ClientSession) -> Iterator[str]:
    stages: Pipeline = [
        {"$match": {"status": {"$in": sorted(ACTIVE)}}},
        {"$lookup": {"from": "slots", "localField": "slot", "foreignField": "_id", "as": "its"}},
        {"$set": {"its": {"$first": "$its"}}},
        {"$match": {"$expr": {"$not": {"$and": _HOLDS_SEAT}}}},
    ]
    for row in Appointment.collection().aggregate(stages, session=moment):
        yield f"appointment {row['_id']}: active, but its slot does not hold its seat"

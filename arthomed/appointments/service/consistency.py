"""Checks the database for slots and appointments that contradict each other, and for wrong overflow places."""

from collections.abc import Iterator

from mongoengine.connection import get_connection
from pymongo.client_session import ClientSession

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import ACTIVE, OVERFLOW_SEAT, Source, Status
from arthomed.appointments.service.arrival import TOKENS, tokens_counter
from arthomed.core.counters import Counter
from arthomed.core.documents import Pipeline, Raw
from arthomed.files.models import File
from arthomed.files.rules import Kind
from arthomed.scheduling.models import Slot
from arthomed.users.dependents import Dependent

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


_IS_CALLED = {"$and": [{"$eq": ["$status", Status.CONFIRMED]}, {"$gt": ["$queue.calledAt", None]}]}
_MISPLACED: dict[str, Raw] = {
    "has arrived, but is not confirmed": {
        "queue.arrivedAt": {"$ne": None},
        "status": {"$in": [Status.PENDING, Status.REJECTED]},
    },
    "called or skipped, but has not arrived": {
        "queue.arrivedAt": None,
        "$or": [{"queue.calledAt": {"$ne": None}}, {"queue.skippedAt": {"$ne": None}}],
    },
    "called and skipped": {
        "status": Status.CONFIRMED,
        "$expr": {"$and": [{"$gt": ["$queue.skippedAt", None]}, {"$lt": ["$queue.calledAt", "$queue.skippedAt"]}]},
        "queue.calledAt": {"$ne": None},
    },
}
_QUEUES: Pipeline = [
    {"$match": {"queue": {"$exists": True}}},
    {
        "$group": {
            "_id": {"doctor": "$doctor", "date": "$appointmentDate"},
            "count": {"$sum": 1},
            "tokens": {"$addToSet": "$queue.token"},
            "last": {"$max": "$queue.token"},
            "called": {"$sum": {"$cond": [_IS_CALLED, 1, 0]}},
        }
    },
    {"$set": {"different": {"$size": "$tokens"}}},
]
_OF_TOKENS = {"_id": {"$regex": f"^{TOKENS}"}}

_OF_FAMILY: Pipeline = [
    {"$match": {"dependent": {"$exists": True}}},
    {"$lookup": {"from": "dependents", "localField": "dependent", "foreignField": "_id", "as": "members"}},
    {"$match": {"$expr": {"$ne": [{"$first": "$members.owner"}, "$patient"]}}},
    {"$project": {"_id": 1}},
]
_FILES_OF_OTHERS: Pipeline = [
    {"$match": {"kind": str(Kind.APPOINTMENTS), "attachedAt": {"$ne": None}}},
    {"$lookup": {"from": "appointments", "localField": "record", "foreignField": "_id", "as": "records"}},
    {"$set": {"of": {"$first": "$records"}}},
    {
        "$match": {
            "$expr": {
                "$or": [
                    {"$ne": ["$of.patient", "$owner"]},
                    {"$ne": [{"$ifNull": ["$of.dependent", None]}, {"$ifNull": ["$dependent", None]}]},
                ]
            }
        }
    },
    {"$project": {"_id": 1}},
]
_WITHOUT_OWNER: Pipeline = [
    {"$lookup": {"from": "users", "localField": "owner", "foreignField": "_id", "as": "owners"}},
    {"$lookup": {"from": "users", "localField": "claimedBy", "foreignField": "_id", "as": "claimers"}},
    {
        "$match": {
            "$or": [
                {"owners": []},
                {"claimedBy": {"$ne": None}, "claimers": []},
                {"claimedBy": {"$ne": None}, "isActive": True},
            ]
        }
    },
    {"$project": {"_id": 1}},
]


def violations() -> Iterator[str]:
    """One line for each slot, appointment or queue that is inconsistent.

    All checks read the same snapshot, so a booking that runs meanwhile causes no false alarm.
    """
    with get_connection().start_session(snapshot=True) as snapshot:
        yield from _inconsistent_slots(snapshot)
        yield from _appointments_without_seat(snapshot)
        yield from _wrong_overflow_places(snapshot)
        yield from _inconsistent_queues(snapshot)
        yield from _misplaced_appointments(snapshot)
        yield from _wrong_families(snapshot)


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


def _inconsistent_queues(snapshot: ClientSession) -> Iterator[str]:
    """Each doctor and day whose tokens are not 1 to the value of the counter, or who has several called patients."""
    counters = {row["_id"]: row["value"] for row in Counter.collection().find(_OF_TOKENS, session=snapshot)}
    for row in Appointment.collection().aggregate(_QUEUES, session=snapshot):
        queue = tokens_counter(row["_id"]["doctor"], row["_id"]["date"])
        last = counters.pop(queue, None)
        if not row["count"] == row["different"] == row["last"] == last:
            yield f"{queue}: {row['count']} patients have tokens, the last is {row['last']}, the counter says {last}"
        if row["called"] > 1:
            yield f"{queue}: {row['called']} patients are called"
    yield from (f"{queue}: the counter says {last}, but nobody has a token" for queue, last in counters.items())


def _misplaced_appointments(snapshot: ClientSession) -> Iterator[str]:
    for message, which in _MISPLACED.items():
        for row in Appointment.collection().find({"queue": {"$exists": True}, **which}, {"_id": 1}, session=snapshot):
            yield f"appointment {row['_id']}: {message}"


def _wrong_families(snapshot: ClientSession) -> Iterator[str]:
    for row in Appointment.collection().aggregate(_OF_FAMILY, session=snapshot):
        yield f"appointment {row['_id']}: for somebody who is not in the patient's family"
    for row in File.collection().aggregate(_FILES_OF_OTHERS, session=snapshot):
        yield f"file {row['_id']}: of another person than its appointment"
    for row in Dependent.collection().aggregate(_WITHOUT_OWNER, session=snapshot):
        yield f"dependent {row['_id']}: without an owner, or of two"

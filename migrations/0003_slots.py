"""Slots: a doctor has one slot per date and start time, and a slot never has more patients than its maximum."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0002_signing_in"]

_SLOT = {
    "$jsonSchema": {
        "required": ["doctor", "date", "startTime", "endTime", "startsAt", "maxPatients", "takenSeats"],
        "properties": {
            "doctor": {"bsonType": "objectId"},
            "startsAt": {"bsonType": "date"},
            "maxPatients": {"bsonType": "int", "minimum": 1},
            "takenSeats": {"bsonType": "array", "uniqueItems": True, "items": {"bsonType": "int", "minimum": 1}},
        },
    },
    "$expr": {
        "$and": [
            {"$lte": ["$bookedPatients", "$maxPatients"]},
            {"$eq": ["$bookedPatients", {"$size": "$takenSeats"}]},
            {"$lt": ["$startTime", "$endTime"]},
        ]
    },
}


def upgrade(db):
    ensure_collection(db, "slots", _SLOT)
    slots = db.slots
    slots.create_index([("doctor", 1), ("date", 1), ("startTime", 1)], name="slot_once", unique=True)
    slots.create_index([("doctor", 1), ("startsAt", 1)], name="coming")
    slots.create_index([("doctor", 1), ("isAvailable", 1), ("startsAt", 1)], name="free_of_doctor")
    slots.create_index([("date", 1), ("isAvailable", 1), ("startsAt", 1), ("doctor", 1)], name="free_on_day")


def downgrade(db):
    db.slots.drop()

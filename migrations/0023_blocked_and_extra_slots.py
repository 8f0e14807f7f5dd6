"""Slots that a person blocked have one of the known reasons, and extra slots are marked as such."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0019_reception"]

_PROPERTIES = {
    "doctor": {"bsonType": "objectId"},
    "startsAt": {"bsonType": "date"},
    "maxPatients": {"bsonType": "int", "minimum": 1},
    "takenSeats": {"bsonType": "array", "uniqueItems": True, "items": {"bsonType": "int", "minimum": 1}},
}
_BY_PEOPLE = {
    "blockReason": {"enum": ["break", "emergency", "maintenance", "personal", "other"]},
    "isExtra": {"bsonType": "bool"},
}
_REQUIRED = ["doctor", "date", "startTime", "endTime", "startsAt", "maxPatients", "takenSeats"]
_SEATS = {
    "$and": [
        {"$lte": ["$bookedPatients", "$maxPatients"]},
        {"$eq": ["$bookedPatients", {"$size": "$takenSeats"}]},
        {"$lt": ["$startTime", "$endTime"]},
    ]
}


def upgrade(db):
    _set_validator(db, {**_PROPERTIES, **_BY_PEOPLE})


def downgrade(db):
    _set_validator(db, _PROPERTIES)


def _set_validator(db, properties):
    schema = {"required": _REQUIRED, "properties": properties}
    ensure_collection(db, "slots", {"$jsonSchema": schema, "$expr": _SEATS})

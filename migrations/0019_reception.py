"""The reception's day: appointments without a slot (overflow), their source and queue; counters that have no gaps."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0018_names"]

_STATUSES = ["pending", "confirmed", "rejected", "cancelled", "in-progress", "completed", "no-show"]
_REQUIRED = ["patient", "doctor", "seat", "appointmentDate", "appointmentTime", "startsAt", "status"]
_PROPERTIES = {
    "patient": {"bsonType": "objectId"},
    "doctor": {"bsonType": "objectId"},
    "slot": {"bsonType": "objectId"},
    "seat": {"bsonType": "int", "minimum": 1},
    "startsAt": {"bsonType": "date"},
    "status": {"enum": _STATUSES},
}
_SOURCE = {"enum": ["app", "desk", "walk-in"]}
_COUNTER = {
    "$jsonSchema": {
        "required": ["value", "createdAt", "updatedAt"],
        "properties": {"_id": {"bsonType": "string"}, "value": {"bsonType": "int", "minimum": 1}},
    }
}


def upgrade(db):
    _set_validator(db, _REQUIRED, {**_PROPERTIES, "source": _SOURCE})
    ensure_collection(db, "counters", _COUNTER)


def downgrade(db):
    _set_validator(db, [*_REQUIRED, "slot"], _PROPERTIES)
    db.counters.drop()


def _set_validator(db, required, properties):
    ensure_collection(db, "appointments", {"$jsonSchema": {"required": required, "properties": properties}})

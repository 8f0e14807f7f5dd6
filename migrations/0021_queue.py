"""The queue of the day: a doctor has at most one called patient, and gives each token of a day to one patient.

Keys of displays in waiting rooms.
"""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0019_reception"]

_INDEXES = {
    "called_once": (
        [("doctor", 1), ("appointmentDate", 1)],
        {"status": "confirmed", "queue.calledAt": {"$type": "date"}},
    ),
    "token_once": (
        [("doctor", 1), ("appointmentDate", 1), ("queue.token", 1)],
        {"queue.token": {"$exists": True}},
    ),
}

_DISPLAY_KEY = {
    "$jsonSchema": {
        "required": ["name", "digest", "rooms", "createdBy", "createdAt"],
        "properties": {
            "digest": {"bsonType": "string", "pattern": "^[0-9a-f]{64}$"},
            "rooms": {"bsonType": "array", "minItems": 1},
            "createdBy": {"bsonType": "objectId"},
        },
    }
}


def upgrade(db):
    for name, (keys, which) in _INDEXES.items():
        db.appointments.create_index(keys, name=name, unique=True, partialFilterExpression=which)
    ensure_collection(db, "display_keys", _DISPLAY_KEY)
    db.display_keys.create_index("digest", name="display_key_once", unique=True)


def downgrade(db):
    for name in _INDEXES.keys() & db.appointments.index_information().keys():
        db.appointments.drop_index(name)
    db.display_keys.drop()

"""Visits: a seat is held once, a patient is in one place at a time, a booking can be sent again."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0003_slots"]

_STATUSES = ["pending", "confirmed", "rejected", "cancelled", "in-progress", "completed", "no-show"]
_APPOINTMENT = {
    "$jsonSchema": {
        "required": ["patient", "doctor", "slot", "seat", "appointmentDate", "appointmentTime", "startsAt", "status"],
        "properties": {
            "patient": {"bsonType": "objectId"},
            "doctor": {"bsonType": "objectId"},
            "slot": {"bsonType": "objectId"},
            "seat": {"bsonType": "int", "minimum": 1},
            "startsAt": {"bsonType": "date"},
            "status": {"enum": _STATUSES},
        },
    }
}
_KEY = {
    "$jsonSchema": {
        "required": ["user", "key", "fingerprint", "appointment", "createdAt"],
        "properties": {"createdAt": {"bsonType": "date"}},
    }
}
_ACTIVE = {"status": {"$in": ["pending", "confirmed", "in-progress"]}}
_A_DAY_IN_SECONDS = 86_400


def upgrade(db):
    ensure_collection(db, "appointments", _APPOINTMENT)
    visits = db.appointments
    _once(visits, "seat_once", "doctor", "appointmentDate", "appointmentTime", "seat")
    _once(visits, "patient_time_once", "patient", "dependent", "startsAt")
    _once(visits, "patient_doctor_day_once", "patient", "dependent", "doctor", "appointmentDate")
    visits.create_index("slot", name="active_of_slot", partialFilterExpression=_ACTIVE)
    visits.create_index([("patient", 1), ("startsAt", -1), ("_id", -1)], name="of_patient")
    visits.create_index([("patient", 1), ("status", 1), ("startsAt", -1), ("_id", -1)], name="of_patient_by_status")
    visits.create_index([("doctor", 1), ("startsAt", -1), ("_id", -1)], name="of_doctor")
    visits.create_index([("doctor", 1), ("status", 1), ("startsAt", -1), ("_id", -1)], name="of_doctor_by_status")
    visits.create_index([("startsAt", -1), ("_id", -1)], name="all")
    visits.create_index([("status", 1), ("startsAt", -1), ("_id", -1)], name="by_status")
    visits.create_index([("status", 1), ("createdAt", 1), ("_id", 1)], name="waiting")
    ensure_collection(db, "idempotency_keys", _KEY)
    keys = db.idempotency_keys
    keys.create_index([("user", 1), ("key", 1)], name="key_once", unique=True)
    keys.create_index("createdAt", name="expiry", expireAfterSeconds=_A_DAY_IN_SECONDS)


def _once(collection, name, *fields):
    """No two active visits may agree in these fields."""
    collection.create_index([(field, 1) for field in fields], name=name, unique=True, partialFilterExpression=_ACTIVE)


def downgrade(db):
    db.appointments.drop()
    db.idempotency_keys.drop()

"""Appointments: active ones never share a seat; a patient has one per start time, and one per doctor and day."""

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
_IDEMPOTENCY_KEY = {
    "$jsonSchema": {
        "required": ["user", "key", "fingerprint", "appointment", "createdAt"],
        "properties": {"createdAt": {"bsonType": "date"}},
    }
}
_ACTIVE = {"status": {"$in": ["pending", "confirmed", "in-progress"]}}
_A_DAY_IN_SECONDS = 86_400


def upgrade(db):
    ensure_collection(db, "appointments", _APPOINTMENT)
    appointments = db.appointments
    _unique_while_active(appointments, "seat_once", "doctor", "appointmentDate", "appointmentTime", "seat")
    _unique_while_active(appointments, "patient_time_once", "patient", "dependent", "startsAt")
    _unique_while_active(appointments, "patient_doctor_day_once", "patient", "dependent", "doctor", "appointmentDate")
    appointments.create_index("slot", name="active_of_slot", partialFilterExpression=_ACTIVE)
    appointments.create_index([("patient", 1), ("startsAt", -1), ("_id", -1)], name="of_patient")
    appointments.create_index(
        [("patient", 1), ("status", 1), ("startsAt", -1), ("_id", -1)], name="of_patient_by_status"
    )
    appointments.create_index([("doctor", 1), ("startsAt", -1), ("_id", -1)], name="of_doctor")
    appointments.create_index([("doctor", 1), ("status", 1), ("startsAt", -1), ("_id", -1)], name="of_doctor_by_status")
    appointments.create_index([("startsAt", -1), ("_id", -1)], name="all")
    appointments.create_index([("status", 1), ("startsAt", -1), ("_id", -1)], name="by_status")
    appointments.create_index([("status", 1), ("createdAt", 1), ("_id", 1)], name="waiting")
    ensure_collection(db, "idempotency_keys", _IDEMPOTENCY_KEY)
    keys = db.idempotency_keys
    keys.create_index([("user", 1), ("key", 1)], name="key_once", unique=True)
    keys.create_index("createdAt", name="expiry", expireAfterSeconds=_A_DAY_IN_SECONDS)


def _unique_while_active(collection, name, *fields):
    """Two active appointments cannot have the same values in these fields.

    Leaves an index alone that a later migration replaced (0025), when this one runs again.
    """
    if name in collection.index_information():
        return
    collection.create_index([(field, 1) for field in fields], name=name, unique=True, partialFilterExpression=_ACTIVE)


def downgrade(db):
    db.appointments.drop()
    db.idempotency_keys.drop()

"""Payments: receipt numbers, corrections and idempotency keys are unique, and the sign of an amount fits its kind."""

from arthomed.infra.migrations import ensure_collection

dependencies = ["0019_reception"]

_REQUIRED = ["appointment", "patient", "receiptNumber", "kind", "amount", "method", "receivedBy", "createdBy", "at"]
_PAYMENT = {
    "$jsonSchema": {
        "required": _REQUIRED,
        "properties": {
            "appointment": {"bsonType": "objectId"},
            "patient": {"bsonType": "objectId"},
            "receiptNumber": {"bsonType": "string", "pattern": "^[0-9]{4}-[0-9]{2}/[0-9]{6,}$"},
            "kind": {"enum": ["payment", "refund", "correction"]},
            "amount": {"bsonType": "int"},
            "method": {"enum": ["cash", "card", "upi", "other"]},
            "corrects": {"bsonType": "objectId"},
            "receivedBy": {"bsonType": "objectId"},
            "createdBy": {"bsonType": "objectId"},
            "at": {"bsonType": "date"},
        },
    },
    "$or": [
        {"kind": "payment", "amount": {"$gt": 0}, "corrects": {"$exists": False}},
        {"kind": "refund", "amount": {"$lt": 0}, "corrects": {"$exists": False}},
        {"kind": "correction", "amount": {"$ne": 0}, "corrects": {"$exists": True}},
    ],
}


def upgrade(db):
    ensure_collection(db, "payments", _PAYMENT)
    payments = db.payments
    payments.create_index("receiptNumber", name="receipt_once", unique=True)
    _unique_where_present(payments, "correction_once", "corrects")
    _unique_where_present(payments, "payment_key_once", "createdBy", "idempotencyKey")
    payments.create_index([("appointment", 1), ("at", 1), ("_id", 1)], name="of_appointment")
    payments.create_index([("patient", 1), ("at", 1), ("_id", 1)], name="of_patient")
    payments.create_index([("at", 1), ("_id", 1)], name="of_day")


def _unique_where_present(collection, name, *fields):
    present = {fields[-1]: {"$exists": True}}
    collection.create_index([(field, 1) for field in fields], name=name, unique=True, partialFilterExpression=present)


def downgrade(db):
    db.payments.drop()
